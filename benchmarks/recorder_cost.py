"""What the flight recorder costs per record: one process, the same ring with it on and off.

A message sent and received is four records (two invokes, two oks) and two checksums. With empty
messages there is nothing to sum up, so (on - off) / 4 is a record alone; what longer messages
add to that is the checksum. On and off take turns within each round, because the machine's
speed drifts; the figure is the median over rounds of their difference.
"""

from __future__ import annotations

import argparse
import json
import mmap
import statistics
import time
from typing import Any, Dict, List, Optional, Sequence

from cy_kernels import recorder, ring

SLOTS = 64
SLOT_BYTES = 4096
SIZES_BYTES = (0, 64, 1024, 4096)
RECORDS_PER_MESSAGE = 4  # both sides, invoke and ok
PAIRS = 4000  # a recorder of 256 KiB a side: warm in the second-level cache, as in a live run
DEADLINE_NS = -1  # nothing waits here: every message is read before the next is sent


def main(arguments: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(arguments)
    figures = measure(rounds=options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{figures['per_record_ns']:.1f} ns per record (empty messages, no checksum)")
    for size_bytes in SIZES_BYTES:
        row = figures["sizes"][str(size_bytes)]
        print(
            f"{size_bytes:5} B: {row['off_ns']:6.0f} ns a message without recorder, "
            f"{row['on_ns']:6.0f} with; of that {row['checksum_ns']:6.1f} ns a checksum"
        )


def measure(*, rounds: int) -> Dict[str, Any]:
    off_ns: Dict[int, List[float]] = {size: [] for size in SIZES_BYTES}
    added_ns: Dict[int, List[float]] = {size: [] for size in SIZES_BYTES}
    memory = {side: _memory(recorder.recorder_bytes(2 * PAIRS)) for side in ("writer", "reader")}
    for size in SIZES_BYTES:
        _pair_ns(size, memory)  # first touch of the recorder's pages
    for index in range(rounds):
        for size in SIZES_BYTES:
            if index % 2:
                on, off = _pair_ns(size, memory), _pair_ns(size, None)
            else:
                off, on = _pair_ns(size, None), _pair_ns(size, memory)
            off_ns[size].append(off)
            added_ns[size].append(on - off)
    added = {size: statistics.median(added_ns[size]) for size in SIZES_BYTES}
    sizes = {
        str(size): {
            "off_ns": statistics.median(off_ns[size]),
            "on_ns": statistics.median(off_ns[size]) + added[size],
            "checksum_ns": (added[size] - added[0]) / 2,
        }
        for size in SIZES_BYTES
    }
    return {"per_record_ns": added[0] / RECORDS_PER_MESSAGE, "rounds": rounds, "sizes": sizes}


def _memory(size_bytes: int) -> memoryview:
    return memoryview(mmap.mmap(-1, max(size_bytes, mmap.PAGESIZE)))


def _pair_ns(size_bytes: int, recorders: Optional[Dict[str, memoryview]]) -> float:
    """Mean ns of sending and receiving one message."""
    geometry: Dict[str, Any] = {"slots": SLOTS, "slot_bytes": SLOT_BYTES, "readers": 1}
    region = _memory(ring.cursor_region_bytes(**geometry))
    ring.cursor_format(region, **geometry)
    if recorders is not None:
        for memory in recorders.values():
            recorder.format_recorder(memory, 2 * PAIRS)
    writer = ring.CursorWriter(
        region, **geometry, recorder=recorders["writer"] if recorders else None
    )
    reader = ring.CursorReader(
        region, rank=0, **geometry, recorder=recorders["reader"] if recorders else None
    )
    payload = bytes(size_bytes)
    send, receive = writer.send, reader.receive
    for _ in range(SLOTS):  # touches every slot; recorded, but not timed
        send(payload, DEADLINE_NS)
        receive(DEADLINE_NS)
    pairs = PAIRS - SLOTS
    began_ns = time.process_time_ns()
    for _ in range(pairs):
        send(payload, DEADLINE_NS)
        receive(DEADLINE_NS)
    took_ns = time.process_time_ns() - began_ns
    if recorders is not None:
        for memory in recorders.values():
            assert recorder.count(memory) == 2 * PAIRS
            assert not recorder.overflowed(memory)
    writer.close()
    reader.close()
    return took_ns / pairs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31, help="rounds (default 31)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


if __name__ == "__main__":
    main()
