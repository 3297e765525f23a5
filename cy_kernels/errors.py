"""What the rings raise. Plain Python, so that it can be imported where no kernel can."""

from __future__ import annotations

from typing import Sequence


class RingError(Exception):
    """Base of everything a ring raises on purpose."""

    completed: int = 0  # how many messages of a batch had been sent by then
    received: Sequence[bytes] = ()  # those of a batch that had been read by then


class RingTimeout(RingError, TimeoutError):
    """The deadline passed before the operation could complete. Nothing was claimed."""


class RingEnded(RingError):
    """The writer said that no more messages come, and all of them were read."""


class RingClosed(RingError):
    """The ring was shut down under the operation."""


class RingEvicted(RingError):
    """The writer gave up on this reader: its position is lost."""


class RingFenced(RingError):
    """A successor took over this writer's place: nothing more may be written."""


class RingBusy(RingError):
    """The place is owned by a process that is not proven dead."""


class RingMismatch(RingError, ValueError):
    """The region is not what was asked for: magic, version, geometry or owner differ."""


class RingGarbled(RingError, ValueError):
    """A message is not an object's frame. It has been taken: the next one is another."""


class GateRaised(RingError):
    """The step gate was told to raise here. What the operation had done by then it has done; the
    end's position says whether that was the whole of it: it has moved if the message was sent, or
    received and released, and if not the next operation is about the same message."""
