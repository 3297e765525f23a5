"""Messages written and read in place: a view is over, slices and all, before its slot goes on."""

from __future__ import annotations

import gc
import sys
from typing import Any, Callable, List

import pytest
from named_rings import SOON_S, Pair
from ring_regions import SharedRegion, new_recorder, soon

from cy_kernels.choice import Kernels
from spinbed import Reader, RingClosed, RingError, RingTimeout, Writer


def test_what_is_written_in_place_is_read_in_place(pair: Pair) -> None:
    view = pair.writer.claim(8, SOON_S)
    assert (len(view), view.readonly, view.format) == (8, False, "B")
    view[:] = b"in place"
    assert pair.writer.commit() == 0
    seen = pair.reader.view(SOON_S)
    assert (bytes(seen), seen.readonly) == (b"in place", True)
    pair.reader.release()
    assert (pair.writer.position, pair.reader.position) == (1, 1)


def test_no_successor_gets_a_slot_that_somebody_can_still_write_to(pair: Pair) -> None:
    kept = pair.writer.claim(8)[:]
    with pytest.raises(BufferError, match="still in use"):
        pair.writer.detach()
    assert pair.writer.is_open and pair.reader.describe()["writer"]["owner"] == "process"
    kept.release()
    pair.writer.unlink()
    pair.writer.detach()
    assert not pair.writer.is_open


@pytest.mark.parametrize("size", [0, 3, 8])
def test_less_than_what_was_claimed_can_be_sent(pair: Pair, size: int) -> None:
    pair.writer.claim(8)[:] = b"01234567"
    pair.writer.commit(size)
    assert pair.reader.read(SOON_S) == b"01234567"[:size]


def test_an_empty_message_can_be_claimed_and_viewed(pair: Pair) -> None:
    assert len(pair.writer.claim(0)) == 0
    pair.writer.commit()
    assert bytes(pair.reader.view(SOON_S)) == b""
    pair.reader.release()


def test_every_slot_can_be_claimed_in_turn_and_in_full(pair: Pair) -> None:
    for number in range(9):
        pair.writer.claim(64)[:] = bytes([number]) * 64
        pair.writer.commit()
        with pair.reader.viewing(SOON_S) as view:
            assert bytes(view) == bytes([number]) * 64


def test_an_aborted_claim_sends_nothing_and_its_slot_is_claimed_again(pair: Pair) -> None:
    pair.writer.claim(8)[:] = b"withdraw"
    pair.writer.abort()
    with pytest.raises(RingTimeout):
        pair.reader.read(0)
    assert pair.writer.write(b"sent") == 0
    assert pair.reader.read(SOON_S) == b"sent"


def test_a_block_commits_or_aborts_where_it_raises(pair: Pair) -> None:
    with pair.writer.claiming(4) as view:
        view[:] = b"good"
    with pytest.raises(KeyError), pair.writer.claiming(4) as view:
        view[:2] = b"ba"
        raise KeyError("the program's own")
    assert pair.reader.read_many(9) == [b"good"]
    pair.writer.write(b"next")
    assert pair.reader.read_many(9) == [b"next"]


def test_a_block_whose_traceback_holds_a_slice_gives_its_own_error_and_can_be_aborted(
    pair: Pair,
) -> None:
    def parse(part: memoryview) -> None:
        raise KeyError("the program's own")

    try:
        with pair.writer.claiming(4) as view:
            parse(view[1:])
    except KeyError:
        with pytest.raises(RingError, match="one operation at a time"):
            pair.writer.write(b"")
    pair.writer.abort()
    pair.writer.write(b"next")
    try:
        with pair.reader.viewing() as view:
            parse(view[1:])
    except KeyError:
        assert pair.reader.position == 1


KEEPERS: List[Callable[[memoryview], Any]] = [
    lambda view: view[1:],
    lambda view: memoryview(view),
    lambda view: view.cast("B"),
    lambda view: view[:0],
    lambda view: (iter(view[1:]), view[1:]),
]


