"""Both rings, through their ends: what every ring must do, whatever its protocol."""

from __future__ import annotations

import threading
from typing import Iterator

import pytest
from ring_regions import KINDS, OVERHEAD, STRATEGIES, SharedRegion, new_recorder, soon

from cy_kernels.choice import Kernels
from cy_kernels.errors import RingClosed, RingEnded, RingError, RingMismatch, RingTimeout


@pytest.fixture(params=KINDS)
def region(request: pytest.FixtureRequest, on: Kernels) -> Iterator[SharedRegion]:
    shared = SharedRegion(request.param, on=on.kind, slots=4, slot_bytes=64, readers=2)
    yield shared
    shared.close()


def test_every_size_up_to_the_slot_arrives_unchanged(region: SharedRegion) -> None:
    writer, readers = region.writer(), [region.reader(0), region.reader(1)]
    for size in range(64 - OVERHEAD[region.kind] + 1):
        payload = bytes((size + i) % 256 for i in range(size))
        assert writer.send(payload, soon()) == size
        assert [reader.receive(soon()) for reader in readers] == [payload, payload]


def test_a_message_larger_than_the_slot_is_refused_with_both_sizes(region: SharedRegion) -> None:
    largest = 64 - OVERHEAD[region.kind]
    with pytest.raises(ValueError, match=f"{largest + 1} bytes does not fit: at most {largest}"):
        region.writer().send(bytes(largest + 1))


def test_a_full_ring_times_out_and_claims_nothing(region: SharedRegion) -> None:
    writer, fast, slow = region.writer(), region.reader(0), region.reader(1)
    for number in range(4):
        writer.send(bytes([number]), soon())
        fast.receive(soon())
    with pytest.raises(RingTimeout, match="rank 1"):
        writer.send(b"x", 1)
    assert slow.receive(soon()) == b"\0"
    assert writer.send(b"x", soon()) == 4
    assert [slow.receive(soon()) for _ in range(4)] == [b"\1", b"\2", b"\3", b"x"]


def test_an_empty_ring_times_out(region: SharedRegion) -> None:
    reader = region.reader(0)
    with pytest.raises(RingTimeout, match="message 0"):
        reader.receive(1)
    assert reader.position == 0


def test_a_ready_slot_beats_a_deadline_in_the_past(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    assert writer.send(b"now", 1) == 0
    assert reader.receive(1) == b"now"


def test_readers_drain_an_ended_ring_before_they_end(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    writer.send(b"last")
    writer.end()
    assert reader.receive(soon()) == b"last"
    with pytest.raises(RingEnded, match="after 1 messages"):
        reader.receive(soon())


@pytest.mark.parametrize("wait", STRATEGIES)
def test_shutdown_wakes_waiting_ends_on_both_sides(region: SharedRegion, wait: str) -> None:
    writer, reader = region.writer(wait=wait), region.reader(0, wait=wait)
    for _ in range(4):
        writer.send(b"")
    for _ in range(4):
        reader.receive()
    ended: list[type] = []

    def blocked(operation: object, *arguments: object) -> None:
        try:
            operation(*arguments)  # type: ignore[operator]
        except RingError as error:
            ended.append(type(error))

    threads = [
        threading.Thread(target=blocked, args=(writer.send, b"", soon())),
        threading.Thread(target=blocked, args=(reader.receive, soon())),
    ]
    for thread in threads:
        thread.start()
    region.reader(1, wait=wait).shutdown()
    for thread in threads:
        thread.join(30)
    assert ended == [RingClosed, RingClosed]
    with pytest.raises(RingClosed):
        writer.send(b"")


def test_a_slot_is_released_although_its_reader_raises(region: SharedRegion) -> None:
    writer, reader, other = region.writer(), region.reader(0), region.reader(1)
    writer.send(b"first")
    writer.send(b"second")
    with pytest.raises(KeyError), reader.receiving(soon()) as view:
        assert bytes(view) == b"first"
        raise KeyError("the workload's own")
    assert reader.receive(soon()) == b"second"
    for expected in (b"first", b"second"):
        assert other.receive(soon()) == expected


def test_a_held_slot_refuses_a_second_operation_and_a_dangling_view(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    writer.send(b"held")
    with reader.receiving(soon()) as view:
        with pytest.raises(RingError, match="one operation at a time"):
            reader.receive(soon())
        kept = view
    with pytest.raises(ValueError, match="released"):
        bytes(kept)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"slots": 5}, "slots is 4 in the region, asked for 5"),
        ({"slot_bytes": 128}, "slot_bytes is 64 in the region, asked for 128"),
        ({"readers": 3}, "readers is 2 in the region, asked for 3"),
    ],
)
def test_another_geometry_is_refused_with_both_values(
    region: SharedRegion, asked: dict[str, int], named: str
) -> None:
    with pytest.raises(RingMismatch, match=named):
        region.writer(**asked)
    with pytest.raises(RingMismatch, match=named):
        region.reader(0, **asked)


@pytest.mark.parametrize(
    ("offset", "value", "named"),
    [
        (0, b"\x01", "not a region of spinbed"),
        (8, b"\x07", "layout version is 7, this build has 1"),
        (36, b"\0", "not formatted to its end"),
    ],
)
def test_a_foreign_or_unfinished_region_is_refused(
    region: SharedRegion, offset: int, value: bytes, named: str
) -> None:
    region.buffer[offset : offset + 1] = value
    with pytest.raises(RingMismatch, match=named):
        region.writer()


def test_the_other_ring_is_refused_by_name(on: Kernels) -> None:
    region = SharedRegion("cursor", on=on.kind)
    with pytest.raises(RingMismatch, match="kind is cursor_ring, asked for flag_ring"):
        on.ring.FlagWriter(region.buffer, **region.geometry)
    region.close()


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ({"slots": 0}, "slots must be 1 to 1048576, not 0"),
        ({"readers": 65}, "readers must be 1 to 64, not 65"),
        ({"slot_bytes": 0}, "slot_bytes must be"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_impossible_geometry_is_a_value_error(
    on: Kernels, kind: str, shape: dict[str, int], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        getattr(on.ring, f"{kind}_region_bytes")(
            **{"slots": 4, "slot_bytes": 64, "readers": 1, **shape}
        )


def test_unknown_strategies_and_closed_ends_are_value_errors(region: SharedRegion) -> None:
    with pytest.raises(ValueError, match="'spin' is not one of busy_spin"):
        region.writer(wait="spin")
    writer = region.writer()
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed end"):
        writer.send(b"")


def test_an_end_lets_go_of_its_buffer_when_closed(region: SharedRegion) -> None:
    def unmap() -> None:
        region.buffer.release()
        region.map.close()

    reader = region.reader(0, recorder=new_recorder(on=region.kernels.kind))
    with pytest.raises(BufferError):
        unmap()
    reader.close()
    unmap()


@pytest.mark.parametrize("readers", [1, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_from_one_to_sixty_four_readers_get_every_message(
    on: Kernels, kind: str, readers: int
) -> None:
    region = SharedRegion(kind, on=on.kind, slots=1, slot_bytes=64, readers=readers)
    writer, ends = region.writer(), [region.reader(rank) for rank in range(readers)]
    for number in range(3):
        writer.send(bytes([number]), soon())
        assert {end.receive(soon()) for end in ends} == {bytes([number])}
    region.close()
