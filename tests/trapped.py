"""Memory with a trap's control block and some lines in it, which a child can have too; and waiting
for what a trap says, with a deadline."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Mapping

from cy_kernels import trap

HERE = Path(__file__).resolve().parent
LINES_AT = mmap.PAGESIZE
WATCHDOG_S = 60

# How a child begins: the same memory, the trap installed in it, `line` the address of its lines.
CHILD = """
import faulthandler, os, sys
sys.path.insert(0, {tests!r})
faulthandler.enable()
import machine_code as code
from trapped import Shared
from cy_kernels import trap
shared = Shared({fd})
line = shared.line
trap.install(shared.block, limit_cycles=0)
"""


class Shared:
    """A block, and lines on the next page. `fd` None makes the memory."""

    def __init__(self, fd: int | None = None) -> None:
        self.fd = os.memfd_create("trapped") if fd is None else fd
        if fd is None:
            os.ftruncate(self.fd, 2 * mmap.PAGESIZE)
        self._map = mmap.mmap(self.fd, 2 * mmap.PAGESIZE)
        self.block = memoryview(self._map)[: trap.TRAP_BYTES]
        anchor = ctypes.c_char.from_buffer(self._map)
        self.line = ctypes.addressof(anchor) + LINES_AT

    def store(self, value: int, offset: int = 0) -> None:
        ctypes.c_uint64.from_address(self.line + offset).value = value

    def state(self) -> Mapping[str, Any]:
        return trap.state(self.block)

    def seen(self, instruction: str) -> Mapping[str, Any]:
        return self.state()["instructions"][instruction]

    def await_state(self, done: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        deadline = time.monotonic() + WATCHDOG_S
        while not done(self.state()):
            assert time.monotonic() < deadline, self.state()
            os.sched_yield()
        return self.state()

    def await_waiting(self, count: int = 1) -> Mapping[str, Any]:
        """Until so many threads are in an emulated wait: what is stored now, it can notice."""
        return self.await_state(lambda state: state["waiting"] == count)

    def child(self, program: str) -> subprocess.Popen[str]:
        begins = CHILD.format(tests=str(HERE), fd=self.fd)
        return subprocess.Popen(
            [sys.executable, "-c", begins + program],
            pass_fds=[self.fd],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
        )


def heed_interrupts() -> None:
    """A shell that runs the tests in the background has SIGINT ignored in all it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def ended(state: Mapping[str, Any]) -> Mapping[str, int]:
    """By what waits ended, without the zeros."""
    return {name: count for name, count in state["ended"].items() if count}


def outcome(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = child.communicate(timeout=WATCHDOG_S)
    return child.returncode, out, err
