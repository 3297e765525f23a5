"""ZeroMQ by pyzmq, over ipc: PUSH and PULL; XPUB, which can be told to drop nothing, and SUB."""

from __future__ import annotations

from typing import Any

import zmq

from sim.bench.peer import READERS_MOST, Channel, Form, Peer, ReadEnd, WriteEnd

MESSAGES, HELD_BYTES = 1000, 32 << 20  # the default high-water mark, less of large messages


class Push(Peer):
    alias = "zmq-push"
    forms = (Form.BYTES, Form.OBJECT, Form.ARRAY)

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        socket = _socket(zmq.PUSH, channel)
        socket.bind(_address(channel))
        return WriteEnd(_send(socket, channel), close=lambda: _close(socket))

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        socket = _socket(zmq.PULL, channel)
        socket.connect(_address(channel))
        return ReadEnd(_receive(socket, channel), close=lambda: _close(socket))


class Pub(Peer):
    alias = "zmq-pub"
    readers_max = READERS_MOST
    note = "XPUB_NODROP: waits for slow readers"

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        socket = _socket(zmq.XPUB, channel)
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        socket.bind(_address(channel))

        def meet() -> None:
            for _ in range(channel.readers):
                socket.recv()  # its subscription

        return WriteEnd(_send(socket, channel), meet=meet, close=lambda: _close(socket))

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        socket = _socket(zmq.SUB, channel)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(_address(channel))
        return ReadEnd(_receive(socket, channel), close=lambda: _close(socket))


def _socket(kind: int, channel: Channel) -> Any:
    socket = zmq.Context().socket(kind)
    most = max(2, min(MESSAGES, HELD_BYTES // channel.size_bytes))
    socket.setsockopt(zmq.SNDHWM, most)
    socket.setsockopt(zmq.RCVHWM, most)
    socket.setsockopt(zmq.LINGER, 0)
    return socket


def _address(channel: Channel) -> str:
    """From the current folder: the path of a socket may have only 107 bytes."""
    return f"ipc://{channel.folder.name}/zmq"


def _send(socket: Any, channel: Channel) -> Any:
    return socket.send if channel.form is Form.BYTES else socket.send_pyobj


def _receive(socket: Any, channel: Channel) -> Any:
    return socket.recv if channel.form is Form.BYTES else socket.recv_pyobj


def _close(socket: Any) -> None:
    context = socket.context
    socket.close()
    context.term()
