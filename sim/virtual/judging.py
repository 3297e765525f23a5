"""Do the machine's oracles and the checkers say the same of one execution? If not, one is wrong.

The oracles judge every execution while it runs; the checkers judge its history, which costs far
more, so only suspects and one execution in a thousand get that far.
"""

from __future__ import annotations

from typing import FrozenSet, Mapping, Optional, Sequence

from cy_kernels.explore import Simulation
from sim.abc import INVALID, Result
from sim.checkers import CHECKERS
from sim.history.history import History
from sim.scenario.plan import Plan
from sim.verdict import check_all
from sim.virtual.execution import Execution, Finding, execute
from sim.virtual.shrinking import Played
from sim.virtual.world import REPLAY

ONE_IN = 1000

SAFETY = ("no_loss", "no_duplicates", "fifo", "no_tearing")
# What the oracles call it -> the checkers of which one at least must object.
OBJECTING: Mapping[str, FrozenSet[str]] = {
    "torn": frozenset({"no_tearing"}),
    "wrong-length": frozenset({"no_tearing"}),
    "wrong-message": frozenset(SAFETY),
    "lost": frozenset({"no_loss"}),
}


def contradiction(plan: Plan, played: Played, simulation: Simulation) -> Optional[str]:
    """Make the execution again on the simulation that it was made on, for its history, and have
    the checkers judge it. In words, how they contradict the oracles; None: they agree."""
    again = execute(plan, scheduler=REPLAY, tape=played.choices, simulation=simulation)
    if again.tape != played.choices or again.finding != played.outcome.finding:
        return f"made again, its choices came to {again.finding} and not {played.outcome.finding}"
    return disagreement(again, judged(again.history), is_failure=played.outcome.failure is not None)


def judged(history: History) -> Sequence[Result]:
    """What the checkers of safety and liveness say."""
    return check_all([CHECKERS[alias] for alias in (*SAFETY, "liveness")], history)


def disagreement(
    execution: Execution, results: Sequence[Result], *, is_failure: bool
) -> Optional[str]:
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
    if name is None and is_failure and "liveness" not in objecting:
        return f"the machine stopped: {execution.stop}, but liveness does not object"
    if name is None and not is_failure and "liveness" in objecting:
        why = next(each.why for each in results if each.alias == "liveness")
        return f"the execution ended, but liveness: {why}"
    return None


def _name(finding: Optional[Finding]) -> Optional[str]:
    return None if finding is None else finding[0]
