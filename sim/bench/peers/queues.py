"""The queues of multiprocessing, which pickle every object. To several readers one queue each."""

from __future__ import annotations

import multiprocessing
from typing import Any

from sim.bench.peer import READERS_MOST, Channel, Form, Peer, ReadEnd, WriteEnd
from sim.bench.peers.pipe import to_all

FORK = multiprocessing.get_context("fork")
MESSAGES, HELD_BYTES = 1000, 32 << 20  # what a queue holds back: unlimited, it would fill memory


class Simple(Peer):
    alias = "simple-queue"
    forms = (Form.OBJECT, Form.ARRAY)

    def made(self, channel: Channel) -> Any:
        return FORK.SimpleQueue()

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        return WriteEnd(made.put)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        return ReadEnd(made.get)


class Full(Peer):
    alias = "queue"
    forms = (Form.OBJECT, Form.ARRAY)
    readers_max = READERS_MOST
    note = f"holds back {MESSAGES} messages, or {HELD_BYTES >> 20} MiB of large ones"

    def made(self, channel: Channel) -> Any:
        most = max(2, min(MESSAGES, HELD_BYTES // channel.size_bytes))
        return [FORK.Queue(most) for _ in range(channel.readers)]

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        def close() -> None:
            for queue in made:
                queue.cancel_join_thread()
                queue.close()

        puts = [queue.put for queue in made]
        return WriteEnd(puts[0] if len(puts) == 1 else to_all(puts), close=close)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        return ReadEnd(made[rank].get)
