"""The seam for a transport that is measured: what a peer offers, and what its two ends can do.

A peer of another package is named "their_pkg.module:Thing"; the instance is made without
arguments, in the process that forks both ends.
"""

from __future__ import annotations

import abc
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, ClassVar, Optional, Sequence, Tuple

SIZES = (64, 4096, 65536, 1 << 20)
READERS_MOST = 4


class Form(enum.Enum):
    """What a message is to who reads it."""

    BYTES = "bytes"  # the reader owns them
    VIEW = "in place"  # the reader looks at them in shared memory, until it lets go
    BATCH = "batches"  # the reader owns them; up to 64 messages a call
    OBJECT = "objects"  # {"id": number, "data": bytes}
    ARRAY = "arrays"  # of NumPy, copied out
    ARRAY_VIEW = "arrays in place"


IN_PLACE = (Form.VIEW, Form.ARRAY_VIEW)


@dataclass(frozen=True)
class Channel:
    """One direction that is to be opened: from one writer to `readers`, each gets every message."""

    name: str  # how every name begins that is made for it outside of `folder`
    folder: Path  # a folder of its own, in memory; also the current folder of both ends
    form: Form
    size_bytes: int  # of the bytes in a message
    slots: int  # messages that are to fit in, or thereabouts
    readers: int


def nothing() -> None:
    """What an end does that has nothing to do."""


@dataclass(frozen=True)
class WriteEnd:
    """`send` takes one message, or a list of them if they go in batches.

    It returns once the message is sent; with `polls` it returns False where there is no room, and
    is called again.
    """

    send: Callable[[Any], Any]
    polls: bool = False
    address: Any = None  # what readers need to find it; pickled on its way
    meet: Callable[[], Any] = nothing  # called when all ends are open
    close: Callable[[], Any] = nothing


@dataclass(frozen=True)
class ReadEnd:
    """`receive` returns the next message, or a list of them if they come in batches.

    With `polls` it returns None where there is none yet, and is called again. `release` lets go
    of a message that lies in place.
    """

    receive: Callable[[], Any]
    polls: bool = False
    release: Optional[Callable[[], Any]] = None
    meet: Callable[[], Any] = nothing
    close: Callable[[], Any] = nothing


class Peer(abc.ABC):
    """One transport. Both ends are opened in processes of their own, forked from one parent."""

    alias: ClassVar[str]
    forms: ClassVar[Tuple[Form, ...]] = (Form.BYTES,)
    sizes: ClassVar[Sequence[int]] = SIZES
    readers_max: ClassVar[int] = 1
    is_lossy: ClassVar[bool] = False  # drops messages where the reader is slower
    messages_max: ClassVar[Optional[int]] = None  # in one go, where it cannot bear more
    note: ClassVar[str] = ""  # about how it is run here

    def made(self, channel: Channel) -> Any:
        """What both ends inherit: called in their parent, before they are forked."""
        return None

    @abc.abstractmethod
    def writer(self, channel: Channel, made: Any) -> WriteEnd: ...

    @abc.abstractmethod
    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd: ...


def waiting_send(end: WriteEnd, idle: Callable[[], Any]) -> Callable[[Any], Any]:
    """`send` that returns only when the message is sent; `idle` is called between two attempts."""
    if not end.polls:
        return end.send
    attempt = end.send

    def send(message: Any) -> None:
        while not attempt(message):
            idle()

    return send


def waiting_receive(end: ReadEnd, idle: Callable[[], Any]) -> Callable[[], Any]:
    if not end.polls:
        return end.receive
    attempt = end.receive

    def receive() -> Any:
        while True:
            message = attempt()
            if message is not None:
                return message
            idle()

    return receive