@pytest.mark.parametrize("keep", KEEPERS)
def test_a_slice_that_is_kept_holds_its_slot_and_says_so(
    pair: Pair, keep: Callable[[memoryview], Any]
) -> None:
    view = pair.writer.claim(4)
    view[:] = b"kept"
    kept = keep(view)
    for over in (pair.writer.commit, pair.writer.abort):
        with pytest.raises(BufferError):
            over()
    with pytest.raises(RingTimeout):
        pair.reader.read(0)
    del kept
    pair.writer.commit()
    kept = keep(pair.reader.view(SOON_S))
    with pytest.raises(BufferError):
        pair.reader.release()
    assert pair.reader.describe()["reader"][0]["position"] == 0
    del kept
    pair.reader.release()
    assert pair.reader.position == 1


def test_what_the_view_was_made_of_shows_nothing_of_a_later_message(pair: Pair) -> None:
    pair.writer.write(b"mine")
    kept = pair.reader.view(SOON_S).obj
    try:
        pair.reader.release()
    except BufferError:  # pure: it is memory itself, so the slot stays held as long
        assert pair.reader.kernels == "pure" and pair.reader.position == 0
        del kept
        pair.reader.release()
    else:
        with pytest.raises(BufferError, match="let go of"):
            memoryview(kept)
    assert pair.reader.position == 1


def test_a_view_is_over_with_its_slot(pair: Pair) -> None:
    written = pair.writer.claim(4)
    pair.writer.commit()
    read = pair.reader.view(SOON_S)
    pair.reader.release()
    for view in (written, read):
        with pytest.raises(ValueError, match="released"):
            bytes(view)


def test_a_view_that_its_user_released_is_no_obstacle(pair: Pair) -> None:
    with pair.writer.claim(4) as view:
        view[:] = b"done"
    pair.writer.commit()
    with pair.reader.view(SOON_S) as view:
        assert bytes(view) == b"done"
    with pytest.raises(RingError, match="one operation at a time"):
        pair.reader.read()
    pair.reader.release()


def test_what_is_over_or_was_never_begun_is_refused(pair: Pair) -> None:
    for operation in (pair.writer.commit, pair.writer.abort):
        with pytest.raises(RingError, match="no slot is claimed"):
            operation()
    with pytest.raises(RingError, match="no slot is held"):
        pair.reader.release()
    pair.writer.claim(1)
    with pytest.raises(RingError, match="one operation at a time"):
        pair.writer.claim(1)
    pair.writer.commit()
    with pytest.raises(RingError, match="no slot is claimed"):
        pair.writer.commit()
    pair.reader.view(SOON_S)
    for operation in (pair.reader.view, pair.reader.read):
        with pytest.raises(RingError, match="one operation at a time"):
            operation()
    pair.reader.release()
    with pytest.raises(RingError, match="no slot is held"):
        pair.reader.release()
    block = pair.reader.viewing(0)
    with pytest.raises(RingError, match="no message is held"):
        block.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("size", "error", "named"),
    [
        (-1, ValueError, "size_bytes must be 0 or more, not -1"),
        (65, ValueError, "65 bytes does not fit: at most 64"),
        (1 << 70, ValueError, "does not fit: at most 64"),
        (-(1 << 70), ValueError, "size_bytes must be 0 or more"),
        (1.0, TypeError, "float"),
        ("1", TypeError, "str"),
    ],
)
def test_a_size_that_is_none_is_refused(pair: Pair, size: Any, error: type, named: str) -> None:
    with pytest.raises(error, match=named):
        pair.writer.claim(size)
    pair.writer.claim(64)
    refused = (ValueError, TypeError)
    with pytest.raises(refused):
        pair.writer.commit(size)
    pair.writer.commit(64)
    assert pair.writer.position == 1


def test_a_claim_waits_as_a_write_does(pair: Pair) -> None:
    pair.writer.write_many([b""] * 4)
    with pytest.raises(RingTimeout, match="message 4: .* rank 0"):
        pair.writer.claim(1, 0.001)
    pair.reader.read()
    pair.writer.claim(1, SOON_S)
    pair.reader.shutdown()
    pair.writer.abort()
    with pytest.raises(RingClosed):
        pair.writer.claim(1)
    with pytest.raises(RingClosed):
        pair.reader.view()


