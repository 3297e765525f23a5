"""Single words, fences and wake-ups on mapped memory, without a line of C: why this is enough.

**Words.** `memoryview.cast("Q")[i]` is, in CPython, a memcpy of a constant 8 bytes ("I": 4, "B": 1)
from or to its address. Every C compiler makes one mov of it, and an aligned mov of up to 8 bytes
is one access (Intel SDM vol. 3A, "Guaranteed Atomic Operations"). Nothing is torn.

**Order.** x86-64 lets a load overtake an earlier store to another word, and nothing else (same
volume, "Memory Ordering"): each load is an acquire, each store a release, also after the string
instructions of a large memcpy. The interpreter calls into C for each access, so no compiler moves
one past another. `observe` and `publish` only name the acquire and the release.

**Fence.** What is left, store before load, needs a locked instruction. Taking a free lock is one:
CPython's locks are POSIX semaphores (sys.thread_info.lock), whose sem_trywait is a `lock cmpxchg`
in glibc and musl; where they are PyMutex, it is a compare-and-exchange too. A *mutex* would not
do: glibc takes one with plain stores while the process has one thread. A fresh lock each time, as
a signal handler that raises between acquire and release would leave a shared one locked for ever.

**Waking.** A pure end never parks, but a compiled one may be parked without any limit, and a pure
waker must not lose it (the protocol is in protocol/wait_park.pxi). Clearing the flag is a plain
store there too. Bumping the event in Python would not do: several readers wake one writer, and

    event is 6. Reader A, about to wake, loads 6 and is preempted.   Others bump: event is 7.
    The writer loads seen = 7, raises its flag, polls: no slot is free yet.
    Reader B releases the last slot, sees the flag, clears it, event := 8, FUTEX_WAKE: nobody.
    Reader A goes on: event := 6 + 1, FUTEX_WAKE: nobody.
    The writer: FUTEX_WAIT(event = 7) is what it has seen: it sleeps, and nobody comes any more.

So the increment is the kernel's: FUTEX_WAKE_OP (futex(2)) adds to the word atomically, with the
locked instruction that compiled wakers use, and wakes in the same call. Increments are neither
lost nor do they go backwards, and the proof of wait_park.pxi holds word for word.

**Elsewhere.** On another machine the words hold, the order does not. There each acquire, release
and fence is a membarrier(2), which is a full barrier of its caller; nobody has shown that to go
together with compiled ends, so a pure end refuses to open where those are possible.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from threading import Lock
from typing import Any, Optional

MACHINE = platform.machine()
SYS_FUTEX = 202  # of x86-64, the only machine where somebody may be parked
SYS_MEMBARRIER = {"x86_64": 324, "aarch64": 283, "riscv64": 283}
MEMBARRIER_CMD_GLOBAL_EXPEDITED = 1 << 1  # Linux 4.16; interrupts only who registered: nobody
FUTEX_WAKE_OP = 5
INT_MAX = 2**31 - 1
FUTEX_OP_ADD = 1
# uaddr2 += 1; and wake again if it was 0, which finds nobody left to wake.
ADD_ONE = FUTEX_OP_ADD << 28 | 1 << 12


def orders_like_x86(machine: str) -> bool:
    """Loads and stores keep their order but for store-load, and a lock is a fence."""
    is_64_bit = struct.calcsize("P") == 8
    return machine == "x86_64" and is_64_bit and sys.thread_info.lock != "mutex+cond"


IS_X86_64 = orders_like_x86(MACHINE)
_syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def refusal() -> Optional[str]:
    """Why no pure end may open here; None where it may."""
    if IS_X86_64:
        return None
    here = str(Path(__file__).resolve().parents[1])
    if PathFinder.find_spec("cy_kernels.ring", [here]) is not None:
        return f"pure ends mix with compiled ones on x86-64 only; this machine is {MACHINE}"
    if MACHINE not in SYS_MEMBARRIER:
        return f"pure ends know no memory barrier for this machine, which is {MACHINE}"
    return None


def fence() -> None:
    """Everything before it is done before anything after it, for every observer."""
    if IS_X86_64:
        Lock().acquire()
    elif _syscall(SYS_MEMBARRIER[MACHINE], MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0:
        raise _os_error("membarrier")


def observe(words: memoryview[int], index: int) -> int:
    """Load with acquire: what was stored before the value was published is seen from here on."""
    value = words[index]
    if not IS_X86_64:
        fence()
    return value


def publish(words: memoryview[int], index: int, value: int) -> None:
    """Store with release: whoever observes the value sees everything that was stored before."""
    if not IS_X86_64:
        fence()
    words[index] = value


def bump_and_wake(event: ctypes.c_uint32) -> None:
    """event += 1, atomically, then wake everybody who sleeps on it."""
    if not IS_X86_64:
        return  # only compiled ends park, and there are none
    word = ctypes.byref(event)
    number, op = ctypes.c_long(SYS_FUTEX), ctypes.c_long(FUTEX_WAKE_OP)
    every, last = ctypes.c_long(INT_MAX), ctypes.c_long(1)
    if _syscall(number, word, op, every, last, word, ctypes.c_long(ADD_ONE)) < 0:
        raise _os_error("futex(FUTEX_WAKE_OP)")


def _os_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")


def byte_view(buffer: Any) -> memoryview[int]:
    """A contiguous buffer as single bytes. Raises BufferError where it cannot be written."""
    view = memoryview(buffer)
    if view.readonly:
        raise BufferError("Object is not writable.")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def address_of(view: memoryview[int]) -> int:
    """Of the first byte of a writable buffer."""
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


class Memory:
    """A mapping: its bytes, and its words by index. Holds the buffer until it is closed."""

    def __init__(self, buffer: Any) -> None:
        self.bytes = byte_view(buffer)
        words = self.bytes[: len(self.bytes) // 8 * 8]
        self.u32 = words.cast("I")
        self.u64 = words.cast("Q")
        words.release()

    def futex_word(self, offset: int) -> ctypes.c_uint32:
        """Holds the buffer for as long as it lives."""
        return ctypes.c_uint32.from_buffer(self.bytes, offset)

    def close(self) -> None:
        self.u32.release()
        self.u64.release()
        self.bytes.release()
