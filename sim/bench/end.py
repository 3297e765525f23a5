"""The life of one process that writes or reads: it opens its ends, does the steps, and closes."""

from __future__ import annotations

import gc
import math
import os
import time
import traceback
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Callable, Dict, List, Optional, Tuple

from sim.bench import loops
from sim.bench.payloads import Payloads
from sim.bench.peer import Channel, Form, Peer, ReadEnd, WriteEnd, waiting_receive, waiting_send
from sim.bench.steps import Job, Paced, Ping, Step, Stream

UNLIMITED = 1 << 62
WARM_TRIPS = 50
TRIPS_MAX = 300_000  # they are sorted while others wait for their turn
WAKE_NS = 1_000_000  # between two last messages to a reader that may have lost one
CPU_GAPS_MAX = 64  # of more messages only the processor time of all together is taken


class Side:
    """What both kinds of process have: their ends, once these are open."""

    def __init__(self, job: Job, peer: Peer, control: Connection) -> None:
        self.job, self.peer, self.control = job, peer, control
        self.payloads = Payloads(job.form, job.size_bytes)
        self.write: Optional[WriteEnd] = None
        self.read: Optional[ReadEnd] = None
        # With more processes than cores, who polls gives way; in a pair each has its core.
        is_crowd = job.readers + 1 > len(job.cores)
        self.idle: Callable[[], Any] = os.sched_yield if is_crowd else _no_pause

    def sends(self) -> Callable[[Any], Any]:
        assert self.write is not None
        return waiting_send(self.write, self.idle)

    def receives(self) -> Callable[[], Any]:
        assert self.read is not None
        return waiting_receive(self.read, self.idle)

    @property
    def release(self) -> Optional[Callable[[], Any]]:
        return None if self.read is None else self.read.release

    @property
    def polls_both(self) -> bool:
        assert self.write is not None and self.read is not None
        return self.write.polls and self.read.polls and self.idle is _no_pause


def _no_pause() -> None:
    pass


def percentiles_us(values_ns: List[int], divisor: int = 1) -> Dict[str, float]:
    """By nearest rank."""
    ordered = sorted(values_ns)
    ranks = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    last = len(ordered) - 1
    return {
        name: ordered[min(last, math.ceil(share * len(ordered)) - 1)] / divisor / 1e3
        for name, share in ranks.items()
    }


def writing(side: Side, step: Step) -> Dict[str, Any]:
    if isinstance(step, Ping):
        return _pinging(side, step)
    if isinstance(step, Stream):
        return _flooding(side, step)
    return _pacing(side, step)


def reading(side: Side, step: Step) -> Dict[str, Any]:
    if isinstance(step, Ping):
        return _echoing(side, step)
    tally = loops.Tally(side.payloads)
    if isinstance(step, Stream):
        _drain(side, tally)
        figures: Dict[str, Any] = {"ended_ns": time.monotonic_ns()}
    else:
        with_cpu = len(step.gaps_ns) <= CPU_GAPS_MAX
        seen = loops.arrivals(side.receives(), side.release, tally, with_cpu=with_cpu)
        figures = {"seen": seen, "ended_ns": time.monotonic_ns()}
    counted = {"received": tally.received, "skipped": tally.skipped, "wrong": tally.wrong}
    return {**figures, **counted}


def _pinging(side: Side, step: Ping) -> Dict[str, Any]:
    """A few trips first, which tell how many will fill the time."""
    assert side.write is not None and side.read is not None
    send, receive, ping = side.sends(), side.receives(), loops.ping_waiting
    if side.polls_both:
        send, receive, ping = side.write.send, side.read.receive, loops.ping_polling
    ping = partial(ping, send, receive, side.release, side.payloads)
    if step.count is not None:
        count = step.count
    else:
        ping(WARM_TRIPS)
        began_ns = time.monotonic_ns()
        ping(WARM_TRIPS)
        wanted = WARM_TRIPS * step.ns // (time.monotonic_ns() - began_ns)
        count = min(max(WARM_TRIPS, wanted), TRIPS_MAX)
    side.control.send(("count", count))
    return {"half_us": percentiles_us(ping(count), 2), "trips": count}


