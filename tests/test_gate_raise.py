"""The gate raises: what the end is afterwards, what the ring is, and what the record says."""

from __future__ import annotations

import gc
import mmap
import os
import struct
import sys
import threading
from typing import Any, Iterator, List

import pytest
from ring_regions import (
    DATA_EVENT,
    KINDS,
    SPACE_EVENT,
    STRATEGIES,
    SharedRegion,
    new_recorder,
    soon,
)

from cy_kernels import gate, recorder
from cy_kernels.errors import GateRaised, RingBusy, RingEnded, RingTimeout

PARKED = 4  # offset behind an event word
COMMIT = {"cursor": "cursor.send.commit", "flag": "flag.send.set_written"}
RELEASE = {"cursor": "cursor.receive.release", "flag": "flag.receive.set_read_flag"}


class Inside:
    """A ring of one slot, both of its ends, and a gate over this very process."""

    def __init__(self, kind: str, **more: Any) -> None:
        self.kind = kind
        self.region = SharedRegion(kind, slots=1, slot_bytes=64, readers=1)
        self.records = {side: new_recorder(10_000) for side in ("writer", "reader")}
        self.control = memoryview(mmap.mmap(-1, 4096))
        gate.install(self.control)
        self.writer = self.region.writer(recorder=self.records["writer"], **more)
        self.reader = self.region.reader(recorder=self.records["reader"], **more)

    def last_record(self, side: str) -> Any:
        made = recorder.records(self.records[side])[-1]
        return made.type, made.outcome

    def steps(self, *prefixes: str) -> List[str]:
        """Those that were passed so far, in the protocol's order."""
        visited = gate.state(self.control)["visited"]
        return [step for step in visited if step.startswith(prefixes)]

    def park(self, event: int) -> None:
        """As a peer that parked and died: the next change has to wake."""
        struct.pack_into("<I", self.region.buffer, event + PARKED, 1)

    def close(self) -> None:
        gate.install(None)
        self.region.close()


@pytest.fixture(params=KINDS)
def inside(request: pytest.FixtureRequest) -> Iterator[Inside]:
    made = Inside(request.param)
    yield made
    made.close()


def message_steps(inside: Inside) -> List[str]:
    """Every step of sending and receiving one message and waking the other side."""
    for _ in range(2):
        inside.park(DATA_EVENT)
        inside.writer.send(b"warm", soon())
        inside.park(SPACE_EVENT)
        inside.reader.receive(soon())
    found = inside.steps(f"{inside.kind}.send", f"{inside.kind}.receive", "wake")
    assert len(found) >= 17
    return found


def test_a_send_that_raised_at_any_step_was_made_or_is_made_again(inside: Inside) -> None:
    steps = [step for step in message_steps(inside) if "receive" not in step]
    steps = [step for step in steps if not step.startswith("wake.writer")]
    committed = False
    for number, step in enumerate(steps):
        payload = f"{number:5} {step}".encode()
        inside.writer.send(b"wakes", soon())  # what the raise before left to be woken
        assert inside.reader.receive(soon()) == b"wakes"
        before = inside.writer.position
        inside.park(DATA_EVENT)
        gate.arm(inside.control, step, "raise")
        with pytest.raises(GateRaised, match=f"^before {step}, occurrence 1$"):
            inside.writer.send(payload, soon())
        is_sent = inside.writer.position == before + 1
        assert inside.last_record("writer") == ("info" if is_sent else "fail", "error")
        assert is_sent == committed, step
        committed = committed or step == COMMIT[inside.kind]
        if not is_sent:
            with pytest.raises(RingTimeout):
                inside.reader.receive(1)
            assert inside.writer.send(payload, soon()) == before
        assert inside.reader.receive(soon()) == payload
        with pytest.raises(RingTimeout):
            inside.reader.receive(1)
    assert committed


@pytest.mark.parametrize("holds", [False, True])
def test_a_receive_that_raised_at_any_step_was_made_or_is_made_again(
    inside: Inside, holds: bool
) -> None:
    steps = [step for step in message_steps(inside) if "send" not in step]
    steps = [step for step in steps if not step.startswith("wake.readers")]
    if holds:
        steps.remove(f"{inside.kind}.receive.copy_payload")  # it is read in place
    released = False
    for number, step in enumerate(steps):
        payload = f"{number:5} {step}".encode()
        inside.writer.send(payload, soon())
        inside.park(SPACE_EVENT)
        before = inside.reader.position
        gate.arm(inside.control, step, "raise")
        with pytest.raises(GateRaised, match=f"^before {step}, occurrence 1$"):
            if holds:
                with inside.reader.receiving(soon()) as view:
                    assert bytes(view) == payload
            else:
                inside.reader.receive(soon())
        is_over = inside.reader.position == before + 1
        assert is_over == released, step
        assert inside.last_record("reader") == (("ok", None) if is_over else ("fail", "error"))
        released = released or step == RELEASE[inside.kind]
        if not is_over:
            with pytest.raises(RingTimeout):
                inside.writer.send(b"too early", 1)
            assert inside.reader.receive(soon()) == payload
        with pytest.raises(RingTimeout):
            inside.reader.receive(1)
    assert released


