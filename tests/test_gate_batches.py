"""The step gate inside batches, claims and objects: each message counts for itself."""

from __future__ import annotations

import mmap
from typing import Any, Iterator, List

import pytest
from ring_regions import SharedRegion, new_recorder, soon

from cy_kernels import gate, recorder
from cy_kernels.errors import GateRaised, RingTimeout

COMMIT_STEPS = (
    "cursor.send.store_length",
    "cursor.send.commit",
    "cursor.send.store_position",
    "cursor.send.fence",
    "cursor.send.load_parked",
)
RELEASE_STEPS = (
    "cursor.receive.release",
    "cursor.receive.fence",
    "cursor.receive.load_parked",
)


class Inside:
    """A ring, both of its ends, and a gate over this very process."""

    def __init__(self) -> None:
        self.region = SharedRegion("cursor", slots=8, slot_bytes=256)
        self.records = {side: new_recorder(10_000) for side in ("writer", "reader")}
        self.control = memoryview(mmap.mmap(-1, 4096))
        gate.install(self.control)
        self.writer = self.region.writer(recorder=self.records["writer"])
        self.reader = self.region.reader(recorder=self.records["reader"])

    def arm(self, step: str) -> None:
        gate.arm(self.control, step, "raise")

    def types(self, side: str) -> List[str]:
        return [record.type for record in recorder.records(self.records[side])]


@pytest.fixture
def inside() -> Iterator[Inside]:
    made = Inside()
    yield made
    gate.install(None)
    made.region.close()


def test_a_batch_that_is_raised_out_of_says_how_many_it_sent(inside: Inside) -> None:
    def messages() -> Iterator[bytes]:
        yield b"0"
        yield b"1"
        inside.arm("cursor.send.copy_payload")
        yield b"2"

    with pytest.raises(GateRaised, match="before cursor.send.copy_payload, occurrence 1") as caught:
        inside.writer.send_many(messages(), 1.0)
    assert caught.value.completed == inside.writer.position == 2
    assert inside.types("writer") == ["invoke", "ok"] * 2 + ["invoke", "fail"]
    assert inside.writer.send_many([b"2"]) == 1
    assert inside.reader.receive_many(9) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("step", ["cursor.receive.poll_sequence", *RELEASE_STEPS])
def test_what_a_batch_had_read_is_handed_over_by_the_raise(inside: Inside, step: str) -> None:
    inside.writer.send_many([b"0", b"1", b"2"])
    received: List[bytes] = []
    for _ in range(3):
        inside.arm(step)
        with pytest.raises(GateRaised, match=f"before {step}") as caught:
            inside.reader.receive_many(2)
        received += caught.value.received
        if step == "cursor.receive.release":
            assert inside.reader.position == 0
    gate.disarm(inside.control)
    rest = inside.reader.receive_many(9, 1.0) if inside.reader.position < 3 else []
    seen = received + rest
    assert seen == sorted(seen) and set(seen) <= {b"0", b"1", b"2"}
    if step == "cursor.receive.poll_sequence" or step == "cursor.receive.release":
        assert seen == [b"0", b"1", b"2"]


@pytest.mark.parametrize("step", ["cursor.send.poll_shutdown", *COMMIT_STEPS])
@pytest.mark.parametrize("how", ["claim", "object"])
def test_a_message_in_place_that_was_raised_out_of_was_sent_or_is_sent_again(
    inside: Inside, step: str, how: str
) -> None:
    def send(number: int) -> None:
        if how == "object":
            inside.writer.send_object(number)
            return
        inside.writer.claim(1)[0] = number
        inside.writer.commit()

    def receive() -> Any:
        if how == "object":
            return inside.reader.receive_object(0)
        number = inside.reader.hold(0)[0]
        inside.reader.let_go()
        return number

    send(1)
    inside.arm(step)
    with pytest.raises(GateRaised, match=f"^before {step}, occurrence 1$"):
        send(2)
    is_sent = inside.writer.position == 2
    assert is_sent == (step in COMMIT_STEPS[2:])
    assert inside.types("writer")[-2:] == ["invoke", "info" if is_sent else "fail"]
    if not is_sent:
        send(2)
    send(3)
    assert [receive() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(RingTimeout):
        receive()


@pytest.mark.parametrize("step", RELEASE_STEPS)
@pytest.mark.parametrize("how", ["view", "object"])
def test_a_release_that_was_raised_out_of_was_made_or_is_made_again(
    inside: Inside, step: str, how: str
) -> None:
    inside.writer.send_object("once")
    inside.arm(step)
    with pytest.raises(GateRaised, match=f"before {step}"):
        if how == "object":
            inside.reader.receive_object(soon())
        else:
            inside.reader.hold()
            inside.reader.let_go()
    is_released = inside.reader.position == 1
    assert is_released == (step != "cursor.receive.release")
    if not is_released:
        assert inside.reader.receive_object() == "once"
    inside.writer.send_object("next")
    assert inside.reader.receive_object() == "next"


def test_a_gate_that_is_installed_and_idle_changes_nothing(inside: Inside) -> None:
    for lap in range(20):
        inside.writer.send_many([b"%d" % lap, b"x"])
        with inside.reader.receiving_within() as view:
            assert bytes(view) == b"%d" % lap
        inside.writer.claim(5)[:] = b"claim"
        inside.writer.commit()
        inside.writer.send_object({"lap": lap})
        assert inside.reader.receive_many(2) == [b"x", b"claim"]
        assert inside.reader.hold_object() == {"lap": lap}
        inside.reader.let_go()
    assert inside.types("writer") == ["invoke", "ok"] * 80
    assert inside.types("reader") == ["invoke", "ok"] * 80
