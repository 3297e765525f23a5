"""Holds a thread in the midst of an import until something named has happened.

`until` is one of
    "main_waits"        the main thread waits for this very module's import lock
    "probe:<name>"      whoever runs the program answers to the probe of that name
    "<event>:<module>"  another hook told that event of that module, e.g. "held:numpy"
"""

from __future__ import annotations

import _thread
import sys
import time

from . import channel
from .hook_events import has_happened, main_thread, tell

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import FrameType
    from typing import Optional

HOLD_SECONDS_MAX = 20.0  # a hold that outlasts it is late: the program goes on
LOOK_SECONDS = 0.001  # between two looks at the other threads
MAIN_WAITS = "main_waits"
PROBE = "probe:"
BOOTSTRAP = "<frozen importlib._bootstrap>"  # the file of import locks, in every interpreter


def hold(module: str, until: str, seconds_max: float = HOLD_SECONDS_MAX) -> None:
    """Returns when it has happened, or when `seconds_max` have passed. Tells both."""
    if until == MAIN_WAITS and _is_main():
        why = "the main thread imports it: it cannot wait for itself"
        tell("gated", module, "impossible", why=why)
        return
    began_ns = time.monotonic_ns()
    tell("gated", module, "held", until=until)
    if until.startswith(PROBE):
        detail = {"hook": "gated", "module": module}
        is_late = not channel.ask({"probe": until[len(PROBE) :], "detail": detail}, seconds_max)
    else:
        is_late = not _came(module, until, began_ns + int(seconds_max * 1e9))
    held_ns = time.monotonic_ns() - began_ns
    tell("gated", module, "late" if is_late else "released", until=until, held_ns=held_ns)


def waits_for(thread: int, module: str) -> bool:
    """The thread is in the acquisition of this module's import lock. Which is no proof that it
    blocks, unless the asking thread holds that lock: in the body of the module it does.
    """
    frame: Optional[FrameType] = sys._current_frames().get(thread)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "acquire" and code.co_filename == BOOTSTRAP:
            if getattr(frame.f_locals.get("self"), "name", None) == module:
                return True
        frame = frame.f_back
    return False


def _is_main() -> bool:
    return _thread.get_ident() == main_thread()


def _came(module: str, until: str, deadline_ns: int) -> bool:
    while time.monotonic_ns() < deadline_ns:
        if until == MAIN_WAITS:
            if waits_for(main_thread(), module):
                return True
        elif has_happened(until):
            return True
        time.sleep(LOOK_SECONDS)
    return False
