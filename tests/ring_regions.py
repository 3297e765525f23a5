"""Regions for ring tests: anonymous shared memory, and a second interpreter that maps it."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from typing import Any, Mapping

from cy_kernels import recorder, ring

SECOND_NS = 1_000_000_000
KINDS = ("flag", "cursor")
WRITERS = {"flag": ring.FlagWriter, "cursor": ring.CursorWriter}
READERS = {"flag": ring.FlagReader, "cursor": ring.CursorReader}
OVERHEAD = {"flag": 7, "cursor": 0}

CHILD = """
import mmap, os, signal, sys, time
from cy_kernels import ring
from cy_kernels.errors import *
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

    def __init__(self, kind: str, **shape: int) -> None:
        self.kind = kind
        self.geometry = geometry(**shape)
        self.size_bytes = getattr(ring, f"{kind}_region_bytes")(**self.geometry)
        self.fd = os.memfd_create(f"test-{kind}")
        os.ftruncate(self.fd, self.size_bytes)
        self.buffer = memoryview(mmap.mmap(self.fd, self.size_bytes))
        getattr(ring, f"{kind}_format")(self.buffer, **self.geometry)

    def writer(self, **more: Any) -> Any:
        return WRITERS[self.kind](self.buffer, **{**self.geometry, **more})

    def reader(self, rank: int = 0, **more: Any) -> Any:
        return READERS[self.kind](self.buffer, rank=rank, **{**self.geometry, **more})

    def describe(self) -> Mapping[str, Any]:
        state: Mapping[str, Any] = getattr(ring, f"{self.kind}_describe")(self.buffer)
        return state

    def process(self, code: str) -> "subprocess.Popen[str]":
        """A second interpreter running `code`, with writer() and reader(rank) at hand."""
        return subprocess.Popen(
            [sys.executable, "-c", CHILD + code, str(self.fd), str(self.size_bytes)]
            + [self.kind.capitalize(), repr(dict(self.geometry))],
            pass_fds=[self.fd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        os.close(self.fd)


def new_recorder(records: int = 1000) -> memoryview:
    buffer = memoryview(mmap.mmap(-1, recorder.recorder_bytes(records)))
    recorder.format_recorder(buffer, records)
    return buffer
