"""spinloop and its kin in plain Python: what runs where nothing was compiled, and what it means.

There are no instructions to wait with here, so whatever is asked for runs as `adaptive`, or as
`pause` where that is asked for: look, and after a slice in vain give up the core; adaptive naps
once it has waited for ADAPTIVE_SPIN_NS. A look is some 100 ns, and it holds the interpreter's
lock, which sched_yield and naps let go of.
"""

from __future__ import annotations

import ctypes
import operator
import os
import time
from functools import partial
from math import ceil, isfinite
from pickle import PickleBuffer
from typing import Any, Callable, Iterable, Optional

from cy_kernels.pure.cpu import features, rung_of

__all__ = ["CONDITIONS", "RUNGS", "STRATEGIES", "rung", "spinloop", "wait_until", "wait_until_all"]

SLICE_NS = 20_000
ADAPTIVE_SPIN_NS = 10_000_000
ADAPTIVE_NAP_SHARE = 64
ADAPTIVE_NAP_MAX_NS = 1_000_000
SEEN_BYTES = 256
NEVER_NS = 2**63 - 1
POLLS_PER_CLOCK = 16

RUNGS = ("pause", "adaptive", "tpause", "mwaitx", "umwait", "wfe", "wfet")
STRATEGIES = ("best", *RUNGS)
CONDITIONS = ("equals", "differs", "passes")
SIZES_BITS = (8, 32, 64)
PY_BUFFER_BYTES = 128  # 80 in CPython's headers


def spinloop(
    buffer: Any,
    callback: Callable[[], object],
    timeout: Optional[float] = None,
    *,
    strategy: Optional[str] = None,
    cpu: Optional[str] = None,
) -> bool:
    """Call `callback` until what it returns is true; False: `timeout` seconds passed first."""
    chosen = rung(strategy=strategy, cpu=cpu)
    began_ns = time.monotonic_ns()
    deadline_ns = _deadline_ns(timeout, "timeout", began_ns)
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    with _Held(buffer) as view:
        wait = _Wait(chosen, began_ns, deadline_ns)
        is_watched = 0 < len(view) <= SEEN_BYTES
        is_late = began_ns >= deadline_ns
        while True:
            seen = bytes(view) if is_watched else b""
            if callback():
                return True
            if is_late:
                return False
            is_late = wait.is_over()  # then it is asked once more: we may have been held up
            if is_watched and not is_late:  # else the callback is the look
                wait.for_a_slice(partial(operator.ne, view, seen))


def wait_until(
    buffer: Any,
    offset: int,
    condition: str,
    value: int,
    *,
    size_bits: int = 64,
    timeout_s: Optional[float] = None,
    strategy: Optional[str] = None,
    cpu: Optional[str] = None,
) -> bool:
    """Wait until the word at `offset` equals, differs from or passes `value`; False: too late."""
    chosen = rung(strategy=strategy, cpu=cpu)
    began_ns = time.monotonic_ns()
    deadline_ns = _deadline_ns(timeout_s, "timeout_s", began_ns)
    if size_bits not in SIZES_BITS:
        raise ValueError(f"size_bits must be one of {_listed(SIZES_BITS)}, not {size_bits!r}")
    if condition not in CONDITIONS:
        raise ValueError(f"condition {condition!r} is not one of {_listed(CONDITIONS)}")
    wanted = _checked("value", value, 0, (1 << size_bits) - 1)
    size = size_bits // 8
    half = 1 << (size_bits - 1)
    with _Held(buffer) as view:
        place = _checked("offset", offset, 0, len(view) - size)
        if (_address_of(view) + place) % size:
            raise ValueError(
                f"the word at offset {place} lies at an address that is no multiple of {size}"
            )
        with view[place : place + size] as its_bytes, _as_words(its_bytes, size_bits) as word:
            conditions: dict[str, Callable[[], bool]] = {
                "equals": lambda: word[0] == wanted,
                "differs": lambda: word[0] != wanted,
                "passes": lambda: (word[0] - wanted) % (2 * half) < half,
            }
            return _Wait(chosen, began_ns, deadline_ns).until(conditions[condition])


def wait_until_all(
    buffer: Any,
    offset: int,
    count: int,
    value: int = 1,
    *,
    timeout_s: Optional[float] = None,
    strategy: Optional[str] = None,
    cpu: Optional[str] = None,
) -> bool:
    """Wait until `count` bytes from `offset` on all equal `value`; False: too late."""
    chosen = rung(strategy=strategy, cpu=cpu)
    began_ns = time.monotonic_ns()
    deadline_ns = _deadline_ns(timeout_s, "timeout_s", began_ns)
    wanted = _checked("value", value, 0, 255)
    with _Held(buffer) as view:
        place = _checked("offset", offset, 0, len(view) - 1)
        flags = _checked("count", count, 1, len(view) - place)
        with view[place : place + flags] as watched:
            all_set = bytes([wanted]) * flags
            return _Wait(chosen, began_ns, deadline_ns).until(lambda: watched == all_set)


