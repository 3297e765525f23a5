"""From results and expectations to one verdict and one exit status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from sim.abc import INVALID, UNKNOWN, VALID, Checker, Result
from sim.errors import WORST_FIRST, ExitStatus, worst
from sim.expectations import ExpectationResult, check, expectations, worst_results
from sim.history.hang_class import HangClass
from sim.history.history import History
from sim.history.journal import FIRST_OP_LINE
from sim.history.op import (
    EXIT,
    HANG,
    HEAL,
    INJECT,
    READY,
    RECEIVE,
    SEND,
    SPAWN,
    Op,
)
from sim.jobs import Job, job_of
from sim.scenario.names import find_checker
from sim.scenario.plan import Plan

WORDS_LINES_MAX = 16  # the innermost frames of a traceback
WORDS_COLUMNS_MAX = 300


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
    rung: str  # of a program: what `best` comes to with its kernels
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
    bundle: Optional[str] = None  # path of its hang's, where one was kept
    skipped: Optional[str] = None  # why
    hang_expected: Optional[str] = None  # the class that the scenario names
    job: Optional[Job] = None  # of a cluster
    hang: Optional[str] = None  # the class that the run was told to have, "unknown" at least
    # From the end of the stall threshold until it was told; None: not live, or not before the
    # deadline.
    hang_late_ns: Optional[int] = None
    # What, where in the history, the command; in between, what a process said that did not start,
    # and the command that shows a hang's bundle.
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
        job=job_of(history, duration_ns),
        hang_expected=next((each.hang for each in plan.expectations if each.hang), None),
        hang=next((_class_of(op) for op in history.ops if op.f == HANG), None),
        hang_late_ns=next((_late_ns(op, history) for op in history.ops if op.f == HANG), None),
        failure=_failure(unmet, results, unproven, history, journal, reproduce) if unmet else (),
    )


def _class_of(hang: Op) -> str:
    return str((hang.detail or {}).get("class", HangClass.UNKNOWN.value))


def _late_ns(hang: Op, history: History) -> Optional[int]:
    detail = hang.detail or {}
    if detail.get("why") != "hang" or history.header.world != "live":
        return None
    return int(detail.get("blocked_ns", 0)) - history.header.stall_threshold_ns


def check_all(checkers: Iterable[Checker], history: History) -> Sequence[Result]:
    return tuple(check(checker, history) for checker in checkers)


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
            rung=str(detail.get("rung", "")),
            exit=exits.get((name, incarnation)),
        )
        for (name, incarnation), detail in details.items()
    )


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
        reasons = [f"{each.alias}: {each.why}" for each in worst_results(results)]
        reasons += [
            f"{each.alias} on {each.target} did not {'heal' if each.fired else 'fire'}"
            for each in unproven
        ]
        what = f"expected {what}" + (f": {reasons[0]}" if reasons else "")
    if len(unmet) > 1:
        what += f" (and {len(unmet) - 1} more unmet)"
    return (what, *_last_words(ops, history), _where(ops, history, journal), reproduce)


def _last_words(ops: Sequence[int], history: History) -> Sequence[str]:
    """Of the program that is to blame: the end of what it printed, stacks of a hang among it."""
    blamed = [history.ops[index] for index in ops[:1]]
    names = [name for op in blamed for name in (op.detail or {}).get("waiting", ())]
    names += [op.process for op in blamed]
    for op in history.ops:
        process = history.header.process(op.process)
        if op.f != EXIT or op.process not in names or process is None or process.role != "program":
            continue
        detail = op.detail or {}
        lines = str(detail.get("stderr") or detail.get("stdout") or "").splitlines()
        return [f"| {line[:WORDS_COLUMNS_MAX]}" for line in lines[-WORDS_LINES_MAX:]]
    return ()


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
