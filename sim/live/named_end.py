"""One end of a ring that has a name: what the writing and the reading one have in common.

The operations are the kernels' own methods, which an instance has as attributes of its own: a
wrapper in Python would cost more than the operation.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from types import ModuleType
from typing import Any, Mapping, NamedTuple, Optional, Tuple, Union

from cy_kernels.choice import kernels as load_kernels
from cy_kernels.errors import RingBusy, RingMismatch
from cy_kernels.owner import is_proven_dead, pid_namespace, pid_of
from cy_kernels.pure.layout import PID_NAMESPACE, WRITER_OWNER
from sim.live.named_region import NamedRegion, checked_name

Buffer = Union[bytes, bytearray, memoryview]

ATTACH_S = 10.0  # a name that nobody makes is more often misspelt than late


class NamedEnd:
    """One end of a ring that has a name."""

    _home = ""
    _fast: Tuple[Tuple[str, str], ...] = ()  # our name of an operation, the kernels' name of it

    def __init__(self, end: Any, ring: Any, region: NamedRegion) -> None:
        self._end, self._ring, self._region = end, ring, region
        self._pid = os.getpid()
        if type(self).__module__ == self._home:  # a class of its own may override them
            for mine, name in self._fast:
                self.__dict__[mine] = getattr(end, name)

    @property
    def name(self) -> str:
        """The ring's name, with its slash."""
        return self._region.name

    @property
    def kernels(self) -> str:
        """compiled or pure."""
        return str(self._end.kernels)

    @property
    def wait(self) -> str:
        """The wait strategy that really runs."""
        return str(self._end.wait)

    @property
    def position(self) -> int:
        """Of the next message, from 0."""
        return int(self._end.position)

    @property
    def slots(self) -> Optional[int]:
        """None once closed, as the next two."""
        slots: Optional[int] = self._end.slots
        return slots

    @property
    def slot_bytes(self) -> Optional[int]:
        """The largest message."""
        slot_bytes: Optional[int] = self._end.slot_bytes
        return slot_bytes

    @property
    def readers(self) -> Optional[int]:
        readers: Optional[int] = self._end.readers
        return readers

    @property
    def is_open(self) -> bool:
        return self._end.slots is not None

    def describe(self) -> Mapping[str, Any]:
        """The ring as it lies in memory: geometry, owners, positions, who is parked."""
        self._must_be_open()
        described: Mapping[str, Any] = self._ring.cursor_describe(self._region.view)
        return described

    def shutdown(self) -> None:
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""
        self._end.shutdown()

    def unlink(self) -> None:
        """Remove the ring's name now: nobody can attach any more, who has attached goes on."""
        self._must_be_open()
        self._region.unlink()

    def _must_be_open(self) -> None:
        if not self.is_open:
            raise ValueError("operation on a closed end")

    def _close(self) -> None:
        if os.getpid() == self._pid:
            self._end.close()
        else:  # a child that was forked: the place is its parent's
            self._end.abandon()
        self._region.close()

    def __del__(self) -> None:
        if "_end" in self.__dict__ and self.is_open and os.getpid() == self._pid:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = f"at {self.position}" if self.is_open else "closed"
        return f"<spinbed.{type(self).__name__} of {self.name}, {state}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: attach in the other process")


class Found(NamedTuple):
    region: NamedRegion
    ring: ModuleType
    state: Mapping[str, Any]
    geometry: Mapping[str, int]


def deadline_s(timeout_s: Optional[float]) -> float:
    """Of time.monotonic(). Raises ValueError, TypeError."""
    if timeout_s is None:
        return math.inf
    if not timeout_s >= 0:
        raise ValueError(f"timeout_s must be 0 or more seconds, not {timeout_s}")
    return time.monotonic() + timeout_s


def find(name: str, timeout_s: Optional[float], kernels: Optional[str]) -> Found:
    """The ring of that name. Raises RingTimeout, RingMismatch, PermissionError."""
    until_s = deadline_s(timeout_s)
    full = checked_name(name)
    ring = load_kernels(kernels).ring
    region = NamedRegion.find(full, until_s, timeout_s)
    try:
        state = ring.cursor_describe(region.view)
    except RingMismatch as error:
        region.close()
        raise RingMismatch(f"{full}: {error}") from None
    return Found(
        region, ring, state, {key: state[key] for key in ("slots", "slot_bytes", "readers")}
    )


def may_replace(ring: ModuleType, name: str, old: memoryview) -> None:
    """Shut down the ring whose name another one is to have. Raises RingBusy, RingMismatch."""
    try:
        writer = ring.cursor_describe(old)["writer"]
    except RingMismatch as error:
        raise RingMismatch(f"{name} is not ours to replace: {error}") from None
    words = old.cast("Q")
    owner, namespace = words[WRITER_OWNER], words[PID_NAMESPACE]
    words.release()
    is_dead = namespace == pid_namespace() and is_proven_dead(owner)
    if writer["owner"] == "process" and not is_dead:
        raise RingBusy(f"{name} has a writer, pid {pid_of(owner)}, which is not proven dead")
    ring.cursor_shutdown(old)
