"""The innermost loops: what runs while the clock does. One Python call of the peer a message.

Streams of small messages are driven by the interpreter's own iterators: a loop in Python and a
comparison for each message would cost as much as the fastest peer's call. Peers whose calls return
at once are polled there, or in the loop itself, with no wrapper of ours. The reader's check is
within the measured time, for everybody alike.
"""

from __future__ import annotations

import operator
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Callable, Iterator, List, Optional

from sim.bench.payloads import END, FULL_EVERY, TAIL_BYTES, Payloads

Send = Callable[[Any], Any]
Receive = Callable[[], Any]
Release = Optional[Callable[[], Any]]


def ping_waiting(
    send: Send, receive: Receive, release: Release, payloads: Payloads, count: int
) -> List[int]:
    """ns of each of `count` round trips. Raises WrongContent."""
    clock = time.perf_counter_ns
    trips: List[int] = []
    pool, is_small = payloads.pool, payloads.is_small
    for number in range(count):
        message = pool[number % len(pool)]
        began = clock()
        send(message)
        back = receive()
        ended = clock()
        if back != message if is_small else not payloads.is_right(back, number):
            raise WrongContent(f"round trip {number} came back with other bytes")
        back = None
        if release is not None:
            release()
        trips.append(ended - began)
    return trips


def ping_polling(
    send: Send, receive: Receive, release: Release, payloads: Payloads, count: int
) -> List[int]:
    clock = time.perf_counter_ns
    trips: List[int] = []
    pool, is_small = payloads.pool, payloads.is_small
    for number in range(count):
        message = pool[number % len(pool)]
        began = clock()
        while not send(message):
            pass
        while (back := receive()) is None:
            pass
        ended = clock()
        if back != message if is_small else not payloads.is_right(back, number):
            raise WrongContent(f"round trip {number} came back with other bytes")
        back = None
        if release is not None:
            release()
        trips.append(ended - began)
    return trips


def echo_waiting(send: Send, receive: Receive, release: Release, count: int) -> None:
    """Knows how many will come, so that nothing but two calls is between them."""
    for _ in range(count):
        message = receive()
        send(message)
        message = None
        if release is not None:
            release()


def echo_polling(send: Send, receive: Receive, release: Release, count: int) -> None:
    for _ in range(count):
        while (message := receive()) is None:
            pass
        while not send(message):
            pass
        message = None
        if release is not None:
            release()


def flood_waiting(send: Send, payloads: Payloads, ns: int, most: int) -> int:
    """Send as fast as it goes, round after round of the pool; how many."""
    pool, rounds = payloads.pool, 0
    until = time.perf_counter_ns() + ns
    while True:
        deque(map(send, pool), maxlen=0)
        rounds += 1
        if time.perf_counter_ns() > until or rounds * len(pool) >= most:
            return rounds * len(pool)


def flood_polling(send: Send, payloads: Payloads, ns: int, most: int) -> int:
    pool, rounds = payloads.pool, 0
    until = time.perf_counter_ns() + ns
    while True:
        left = iter(pool)
        while not all(map(send, left)):  # it stops where one was not taken
            message = pool[len(pool) - operator.length_hint(left) - 1]
            while not send(message):
                pass
        rounds += 1
        if time.perf_counter_ns() > until or rounds * len(pool) >= most:
            return rounds * len(pool)


def flood_batches(send: Send, payloads: Payloads, ns: int, most: int) -> int:
    pool, rounds = payloads.pool, 0
    until = time.perf_counter_ns() + ns
    while True:
        send(pool)
        rounds += 1
        if time.perf_counter_ns() > until or rounds * len(pool) >= most:
            return rounds * len(pool)


class WrongContent(Exception):
    """Bytes arrived that were not sent."""


