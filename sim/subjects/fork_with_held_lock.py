"""A program that starts a process while another of its threads holds a lock that both need.

    before  by fork: the lock is copied as it is, without the thread that would let it go
    after   by spawn: the process has a lock of its own

    SUBJECT_LOCK  plain (default): the forked process hangs, and its parent waits for it;
                  import: that of a module which the thread imports: hangs as well;
                  logging: that of a log handler, which logging renews after a fork: works

A hang has no end: whoever runs this kills both processes. See also hiding. Probes: started (the
process's pid), result.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict

import spinbed
from sim.subjects.hiding import hide_if_asked

hide_if_asked()
LOCK = os.environ.get("SUBJECT_LOCK", "plain")

PACKAGES = str(Path(__file__).parent / "packages")
VALUE = 42

_lock = threading.Lock()
_handler = logging.StreamHandler()
_is_held = threading.Event()
_is_started = threading.Event()


def before() -> None:
    _run("before", "fork")


def after() -> None:
    _run("after", "spawn")


def in_the_body() -> None:
    """Of a module: held there, but where no thread is to hold it."""
    if threading.current_thread().name == "holder":
        _hold()


def _run(variant: str, method: str) -> None:
    holder = threading.Thread(target=HOLDERS[LOCK], name="holder", daemon=True)
    holder.start()
    _is_held.wait()
    context: Any = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=_use, args=(queue,))
    process.start()
    _is_started.set()
    spinbed.probe("started", pid=process.pid)
    process.join()
    result = {"variant": variant, "lock": LOCK, "status": process.exitcode, "value": queue.get()}
    spinbed.probe("result", **result)
    print(json.dumps(result))


def _hold() -> None:
    _is_held.set()
    _is_started.wait()


def _hold_plain() -> None:
    with _lock:
        _hold()


def _hold_logging() -> None:
    _handler.acquire()
    _hold()
    _handler.release()


def _import_held() -> Any:
    if PACKAGES not in sys.path:
        sys.path.insert(0, PACKAGES)
    return importlib.import_module("held_module")


def _use_plain() -> None:
    with _lock:
        pass


def _use_logging() -> None:
    _handler.handle(logging.makeLogRecord({"msg": "logged"}))


def _use(queue: Any) -> None:
    USERS[LOCK]()
    queue.put(VALUE)


HOLDERS: Dict[str, Callable[[], Any]] = {
    "plain": _hold_plain,
    "logging": _hold_logging,
    "import": _import_held,
}
USERS: Dict[str, Callable[[], Any]] = {
    "plain": _use_plain,
    "logging": _use_logging,
    "import": _import_held,
}
