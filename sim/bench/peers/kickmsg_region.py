"""kickmsg: publish and subscribe. A reader that is slower than the writer loses messages."""

from __future__ import annotations

from functools import partial
from typing import Any

import kickmsg

from sim.bench.peer import READERS_MOST, Channel, Form, Peer, ReadEnd, WriteEnd

TIMEOUT_S = 60.0


class Kickmsg(Peer):
    alias = "kickmsg"
    forms = (Form.BYTES, Form.VIEW)
    readers_max = READERS_MOST
    is_lossy = True

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        publisher = kickmsg.Publisher(_region(channel))
        send = publisher.send

        def send_or_wait(message: Any) -> bool:
            try:
                send(message)
                return True
            except BlockingIOError:  # all slots are held by readers
                return False

        if channel.form is Form.BYTES:
            return WriteEnd(send_or_wait, polls=True)
        allocate = publisher.allocate

        def fill(message: Any) -> bool:
            slot = allocate()
            if slot is None:
                return False
            memoryview(slot)[: len(message)] = message
            slot.publish(len(message))
            return True

        return WriteEnd(fill, polls=True)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        subscriber = kickmsg.Subscriber(_region(channel))
        if channel.form is Form.BYTES:
            return ReadEnd(partial(subscriber.receive, TIMEOUT_S), polls=True)
        held = Held(subscriber)
        return ReadEnd(held.view, polls=True, release=held.release)


class Held:
    """A subscriber, and the sample that it looks at."""

    def __init__(self, subscriber: Any) -> None:
        self._receive = subscriber.receive_view
        self._sample: Any = None

    def view(self) -> Any:
        sample = self._receive(TIMEOUT_S)
        if sample is None:
            return None
        self._sample = sample
        return memoryview(sample)

    def release(self) -> None:
        self._sample.release()


def _region(channel: Channel) -> Any:
    config = kickmsg.Config()
    config.max_subscribers = channel.readers
    config.sub_ring_capacity = channel.slots
    config.pool_size = channel.slots * (channel.readers + 1)
    config.max_payload_size = channel.size_bytes
    name = f"/{channel.name}"
    return kickmsg.SharedRegion.create_or_open(name, kickmsg.ChannelType.PubSub, config)