def rung(buffer: Any = None, *, strategy: Optional[str] = None, cpu: Optional[str] = None) -> str:
    """The name of the rung that a call with these arguments runs."""
    if strategy is not None and not isinstance(strategy, str):
        raise TypeError(f"strategy must be a str or None, not {type(strategy).__name__}")
    if cpu is not None and not isinstance(cpu, str):
        raise TypeError(f"cpu must be a str or None, not {type(cpu).__name__}")
    if strategy is not None and strategy not in STRATEGIES:
        raise ValueError(f"wait strategy {strategy!r} is not one of {_listed(STRATEGIES)}")
    chosen = rung_of(strategy or "best", features(cpu))
    if buffer is not None:
        with _Held(buffer):
            pass
    return chosen if chosen == "pause" else "adaptive"


class _Wait:
    """One wait: how its time is spent, and when it is over."""

    def __init__(self, rung: str, began_ns: int, deadline_ns: int) -> None:
        self.naps = rung == "adaptive"
        self.began_ns = began_ns
        self.deadline_ns = deadline_ns
        self.slice_end_ns = began_ns + SLICE_NS

    def until(self, is_met: Callable[[], bool]) -> bool:
        while not self.for_a_slice(is_met):
            if self.is_over():
                return is_met()
        return True

    def for_a_slice(self, is_met: Callable[[], bool]) -> bool:
        """Look until it is met, or until the slice or the time-out is over."""
        until_ns = min(self.slice_end_ns, self.deadline_ns)
        while True:
            for _ in range(POLLS_PER_CLOCK):
                if is_met():
                    return True
            if time.monotonic_ns() >= until_ns:
                return False

    def is_over(self) -> bool:
        """True: the deadline has passed. Else the core was given up, if the slice is over."""
        now_ns = time.monotonic_ns()
        if now_ns >= self.deadline_ns:
            return True
        if now_ns >= self.slice_end_ns:
            waited_ns = now_ns - self.began_ns
            if self.naps and waited_ns >= ADAPTIVE_SPIN_NS:
                nap_ns = min(waited_ns // ADAPTIVE_NAP_SHARE, ADAPTIVE_NAP_MAX_NS)
                time.sleep(min(nap_ns, self.deadline_ns - now_ns) / 1e9)
            else:
                os.sched_yield()
            self.slice_end_ns = time.monotonic_ns() + SLICE_NS
        return False


class _Held:
    """The bytes of a buffer that nobody can release or resize meanwhile."""

    def __init__(self, buffer: Any) -> None:
        if not isinstance(buffer, PickleBuffer):
            _refuse_what_has_no_bytes(buffer)
        # A memoryview of a memoryview would share its exporter, and not keep it from being
        # released; this is an export of its own.
        self._export = PickleBuffer(buffer)
        try:
            self.view = self._export.raw()
        except BufferError as error:
            self._export.release()
            raise ValueError(f"buffer must be contiguous: {error}") from None

    def __enter__(self) -> memoryview[int]:
        return self.view

    def __exit__(self, *_: object) -> None:
        self.view.release()
        self._export.release()


def _address_of(view: memoryview[int]) -> int:
    """Of the first byte; ctypes itself would ask for a buffer that can be written."""
    export = (ctypes.c_void_p * (PY_BUFFER_BYTES // 8))()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(view), export, 0)
    address = export[0] or 0  # Py_buffer.buf comes first
    ctypes.pythonapi.PyBuffer_Release(export)
    return address


def _as_words(view: memoryview[int], size_bits: int) -> memoryview[int]:
    if size_bits == 8:
        return view.cast("B")
    return view.cast("I") if size_bits == 32 else view.cast("Q")


def _refuse_what_has_no_bytes(buffer: Any) -> None:
    try:
        memoryview(buffer).release()
    except TypeError:
        kind = type(buffer).__name__
        raise TypeError(f"a bytes-like object is required, not {kind!r}") from None


def _deadline_ns(timeout: Optional[float], name: str, began_ns: int) -> int:
    if timeout is None:
        return NEVER_NS
    if not hasattr(type(timeout), "__float__") and not hasattr(type(timeout), "__index__"):
        kind = type(timeout).__name__
        raise TypeError(f"{name} must be a number of seconds or None, not {kind}")
    try:
        seconds = float(timeout)
    except OverflowError:
        raise ValueError(f"{name} must be a number of seconds that a float can hold") from None
    if not isfinite(seconds) or seconds < 0:
        raise ValueError(f"{name} must be 0 or more seconds, or None, not {timeout!r}")
    return min(began_ns + ceil(min(seconds * 1e9, NEVER_NS)), NEVER_NS)


# Never an object whose comparisons are its own: a bound that it passes must be one that it keeps.
_exact_int = int.__index__


def _checked(name: str, number: int, low: int, high: int) -> int:
    """As an int. Raises TypeError and ValueError, with its name and bounds."""
    try:
        exact = _exact_int(operator.index(number))
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(number).__name__}") from None
    if high < low:
        raise ValueError(f"{name} {exact} is out of bounds: the buffer is too small")
    if not low <= exact <= high:
        raise ValueError(f"{name} must be {low} to {high}, not {exact}")
    return exact


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
