"""The queues of multiprocessing, one for each reader, as a parent hands them to its children.

Their locks are semaphores of the run's own names, for processes that come later. A SimpleQueue has
no time-outs: a reader looks again and again whether it is empty, a writer waits for ever. A Queue
takes a message into the memory of its process, from where a thread writes it to a pipe.
"""

from __future__ import annotations

import _multiprocessing
import os
import queue
import time
from multiprocessing import queues, synchronize
from typing import Any, Optional, Sequence, Tuple

from cy_kernels.pure.clock import monotonic_ns
from sim.abc import Regions, TransportSpec
from sim.transport.peer import Inlet, Outlet, seconds_left
from sim.transport.peers.pipes import read_end, write_end

SEMAPHORE = 1  # the kind of every semaphore here, as multiprocessing numbers them
LOOK_EVERY_S = 0.001


class SimpleQueues:
    def create(self, spec: TransportSpec, regions: Regions) -> None:
        for rank in range(spec.readers):
            _create(regions, rank)

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        return [_SimpleEnd(_simple(regions, rank)) for rank in range(spec.readers)]

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        return _SimpleEnd(_simple(regions, rank))


class Queues:
    """`slots` is how many messages each takes."""

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        for rank in range(spec.readers):
            _create(regions, rank)
            _make_semaphore(regions, f"room{rank}", spec.slots)

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        return [_QueueEnd(_queue(spec, regions, rank)) for rank in range(spec.readers)]

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        return _QueueEnd(_queue(spec, regions, rank))


class _SimpleEnd:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        self._inner.put(frame)
        return True

    def get(self, deadline_ns: int) -> Optional[bytes]:
        while deadline_ns >= 0 and self._inner.empty():
            if monotonic_ns() >= deadline_ns:
                return None
            time.sleep(LOOK_EVERY_S)
        frame: bytes = self._inner.get()
        return frame

    def close(self) -> None:
        """It stays open until the process ends."""


class _QueueEnd:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        try:
            self._inner.put(frame, True, seconds_left(deadline_ns))
        except queue.Full:
            return False
        return True

    def get(self, deadline_ns: int) -> Optional[bytes]:
        try:
            frame: bytes = self._inner.get(True, seconds_left(deadline_ns))
        except queue.Empty:
            return None
        return frame

    def close(self) -> None:
        """Waits until its thread has written everything, as a process that ends does."""
        self._inner.close()
        self._inner.join_thread()


def _create(regions: Regions, rank: int) -> None:
    regions.pipe(f"queue{rank}")
    for name in (f"read{rank}", f"write{rank}"):
        _make_semaphore(regions, name, 1)


def _simple(regions: Regions, rank: int) -> Any:
    made = queues.SimpleQueue.__new__(queues.SimpleQueue)
    state: Any = (*_pipe(regions, rank), *_locks(regions, rank))
    made.__setstate__(state)
    return made


def _queue(spec: TransportSpec, regions: Regions, rank: int) -> Any:
    made = queues.Queue.__new__(queues.Queue)
    room = _open(synchronize.BoundedSemaphore, regions, f"room{rank}", spec.slots)
    ends = (*_pipe(regions, rank), *_locks(regions, rank))
    state: Any = (False, spec.slots, *ends, room, os.getpid())
    made.__setstate__(state)
    return made


def _pipe(regions: Regions, rank: int) -> Tuple[Any, Any]:
    return read_end(regions, f"queue{rank}"), write_end(regions, f"queue{rank}")


def _locks(regions: Regions, rank: int) -> Tuple[Any, Any]:
    read, write = (
        _open(synchronize.Lock, regions, f"{name}{rank}", 1) for name in ("read", "write")
    )
    return read, write


def _make_semaphore(regions: Regions, name: str, value: int) -> None:
    _multiprocessing.SemLock(SEMAPHORE, value, value, _semaphore(regions, name), False)


def _open(kind: Any, regions: Regions, name: str, value: int) -> Any:
    """As a child unpickles one; 0 is the handle that only Windows uses."""
    made = kind.__new__(kind)
    made.__setstate__((0, SEMAPHORE, value, _semaphore(regions, name)))
    return made


def _semaphore(regions: Regions, name: str) -> str:
    return "/" + os.path.basename(regions.place(name))
