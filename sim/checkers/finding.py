"""One thing that a checker holds against a history, and how findings become its result."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

from sim.abc import INVALID, UNKNOWN, VALID, Result
from sim.history.history import History
from sim.history.op import OVERFLOW

# More ops to blame than a person reads; the first ones are the ones that matter.
BLAMED_MAX = 20


class Finding(NamedTuple):
    why: str  # one line: process, position, what was expected
    ops: Sequence[int] = ()  # indices into history.ops, the one to blame first


def judged(alias: str, invalid: Sequence[Finding], unknown: Sequence[Finding] = ()) -> Result:
    """invalid > unknown > valid; `why` is the first finding and how many more there are."""
    if invalid:
        return _result(alias, INVALID, invalid)
    if unknown:
        return _result(alias, UNKNOWN, unknown)
    return Result(alias=alias, result=VALID)


def overflowed(alias: str, history: History) -> Optional[Result]:
    """Unknown where a flight recorder was too small: what happened after that is not known."""
    found = [
        Finding(f"{op.process}: its flight recorder overflowed; later ops are not known", (index,))
        for index, op in enumerate(history.ops)
        if op.f == OVERFLOW
    ]
    return judged(alias, (), found) if found else None


def _result(alias: str, result: str, findings: Sequence[Finding]) -> Result:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    ops = dict.fromkeys(index for finding in findings[:BLAMED_MAX] for index in finding.ops)
    return Result(
        alias=alias, result=result, why=findings[0].why + more, ops=tuple(ops)[:BLAMED_MAX]
    )
