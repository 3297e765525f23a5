"""Do the machine's oracles and the checkers say the same of one execution? If not, one is wrong.

The oracles judge every execution while it runs; the checkers judge its history, which costs far
more, so only suspects and one execution in a thousand get that far.
"""

from __future__ import annotations

from typing import FrozenSet, Mapping, Optional, Sequence

from sim.abc import INVALID, Result
from sim.checkers import CHECKERS
from sim.history.history import History
from sim.verdict import check_all
from sim.virtual.execution import Execution, Finding

ONE_IN = 1000

SAFETY = ("no_loss", "no_duplicates", "fifo", "no_tearing")
# What the oracles call it -> the checkers of which one at least must object.
OBJECTING: Mapping[str, FrozenSet[str]] = {
    "torn": frozenset({"no_tearing"}),
    "wrong-length": frozenset({"no_tearing"}),
    "wrong-message": frozenset(SAFETY),
    "lost": frozenset({"no_loss"}),
}


def judged(history: History) -> Sequence[Result]:
    """What the checkers of safety and liveness say."""
    return check_all([CHECKERS[alias] for alias in (*SAFETY, "liveness")], history)


def disagreement(execution: Execution, results: Sequence[Result]) -> Optional[str]:
    """In words, how the checkers contradict the oracles; None: they agree. A race is none of the
    checkers' matters, as it need not have changed a byte."""
    objecting = {each.alias for each in results if each.result == INVALID}
    unsafe = objecting & set(SAFETY)
    name = _name(execution.finding)
    if name is None and unsafe:
        why = next(each.why for each in results if each.alias in unsafe)
        return f"the oracles found nothing, but {', '.join(sorted(unsafe))}: {why}"
    if name is not None and name in OBJECTING and not OBJECTING[name] & objecting:
        said = ", ".join(sorted(objecting)) or "nobody"
        return f"the oracles found {execution.finding}, but of the checkers {said} objects"
    is_plain = not execution.history.header.faults  # after a death a standstill may be right
    if execution.stop == "stuck" and is_plain and "liveness" not in objecting:
        return "nothing could move any more, but liveness does not object"
    return None


def finding_of(execution: Execution, results: Sequence[Result]) -> Optional[str]:
    """What is wrong with the execution in one word: what the oracles found, or the first checker
    that objects. None: nothing."""
    invalid = (each.alias for each in results if each.result == INVALID)
    return _name(execution.finding) or next(invalid, None)


def _name(finding: Optional[Finding]) -> Optional[str]:
    return None if finding is None else finding[0]
