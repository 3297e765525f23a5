"""ZeroMQ by pyzmq over ipc: PUSH to one PULL for each reader; PUB to SUBs.

Both sides hold back as many messages as there are slots. PUB drops what a reader has no room for;
before its first message it waits for the readers' subscriptions, at most SUBSCRIBED_WITHIN_MS, or
it would drop the first ones for all.
"""

from __future__ import annotations

from typing import Any, Optional, Sequence

import zmq

from sim.abc import Regions, TransportSpec
from sim.transport.peer import Inlet, Outlet, seconds_left

SUBSCRIBED_WITHIN_MS = 1000
LINGER_MS = 2000  # how long an end that is closed tries to get rid of its messages


class PushPull:
    def create(self, spec: TransportSpec, regions: Regions) -> None:
        for rank in range(spec.readers):
            regions.place(f"push{rank}")

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        made = []
        for rank in range(spec.readers):
            socket = _socket(zmq.PUSH, spec)
            socket.bind(f"ipc://{regions.place(f'push{rank}')}")
            made.append(_Socket(socket))
        return made

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        socket = _socket(zmq.PULL, spec)
        socket.connect(f"ipc://{regions.place(f'push{rank}')}")
        return _Socket(socket)


class PubSub:
    def create(self, spec: TransportSpec, regions: Regions) -> None:
        regions.place("pub")

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        socket = _socket(zmq.XPUB, spec)
        socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        socket.bind(f"ipc://{regions.place('pub')}")
        return [_Publisher(socket, spec.readers)]

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        socket = _socket(zmq.SUB, spec)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(f"ipc://{regions.place('pub')}")
        return _Socket(socket)


class _Socket:
    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        if not self._socket.poll(_left_ms(deadline_ns), zmq.POLLOUT):
            return False
        self._socket.send(frame)
        return True

    def get(self, deadline_ns: int) -> Optional[bytes]:
        if not self._socket.poll(_left_ms(deadline_ns), zmq.POLLIN):
            return None
        frame: bytes = self._socket.recv()
        return frame

    def close(self) -> None:
        context = self._socket.context
        self._socket.close()
        context.term()


class _Publisher(_Socket):
    def __init__(self, socket: Any, readers: int) -> None:
        super().__init__(socket)
        self._awaited = readers

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        while self._awaited and self._socket.poll(SUBSCRIBED_WITHIN_MS, zmq.POLLIN):
            self._socket.recv()
            self._awaited -= 1
        self._awaited = 0
        return super().put(frame, deadline_ns)


def _socket(kind: int, spec: TransportSpec) -> Any:
    socket = zmq.Context().socket(kind)
    socket.setsockopt(zmq.SNDHWM, spec.slots)
    socket.setsockopt(zmq.RCVHWM, spec.slots)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    return socket


def _left_ms(deadline_ns: int) -> Optional[int]:
    left_s = seconds_left(deadline_ns)
    return None if left_s is None else int(left_s * 1e3)
