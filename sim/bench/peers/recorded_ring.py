"""The same ring with a flight recorder at both ends and a step gate installed, as in a live run.

By the kernels' own ends: the names that programs use have no recorder.
"""

from __future__ import annotations

import mmap
from typing import Any, Optional

from cy_kernels import gate, recorder, ring
from sim.bench.peer import Channel, Peer, ReadEnd, WriteEnd
from sim.bench.peers.spinbed_ring import geometry

MESSAGES_MAX = 200_000
RECORDS = 1_000_000  # two a message, of what is sent first, not counted, too
POPULATE = getattr(mmap, "MAP_POPULATE", 0x8000)  # named from 3.10 on

_gate: Optional[memoryview] = None


class Recorded(Peer):
    alias = "spinbed-recorded"
    messages_max = MESSAGES_MAX
    note = f"at most {MESSAGES_MAX} messages at a time, which its recorder can take"

    def made(self, channel: Channel) -> Any:
        shape = {**geometry(channel), "readers": channel.readers}
        region = memoryview(mmap.mmap(-1, ring.cursor_region_bytes(**shape)))
        ring.cursor_format(region, **shape)
        return region, shape

    def writer(self, channel: Channel, made: Any) -> WriteEnd:
        region, shape = made
        end = ring.CursorWriter(region, recorder=_evidence(), **shape)
        return WriteEnd(end.send_within, close=end.close)

    def reader(self, channel: Channel, made: Any, address: Any, rank: int) -> ReadEnd:
        region, shape = made
        end = ring.CursorReader(region, rank=rank, recorder=_evidence(), **shape)
        return ReadEnd(end.receive_within, close=end.close)


def _evidence() -> memoryview:
    """A recorder; and the gate, once in a process."""
    global _gate
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | POPULATE
    memory = memoryview(mmap.mmap(-1, recorder.recorder_bytes(RECORDS), flags=flags))
    recorder.format_recorder(memory, RECORDS)
    if _gate is None:
        _gate = memoryview(mmap.mmap(-1, gate.GATE_BYTES))
        ring.install_gate(_gate)
    return memory
