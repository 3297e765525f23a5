"""Programs that hang, each for a reason of its own, and some that only look so.

Each passes the probe "hangs" (or "works") when it is as far as that; what comes then has no end,
and whoever runs it kills it. Only a start-up that never ends passes none. See also hiding.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

import spinbed
from sim.subjects.hiding import hide_if_asked

hide_if_asked()
PACKAGES = str(Path(__file__).parent / "packages")
FOR_EVER_S = 3600

first, second = threading.Lock(), threading.Lock()
both_hold = threading.Barrier(2)


def crossed_locks() -> None:
    """Two threads take two locks in opposite orders, and both have got their first."""
    other = threading.Thread(target=_take, args=(second, first))
    other.start()
    spinbed.probe("hangs")
    _take(first, second)


def _take(one: Any, then: Any) -> None:
    with one:
        both_hold.wait()
        with then:
            raise AssertionError("nobody gets here")


def own_lock() -> None:
    """A lock that is not reentrant, taken twice by one thread."""
    spinbed.probe("hangs")
    with first, first:
        raise AssertionError("nobody gets here")


def joined_import() -> None:
    """The body of a module waits for a thread that imports this module."""
    _import("joining_module")


def import_under_lock() -> None:
    """The main thread has a lock and imports; the other is in that module's body, and wants it."""
    thread = threading.Thread(target=_import, args=("locking_module",))
    with first:
        thread.start()
        both_hold.wait()
        spinbed.probe("hangs")
        _import("locking_module")


def in_locking_module() -> None:
    both_hold.wait()
    with first:
        pass


def _import(name: str) -> Any:
    if PACKAGES not in sys.path:
        sys.path.insert(0, PACKAGES)
    return importlib.import_module(name)


def endless_import() -> None:
    """The body of a module never ends."""
    _import("endless_module")


def left_thread() -> None:
    """The work is done; a thread that is no daemon waits for an event that nobody sets."""
    event = threading.Event()
    threading.Thread(target=event.wait).start()
    spinbed.probe("hangs")


def left_process() -> None:
    """The work is done; a process that is no daemon sleeps on."""
    context: Any = multiprocessing.get_context("spawn")
    context.Process(target=time.sleep, args=(FOR_EVER_S,)).start()
    spinbed.probe("hangs")


def interpreter_lock_in_c() -> None:
    """A thread sleeps in C without giving the interpreter lock back; the others wait for that."""
    python = ctypes.PyDLL(None)  # its calls keep the lock
    threading.Thread(target=_count, daemon=True).start()
    spinbed.probe("hangs")
    python.sleep(FOR_EVER_S)


def only_thread_in_c() -> None:
    """The only thread there is waits in C for a command, and keeps the interpreter lock."""
    python = ctypes.PyDLL(None)
    spinbed.probe("hangs")
    python.system(f"exec sleep {FOR_EVER_S}".encode())


def only_thread_adds() -> None:
    """The only thread there is adds numbers in C for days: it keeps the interpreter lock."""
    spinbed.probe("hangs")
    sum(range(10**13))


def waits_in_c() -> None:
    """As only_thread_in_c, but it gives the interpreter lock back: another thread could run."""
    free = ctypes.CDLL(None)
    spinbed.probe("works")
    free.system(f"exec sleep {FOR_EVER_S}".encode())


def _count() -> None:
    number = 0
    while True:
        number += 1


def stopped_child() -> None:
    """The program waits for a child that somebody has stopped."""
    context: Any = multiprocessing.get_context("spawn")
    process = context.Process(target=time.sleep, args=(FOR_EVER_S,))
    process.start()
    os.kill(process.pid, signal.SIGSTOP)
    spinbed.probe("hangs")
    process.join()


def slow_import() -> None:
    """A thread is in the body of a module, asleep, and the main thread waits for that import."""
    spinbed.probe("hangs")
    threading.Thread(target=_import, args=("endless_module",), daemon=True).start()
    while "endless_module" not in sys.modules:
        time.sleep(0.01)
    _import("endless_module")


def asleep() -> None:
    _for_a_while("works", time.sleep, FOR_EVER_S)


def reads_a_pipe() -> None:
    """Whoever has the other end may write: here nobody does."""
    reading, _ = os.pipe()
    spinbed.probe("works")
    os.read(reading, 1)


def busy() -> None:
    _for_a_while("works", _compute, FOR_EVER_S)


def busy_threads() -> None:
    for _ in range(3):
        threading.Thread(target=_count, daemon=True).start()
    spinbed.probe("works")
    _count()


def idle() -> None:
    """Nothing is due: it sleeps."""
    _for_a_while("works", time.sleep, 2)


def computing() -> None:
    _for_a_while("works", _compute, 2)


def _compute(seconds: float) -> None:
    ends = time.monotonic() + seconds
    text = b""
    while time.monotonic() < ends:
        text = hashlib.sha256(text).digest()


def working_child() -> None:
    """It waits for a child, which has work to do."""
    context: Any = multiprocessing.get_context("spawn")
    process = context.Process(target=time.sleep, args=(2,))
    process.start()
    spinbed.probe("works")
    process.join()


def ended_child() -> None:
    """It has a child that waits for ever, as servers do, sleeps, and ends it."""
    context: Any = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve)
    process.start()
    _for_a_while("works", time.sleep, 2)
    process.terminate()
    process.join()


def _serve() -> None:
    threading.Event().wait()


def until_an_alarm() -> None:
    """It waits for a lock that the handler of an alarm gives back."""
    signal.signal(signal.SIGALRM, lambda *_: first.release())
    first.acquire()
    signal.alarm(2)
    _for_a_while("works", lambda _: first.acquire(), 2)


def _for_a_while(probe: str, do: Callable[[float], Any], seconds: float) -> None:
    spinbed.probe(probe)
    do(seconds)
