"""Whenever the program forks, another of its threads holds a lock: nobody frees it in the child.

    "plain"    name is "module:attribute": a lock of the program, from when it is there
    "logging"  the locks of all log handlers; logging renews them in the child
    "import"   name is a module that is not imported yet: that thread is in the midst of it

A fork server forks too, and has no other threads: there it does not happen.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

from .hook_events import has_happened, tell
from .import_hooks import install as install_import_hooks

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any, List, Optional

PLAIN = "plain"
LOGGING = "logging"
IMPORT = "import"
LOCKS = (PLAIN, LOGGING, IMPORT)
TAKE_SECONDS_MAX = 2.0  # after it, who forks is taken for who holds the lock
LOOK_SECONDS = 0.001


def install(lock: str, name: str) -> None:
    """Raises ValueError for a lock that it does not know."""
    if lock not in LOCKS:
        raise ValueError(f"starts: lock is {lock!r}, not one of {', '.join(LOCKS)}")
    if lock == IMPORT:
        gate = {"kind": "gated", "module": name, "until": f"released:{name}", "times": 1}
        install_import_hooks([gate])
    forks = ImportingForks(name) if lock == IMPORT else LockingForks(lock, name)
    os.register_at_fork(before=forks.before, after_in_parent=forks.after_in_parent)


class LockingForks:
    """Locks are held from before a fork until after it."""

    def __init__(self, lock: str, name: str) -> None:
        self._lock = lock
        self._name = name
        self._may_release: Optional[Any] = None

    def before(self) -> None:
        locks = self._locks()
        if not locks or _is_fork_server():
            return
        self._may_release, is_held = _thread.allocate_lock(), _thread.allocate_lock()
        self._may_release.acquire()
        is_held.acquire()
        _thread.start_new_thread(self._hold, (locks, is_held, self._may_release))
        if is_held.acquire(True, TAKE_SECONDS_MAX):
            tell("fork", self._name, "held", lock=self._lock)
        else:
            why = "another thread cannot have the lock: it is held already"
            tell("fork", self._name, "impossible", why=why)

    def after_in_parent(self) -> None:
        if self._may_release is not None:
            self._may_release.release()
            self._may_release = None

    @staticmethod
    def _hold(locks: List[Any], is_held: Any, may_release: Any) -> None:
        for lock in locks:
            lock.acquire()
        is_held.release()
        may_release.acquire()
        for lock in locks:
            lock.release()

    def _locks(self) -> List[Any]:
        if self._lock == LOGGING:
            logging = sys.modules.get("logging")
            handlers = [each() for each in getattr(logging, "_handlerList", ())]
            return [each.lock for each in handlers if each is not None and each.lock is not None]
        module, _, path = self._name.partition(":")
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        return [found] if hasattr(found, "acquire") else []


class ImportingForks:
    """A thread is in the body of a module from before the first fork until after it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_held = False

    def before(self) -> None:
        if self._name in sys.modules or _is_fork_server():
            return
        _thread.start_new_thread(self._import, ())
        deadline = time.monotonic() + TAKE_SECONDS_MAX
        while not has_happened(f"held:{self._name}"):
            if time.monotonic() >= deadline:
                why = "another thread does not come to its body"
                tell("fork", self._name, "impossible", why=why)
                return
            time.sleep(LOOK_SECONDS)
        self._is_held = True
        tell("fork", self._name, "began", lock=IMPORT)

    def after_in_parent(self) -> None:
        if self._is_held:
            self._is_held = False
            tell("fork", self._name, "released")

    def _import(self) -> None:
        try:
            __import__(self._name)
        except Exception as error:  # the program meets it itself, where it imports the module
            tell("fork", self._name, "impossible", why=repr(error))


def _is_fork_server() -> bool:
    frame: Optional[Any] = sys._getframe(1)
    while frame is not None:
        where = frame.f_globals.get("__name__"), frame.f_code.co_name
        if where == ("multiprocessing.forkserver", "main"):
            return True
        frame = frame.f_back
    return False