def _echoing(side: Side, step: Ping) -> Dict[str, Any]:
    assert side.write is not None and side.read is not None
    send, receive, echo = side.sends(), side.receives(), loops.echo_waiting
    if side.polls_both:
        send, receive, echo = side.write.send, side.read.receive, loops.echo_polling
    echo = partial(echo, send, receive, side.release)
    if step.count is None:
        echo(2 * WARM_TRIPS)
    echo(side.control.recv()[1])
    return {}


def _flooding(side: Side, step: Stream) -> Dict[str, Any]:
    assert side.write is not None
    most = min(step.count or UNLIMITED, side.peer.messages_max or UNLIMITED)
    ns = UNLIMITED if step.count is not None else step.ns
    began_ns = time.monotonic_ns()
    if side.job.form is Form.BATCH:
        sent = loops.flood_batches(side.sends(), side.payloads, ns, most)
        _end(side, [side.payloads.end])
    elif side.write.polls and side.idle is _no_pause:
        sent = loops.flood_polling(side.write.send, side.payloads, ns, most)
        _end(side, side.payloads.end)
    else:
        sent = loops.flood_waiting(side.sends(), side.payloads, ns, most)
        _end(side, side.payloads.end)
    return {"began_ns": began_ns, "sent": sent}


def _end(side: Side, last: Any) -> None:
    """A peer that drops messages may drop the last one, too: again, until all have it."""
    send = side.sends()
    send(last)
    while side.peer.is_lossy and not side.control.poll(WAKE_NS / 1e9):
        send(last)
    if side.peer.is_lossy:
        side.control.recv()


def _drain(side: Side, tally: loops.Tally) -> None:
    assert side.read is not None
    if side.job.form is Form.BATCH:
        loops.drain_batches(side.receives(), tally)
    elif not side.payloads.is_small:
        loops.drain_large(side.receives(), side.release, tally)
    elif side.read.polls and side.idle is _no_pause:
        loops.drain_small(side.read.receive, True, tally)
    else:
        loops.drain_small(side.receives(), False, tally)


def _pacing(side: Side, step: Paced) -> Dict[str, Any]:
    began_ns = time.monotonic_ns()
    sent = loops.paced(side.sends(), side.payloads, list(step.gaps_ns))
    _end(side, side.payloads.end)
    return {"began_ns": began_ns, "sent_ns": sent, "sent": len(sent)}


def live(job: Job, peer: Peer, control: Connection, made: Dict[str, Any], rank: int) -> None:
    """The whole process: the writer has rank -1. Tells its host what went wrong, if it can."""
    gc.disable()
    try:
        if job.is_pinned:
            place = 0 if rank < 0 else 1 + rank
            os.sched_setaffinity(0, [job.cores[place % len(job.cores)]])
        else:
            os.sched_setaffinity(0, job.cores)
        with ExitStack() as stack:
            _live(job, peer, control, made, rank, stack)
    except BaseException as error:  # whatever a peer raises is what there is to tell
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = (
            f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"
        )
        control.send(("failed", what))


def _live(
    job: Job,
    peer: Peer,
    control: Connection,
    made: Dict[str, Any],
    rank: int,
    stack: ExitStack,
) -> None:
    side = Side(job, peer, control)
    out, back = made["out"], made.get("back")
    writes: Optional[Tuple[Channel, Any]] = out if rank < 0 else back
    if writes is not None:
        side.write = peer.writer(*writes)
        stack.callback(side.write.close)
    control.send(("opened", None if side.write is None else side.write.address))
    address = control.recv()
    reads: Optional[Tuple[Channel, Any]] = back if rank < 0 else out
    if reads is not None:
        side.read = peer.reader(*reads, address, max(rank, 0))
        stack.callback(side.read.close)
    control.send(("open", None))
    control.recv()
    for end in (side.write, side.read):
        if end is not None:
            end.meet()
    control.send(("ready", None))
    act = writing if rank < 0 else reading
    gc.freeze()
    while True:
        step = control.recv()
        if step is None:
            return
        if rank >= 0:
            control.send(("set", None))
        used_ns = time.process_time_ns()
        figures = act(side, step)
        figures["cpu_ns"] = time.process_time_ns() - used_ns
        gc.collect()
        control.send(("figures", figures))
