"""Wakes who sleeps on a word of shared memory, from any process that has it mapped: futex(2)."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
WAKE = 1
EVERYBODY = 2**31 - 1


def wake(memory: memoryview, offset: int) -> int:
    """How many were woken. `offset`: of a word of 4 bytes, in bytes; 0 where this machine's number
    of the system call is not known."""
    if FUTEX is None:
        return 0
    call: Any = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    word = ctypes.c_uint32.from_buffer(memory, offset)
    number = ctypes.c_long(FUTEX)
    return max(0, int(call(number, ctypes.byref(word), WAKE, EVERYBODY, None, None, 0)))