@dataclass
class Tally:
    """What one reader has seen: messages in their order, those left out, and wrong ones."""

    payloads: Payloads
    received: int = 0
    skipped: int = 0  # at least so many: of whole rounds of the pool that are lost nothing shows
    wrong: int = 0
    next: int = field(default=0)  # index in the pool

    @property
    def has_begun(self) -> bool:
        return self.received + self.wrong > 0

    def unexpected(self, message: Any) -> bool:
        """Not the one that was next. True: it is the last one. Before the first one that says
        nothing: where messages may be lost, it was sent several times, in the step before."""
        index = self.payloads.which(message)
        if index == END:
            return self.has_begun
        if index is None:
            self.wrong += 1
            index = self.next
        else:
            self.received += 1
            self.skipped += (index - self.next) % len(self.payloads)
        self.next = (index + 1) % len(self.payloads)
        return False


def drain_small(receive: Receive, polls: bool, tally: Tally) -> None:
    """Until the last message; every byte of each is compared, some messages at a time."""
    payloads = tally.payloads
    pool, at_a_time = payloads.pool, payloads.at_a_time
    twice, count = pool + pool, len(pool)
    while not tally.has_begun:
        coming: Iterator[Any] = iter(receive, payloads.end)
        if polls:
            coming = filter(None, coming)
        batch = [None] * at_a_time
        while len(batch) == at_a_time:
            batch = list(islice(coming, at_a_time))
            start = tally.next
            if batch == twice[start : start + len(batch)]:
                tally.received += len(batch)
                tally.next = (start + len(batch)) % count
            else:
                for message in batch:
                    tally.unexpected(message)


def _advance(tally: Tally, count: int) -> None:
    tally.received += count
    tally.next = (tally.next + count) % len(tally.payloads)


def drain_large(receive: Receive, release: Release, tally: Tally) -> None:
    payloads = tally.payloads
    raw, tails, size_bytes = payloads.raw, payloads.tails, payloads.size_bytes
    count = len(payloads)
    while True:
        message = receive()
        data = message if raw is None else raw(message)
        index = tally.next
        if (
            data[-TAIL_BYTES:] != tails[index]
            or len(data) != size_bytes
            or (not tally.received % FULL_EVERY and payloads.which(message) != index)
        ):
            data, is_last = None, tally.unexpected(message)
        else:
            is_last = False
            tally.received += 1
            tally.next = (index + 1) % count
        message = data = None  # before the next is made, which can have its memory
        if release is not None:
            release()
        if is_last:
            return


def drain_batches(receive: Receive, tally: Tally) -> None:
    pool = tally.payloads.pool
    twice = pool + pool
    while True:
        batch = receive()
        start = tally.next
        if batch == twice[start : start + len(batch)]:
            _advance(tally, len(batch))
            continue
        for message in batch:
            if tally.unexpected(message):
                return


def paced(send: Send, payloads: Payloads, gaps_ns: List[int]) -> List[int]:
    """When each message was sent; the writer sleeps in between. CLOCK_MONOTONIC, ns."""
    sent = []
    due = time.monotonic_ns()
    for number, gap_ns in enumerate(gaps_ns):
        message = payloads.pool[number % len(payloads)]
        due += gap_ns
        left_ns = due - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        else:
            due -= left_ns  # it is late: the next is to have its gap all the same
        sent.append(time.monotonic_ns())
        send(message)
    return sent


def arrivals(receive: Receive, release: Release, tally: Tally, *, with_cpu: bool) -> List[Any]:
    """(index, when it came, processor time until then), ns, of each until the last message."""
    seen: List[Any] = []
    payloads = tally.payloads
    while True:
        message = receive()
        now = time.monotonic_ns()
        cpu = time.process_time_ns() if with_cpu else 0
        index: Optional[int] = tally.next
        if payloads.is_small and message == payloads.pool[tally.next]:
            is_last = False
            _advance(tally, 1)
        else:
            index = payloads.which(message)
            is_last = tally.unexpected(message)
        message = None
        if release is not None:
            release()
        if is_last:
            return seen
        if index is not None and index != END:
            seen.append((index, now, cpu))


def matched(sent: List[int], seen: List[Any], count: int) -> List[int]:
    """ns from sending to arrival, by index in the pool of `count`; lost ones are left out."""
    latencies = []
    number = -1
    for index, came, _ in seen:
        number += 1 + (index - number - 1) % count
        if number < len(sent):
            latencies.append(came - sent[number])
    return latencies
