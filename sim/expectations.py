"""Is what happened what the scenario expects, and is the rest accounted for?"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from sim.abc import INVALID, UNKNOWN, VALID, Checker, Result
from sim.checkers import CHECKERS
from sim.checkers.blames import NOBODY
from sim.checkers.logs import covers
from sim.errors import WORST_FIRST, ExitStatus, worst
from sim.history.history import Allowance, History
from sim.history.op import (
    BLAME,
    ENDED,
    EXIT,
    HANG,
    INJECT,
    INVOKE,
    LOG,
    OK,
    PROBE,
    RECEIVE,
    SEND,
)
from sim.scenario.plan import Expectation

# What an invalid result costs, by checker. Any other one is a matter of safety.
STATUS_OF: Mapping[str, ExitStatus] = {
    "exits": ExitStatus.CRASH,
    "liveness": ExitStatus.LIVENESS,
    "leaks": ExitStatus.LEAK,
}
BLAMED_SHOWN = 8
# Judged even where [[check]] leaves them out: every exit and every warning must be accounted for.
ALWAYS_ACCOUNTED = ("exits", "logs")


@dataclass(frozen=True)
class ExpectationResult:
    what: str  # one line: "writer: send timeout, at least 1 (saw 7)"
    met: bool
    status: ExitStatus  # what it costs where it is not met
    ops: Sequence[int] = ()  # indices into history.ops, the ones to blame first


def check(checker: Checker, history: History) -> Result:
    """A checker that raises has said nothing about the system: unknown, with what it raised."""
    try:
        return checker.check(history)
    except Exception as error:
        why = f"the checker raised {type(error).__name__}: {error}"
        return Result(alias=checker.alias, result=UNKNOWN, why=" ".join(why.split()))


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
    blamed = worst_results(results)
    status = ExitStatus.SAFETY  # among them a negative that was not caught
    if expected.verdict != INVALID and verdict == INVALID:
        status = worst(_status(each) for each in results if each.result == INVALID)
    elif expected.verdict == VALID and verdict == UNKNOWN:
        status = ExitStatus.UNKNOWN
    return ExpectationResult(what, met, status, ops=blamed[0].ops if blamed else ())


def _status(result: Result) -> ExitStatus:
    return STATUS_OF.get(result.alias, ExitStatus.SAFETY)


def worst_results(results: Sequence[Result]) -> Sequence[Result]:
    """Those that are not valid, the ones that decide the exit status first."""
    bad = [each for each in results if each.result != VALID]
    return sorted(bad, key=lambda r: (r.result != INVALID, WORST_FIRST.index(_status(r))))


def _hang(expected: Expectation, history: History) -> ExpectationResult:
    """Of that class, with those among who waits and whom for, told early enough."""
    what = f"hang {expected.hang}"
    for word, name in (("of", expected.waiting), ("on", expected.waited_for)):
        what += f" {word} {name}" if name is not None else ""
    hangs = [index for index, op in enumerate(history.ops) if op.f == HANG]
    if not hangs:
        return ExpectationResult(f"{what} (saw none)", False, ExitStatus.LIVENESS)
    detail = history.ops[hangs[0]].detail or {}
    waiting, on = list(detail.get("waiting", ())), list(detail.get("on", ()))
    told_ns = int(detail.get("blocked_ns", 0))
    met = detail.get("class") == expected.hang and all(
        name is None or any(Allowance("hang", name).covers(each) for each in there)
        for name, there in ((expected.waiting, waiting), (expected.waited_for, on))
    )
    saw = f"{detail.get('class', 'one of no class')} of {', '.join(waiting) or 'nobody'}"
    saw += f" on {', '.join(on) or 'nobody'}"
    if expected.within_ns is not None:
        what += f" within {expected.within_ns / 1e9:.3g} s"
        saw += f" after {told_ns / 1e9:.3g} s"
        met = met and told_ns <= expected.within_ns
    return ExpectationResult(f"{what} (saw {saw})", met, ExitStatus.LIVENESS, hangs)


def _blame(expected: Expectation, history: History) -> ExpectationResult:
    """Of that name, first so long after the first fault; or of nobody at all."""
    what = f"blame of {expected.blame}"
    blames = [index for index, op in enumerate(history.ops) if op.f == BLAME]
    named = [str((history.ops[index].detail or {}).get("target")) for index in blames]
    if expected.blame == NOBODY:
        saw = ", ".join(dict.fromkeys(named[:BLAMED_SHOWN])) or "none"
        return ExpectationResult(f"{what} (saw {saw})", not blames, ExitStatus.LIVENESS, blames)
    theirs = [index for index, name in zip(blames, named) if name == expected.blame]
    if not theirs:
        saw = ", ".join(dict.fromkeys(named[:BLAMED_SHOWN])) or "nobody"
        return ExpectationResult(f"{what} (saw {saw} blamed)", False, ExitStatus.LIVENESS, blames)
    struck_ns = min((op.time_ns for op in history.ops if op.f == INJECT), default=0)
    after_ns = history.ops[theirs[0]].time_ns - struck_ns
    met = expected.within_ns is None or after_ns <= expected.within_ns
    if expected.within_ns is not None:
        what += f" within {expected.within_ns / 1e9:.3g} s"
    what += f" (saw it after {after_ns / 1e9:.3g} s)"
    return ExpectationResult(what, met, ExitStatus.LIVENESS, theirs)


def _declared(expected: Expectation, history: History) -> ExpectationResult:
    """An outcome, an exit or a log record, counted over all processes that the name covers."""
    if expected.hang is not None:
        return _hang(expected, history)
    if expected.blame is not None:
        return _blame(expected, history)
    place = expected.process or "any process"
    if expected.outcome is not None or expected.op is not None:
        ops = _outcomes(expected, history)
        what = f"{place}: {expected.op or 'operation'} {expected.outcome or 'of any outcome'}"
        status = ExitStatus.LIVENESS
    elif expected.probe is not None:
        ops = [
            index
            for index in _of(expected, history, PROBE)
            if (history.ops[index].detail or {}).get("probe") == expected.probe
        ]
        what, status = f"{place}: probe {expected.probe}", ExitStatus.LIVENESS
    elif expected.stream is not None:
        ops = _printed(expected, history)
        what = f"{place}: {expected.stream} matching {expected.output_matches!r}"
        status = ExitStatus.SAFETY
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


def _printed(expected: Expectation, history: History) -> Sequence[int]:
    """The exit of whoever printed it, once for each time."""
    pattern = re.compile(expected.output_matches or "", re.MULTILINE)
    found: List[int] = []
    for index in _of(expected, history, EXIT):
        text = str((history.ops[index].detail or {}).get(expected.stream or "") or "")
        found += [index] * sum(1 for _ in pattern.finditer(text))
    return found


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
            result = check(CHECKERS[alias], history)
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
