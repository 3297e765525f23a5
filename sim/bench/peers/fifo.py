"""faster-fifo: a queue of pickled objects in shared memory, with a lock and conditions."""

from __future__ import annotations

from typing import Any

import faster_fifo

from sim.bench.peer import Channel, Form, Peer, ReadEnd, WriteEnd

PICKLE_BYTES = 512  # of an object beside its bytes, more than it has
WAIT_S = 60.0


class Fifo(Peer):
    alias = "faster-fifo"
    forms = (Form.OBJECT, Form.ARRAY)

    def made(self, channel: Channel) -> Any:
        return faster_fifo.Queue(channel.slots * (channel.size_bytes + PICKLE_BYTES))

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        put = made.put
        return WriteEnd(lambda message: put(message, True, WAIT_S))

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        get = made.get
        return ReadEnd(lambda: get(True, WAIT_S))
