"""When a program is called a hang before its deadline: nobody is left who could do anything."""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import pytest

from sim.hang.standstill import nobody_can_move
from sim.live import procfs
from sim.live.wakers import NUMBERS, Wakers, is_woken_by_timers

WATCHDOG_S = 60
LOOKS = 30  # some milliseconds
FUTEX_WAIT, FUTEX_WAKE = 0, 1
HOLDS = """
import mmap, os, sys, time
if sys.argv[1:]:
    held = mmap.mmap(int(sys.argv[1]), 4096)
print("holds", flush=True)
time.sleep(600)
"""


def process(pid: int, *wakers: Optional[Sequence[int]], **changed: Any) -> Dict[str, Any]:
    """One thread for each of `wakers`."""
    threads = [{"wakers": each, "cpu_ns": 0, "switches": 0} for each in wakers]
    found = {"pid": pid, "state": "S", "is_frozen": False, "timers": False, "threads": threads}
    return {**found, **changed}


def can_move(*processes: Dict[str, Any]) -> bool:
    return not nobody_can_move({"processes": processes})


def test_who_waits_for_its_own_threads_or_for_its_like_waits_for_ever() -> None:
    assert not can_move(process(1, [1], [1]))
    assert not can_move(process(1, [1, 2]), process(2, [2]))
    assert not can_move(process(1, [1, 2]), process(2, None, state="T"))
    assert not can_move(process(1, [1, 2]), process(2, None, is_frozen=True))


@pytest.mark.parametrize(
    "other",
    [
        process(2, None),  # it sleeps for a while, or waits for somebody unknown
        process(2, [2], None),
        process(2, [2, 3]),  # who is no process of the run
        process(2, [2], timers=True),
        process(2, None, state="t"),  # a debugger has it
        process(2, state="R"),
        process(2, [2], threads=[{"wakers": [2], "cpu_ns": 1, "switches": 0}]),
        process(2, [2], threads=[{"wakers": [2], "cpu_ns": 0, "switches": 1}]),
    ],
)
def test_one_that_may_move_is_enough(other: Dict[str, Any]) -> None:
    assert can_move(process(1, [1]), other)


def test_of_nobody_nothing_is_said() -> None:
    assert can_move()


needs_numbers = pytest.mark.skipif(
    os.uname().machine not in NUMBERS, reason="system calls are read on x86-64 and aarch64"
)


@contextmanager
def waiting(wait: Callable[[], object], let_go: Callable[[], object]) -> Iterator[int]:
    """A thread of ours that does this; its id, once it sleeps in it."""
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        tid = thread.native_id
        assert tid is not None
        deadline = time.monotonic() + WATCHDOG_S
        while not is_asleep(tid) and time.monotonic() < deadline:
            os.sched_yield()
        yield tid
    finally:
        let_go()
        thread.join()


def is_asleep(tid: int) -> bool:
    """In look after look: on its way there it may sleep elsewhere for a moment."""
    looks = set()
    for _ in range(LOOKS):
        seen = procfs.threads(os.getpid())[tid]
        looks.add((seen.state, seen.switches, seen.system_call, seen.cpu_ns))
    return len(looks) == 1 and looks.pop()[0] == "S"


def wakers(tid: int) -> Optional[Sequence[int]]:
    own = os.getpid()
    return Wakers().of(own, procfs.threads(own)[tid])


@needs_numbers
def test_a_lock_is_given_back_by_its_own_process() -> None:
    lock = threading.Lock()
    lock.acquire()
    with waiting(lock.acquire, lock.release) as tid:
        assert wakers(tid) == [os.getpid()]


@needs_numbers
def test_what_ends_by_itself_has_no_answer() -> None:
    event = threading.Event()
    with waiting(lambda: event.wait(WATCHDOG_S), event.set) as tid:
        assert wakers(tid) is None


@contextmanager
def child(*words: str, holds: Sequence[int] = ()) -> Iterator[int]:
    """A process that has these descriptors of ours, and nothing else; with one word it maps that
    descriptor."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", HOLDS, *words], pass_fds=holds, stdout=subprocess.PIPE
    ) as made:
        try:
            assert made.stdout is not None and made.stdout.readline()
            yield made.pid
        finally:
            made.kill()


@needs_numbers
@pytest.mark.parametrize("how", ["read", "poll"])
def test_a_pipe_is_written_by_whoever_has_it_open(how: str) -> None:
    reading, writing = os.pipe()
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    wait = (lambda: os.read(reading, 1)) if how == "read" else poll.poll
    with child(holds=[writing]) as holder, child():
        with waiting(wait, lambda: os.write(writing, b"x")) as tid:
            assert wakers(tid) == sorted([os.getpid(), holder])
    os.close(reading)
    os.close(writing)


@needs_numbers
def test_a_local_socket_is_written_by_whoever_has_its_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, child(holds=[theirs.fileno()]) as holder, child():
        with waiting(lambda: os.read(ours.fileno(), 1), lambda: theirs.send(b"x")) as tid:
            assert wakers(tid) == sorted([os.getpid(), holder])


@needs_numbers
def test_who_may_connect_to_a_socket_is_not_known() -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as comes:
        listening.bind(f"\0spinbed-test.{os.getpid()}")
        listening.listen()
        poll = select.poll()
        poll.register(listening, select.POLLIN)
        with waiting(poll.poll, lambda: comes.connect(listening.getsockname())) as tid:
            assert wakers(tid) is None


@needs_numbers
def test_who_waits_for_a_child_may_be_woken_by_it() -> None:
    with child() as pid:
        wait = (os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with waiting(lambda: os.waitid(*wait), lambda: os.kill(pid, signal.SIGKILL)) as tid:
            found = wakers(tid)
            assert found is not None and {os.getpid(), pid} <= set(found)


@needs_numbers
def test_a_word_of_shared_memory_is_changed_by_whoever_has_it_mapped() -> None:
    memory = os.memfd_create("word")
    os.ftruncate(memory, 4096)
    futex = NUMBERS[os.uname().machine].futex
    libc = ctypes.CDLL(None)
    with mmap.mmap(memory, 4096) as mapped:
        word = ctypes.c_int.from_buffer(mapped)
        place = ctypes.c_void_p(ctypes.addressof(word))
        del word  # or the map could not be closed
        with child(str(memory), holds=[memory]) as holder, child(holds=[memory]):
            with waiting(
                lambda: libc.syscall(futex, place, FUTEX_WAIT, 0, None),
                lambda: libc.syscall(futex, place, FUTEX_WAKE, 1),
            ) as tid:
                assert wakers(tid) == sorted([os.getpid(), holder])
    os.close(memory)


def test_a_handler_of_alarms_may_run_by_itself() -> None:
    assert not is_woken_by_timers(os.getpid())
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        assert is_woken_by_timers(os.getpid())
    finally:
        signal.signal(signal.SIGALRM, before)