@pytest.mark.parametrize("wait", STRATEGIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_can_be_raised_out_of_at_every_step(kind: str, wait: str) -> None:
    steps = [name for _, name in gate.STEPS if name.startswith(("wait.clock.", f"wait.{wait}."))]
    if kind == "flag":
        steps.remove("wait.clock.store_heartbeat")
    if wait in ("yielding", "park", "backoff"):  # which never hold their core for so long
        steps.remove("wait.clock.offer")
    for step in steps:
        inside = Inside(kind, wait=wait)  # whose ends have not learnt yet that waits are long
        try:
            in_s = 0.01 if step == "wait.clock.timed_out" else 20.0
            gate.arm(inside.control, step, "raise")
            with pytest.raises(GateRaised, match=step):
                inside.reader.receive(soon(in_s))
            assert inside.last_record("reader") == ("fail", "error")
            others = threading.Thread(target=inside.writer.send, args=(b"x", soon()))
            others.start()  # it runs: the lock of the interpreter is in order
            assert inside.reader.receive(soon()) == b"x"
            others.join()
            inside.writer.send(b"full", soon())
            gate.arm(inside.control, step, "raise")
            with pytest.raises(GateRaised, match=step):
                inside.writer.send(b"", soon(in_s))
            assert inside.reader.receive(soon()) == b"full"
        finally:
            inside.close()


def test_the_next_operation_wakes_whom_the_raise_left_asleep(inside: Inside) -> None:
    got: List[bytes] = []
    parked = threading.Thread(target=lambda: got.append(inside.reader.receive(soon(60))))
    parked.start()
    while not inside.region.describe()["readers_parked"]:
        os.sched_yield()  # asleep or about to be: its event word does not move either way
    gate.arm(inside.control, "wake.readers.bump_event", "raise")
    with pytest.raises(GateRaised):
        inside.writer.send(b"x", soon())
    assert not inside.region.describe()["readers_parked"]  # so nobody would wake it
    inside.writer.send(b"y", soon(10))
    parked.join(10)
    assert got == [b"x"]


def test_what_ends_a_ring_can_be_called_again(inside: Inside) -> None:
    gate.arm(inside.control, "ring.end.mark", "raise")
    with pytest.raises(GateRaised):
        inside.writer.end()
    inside.writer.end()
    with pytest.raises(RingEnded):
        inside.reader.receive(soon())
    gate.arm(inside.control, "ring.shutdown.mark", "raise")
    with pytest.raises(GateRaised):
        inside.reader.shutdown()
    assert inside.region.describe()["shutdown"] == "ended"
    inside.reader.shutdown()
    assert inside.region.describe()["shutdown"] == "closed"


def test_an_end_whose_close_raised_is_open_and_can_be_closed() -> None:
    inside = Inside("cursor")
    try:
        for end, who in ((inside.writer, "writer"), (inside.reader, "reader")):
            gate.arm(inside.control, f"cursor.detach.release_{who}", "raise")
            with pytest.raises(GateRaised):
                end.close()
            assert end.slots == 1
            end.close()
            assert end.slots is None
        state = inside.region.describe()
        assert (state["writer"]["owner"], state["reader"][0]["owner"]) == ("nobody", "left")
    finally:
        inside.close()


def test_a_place_that_was_claimed_before_the_raise_stays_claimed() -> None:
    inside = Inside("cursor")
    try:
        inside.writer.close()
        gate.arm(inside.control, "cursor.takeover.claim_writer", "raise")
        with pytest.raises(GateRaised):
            inside.region.writer()
        gate.arm(inside.control, "cursor.takeover.scan_sequence", "raise")
        with pytest.raises(GateRaised):
            inside.region.writer()  # the first left no claim behind
        with pytest.raises(RingBusy, match="not proven dead"):
            inside.region.writer()
    finally:
        inside.close()


@pytest.mark.parametrize("kind", KINDS)
def test_100_000_raises_leave_no_reference_behind(kind: str) -> None:
    inside = Inside(kind)
    payload = b"payload" * 3

    def raise_so_often(times: int) -> None:
        for _ in range(times):
            gate.arm(inside.control, COMMIT[kind], "raise")
            try:
                inside.writer.send(payload, -1)
            except GateRaised:
                pass
            inside.writer.send(payload, -1)
            gate.arm(inside.control, RELEASE[kind], "raise")
            try:
                inside.reader.receive(-1)
            except GateRaised:
                pass
            inside.reader.receive(-1)

    def counts() -> List[int]:
        held = (payload, inside.writer, inside.reader, inside.region.buffer, None, GateRaised)
        return [sys.getrefcount(each) for each in held]

    try:
        raise_so_often(100)
        gc.collect()  # or what other tests left is collected, and counted, in between
        counted, blocks = counts(), sys.getallocatedblocks()
        raise_so_often(50_000)
        gc.collect()
        assert gate.state(inside.control)["arrivals"] == 2 * 50_100
        assert max(abs(a - b) for a, b in zip(counts(), counted)) < 50
        assert abs(sys.getallocatedblocks() - blocks) < 500
    finally:
        inside.close()
