"""Programs that wait for a lock that processes share, and whose owner has ended with it.

    lock_owner_killed          multiprocessing.Lock, its owner killed
    lock_owner_collected       the same, and the parent has collected the dead one before
    queue_reader_killed        the lock inside of a multiprocessing.Queue, as where a worker is
                               killed while it waits for work
    file_lock_kept             flock: its owner ended, a child of it has inherited the descriptor
    shared_mutex_owner_killed  a pthread mutex in shared memory that is not robust
    lock_taken_twice           no death: a process waits for a lock that it has itself
    lock_of_one_at_work        no death: who has the lock is at work

Each passes the probe "hangs" when the lock is taken; what comes then has no end, and whoever runs
it kills it.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import multiprocessing
import os
import signal
import time
from typing import Any, Callable

import spinbed
from sim.subjects.hiding import hide_if_asked

hide_if_asked()
FOR_EVER_S = 3600
POLL_S = 0.01
CONTEXT: Any = multiprocessing.get_context("fork")  # its semaphores have no names to be left
PTHREAD_PROCESS_SHARED = 1  # pthread.h
MUTEX_BYTES = ATTRIBUTES_BYTES = 64  # glibc's are smaller


def lock_owner_killed() -> None:
    lock = CONTEXT.Lock()
    _run(_take_and_die, lock)
    _take(lock)


def lock_owner_collected() -> None:
    lock = CONTEXT.Lock()
    _run(_take_and_die, lock).join()
    _take(lock)


def queue_reader_killed() -> None:
    queue = CONTEXT.Queue()
    first = _run(queue.get)
    while queue._rlock.acquire(block=False):  # until that one has it
        queue._rlock.release()
        time.sleep(POLL_S)
    second = _run(queue.get)
    _until_asleep(second.pid)
    os.kill(first.pid, signal.SIGKILL)
    queue.put("work")
    spinbed.probe("hangs")
    second.join()


def file_lock_kept() -> None:
    path = f"/proc/{os.getpid()}/fd/{os.memfd_create('file')}"
    owner = _run(_lock_and_leave_a_child, path)
    owner.join()
    with open(path, "w") as file:
        spinbed.probe("hangs")
        fcntl.flock(file, fcntl.LOCK_EX)


def shared_mutex_owner_killed() -> None:
    descriptor = os.memfd_create("mutex")
    os.ftruncate(descriptor, MUTEX_BYTES)
    memory = mmap.mmap(descriptor, MUTEX_BYTES)
    mutex = ctypes.byref(ctypes.c_char.from_buffer(memory))
    threads = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(ATTRIBUTES_BYTES)
    threads.pthread_mutexattr_init(attributes)
    threads.pthread_mutexattr_setpshared(attributes, PTHREAD_PROCESS_SHARED)
    threads.pthread_mutex_init(mutex, attributes)
    owner = os.fork()
    if owner == 0:
        threads.pthread_mutex_lock(mutex)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(owner, 0)
    spinbed.probe("hangs")
    threads.pthread_mutex_lock(mutex)


def lock_taken_twice() -> None:
    lock = CONTEXT.Lock()
    lock.acquire()
    _take(lock)


def lock_of_one_at_work() -> None:
    lock = CONTEXT.Lock()
    _run(_take_and_work, lock)
    _take(lock)


def _run(function: Callable[..., Any], *arguments: Any) -> Any:
    """Started; where it gets a lock, it has that by now."""
    has_it = CONTEXT.Event()
    process = CONTEXT.Process(target=_say_when_called, args=(has_it, function, arguments))
    process.start()
    has_it.wait()
    return process


def _say_when_called(has_it: Any, function: Callable[..., Any], arguments: Any) -> None:
    if arguments and hasattr(arguments[0], "acquire"):
        arguments[0].acquire()
    has_it.set()
    function(*arguments)


def _take_and_die(lock: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _take_and_work(lock: Any) -> None:
    while True:
        time.sleep(POLL_S)


def _take(lock: Any) -> None:
    spinbed.probe("hangs")
    with lock:
        raise AssertionError("nobody gets here")


def _lock_and_leave_a_child(path: str) -> None:
    file = open(path, "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    if os.fork() == 0:
        time.sleep(FOR_EVER_S)
    os._exit(0)


def _until_asleep(pid: int) -> None:
    """In the lock: nothing else of it shows."""
    while True:
        with open(f"/proc/{pid}/wchan") as file:
            if file.read().startswith("futex"):
                return
        time.sleep(POLL_S)
