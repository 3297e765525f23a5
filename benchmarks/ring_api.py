"""What the ring API does between two processes, beside multiprocessing.Pipe in the same run.

One process writes and another one reads, for a fixed time: messages a second, the last one
acknowledged. And one message to and fro: half of the round trip, the median. Ways to do it:

    raw     write, read                     batch   write_many, read_many, 64 at a time
    view    claim, fill, commit; view       object  send, recv of {"id": 7, "data": bytes}

Each beside send_bytes and recv_bytes of a pipe, objects beside send and recv. All take turns in
each round, and each ratio is the median of the rounds' ratios: the speed drifts. Neither side
is pinned to a core, unless --pin says so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import statistics
import sys
import time
import uuid
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import spinbed

SIZES = (64, 4096, 65536, 1 << 20)
BATCH = 64
RING_BYTES = 16 << 20  # as much memory for every size, in 2 to SLOTS_MAX slots
SLOTS_MAX = 1024
FRAME_BYTES = 256  # what an object has beside its bytes
WAIT_S = 30.0  # only against a hang
WARM_UP = 64
WAYS = ("raw", "batch", "view", "object")
PEER = {"raw": "pipe", "batch": "pipe", "view": "pipe", "object": "pipe object"}


class Ends(NamedTuple):
    """What one process has: its writer and reader, and its end of the pipe."""

    writer: spinbed.Writer
    reader: spinbed.Reader
    pipe: Connection


Send = Callable[[Ends, int, bytes], None]  # that many messages
Receive = Callable[[Ends, int], None]


def send_raw(ends: Ends, count: int, payload: bytes) -> None:
    write = ends.writer.write
    for _ in range(count):
        write(payload)


def receive_raw(ends: Ends, count: int) -> None:
    read = ends.reader.read
    for _ in range(count):
        read()


def send_batch(ends: Ends, count: int, payload: bytes) -> None:
    batch = [payload] * min(BATCH, count)
    for _ in range(count // len(batch)):
        ends.writer.write_many(batch)
    ends.writer.write_many(batch[: count % len(batch)])


def receive_batch(ends: Ends, count: int) -> None:
    while count:
        count -= len(ends.reader.read_many(min(BATCH, count)))


def send_view(ends: Ends, count: int, payload: bytes) -> None:
    writer, size = ends.writer, len(payload)
    for _ in range(count):
        writer.claim(size)[:] = payload
        writer.commit()


def receive_view(ends: Ends, count: int) -> None:
    reader = ends.reader
    for _ in range(count):
        if not len(reader.view()):
            raise AssertionError("an empty message")
        reader.release()


def send_object(ends: Ends, count: int, payload: bytes) -> None:
    send = ends.writer.send
    for _ in range(count):
        send({"id": 7, "data": payload})


def receive_object(ends: Ends, count: int) -> None:
    recv = ends.reader.recv
    for _ in range(count):
        recv()


def send_pipe(ends: Ends, count: int, payload: bytes) -> None:
    send = ends.pipe.send_bytes
    for _ in range(count):
        send(payload)


def receive_pipe(ends: Ends, count: int) -> None:
    recv = ends.pipe.recv_bytes
    for _ in range(count):
        recv()


def send_pipe_object(ends: Ends, count: int, payload: bytes) -> None:
    send = ends.pipe.send
    for _ in range(count):
        send({"id": 7, "data": payload})


def receive_pipe_object(ends: Ends, count: int) -> None:
    recv = ends.pipe.recv
    for _ in range(count):
        recv()


CALLS: Dict[str, Tuple[Send, Receive]] = {
    "raw": (send_raw, receive_raw),
    "batch": (send_batch, receive_batch),
    "view": (send_view, receive_view),
    "object": (send_object, receive_object),
    "pipe": (send_pipe, receive_pipe),
    "pipe object": (send_pipe_object, receive_pipe_object),
}


def main(arguments: Optional[Sequence[str]] = None) -> None:
    options = _parser().parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        peer = Peer(stack, options.wait, cores[-1] if options.pin else None)
        if options.pin:
            os.sched_setaffinity(0, cores[:1])
        figures = {
            size: measured(peer, stack, size, options.rounds, options.seconds)
            for size in options.size or SIZES
        }
    if options.json:
        print(json.dumps(figures))
        return
    pinned = "pinned" if options.pin else "not pinned"
    print(f"kernels {peer.kernels}, wait {peer.wait}, {len(cores)} cores, {pinned}")
    for size, rows in figures.items():
        for way, row in rows.items():
            print(
                f"{size:>8} B {way:>12}: {row['messages_per_s']:>12,.0f} messages/s"
                f"{_times(row.get('rate_ratio'))}; half round trip {row['half_us']:>8.2f} us"
                f"{_times(row.get('half_ratio'))}"
            )


def _times(ratio: Optional[float]) -> str:
    return "" if ratio is None else f" ({ratio:.3g} x pipe)"


class Peer:
    """The other process, which does what it is told over a pipe of its own."""

    def __init__(self, stack: contextlib.ExitStack, wait: str, core: Optional[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self.wait, self.kernels = wait, ""
        self.orders, theirs = context.Pipe()
        self.pipe, their_pipe = context.Pipe()
        child = context.Process(target=serve, args=(theirs, their_pipe, wait, core))
        child.start()
        stack.callback(child.join)
        stack.callback(self.orders.send, None)

    def rings(self, stack: contextlib.ExitStack, size: int) -> Ends:
        """Two new rings between both processes, one each way."""
        slot_bytes = size + FRAME_BYTES
        slots = max(2, min(SLOTS_MAX, RING_BYTES // slot_bytes))
        names = [f"spinbed.bench-{uuid.uuid4().hex}" for _ in range(2)]
        writer = stack.enter_context(
            spinbed.Writer.create(names[0], slots=slots, slot_bytes=slot_bytes, wait=self.wait)
        )
        self.orders.send(("rings", *names, slots, slot_bytes))
        reader = stack.enter_context(spinbed.Reader.attach(names[1], wait=self.wait))
        self.orders.recv()
        self.wait, self.kernels = reader.wait, reader.kernels
        return Ends(writer, reader, self.pipe)


def serve(orders: Connection, pipe: Connection, wait: str, core: Optional[int]) -> None:
    if core is not None:
        os.sched_setaffinity(0, [core])
    with contextlib.ExitStack() as all_rings:
        ends: Any = None
        while True:
            order = orders.recv()
            if order is None:
                return
            if order[0] == "rings":
                all_rings.close()
                theirs, mine, slots, slot_bytes = order[1:]
                writer = spinbed.Writer.create(
                    mine, slots=slots, slot_bytes=slot_bytes, wait=wait
                )
                all_rings.enter_context(writer)
                reader = all_rings.enter_context(spinbed.Reader.attach(theirs, wait=wait))
                ends = Ends(writer, reader, pipe)
                orders.send("there")
                continue
            how, way, count, payload = order
            send, receive = CALLS[way]
            if how == "read":
                receive(ends, count)
                orders.send("read")
            else:
                for _ in range(count):
                    receive(ends, 1)
                    send(ends, 1, payload)


def measured(
    peer: Peer, stack: contextlib.ExitStack, size: int, rounds: int, seconds: float
) -> Dict[str, Dict[str, float]]:
    ends = peer.rings(stack, size)
    payload = os.urandom(size)
    counts = {}
    for way in CALLS:  # everything is touched once, and how many fill the time becomes known
        one_way_s(peer, ends, way, WARM_UP, payload)
        took_s = one_way_s(peer, ends, way, WARM_UP, payload)
        more = max(WARM_UP, int(WARM_UP * seconds / 8 / took_s))
        took_s = one_way_s(peer, ends, way, more, payload)
        trip_us = statistics.median(half_trips_us(peer, ends, way, WARM_UP, payload))
        counts[way] = (
            max(1, int(more * seconds / took_s)),
            max(WARM_UP, int(seconds / 2 * 1e6 / (2 * trip_us))),
        )
    rates: Dict[str, List[float]] = {way: [] for way in CALLS}
    halves: Dict[str, List[float]] = {way: [] for way in CALLS}
    for _ in range(rounds):
        for way, (messages, trips) in counts.items():
            rates[way].append(messages / one_way_s(peer, ends, way, messages, payload))
            halves[way].append(
                statistics.median(half_trips_us(peer, ends, way, trips, payload))
            )
    rows: Dict[str, Dict[str, float]] = {}
    for way in CALLS:
        rows[way] = {
            "messages_per_s": statistics.median(rates[way]),
            "half_us": statistics.median(halves[way]),
        }
        if way in PEER:
            rows[way]["rate_ratio"] = _ratio(rates[way], rates[PEER[way]])
            rows[way]["half_ratio"] = _ratio(halves[way], halves[PEER[way]])
    return rows


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs))


def one_way_s(peer: Peer, ends: Ends, way: str, count: int, payload: bytes) -> float:
    peer.orders.send(("read", way, count, None))
    began_s = time.perf_counter()
    CALLS[way][0](ends, count, payload)
    peer.orders.recv()
    return time.perf_counter() - began_s


def half_trips_us(peer: Peer, ends: Ends, way: str, count: int, payload: bytes) -> List[float]:
    send, receive = CALLS[way]
    peer.orders.send(("echo", way, count, payload))
    trips = []
    for _ in range(count):
        began_ns = time.perf_counter_ns()
        send(ends, 1, payload)
        receive(ends, 1)
        trips.append((time.perf_counter_ns() - began_ns) / 2000)
    return trips


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=0.2, help="of one figure (default 0.2)")
    parser.add_argument("--size", type=int, action="append", help=f"bytes (default {SIZES})")
    parser.add_argument("--wait", default="park", help="the wait strategy (default park)")
    parser.add_argument("--pin", action="store_true", help="each process to a core of its own")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
