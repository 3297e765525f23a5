"""Wait until a callback, or a word in shared memory, says so: without sleeping, nor hogging."""

import sys
from typing import Any, Callable, Optional, Tuple

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:
    Buffer = Any

RUNGS: Tuple[str, ...]
STRATEGIES: Tuple[str, ...]  # what `strategy` may be: best, and each rung by name
CONDITIONS: Tuple[str, ...]  # equals, differs, passes
SIZES_BITS: Tuple[int, ...]  # 8, 32, 64
KNOWN_MUTANTS: Tuple[str, ...]
MUTANTS: Tuple[str, ...]  # of this build: none in the product

def spinloop(
    buffer: Buffer,
    callback: Callable[[], object],
    timeout: Optional[float] = None,
    *,
    strategy: Optional[str] = None,
    cpu: Optional[str] = None,
) -> bool:
    """Call `callback` until what it returns is true; False: `timeout` seconds passed first.

    The callback is asked at least once, again when a byte of `buffer` (up to 256 of them) has
    changed, and every 20 us or so in any case. In between the interpreter's lock is free, and the
    host's best way to wait runs: `strategy`, or what that comes to on this CPU (rung()). `cpu`, a
    list as in SPINBED_CPU, overrides what the CPU says of itself. The buffer may be read-only; it
    is held during the call, so the callback cannot release or resize it.

    `timeout` None: no limit; 0: the callback is asked once; else it is asked once more after the
    time is over. What the callback raises is raised, so is what a signal's handler raises, within
    some ms.

    Raises TypeError where the buffer has no bytes, the callback cannot be called, or an argument is
    of another type than here; ValueError for a buffer that is released or not contiguous, a
    `timeout` that is negative, infinite or NaN, and an unknown strategy or name in `cpu`.
    """

def wait_until(
    buffer: Buffer,
    offset: int,
    condition: str,
    value: int,
    *,
    size_bits: int = 64,
    timeout_s: Optional[float] = None,
    strategy: Optional[str] = None,
    cpu: Optional[str] = None,
) -> bool:
    """Wait until the word at `offset` equals, differs from or passes `value`; False: too late.

    The word is an unsigned, little-endian integer of `size_bits` (8, 32 or 64) at byte `offset`,
    loaded with acquire: what its writer stored before is seen. It passes `value` when it is at it
    or ahead of it by less than half its range, as counters that wrap are compared (RFC 1982). No
    Python runs meanwhile but signal handlers, which are looked for every 2 ms. Otherwise as
    spinloop(), `timeout_s` being its `timeout`.

    Also raises ValueError where the word does not lie in the buffer or at an address that is a
    multiple of its size, the value does not fit into it, or the condition or size is unknown.
    """

def wait_until_all(
    buffer: Buffer,
    offset: int,
    count: int,
    value: int = 1,
    *,
    timeout_s: Optional[float] = None,
    strategy: Optional[str] = None,
    cpu: Optional[str] = None,
) -> bool:
    """Wait until `count` bytes from `offset` on all equal `value`; False: too late.

    For flags that others set, one byte each; a monitor watches the line of the first that is not
    set. Otherwise as wait_until().
    """

def rung(
    buffer: Optional[Buffer] = None, *, strategy: Optional[str] = None, cpu: Optional[str] = None
) -> str:
    """The name of the rung that a call with these arguments runs.

    With a buffer: that of a spinloop() on it. One that does not lie in a single monitored line
    cannot be slept on, so it runs tpause, or adaptive where there is none.

    SPINBED_CPU is read by the first call of any function here, and then known.
    """
