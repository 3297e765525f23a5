"""multiprocessing.Pipe: bytes, and objects that it pickles. To several readers one pipe each."""

from __future__ import annotations

import multiprocessing
from typing import Any

from sim.bench.peer import READERS_MOST, Channel, Form, Peer, ReadEnd, WriteEnd


class Pipe(Peer):
    alias = "pipe"
    forms = (Form.BYTES, Form.OBJECT, Form.ARRAY)
    readers_max = READERS_MOST

    def made(self, channel: Channel) -> Any:
        return [multiprocessing.Pipe(duplex=False) for _ in range(channel.readers)]

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        is_bytes = channel.form is Form.BYTES
        sends = [each.send_bytes if is_bytes else each.send for _, each in made]
        return WriteEnd(sends[0] if len(sends) == 1 else to_all(sends))

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        mine = made[rank][0]
        return ReadEnd(mine.recv_bytes if channel.form is Form.BYTES else mine.recv)


def to_all(sends: Any) -> Any:
    def send(message: Any) -> None:
        for each in sends:
            each(message)

    return send
