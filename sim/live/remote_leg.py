"""Messages to readers on other hosts, by ZeroMQ: what a writer publishes beside its ring.

As vLLM's message queue does for its remote readers: an XPUB socket of the writer, a SUB socket of
each reader, tcp between. Where a reader's queue is full, XPUB drops what comes further, and says
so to nobody.

A message is two frames: what it is and its position, then the payload. After the last one the
writer says so until nobody listens any more, because that too may be dropped.
"""

from __future__ import annotations

import struct
import time
from typing import Any, ContextManager

import zmq

from cy_kernels.choice import kernels
from cy_kernels.errors import RingClosed, RingEnded, RingTimeout
from sim.abc import WriterEnd
from sim.live.task import RemoteLeg

HEAD = struct.Struct("<BQ")  # what it is, its position
MESSAGE, ENDED, CLOSED = 0, 1, 2
OUTCOMES = {ENDED: "ended", CLOSED: "closed"}
SUBSCRIBED = b"\x01"
JOIN_DEADLINE_S = 60.0  # of readers whose interpreters start on a loaded machine
SAY_AGAIN_MS = 50
NS_PER_MS = 1_000_000


class Publisher:
    """A writer's end, and what readers on other hosts hear of it. Satisfies sim.abc.WriterEnd."""

    def __init__(self, end: WriterEnd, leg: RemoteLeg, queue: int) -> None:
        """Returns when all its readers have subscribed: what is sent before is not for them. Raises
        RuntimeError where they do not."""
        self._end = end
        self.kernels, self.wait = end.kernels, end.wait
        self._socket = zmq.Context.instance().socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # or of many like subscriptions one is told
        self._socket.setsockopt(zmq.SNDHWM, queue)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(leg.address)
        self._there = 0
        self._last = b""
        deadline_s = time.monotonic() + JOIN_DEADLINE_S
        while self._there < leg.readers:
            if time.monotonic() > deadline_s:
                said = f"{self._there} of {leg.readers} readers on other hosts have subscribed"
                raise RuntimeError(said)
            self._hear(SAY_AGAIN_MS)

    @property
    def position(self) -> int:
        return self._end.position

    def send(self, payload: bytes, deadline_ns: int) -> int:
        position = self._end.send(payload, deadline_ns)
        self._socket.send_multipart([HEAD.pack(MESSAGE, position), payload])
        return position

    def end(self) -> None:
        self._end.end()
        self._last = HEAD.pack(ENDED, self._end.position)

    def shutdown(self) -> None:
        end: Any = self._end
        end.shutdown()
        self._last = HEAD.pack(CLOSED, self._end.position)

    def close(self) -> None:
        """Waits until every reader that lives has heard the end, where there was one."""
        while self._last and self._there:
            self._socket.send_multipart([self._last, b""])
            self._hear(SAY_AGAIN_MS)
        self._socket.close()
        self._end.close()

    def _hear(self, within_ms: int) -> None:
        """Who has come and who has gone."""
        while self._socket.poll(within_ms):
            self._there += 1 if self._socket.recv().startswith(SUBSCRIBED) else -1
            within_ms = 0


class RemoteReader:
    """Satisfies sim.abc.ReaderEnd; its operations go into the flight recorder like those of a
    ring's reader."""

    wait = "poll"  # zmq_poll(3): it sleeps in the kernel

    def __init__(self, leg: RemoteLeg, queue: int, recorder: memoryview) -> None:
        chosen = kernels()
        self.kernels: str = chosen.kind
        self._recorder = chosen.recorder
        self._memory = recorder
        self._next = 0
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, queue)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(leg.address)

    def receive(self, deadline_ns: int) -> bytes:
        """The next message that came; what was dropped on the way shows in its position alone."""
        self._append("invoke", self._next, 0, 0)
        if not self._socket.poll(_left_ms(deadline_ns)):
            self._append("fail", self._next, 0, 0, "timeout")
            raise RingTimeout("nothing came from the writer's host")
        head, payload = self._socket.recv_multipart()
        what, position = HEAD.unpack(head)
        if what != MESSAGE:
            self._append("fail", position, 0, 0, OUTCOMES[what])
            raise (RingEnded if what == ENDED else RingClosed)("the writer's host said so")
        size_bytes, checksum = len(payload), self._recorder.checksum(payload)
        self._append("ok", position, size_bytes, checksum)
        self._next = position + 1
        return bytes(payload)

    def receiving(self, deadline_ns: int) -> ContextManager[memoryview]:
        raise AssertionError("a message from another host lies in no slot that could be held")

    def close(self) -> None:
        self._socket.close()

    def _append(self, type: str, position: int, size: int, sum: int, how: Any = None) -> None:
        self._recorder.append(self._memory, type, "receive", position, size, sum, how)


def _left_ms(deadline_ns: int) -> int:
    """As poll takes it: rounded up, -1 for ever."""
    if deadline_ns < 0:
        return -1
    return -(-max(0, deadline_ns - time.monotonic_ns()) // NS_PER_MS)
