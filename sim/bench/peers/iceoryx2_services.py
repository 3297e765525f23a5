"""iceoryx2: publish and subscribe of slices of bytes, polled, or with an event for each message."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any, Callable

import iceoryx2 as iox

from sim.bench.peer import READERS_MOST, Channel, Form, Peer, ReadEnd, WriteEnd


class Service(Peer):
    alias = "iceoryx2"
    forms = (Form.BYTES, Form.VIEW)
    readers_max = READERS_MOST
    note = "waits for slow readers: no safe overflow"

    def __init__(self, has_event: bool = False) -> None:
        self._has_event = has_event

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        node = _node(channel)
        publisher = (
            _messages(node, channel)
            .publisher_builder()
            .initial_max_slice_len(channel.size_bytes)
            .backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )
        send = _send(publisher, channel)
        if not self._has_event:
            return WriteEnd(send, meet=publisher.update_connections)
        notify = _events(node).notifier_builder().create().notify

        def send_and_notify(message: Any) -> None:
            send(message)
            notify()

        return WriteEnd(send_and_notify, meet=publisher.update_connections)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        node = _node(channel)
        builder = _messages(node, channel).subscriber_builder().buffer_size(channel.slots)
        held = Held(builder.create(), channel)
        attempt = held.view if channel.form is Form.VIEW else held.bytes
        release = held.release if channel.form is Form.VIEW else None
        if not self._has_event:
            return ReadEnd(attempt, polls=True, release=release)
        wait = _events(node).listener_builder().create().blocking_wait

        def receive() -> Any:
            while True:
                message = attempt()
                if message is not None:
                    return message
                wait()

        return ReadEnd(receive, release=release)


Polling = Service
Event = partial(Service, has_event=True)


class Held:
    """A subscriber, and the sample that it looks at."""

    def __init__(self, subscriber: Any, channel: Channel) -> None:
        self._receive, self._size_bytes = subscriber.receive, channel.size_bytes
        self._subscriber = subscriber
        self._sample: Any = None
        self._array = ctypes.c_uint8 * channel.size_bytes

    def bytes(self) -> Any:
        sample = self._receive()
        if sample is None:
            return None
        message = ctypes.string_at(sample.payload_ptr, self._size_bytes)
        sample.delete()
        return message

    def view(self) -> Any:
        sample = self._receive()
        if sample is None:
            return None
        self._sample = sample
        return memoryview(self._array.from_address(sample.payload_ptr)).cast("B")

    def release(self) -> None:
        self._sample.delete()


def _send(publisher: Any, channel: Channel) -> Callable[[Any], Any]:
    loan, move, size_bytes = publisher.loan_slice_uninit, ctypes.memmove, channel.size_bytes
    array = ctypes.c_uint8 * size_bytes

    def send(message: bytes) -> None:
        sample = loan(size_bytes)
        move(sample.payload_ptr, message, size_bytes)
        sample.assume_init().send()

    def send_any(message: Any) -> None:  # also what another sample shows
        sample = loan(size_bytes)
        source = message if isinstance(message, bytes) else array.from_buffer(message)
        move(sample.payload_ptr, source, size_bytes)
        sample.assume_init().send()

    return send if channel.form is Form.BYTES else send_any


def _node(channel: Channel) -> Any:
    """With names and folder of this channel's own: nothing of anybody else's is touched. The folder
    from the current one: the path of a socket may have only 107 bytes."""
    iox.set_log_level(iox.LogLevel.Fatal)
    config = iox.config.default()
    config.global_cfg.prefix = iox.FileName.new(f"{channel.name}.")
    config.global_cfg.root_path = iox.Path.new(channel.folder.name)
    return iox.NodeBuilder.new().config(config).create(iox.ServiceType.Ipc)


def _messages(node: Any, channel: Channel) -> Any:
    return (
        node.service_builder(iox.ServiceName.new("messages"))
        .publish_subscribe(iox.Slice[ctypes.c_uint8])
        .enable_safe_overflow(False)
        .subscriber_max_buffer_size(channel.slots)
        .max_publishers(1)
        .max_subscribers(channel.readers)
        .open_or_create()
    )


def _events(node: Any) -> Any:
    return node.service_builder(iox.ServiceName.new("events")).event().open_or_create()
