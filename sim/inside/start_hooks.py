"""Makes the start of other processes go wrong in the program under test.

`install` takes a list of these:

    {"kind": "start_method", "method": "spawn", "where": "first_import"}
                                    set as soon as multiprocessing is imported; "thread": the same,
                                    by another thread
    {"kind": "main_guard"}          a spawned process runs the main module under its real name
    {"kind": "preload", "module": "m"}
                                    each fork server is to import m too, before all else
    {"kind": "fork", "lock": "plain", "name": "m:lock"}
                                    see held_forks

What they do is told, see hook_events; "module" is there "multiprocessing",
"multiprocessing.spawn", m, and the name.
"""

from __future__ import annotations

import _thread
import sys

from .hook_events import tell
from .import_hooks import after_import

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Mapping, Optional, Sequence

    Spec = Mapping[str, Any]

METHODS = ("fork", "spawn", "forkserver")
FIRST_IMPORT = "first_import"
THREAD = "thread"
KINDS = ("start_method", "main_guard", "preload", "fork")
SECONDS_MAX = 20.0  # for a thread that only sets the method
REQUEST_SECONDS_MAX = 1.0  # a server that is only warmed gets no request
SENT_SECONDS = 0.05  # from a connection to the end of the request


def install(specs: Sequence[Spec]) -> None:
    """Raises ValueError for a spec that it does not understand."""
    for spec in specs:
        kind = spec.get("kind")
        if kind == "start_method":
            _begin_with(str(spec["method"]), str(spec["where"]))
        elif kind == "main_guard":
            after_import("multiprocessing.spawn", _run_main_as_main)
        elif kind == "preload":
            _preload(str(spec["module"]))
        elif kind == "fork":
            from . import held_forks

            held_forks.install(str(spec["lock"]), str(spec["name"]))
        else:
            raise ValueError(f"starts: kind is {kind!r}, not one of {', '.join(KINDS)}")


def _begin_with(method: str, where: str) -> None:
    if method not in METHODS or where not in (FIRST_IMPORT, THREAD):
        raise ValueError(f"starts: there is no start method {method!r} set at {where!r}")

    def set_it(multiprocessing: Any) -> None:
        try:
            multiprocessing.set_start_method(method)
        except (RuntimeError, ValueError) as error:
            tell("start_method", "multiprocessing", "impossible", why=str(error))
        else:
            tell("start_method", "multiprocessing", "ended", method=method)

    def set_it_beside(multiprocessing: ModuleType) -> None:
        # The importing thread holds the import lock: so the other one imports nothing.
        is_done = _thread.allocate_lock()
        is_done.acquire()

        def work() -> None:
            try:
                set_it(multiprocessing)
            finally:
                is_done.release()

        _thread.start_new_thread(work, ())
        is_done.acquire(True, SECONDS_MAX)

    after_import("multiprocessing", set_it_beside if where == THREAD else set_it)


def _run_main_as_main(spawn: Any) -> None:
    spawn.runpy = _MainRunner(spawn.runpy)


class _MainRunner:
    """What a spawned process runs the main module with: runpy, but for the name."""

    def __init__(self, runpy: Any) -> None:
        self._runpy = runpy

    def run_path(self, path: str, run_name: str) -> Any:
        tell("main_guard", "multiprocessing.spawn", "began", instead_of=run_name)
        return self._runpy.run_path(path, run_name="__main__")

    def run_module(self, name: str, run_name: str, alter_sys: bool) -> Any:
        tell("main_guard", "multiprocessing.spawn", "began", instead_of=run_name)
        return self._runpy.run_module(name, run_name="__main__", alter_sys=alter_sys)


def _preload(name: str) -> None:
    """The module itself tells that a server imports it."""

    def add(forkserver: Any) -> None:
        server = forkserver.ForkServer
        ensure_running = server.ensure_running

        def ensure_running_with_ours(self: Any) -> Any:
            if name not in self._preload_modules:
                self._preload_modules = [name, *self._preload_modules]
            return ensure_running(self)

        server.ensure_running = ensure_running_with_ours
        forkserver.ensure_running = forkserver._forkserver.ensure_running

    after_import("multiprocessing.forkserver", add)


def await_request() -> None:
    """In a module that a fork server preloads: waits until somebody asks the server for a process.

    Who asks a server that has ended before is refused, who asks one that ends then meets the end of
    file: without the wait, the load of the host would decide.
    """
    import select
    import time

    frame: Optional[Any] = sys._getframe(1)
    while frame is not None:
        where = frame.f_globals.get("__name__"), frame.f_code.co_name
        if where == ("multiprocessing.forkserver", "main"):
            ends = [frame.f_locals["listener_fd"], frame.f_locals["alive_r"]]
            select.select(ends, [], [], REQUEST_SECONDS_MAX)
            time.sleep(SENT_SECONDS)
        frame = frame.f_back
