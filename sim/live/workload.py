"""What participants do between start and end: a writer's sends and a reader's receives."""

from __future__ import annotations

import hashlib
import time
from typing import Any, Callable

from cy_kernels.errors import (
    GateRaised,
    RingClosed,
    RingEnded,
    RingEvicted,
    RingFenced,
    RingTimeout,
)
from sim.live.memory import FAILS
from sim.live.orders import Orders
from sim.live.steps import BEFORE_END
from sim.scenario.plan import ReaderWorkload, WriterWorkload

NUMBER_BYTES = 8
OFFSETS = 4096  # how many different cuts of the random block there are
STRIDE = 2654435761  # odd, so that neighbouring numbers get far-apart cuts


class PlantedError(Exception):
    """What the fault raise_in_read makes a reader raise."""


class Payloads:
    """Message n: its number, 8 bytes little-endian, then a cut of a noisy block that n decides."""

    def __init__(self, seed: int, size_bytes_max: int) -> None:
        stream = hashlib.shake_128(seed.to_bytes(NUMBER_BYTES, "little"))
        self._block = stream.digest(OFFSETS + size_bytes_max)

    def payload(self, number: int, size_bytes: int) -> bytes:
        at = number * STRIDE % OFFSETS
        head = number.to_bytes(NUMBER_BYTES, "little")
        if size_bytes <= NUMBER_BYTES:
            return head[:size_bytes]
        return head + self._block[at : at + size_bytes - NUMBER_BYTES]


def write(end: Any, work: WriterWorkload, orders: Orders, words: memoryview, done: int) -> int:
    """Send every message that was not sent by an earlier incarnation, then end the ring or shut
    it down.

    `done` counts the operations of earlier incarnations; the result counts ours too. A writer that
    is fenced off or whose ring is shut down stops without a word: its successor, or whoever shut it
    down, decides the end.
    """
    sizes = list(work.sizes_bytes)
    if len(sizes) == 1:  # stands for all
        sizes *= work.messages
    payloads = Payloads(work.payload_seed, max(sizes, default=0))
    deadline_ns = -1
    number = end.position
    due_ns = time.monotonic_ns()
    is_new = True
    while number < work.messages:
        if done >= orders.next_stop or orders.per_op_ns:
            orders.between_ops(done)
        if is_new and work.interval_ns:
            due_ns = _await_turn(orders, due_ns) + work.interval_ns
        if work.deadline_ns is not None:
            deadline_ns = time.monotonic_ns() + work.deadline_ns
        is_new = True
        before = end.position
        try:
            end.send(payloads.payload(number, sizes[number]), deadline_ns)
            number += 1
        except RingTimeout as timeout:
            words[FAILS] += 1
            if work.on_timeout == "stop":
                orders.say({"gave_up": str(timeout)})
                break
            if work.on_timeout == "drop":
                number += 1
            else:
                is_new = False
        except GateRaised as raised:
            words[FAILS] += 1
            say_raised(orders, raised)
            is_new = end.position > before
            number += is_new
        except (RingClosed, RingFenced):
            return done
        done += 1
    if done >= orders.next_stop:
        orders.between_ops(done)
    orders.gate.come_to(BEFORE_END, done)
    through(end.shutdown if work.finish == "shutdown" else end.end, orders)
    return done


def through(call: Callable[[], None], orders: Orders) -> None:
    """What ends something is called again where the gate raised out of it."""
    try:
        call()
    except GateRaised as raised:
        say_raised(orders, raised)
        call()


def say_raised(orders: Orders, raised: GateRaised) -> None:
    said = {"exception": type(raised).__name__, "message": str(raised)}
    orders.say({"ack": "raise_at_step", **said})


def _await_turn(orders: Orders, due_ns: int) -> int:
    """When the send really starts: a writer that is late does not make up for it in a burst."""
    now_ns = time.monotonic_ns()
    if now_ns >= due_ns:
        return now_ns
    orders.sleep(due_ns - now_ns)
    return due_ns


def read(end: Any, work: ReaderWorkload, orders: Orders, words: memoryview, done: int) -> int:
    """Receive until the ring ends, is shut down, or gives up on us. Counts as write does."""
    deadline_ns = -1
    while True:
        if done >= orders.next_stop or orders.per_op_ns:
            orders.between_ops(done)
        if work.deadline_ns is not None:
            deadline_ns = time.monotonic_ns() + work.deadline_ns
        try:
            if orders.raise_next:
                _raise_in_slot(end, deadline_ns, orders, words)
            else:
                end.receive(deadline_ns)
        except RingTimeout as timeout:
            words[FAILS] += 1
            if work.on_timeout == "stop":
                orders.say({"gave_up": str(timeout)})
                return done
        except GateRaised as raised:
            words[FAILS] += 1
            say_raised(orders, raised)
        except (RingEnded, RingClosed, RingEvicted):
            return done
        else:
            if work.think_ns:
                orders.sleep(work.think_ns)
        done += 1


def _raise_in_slot(end: Any, deadline_ns: int, orders: Orders, words: memoryview) -> None:
    try:
        with end.receiving(deadline_ns) as view:
            orders.raise_next = False
            held_bytes = len(view)
            raise PlantedError("planted by raise_in_read")
    except PlantedError as error:
        words[FAILS] += 1
        name = type(error).__name__
        orders.say({"ack": "raise_in_read", "exception": name, "size_bytes": held_bytes})
