"""multiprocessing.Pipe, one for each reader, whose two ends everybody holds, as after a fork.

So no death closes it: a writer gets no error, and a successor finds it as it was. A message waits
for room until its deadline; once its first byte is in, for ever.
"""

from __future__ import annotations

import select
from multiprocessing.connection import Connection
from typing import Optional, Sequence

from sim.abc import Regions, TransportSpec
from sim.transport.peer import Inlet, Outlet, seconds_left


class Pipes:
    def create(self, spec: TransportSpec, regions: Regions) -> None:
        for rank in range(spec.readers):
            regions.pipe(f"pipe{rank}")

    def outlets(self, spec: TransportSpec, regions: Regions) -> Sequence[Outlet]:
        return [_PipeOutlet(write_end(regions, f"pipe{r}")) for r in range(spec.readers)]

    def inlet(self, spec: TransportSpec, regions: Regions, rank: int) -> Inlet:
        return _PipeInlet(read_end(regions, f"pipe{rank}"))


def write_end(regions: Regions, name: str) -> Connection:
    return Connection(regions.pipe(name), readable=False)


def read_end(regions: Regions, name: str) -> Connection:
    return Connection(regions.pipe(name), writable=False)


class _PipeOutlet:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLOUT)

    def put(self, frame: bytes, deadline_ns: int) -> bool:
        left_s = seconds_left(deadline_ns)
        if not self._poll.poll(None if left_s is None else left_s * 1e3):
            return False
        self._connection.send_bytes(frame)
        return True

    def close(self) -> None:
        self._connection.close()


class _PipeInlet:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, deadline_ns: int) -> Optional[bytes]:
        if not self._connection.poll(seconds_left(deadline_ns)):
            return None
        return self._connection.recv_bytes()

    def close(self) -> None:
        self._connection.close()
