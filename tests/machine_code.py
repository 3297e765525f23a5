"""Machine code as functions of this process: the instructions that wait on memory, byte by byte.

Not by way of the kernels: with every register, with operands that no kernel asks for, and with or
without the marker that makes a machine trap that has them.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Callable

UD2 = b"\x0f\x0b"
RET = b"\xc3"
CARRY = b"\x0f\x92\xc0\x0f\xb6\xc0" + RET  # setc al; movzx eax, al; ret
PAGE = mmap.PAGESIZE

_mapped = []  # code must outlive its callers


def function(code: bytes, *arguments: Any, result: Any = None, at: int = 0) -> Callable[..., Any]:
    """`code` on a page of its own, `at` its beginning; called without the GIL."""
    page = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page[at : at + len(code)] = code
    _mapped.append(page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page)) + at
    return ctypes.CFUNCTYPE(result, *arguments)(start)


WORD, HALF = ctypes.c_uint64, ctypes.c_uint32
tsc = function(b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0" + RET, result=WORD)

# What stands before the instruction puts the arguments where it wants them.
_EAX_ESI = b"\x89\xf0"
_umonitor = function(UD2 + b"\xf3\x0f\xae\xf7" + RET, WORD)
_umwait = function(_EAX_ESI + UD2 + b"\xf2\x0f\xae\xf7" + CARRY, HALF, HALF, HALF, result=HALF)
_tpause = function(_EAX_ESI + UD2 + b"\x66\x0f\xae\xf7" + CARRY, HALF, HALF, HALF, result=HALF)
_monitorx = function(b"\x48\x89\xf8\x89\xf1\x31\xd2" + UD2 + b"\x0f\x01\xfa" + RET, WORD, HALF)
_mwaitx = function(
    b"\x53\x89\xf8\x89\xf1\x89\xd3" + UD2 + b"\x0f\x01\xfb\x5b" + RET, HALF, HALF, HALF
)


def umonitor(address: int) -> None:
    _umonitor(address)


def umwait(deadline: int, control: int = 1) -> int:
    """The carry."""
    return int(_umwait(control, deadline & 0xFFFFFFFF, deadline >> 32))


def tpause(deadline: int, control: int = 1) -> int:
    return int(_tpause(control, deadline & 0xFFFFFFFF, deadline >> 32))


def monitorx(address: int, extensions: int = 0) -> None:
    _monitorx(address, extensions)


def mwaitx(cycles: int, extensions: int = 2, hints: int = 0) -> None:
    _mwaitx(hints, extensions, cycles)
