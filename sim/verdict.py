"""From results and expectations to one verdict and one exit status."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from sim.abc import INVALID, UNKNOWN, VALID, Checker, Result
from sim.checkers import CHECKERS
from sim.checkers.logs import covers
from sim.errors import WORST_FIRST, ExitStatus, worst
from sim.history.history import Allowance, History
from sim.history.journal import FIRST_OP_LINE
from sim.history.op import (
    ENDED,
    EXIT,
    HEAL,
    INJECT,
    INVOKE,
    LOG,
    OK,
    READY,
    RECEIVE,
    SEND,
    SPAWN,
    Op,
)
from sim.scenario.names import find_checker
from sim.scenario.plan import Expectation, Plan

# What an invalid result costs, by checker. Any other one is a matter of safety.
STATUS_OF: Mapping[str, ExitStatus] = {
    "exits": ExitStatus.CRASH,
    "liveness": ExitStatus.LIVENESS,
    "leaks": ExitStatus.LEAK,
}
# Judged even where [[check]] leaves them out: every exit and every warning must be accounted for.
ALWAYS_ACCOUNTED = ("exits", "logs")


@dataclass(frozen=True)
class ExpectationResult:
    what: str  # one line: "writer: send timeout, at least 1 (saw 7)"
    met: bool
    status: ExitStatus  # what it costs where it is not met
    ops: Sequence[int] = ()  # indices into history.ops, the ones to blame first


@dataclass(frozen=True)
class FaultResult:
    alias: str
    target: str
    fired: bool
    healed: Optional[bool]  # None: nothing to heal
    evidence: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ProcessResult:
    name: str
    incarnation: int
    pid: int
    python: str
    kernels: str
    wait: str  # the strategy that really ran
    wait_asked_for: str
    exit: Optional[str]  # "0", "3", "SIGKILL"; None: ended by the end of the run


@dataclass(frozen=True)
class RunResult:
    """What one run came to, as the reporters print it."""

    name: str
    path: str
    world: str
    seed: int
    verdict: Optional[str]  # None: skipped
    as_expected: Optional[bool]  # None: skipped
    exit_status: ExitStatus
    checkers: Sequence[Result]
    expectations: Sequence[ExpectationResult]
    faults: Sequence[FaultResult]
    processes: Sequence[ProcessResult]
    duration_ns: int
    reproduce: str  # the exact command
    journal: Optional[str] = None  # path, where one was kept
    skipped: Optional[str] = None  # why
    # What, where in the history, the command; what a process said that did not start, in between.
    failure: Sequence[str] = ()


def judge(
    plan: Plan,
    history: History,
    *,
    duration_ns: int,
    reproduce: str,
    journal: Optional[str] = None,
) -> RunResult:
    """Everything that one run came to. `journal` is the path that its history was written to."""
    results = check_all(map(find_checker, plan.checkers), history)
    faults = fault_results(history)
    unproven = [fault for fault in faults if not fault.fired or fault.healed is False]
    verdict = merge(results, unproven)
    expected = expectations(plan.expectations, history, verdict, results)
    unmet = [each for each in expected if not each.met]
    return RunResult(
        name=plan.name,
        path=plan.path,
        world=history.header.world,
        seed=plan.seed,
        verdict=verdict,
        as_expected=not unmet,
        exit_status=worst(each.status for each in unmet),
        checkers=results,
        expectations=expected,
        faults=faults,
        processes=process_results(history),
        duration_ns=duration_ns,
        reproduce=reproduce,
        journal=journal,
        failure=_failure(unmet, results, unproven, history, journal, reproduce) if unmet else (),
    )


def check_all(checkers: Iterable[Checker], history: History) -> Sequence[Result]:
    return tuple(_check(checker, history) for checker in checkers)


def _check(checker: Checker, history: History) -> Result:
    """A checker that raises has said nothing about the system: unknown, with what it raised."""
    try:
        return checker.check(history)
    except Exception as error:
        why = f"the checker raised {type(error).__name__}: {error}"
        return Result(alias=checker.alias, result=UNKNOWN, why=" ".join(why.split()))


def merge(results: Sequence[Result], unproven: Sequence[FaultResult] = ()) -> str:
    """invalid > unknown > valid. A fault that did not fire tested nothing, nor did no checker; one
    that did not heal leaves open what a healed system would have done."""
    answers = {each.result for each in results}
    if INVALID in answers:
        return INVALID
    return VALID if answers == {VALID} and not unproven else UNKNOWN


def fault_results(history: History) -> Sequence[FaultResult]:
    found = []
    for fault in history.header.faults:
        fired = False
        healed = False if fault.heals else None
        evidence: List[Mapping[str, Any]] = []
        for op in history.ops:
            detail = op.detail or {}
            if op.f not in (INJECT, HEAL) or detail.get("injection") != fault.index:
                continue
            evidence.append({"f": op.f, "time_ns": op.time_ns, **detail})
            fired = fired or (op.f == INJECT and bool(detail.get("fired")))
            if op.f == HEAL and fault.heals:
                healed = bool(detail.get("healed"))
        found.append(
            FaultResult(
                alias=fault.alias,
                target=fault.target,
                fired=fired,
                healed=healed if fired else None,
                evidence=tuple(evidence),
            )
        )
    return tuple(found)


def process_results(history: History) -> Sequence[ProcessResult]:
    """One for each life, in the order in which they began."""
    details: Dict[Tuple[str, int], Dict[str, Any]] = {}
    exits: Dict[Tuple[str, int], Optional[str]] = {}
    for op in history.ops:
        life = (op.process, op.incarnation)
        if op.f in (SPAWN, READY):
            details.setdefault(life, {}).update(op.detail or {})
        elif op.f == EXIT:
            exits[life] = None if (op.detail or {}).get("ended_by") else op.outcome
    return tuple(
        ProcessResult(
            name=name,
            incarnation=incarnation,
            pid=int(detail.get("pid", 0)),
            python=str(detail.get("python", "")),
            kernels=str(detail.get("kernels", "")),
            wait=str(detail.get("wait", "")),
            wait_asked_for=str(detail.get("wait_asked_for", "")),
            exit=exits.get((name, incarnation)),
        )
        for (name, incarnation), detail in details.items()
    )


def expectations(
    declared: Sequence[Expectation],
    history: History,
    verdict: str,
    results: Sequence[Result],
) -> Sequence[ExpectationResult]:
    """What the scenario declares, then what it need not: a valid verdict unless it names another,
    and that every outcome, exit and warning is accounted for by a fault or an expectation.
    """
    verdicts = [each for each in declared if each.verdict is not None]
    verdicts = verdicts or [Expectation(key="default", verdict=VALID)]
    found = [_verdict(each, verdict, results) for each in verdicts]
    for each in declared:
        if each.verdict is None:
            found.append(_declared(each, history))
    found.extend(_unaccounted_results(verdicts, history, results))
    found.extend(_unaccounted_outcomes(declared, history))
    return tuple(found)


def _verdict(expected: Expectation, verdict: str, results: Sequence[Result]) -> ExpectationResult:
    what, by = f"verdict {expected.verdict}", None
    if expected.checker is not None:
        by = next((each for each in results if each.alias == expected.checker), None)
        saw = by.result if by is not None else "not run"
        what += f" by {expected.checker} (saw {verdict}; {expected.checker}: {saw})"
    else:
        what += f" (saw {verdict})"
    met = verdict == expected.verdict and (
        expected.checker is None or (by is not None and by.result == expected.verdict)
    )
    blamed = _worst_results(results)
    status = ExitStatus.SAFETY  # among them a negative that was not caught
    if expected.verdict != INVALID and verdict == INVALID:
        status = worst(_status(each) for each in results if each.result == INVALID)
    elif expected.verdict == VALID and verdict == UNKNOWN:
        status = ExitStatus.UNKNOWN
    return ExpectationResult(what, met, status, ops=blamed[0].ops if blamed else ())


def _status(result: Result) -> ExitStatus:
    return STATUS_OF.get(result.alias, ExitStatus.SAFETY)


def _worst_results(results: Sequence[Result]) -> Sequence[Result]:
    """Those that are not valid, the ones that decide the exit status first."""
    bad = [each for each in results if each.result != VALID]
    return sorted(bad, key=lambda r: (r.result != INVALID, WORST_FIRST.index(_status(r))))


def _declared(expected: Expectation, history: History) -> ExpectationResult:
    """An outcome, an exit or a log record, counted over all processes that the name covers."""
    place = expected.process or "any process"
    if expected.outcome is not None or expected.op is not None:
        ops = _outcomes(expected, history)
        what = f"{place}: {expected.op or 'operation'} {expected.outcome or 'of any outcome'}"
        status = ExitStatus.LIVENESS
    elif expected.exit is not None:
        ops = [i for i in _of(expected, history, EXIT) if history.ops[i].outcome == expected.exit]
        what, status = f"{place}: exit {expected.exit}", ExitStatus.CRASH
    else:
        logs = _log_allowance(expected)
        ops = [
            index
            for index in _of(expected, history, LOG)
            if covers(logs, history.ops[index].process, history.ops[index].detail or {})
        ]
        said = [expected.log_level, expected.log_logger, expected.log_matches]
        what = f"{place}: log {' '.join(str(part) for part in said if part is not None)}"
        status = ExitStatus.SAFETY
    low, high = expected.count_min, expected.count_max
    met = low <= len(ops) and (high is None or len(ops) <= high)
    if not ops:  # nobody to blame: where the process was last heard of
        ops = [i for i, op in enumerate(history.ops) if _covers(expected, op.process)][-1:]
        return ExpectationResult(f"{what}, {_counted(low, high)} (saw 0)", met, status, ops)
    what = f"{what}, {_counted(low, high)} (saw {len(ops)})"
    return ExpectationResult(what, met, status, ops[high:] if high is not None else ops)


def _counted(low: int, high: Optional[int]) -> str:
    if high is None:
        return f"at least {low}"
    return f"exactly {low}" if low == high else f"{low} to {high}"


def _covers(expected: Expectation, process: str) -> bool:
    return Allowance("outcome", expected.process or "*").covers(process)


def _of(expected: Expectation, history: History, f: str) -> Sequence[int]:
    return [i for i, op in enumerate(history.ops) if op.f == f and _covers(expected, op.process)]


def _outcomes(expected: Expectation, history: History) -> Sequence[int]:
    return [
        index
        for index, op in enumerate(history.ops)
        if op.f in (SEND, RECEIVE)
        and op.type != INVOKE
        and expected.op in (None, op.f)
        and expected.outcome in (None, op.outcome or op.type)
        and _covers(expected, op.process)
    ]


def _log_allowance(expected: Expectation) -> Allowance:
    return Allowance(
        "log",
        expected.process or "*",
        value=expected.log_logger or "*",
        level=expected.log_level,
        pattern=expected.log_matches,
    )


def _unaccounted_results(
    verdicts: Sequence[Expectation], history: History, results: Sequence[Result]
) -> Iterable[ExpectationResult]:
    """Exits, warnings and leaks that the expected verdict does not speak of: a negative scenario
    that names its checker has no licence to crash as well.
    """
    named = {each.checker for each in verdicts if each.verdict == INVALID}
    ran = {each.alias: each for each in results}
    for alias in (*ALWAYS_ACCOUNTED, "leaks"):
        result = ran.get(alias)
        if result is None and alias in ALWAYS_ACCOUNTED:
            result = _check(CHECKERS[alias], history)
        elif result is None or not named or named & {alias, None}:
            continue  # not asked for; or the verdict, as expected or not, speaks of it already
        if result.result == INVALID:
            yield ExpectationResult(f"{alias}: {result.why}", False, _status(result), result.ops)


def _unaccounted_outcomes(
    declared: Sequence[Expectation], history: History
) -> Iterable[ExpectationResult]:
    """One for each process, op and outcome that is not ok."""
    counts: Counter[Tuple[str, str, str]] = Counter()
    first: Dict[Tuple[str, str, str], int] = {}
    for index, op in enumerate(history.ops):
        if op.f not in (SEND, RECEIVE) or op.type in (INVOKE, OK) or op.outcome == ENDED:
            continue
        seen = (op.process, op.f, op.outcome or op.type)
        counts[seen] += 1
        first.setdefault(seen, index)
    for (process, f, outcome), count in counts.items():
        if history.header.allows("outcome", process, outcome, f) or any(
            each.outcome == outcome and each.op in (None, f) and _covers(each, process)
            for each in declared
        ):
            continue
        what = f"{process}: {f} {outcome}, which nothing accounts for (saw {count})"
        blamed = (first[process, f, outcome],)
        yield ExpectationResult(what, False, ExitStatus.LIVENESS, blamed)


def _failure(
    unmet: Sequence[ExpectationResult],
    results: Sequence[Result],
    unproven: Sequence[FaultResult],
    history: History,
    journal: Optional[str],
    reproduce: str,
) -> Sequence[str]:
    """Three lines: what, where in the history, and the command that reproduces it."""
    worst_unmet = min(unmet, key=lambda each: WORST_FIRST.index(each.status))
    what = worst_unmet.what
    ops = worst_unmet.ops
    if what.startswith("verdict "):
        reasons = [f"{each.alias}: {each.why}" for each in _worst_results(results)]
        reasons += [
            f"{each.alias} on {each.target} did not {'heal' if each.fired else 'fire'}"
            for each in unproven
        ]
        what = f"expected {what}" + (f": {reasons[0]}" if reasons else "")
    if len(unmet) > 1:
        what += f" (and {len(unmet) - 1} more unmet)"
    return (what, _where(ops, history, journal), reproduce)


def _where(ops: Sequence[int], history: History, journal: Optional[str]) -> str:
    if not ops:
        return f"{journal or 'history'}: no single operation is to blame"
    line = FIRST_OP_LINE + ops[0]
    place = f"{journal}:{line}" if journal is not None else f"history, op {ops[0]}"
    return f"{place}: {in_words(history.ops[ops[0]])}"


def in_words(op: Op) -> str:
    """An op as a person would say it: process, incarnation, position."""
    detail = op.detail or {}
    if op.f in (INJECT, HEAL):
        return f"{op.process}: {op.f} {detail.get('alias')} on {detail.get('target')}"
    words = f"{op.process}, incarnation {op.incarnation}: {op.f}"
    if op.f in (SEND, RECEIVE):
        words += f" {op.outcome or op.type}"
        return words if op.position is None else f"{words} at position {op.position}"
    return words if op.outcome is None else f"{words} {op.outcome}"
