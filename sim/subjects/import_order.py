"""Two threads in the order in which an import goes wrong: nothing is left to luck.

The thread that imports a module stays in its body until the main thread waits for that module's
lock; the main thread goes there only once the other one is in the body.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import FrameType
from typing import Optional

SECONDS_MAX = 60.0  # more than any of both steps takes; then it goes on, and nothing goes wrong
LOOK_SECONDS = 0.001
BOOTSTRAP = "<frozen importlib._bootstrap>"

_is_in_body = threading.Event()
_is_asked_for = False


def ask_for() -> None:
    """The next import of such a module is to be ordered."""
    global _is_asked_for
    _is_asked_for = True


def pass_through(module: str) -> None:
    """In the body of the module, which takes SUBJECT_BODY_SECONDS where no order is asked for."""
    if not _is_asked_for:
        time.sleep(float(os.environ.get("SUBJECT_BODY_SECONDS", "0")))
        return
    _is_in_body.set()
    deadline = time.monotonic() + SECONDS_MAX
    while not _main_waits_for(module) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def wait_for_body() -> None:
    """For the main thread: another one is in the body now. A no-op where no order is asked for."""
    if _is_asked_for and not _is_in_body.wait(SECONDS_MAX):
        sys.exit("no other thread came into the body of the module")


def _main_waits_for(module: str) -> bool:
    ident = threading.main_thread().ident
    frame: Optional[FrameType] = sys._current_frames().get(ident) if ident else None
    while frame is not None:
        code = frame.f_code
        if code.co_filename == BOOTSTRAP and code.co_name == "acquire":
            if getattr(frame.f_locals.get("self"), "name", None) == module:
                return True
        frame = frame.f_back
    return False
