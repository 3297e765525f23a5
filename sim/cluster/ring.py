"""A broadcast ring of one host in virtual time: as cursor_ring is, by its slots and positions."""

from __future__ import annotations

from typing import Callable, List, Optional, Protocol

END = -1  # in a slot: no more messages


class Taker(Protocol):
    """A reader, as its ring knows it. `position` is that of its next message."""

    position: int

    def wake(self) -> None: ...


class Ring:
    """One writer and its readers. A slot is free again when all of them are past it."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._numbers = [0] * slots  # which message is in which slot
        self.readers: List[Taker] = []
        self.written = 0
        self.least = 0  # position of the slowest reader
        self._parked: List[Taker] = []
        self._waiting: Optional[Callable[[], None]] = None  # the writer
        self.depth_max = 0

    @property
    def depth(self) -> int:
        """Messages that somebody has still to read."""
        return self.written - self.least

    @property
    def has_space(self) -> bool:
        return self.written - self.least < self._slots

    def put(self, number: int) -> None:
        """A message, by its number, into a free slot; who waits for it wakes."""
        assert self.has_space
        self._numbers[self.written % self._slots] = number
        self.written += 1
        if self.written - self.least > self.depth_max:
            self.depth_max = self.written - self.least
        if self._parked:
            parked, self._parked = self._parked, []
            for reader in parked:
                reader.wake()
        if not self.readers:
            self._move()

    def number_at(self, position: int) -> int:
        assert self.least <= position < self.written
        return self._numbers[position % self._slots]

    def park(self, reader: Taker) -> None:
        """Until the next message."""
        self._parked.append(reader)

    def released(self, position: int) -> None:
        """A reader is past this position."""
        if position == self.least:
            self._move()

    def drop(self, reader: Taker) -> None:
        """Nobody waits for this reader any more."""
        if reader in self.readers:
            self.readers.remove(reader)
            self._move()
        if reader in self._parked:
            self._parked.remove(reader)

    def wait_for_space(self, then: Callable[[], None]) -> None:
        """Call it as soon as a slot is free. A ring has one writer."""
        assert self._waiting is None and not self.has_space
        self._waiting = then

    def give_up(self) -> None:
        """The writer does not wait any more."""
        self._waiting = None

    def _move(self) -> None:
        self.least = min([reader.position for reader in self.readers], default=self.written)
        if self._waiting is not None and self.has_space:
            then, self._waiting = self._waiting, None
            then()
