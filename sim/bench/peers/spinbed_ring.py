"""spinbed's own ring, through the names that programs use, with each way to wait."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Sequence, Tuple

from sim.bench.peer import READERS_MOST, SIZES, Channel, Form, Peer, ReadEnd, WriteEnd
from sim.live.ring_reader import Reader
from sim.live.ring_writer import Writer

FRAME_BYTES = 256  # what an object has beside its bytes
BATCH = 64


class Ring(Peer):
    alias = "spinbed"
    readers_max = READERS_MOST

    def __init__(
        self,
        wait: str = "park",
        forms: Tuple[Form, ...] = tuple(Form),
        sizes: Sequence[int] = SIZES,
    ) -> None:
        self._wait, self.forms, self.sizes = wait, forms, sizes  # type: ignore[misc]

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        writer = Writer.create(
            channel.name, readers=channel.readers, wait=self._wait, **geometry(channel)
        )
        return WriteEnd(_send(writer, channel), close=writer.close)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        reader = Reader.attach(channel.name, rank, wait=self._wait)
        release = reader.release if channel.form in (Form.VIEW, Form.ARRAY_VIEW) else None
        return ReadEnd(_receive(reader, channel.form), release=release, close=reader.close)


# Only where waiting is what is looked at.
_waiting = partial(Ring, forms=(Form.BYTES,), sizes=(64, 65536))
Spin = partial(_waiting, "busy_spin")
Pause = partial(_waiting, "pause")
Yield = partial(_waiting, "yielding")
Backoff = partial(_waiting, "backoff")
Adaptive = partial(_waiting, "adaptive")
Best = partial(_waiting, "best")


def geometry(channel: Channel) -> Any:
    is_bytes = channel.form in (Form.BYTES, Form.VIEW, Form.BATCH)
    frame_bytes = 0 if is_bytes else FRAME_BYTES
    return {"slots": channel.slots, "slot_bytes": channel.size_bytes + frame_bytes}


def _send(writer: Writer, channel: Channel) -> Callable[[Any], Any]:
    if channel.form is Form.BYTES:
        return writer.write
    if channel.form is Form.BATCH:
        return writer.write_many
    if channel.form is not Form.VIEW:
        return writer.send
    claim, commit, size_bytes = writer.claim, writer.commit, channel.size_bytes

    def send(message: bytes) -> None:
        claim(size_bytes)[:] = message
        commit()

    return send


def _receive(reader: Reader, form: Form) -> Callable[[], Any]:
    if form is Form.BATCH:
        return partial(reader.read_many, BATCH)
    return {
        Form.BYTES: reader.read,
        Form.VIEW: reader.view,
        Form.OBJECT: reader.recv,
        Form.ARRAY: reader.recv,
        Form.ARRAY_VIEW: reader.recv_view,
    }[form]