@pytest.mark.parametrize("keeps", [False, True])
def test_closing_with_a_slot_claimed_or_held_sends_nothing(
    ring_name: str, on: Kernels, keeps: bool
) -> None:
    writer = Writer.create(ring_name, readers=2, kernels=on.kind)
    first, second = (Reader.attach(ring_name, rank, kernels=on.kind) for rank in (0, 1))
    writer.write(b"whole")
    view = first.view(SOON_S)
    kept = view[1:] if keeps else None
    first.close()
    claimed = writer.claim(4)
    part = claimed[1:] if keeps else None
    writer.close()
    if keeps:
        assert bytes(kept or b"") == b"hole"  # its memory lives as long as it does
        with pytest.raises(RingClosed):  # who wrote may do so still: nothing is as it should be
            second.read()
    else:
        assert list(second) == [b"whole"]
        for each in (view, claimed):
            with pytest.raises(ValueError, match="released"):
                bytes(each)
    second.close()
    del part, kept


def test_what_is_claimed_and_viewed_is_recorded_as_any_message(on: Kernels) -> None:
    region = SharedRegion("cursor", on=on.kind, slots=2)
    records = [new_recorder(on=on.kind) for _ in range(3)]
    writer = region.writer(recorder=records[0])
    reader = region.reader(recorder=records[1])
    plain = SharedRegion("cursor", on=on.kind, slots=2)
    reference = plain.writer(recorder=records[2])
    for payload in (b"one", b"three"):
        reference.send(payload)
    writer.claim(9)[:3] = b"one"
    writer.abort()
    writer.claim(9)[:3] = b"one"
    writer.commit(3)
    assert writer.send_many([b"three"]) == 1
    with pytest.raises(RingTimeout):
        writer.claim(1, 0)
    reader.hold()
    reader.let_go()
    assert reader.receive_many(9) == [b"three"]

    def told(buffer: memoryview) -> List[Any]:
        return [tuple(record)[1:] for record in on.recorder.records(buffer)]

    sent, received, expected = (told(buffer) for buffer in records)
    assert sent[:4] == expected
    assert [each[0] for each in sent[4:]] == ["invoke", "fail"] and sent[5][-1] == "timeout"
    assert [each[0] for each in received] == ["invoke", "ok"] * 2
    assert [each[2:] for each in received[1::2]] == [each[2:] for each in expected[1::2]]
    for made in (region, plain):
        made.close()


def test_objects_are_recorded_too(on: Kernels) -> None:
    region = SharedRegion("cursor", on=on.kind, slots=2)
    records = [new_recorder(on=on.kind) for _ in range(2)]
    writer, reader = region.writer(recorder=records[0]), region.reader(recorder=records[1])
    writer.send_object({"a": 1})
    assert reader.receive_object() == {"a": 1}
    sent, received = (list(on.recorder.records(buffer)) for buffer in records)
    assert [record.type for record in sent + received] == ["invoke", "ok"] * 2
    assert sent[1].checksum == received[1].checksum != 0
    region.close()


def test_views_leak_no_references(pair: Pair) -> None:
    def cycle() -> None:
        pair.writer.claim(8)[:] = b"01234567"
        pair.writer.commit()
        bytes(pair.reader.view())
        pair.reader.release()
        with pair.writer.claiming(3) as view:
            view[:] = b"abc"
        with pair.reader.viewing() as view:
            bytes(view)
        with pytest.raises(ValueError):
            pair.writer.claim(1000)

    cycle()
    region = pair.writer._region.view
    gc.collect()
    objects, references = len(gc.get_objects()), sys.getrefcount(region)
    for _ in range(200):
        cycle()
    gc.collect()
    more_objects, more_references = len(gc.get_objects()), sys.getrefcount(region)
    assert more_references == references
    assert more_objects - objects < 50


def test_a_hold_of_the_kernels_block_by_block(on: Kernels) -> None:
    region = SharedRegion("cursor", on=on.kind)
    writer, reader = region.writer(), region.reader()
    writer.send(b"one")
    held = reader.receiving_within(1.0)
    with held as view:
        assert bytes(view) == b"one"
        with pytest.raises(RingError, match="no slot is held"):
            reader.let_go()
    with pytest.raises(RingTimeout):
        reader.receiving(soon(0)).__enter__()
    region.close()
