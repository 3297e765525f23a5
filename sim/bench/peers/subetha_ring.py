"""subetha-ipc's SpscRing: one reader, items of 64 bytes, both sides poll."""

from __future__ import annotations

from typing import Any

import subetha

from sim.bench.peer import Channel, Form, Peer, ReadEnd, WriteEnd

BATCH = 64


class Spsc(Peer):
    alias = "subetha"
    forms = (Form.BYTES, Form.BATCH)
    sizes = (64,)

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        ring = subetha.SpscRing(_path(channel), channel.slots)
        if channel.form is Form.BYTES:
            return WriteEnd(ring.push, polls=True)
        push = ring.push_many

        def push_all(batch: Any) -> None:
            done = push(batch)
            while done < len(batch):
                done += push(batch[done:])

        return WriteEnd(push_all)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        ring = subetha.SpscRing.open(_path(channel), channel.slots)
        if channel.form is Form.BYTES:
            return ReadEnd(ring.pop, polls=True)
        pop = ring.pop_many

        def pop_some() -> Any:
            return pop(BATCH) or None

        return ReadEnd(pop_some, polls=True)


def _path(channel: Channel) -> str:
    return str(channel.folder / "ring")
