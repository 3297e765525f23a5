"""Whether calls take references to True, False and None away: counted before they are all gone.

An extension module that returns a constant without a reference of its own (a borrowed one) harms
nobody until the constant's count is 0: after hundreds of calls, somewhere else, or after a few at
the interpreter's end, when it gives up its own references. From CPython 3.12 on the three are
immortal, and such a defect does no harm.
"""

from __future__ import annotations

import sys

from . import channel

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any, Callable, Dict

CALLS = 20
LOST_PER_CALL_MAX = 4  # a call that loses more may still end the program while it is counted
IMMORTAL_FROM = 1 << 29  # no program holds so many references

CONSTANTS = {"True": True, "False": False, "None": None}


def drift(call: Callable[[], Any], *, calls: int = CALLS, name: str = "") -> Dict[str, Any]:
    """Calls it, and says through the channel by how much the counts of the constants have changed:

    {"hook": "refcounts", "call": its name, "calls": how many were made,
     "drift": {"True": -20, ...}, "left": {"True": 180, ...},
     "immortal": whether counts say nothing in this interpreter}

    That message is returned too. References held meanwhile keep the program alive, so it is said
    before anything can die; what was lost is given back, so a program goes on as if it had not been
    measured. A cache keeps a few references of many calls; what borrows, loses one in each call.

    Raises ValueError for less than one call; what `call` raises comes out when it has been said
    what was counted until then.
    """
    if calls < 1:
        raise ValueError(f"calls is {calls}: nothing is counted without a call")
    held = list(CONSTANTS.values()) * (calls * LOST_PER_CALL_MAX)
    made = 0
    before = _counts()
    try:
        while made < calls:
            made += 1
            call()
    finally:
        after = _counts()
        changed = {each: after[each] - before[each] for each in before}
        message = {
            "hook": "refcounts",
            "call": name or getattr(call, "__qualname__", repr(call)),
            "calls": made,
            "drift": changed,
            "left": {each: after[each] - calls * LOST_PER_CALL_MAX for each in after},
            "immortal": min(before.values()) >= IMMORTAL_FROM,
        }
        channel.say(message)
        if min(changed.values()) < 0:
            _give_back(changed)
        del held
    return message


def _give_back(changed: Dict[str, int]) -> None:
    """Of a loss alone: what somebody keeps more of, is his.

    A reference that nobody holds is what was lost; nothing of Python's own can make one, as who
    holds it, a list for one, drops it in the end.
    """
    try:
        import ctypes  # a program pays for it when it has the defect, and not before
    except ImportError:
        return
    for each, change in changed.items():
        for _ in range(-change):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(CONSTANTS[each]))


def _counts() -> Dict[str, int]:
    return {name: sys.getrefcount(constant) for name, constant in CONSTANTS.items()}
