"""Regions for ring tests: anonymous shared memory, and a second interpreter that maps it."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Mapping, Optional

import cy_kernels
from cy_kernels.choice import COMPILED, PURE, VARIABLE, kernels

SECOND_NS = 1_000_000_000
KINDS = ("flag", "cursor")
DATA_EVENT, SPACE_EVENT = 128, 192  # offsets in the region header
OVERHEAD = {"flag": 7, "cursor": 0}
STRATEGIES = ("busy_spin", "pause", "yielding", "park", "backoff", "adaptive", "best")
# What every ring, wait and recorder test runs on here.
ALL_KERNELS = (COMPILED, PURE) if cy_kernels.status().kind == COMPILED else (PURE,)
# Tests of what pure kernels refuse or have no form of. test_pure_kernels.py asserts what they do
# instead, and that each of these is a test.
TAKEOVER = "takes a place over, for which pure kernels have no compare-and-swap"
EVICTION = "evicts the dead, for which pure kernels have no compare-and-swap"
GATE = "comes to a step, for which pure kernels have no gate"
PARKING = "parks without limit, where pure kernels take naps"
PURE_LACKS = {
    "test_a_killed_writers_successor_goes_on_where_it_committed": TAKEOVER,
    "test_commits_that_the_dead_writer_did_not_count_are_found": TAKEOVER,
    "test_a_commit_of_an_earlier_lap_is_not_taken_for_a_new_one": TAKEOVER,
    "test_a_killed_readers_successor_repeats_what_was_not_released": TAKEOVER,
    "test_a_writer_that_evicts_goes_on_without_a_dead_reader": EVICTION,
    "test_a_stopped_reader_is_never_evicted": EVICTION,
    "test_a_slot_that_an_eviction_frees_beats_the_deadline": EVICTION,
    "test_a_parked_reader_raises_its_flag_and_the_waker_clears_it": PARKING,
}

CHILD = """
import mmap, os, signal, sys, time
from cy_kernels.choice import kernels
from cy_kernels.errors import *
ring = kernels().ring
fd, size, kind, geometry = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], eval(sys.argv[4])
region = memoryview(mmap.mmap(fd, size))
writer = lambda **more: getattr(ring, kind + "Writer")(region, **geometry, **more)
reader = lambda rank, **more: getattr(ring, kind + "Reader")(region, rank=rank, **geometry, **more)
"""


def soon(seconds: float = 20.0) -> int:
    """An absolute deadline that only a hang reaches."""
    return time.monotonic_ns() + int(seconds * SECOND_NS)


def geometry(slots: int = 4, slot_bytes: int = 64, readers: int = 1) -> Mapping[str, int]:
    return {"slots": slots, "slot_bytes": slot_bytes, "readers": readers}


class SharedRegion:
    """A formatted ring in a memfd, so that a fresh interpreter can map it too."""

    def __init__(self, kind: str, *, on: Optional[str] = None, **shape: int) -> None:
        """`on`: the kernels of this side, compiled or pure; of a process, unless it says so too."""
        self.kind = kind
        self.kernels = kernels(on)
        ring = self.kernels.ring
        self.geometry = geometry(**shape)
        self.size_bytes = getattr(ring, f"{kind}_region_bytes")(**self.geometry)
        self.fd = os.memfd_create(f"test-{kind}")
        os.ftruncate(self.fd, self.size_bytes)
        self.map = mmap.mmap(self.fd, self.size_bytes)
        self.buffer = memoryview(self.map)
        getattr(ring, f"{kind}_format")(self.buffer, **self.geometry)

    def _end(self, side: str) -> Any:
        return getattr(self.kernels.ring, self.kind.capitalize() + side)

    def writer(self, **more: Any) -> Any:
        return self._end("Writer")(self.buffer, **{**self.geometry, **more})

    def reader(self, rank: int = 0, **more: Any) -> Any:
        return self._end("Reader")(self.buffer, rank=rank, **{**self.geometry, **more})

    def describe(self) -> Mapping[str, Any]:
        describe = getattr(self.kernels.ring, f"{self.kind}_describe")
        state: Mapping[str, Any] = describe(self.buffer)
        return state

    def command(self, code: str) -> list[str]:
        """A second interpreter running `code`, with writer() and reader(rank) at hand."""
        return [
            *(sys.executable, "-c", CHILD + code, str(self.fd), str(self.size_bytes)),
            *(self.kind.capitalize(), repr(dict(self.geometry))),
        ]

    def process(self, code: str, *, on: Optional[str] = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(code),
            env={**os.environ, VARIABLE: on or self.kernels.kind},
            pass_fds=[self.fd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        os.close(self.fd)


def await_sleep(region: SharedRegion, pid: int) -> None:
    """Until the process sleeps with its flag raised: on the futex, then."""
    deadline_ns = soon()
    while time.monotonic_ns() < deadline_ns:
        parked = struct.unpack_from("<II", region.buffer, DATA_EVENT)[1]
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if parked and state == "S":
            return
    raise AssertionError("the reader did not park")


def new_recorder(records: int = 1000, *, on: Optional[str] = None) -> memoryview:
    recorder = kernels(on).recorder
    buffer = memoryview(mmap.mmap(-1, recorder.recorder_bytes(records)))
    recorder.format_recorder(buffer, records)
    return buffer
