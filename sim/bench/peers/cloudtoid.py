"""cloudtoid-interprocess: a queue of bytes. Who writes tries again where it is full."""

from __future__ import annotations

from typing import Any

from cloudtoid_interprocess import Publisher, Subscriber

from sim.bench.peer import Channel, Peer, ReadEnd, WriteEnd

HEAD_BYTES = 64  # of a message, more than it has


class Cloudtoid(Peer):
    alias = "cloudtoid"

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        publisher = Publisher(channel.name, _capacity(channel), str(channel.folder))
        return WriteEnd(publisher.try_send, polls=True, close=publisher.close)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        subscriber = Subscriber(channel.name, _capacity(channel), str(channel.folder))
        return ReadEnd(subscriber.receive, close=subscriber.close)


def _capacity(channel: Channel) -> int:
    return channel.slots * (channel.size_bytes + HEAD_BYTES)
