"""spinbed.Writer and spinbed.Reader: bytes and batches, through every operation."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Any, Callable, Iterator, List

import pytest
from named_rings import SOON_S, Pair

from cy_kernels.choice import Kernels
from spinbed import (
    Reader,
    RingClosed,
    RingEnded,
    RingError,
    RingTimeout,
    Writer,
)


def test_every_size_up_to_the_slot_arrives_unchanged(pair: Pair) -> None:
    for size in range(65):
        payload = bytes((size + i) % 256 for i in range(size))
        assert pair.writer.write(payload, SOON_S) == size
        assert pair.reader.read(SOON_S) == payload


@pytest.mark.parametrize(
    "data", [b"ab", bytearray(b"ab"), memoryview(b"xaby")[1:3], memoryview(b"ab").cast("H")]
)
def test_any_contiguous_buffer_can_be_written(pair: Pair, data: Any) -> None:
    pair.writer.write(data)
    assert pair.reader.read(SOON_S) == b"ab"


def test_what_is_no_buffer_or_too_large_is_refused_and_nothing_is_sent(pair: Pair) -> None:
    with pytest.raises(TypeError, match="bytes-like object is required, not 'str'"):
        pair.writer.write("text")  # type: ignore[arg-type]
    with pytest.raises((BufferError, TypeError), match="contiguous|C-contiguous"):
        pair.writer.write(memoryview(b"abcd")[::2])
    with pytest.raises(ValueError, match="65 bytes does not fit: at most 64"):
        pair.writer.write(bytes(65))
    assert pair.writer.position == 0
    pair.writer.write(b"next")
    assert pair.reader.read(SOON_S) == b"next"


def test_a_timeout_of_zero_looks_once_on_both_sides(pair: Pair) -> None:
    with pytest.raises(RingTimeout, match="message 0"):
        pair.reader.read(0)
    for _ in range(4):
        pair.writer.write(b"", 0)
    with pytest.raises(RingTimeout, match="rank 0"):
        pair.writer.write(b"", 0)
    with pytest.raises(TimeoutError):  # which a RingTimeout is
        pair.writer.write(b"", timeout_s=0.001)
    assert pair.reader.read(0) == b""
    assert pair.writer.write(b"", 0) == 4


WAITS: List[Callable[[Pair, Any], Any]] = [
    lambda pair, wait: pair.writer.write(b"", wait),
    lambda pair, wait: pair.writer.write_many([b""], wait),
    lambda pair, wait: pair.writer.claim(1, wait),
    lambda pair, wait: pair.reader.read(wait),
    lambda pair, wait: pair.reader.read_many(1, wait),
    lambda pair, wait: pair.reader.view(wait),
    lambda pair, wait: pair.reader.viewing(wait),
    lambda pair, wait: pair.writer.drain(wait),
]


@pytest.mark.parametrize("operation", WAITS)
def test_a_timeout_that_is_no_length_of_time_is_refused(
    pair: Pair, operation: Callable[[Pair, Any], Any]
) -> None:
    pair.writer.write(b"")
    for bad in (-1, -0.001, float("nan")):
        with pytest.raises(ValueError, match="timeout_s must be 0 or more seconds"):
            operation(pair, bad)
    with pytest.raises(TypeError):
        operation(pair, "1")
    assert (pair.writer.position, pair.reader.position) == (1, 0)


@pytest.mark.parametrize("wait", [float("inf"), 1e30, 1, True])
def test_any_other_number_is_a_length_of_time(pair: Pair, wait: float) -> None:
    pair.writer.write(b"now", wait)
    assert pair.reader.read(wait) == b"now"


def test_a_batch_arrives_in_order_and_is_taken_as_far_as_it_is_there(pair: Pair) -> None:
    assert pair.writer.write_many(n for n in (b"0", b"", b"22")) == 3
    assert pair.reader.read_many(2, SOON_S) == [b"0", b""]
    assert pair.reader.read_many(9, SOON_S) == [b"22"]
    assert pair.writer.write_many([]) == 0
    with pytest.raises(RingTimeout) as caught:
        pair.reader.read_many(9, 0)
    assert list(caught.value.received) == []


def test_a_batch_that_runs_out_of_time_says_how_many_it_sent(pair: Pair) -> None:
    pair.writer.write(b"before")
    with pytest.raises(RingTimeout, match="message 4: .* rank 0") as caught:
        pair.writer.write_many([b"%d" % n for n in range(9)], 0.001)
    assert caught.value.completed == 3
    assert pair.writer.position == 4
    assert pair.reader.read_many(9) == [b"before", b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("item", "error"), [(bytes(65), ValueError), (7, TypeError), (None, TypeError)]
)
def test_a_bad_item_ends_a_batch_and_those_before_it_are_sent(
    pair: Pair, item: Any, error: type
) -> None:
    with pytest.raises(error):
        pair.writer.write_many([b"0", b"1", item, b"3"])
    assert pair.writer.position == 2
    assert pair.reader.read_many(9) == [b"0", b"1"]
    assert pair.writer.write(b"next") == 2


def test_what_an_iterator_raises_comes_through_a_batch(pair: Pair) -> None:
    def messages() -> Iterator[bytes]:
        yield b"0"
        raise KeyError("the iterator's own")

    with pytest.raises(KeyError):
        pair.writer.write_many(messages())
    with pytest.raises(TypeError, match="not iterable"):
        pair.writer.write_many(7)  # type: ignore[arg-type]
    assert pair.reader.read_many(9) == [b"0"]


@pytest.mark.parametrize("count", [0, -1])
def test_a_batch_of_no_messages_cannot_be_read(pair: Pair, count: int) -> None:
    with pytest.raises(ValueError, match=f"count_max must be 1 or more messages, not {count}"):
        pair.reader.read_many(count)


def test_a_batch_takes_no_more_once_it_has_64_kib(ring_name: str, on: Kernels) -> None:
    with Writer.create(ring_name, slots=8, slot_bytes=30_000, kernels=on.kind) as writer:
        with Reader.attach(ring_name, kernels=on.kind) as reader:
            writer.write_many([bytes(30_000)] * 5 + [b"small"])
            assert [len(reader.read_many(9)) for _ in range(2)] == [3, 3]


def test_a_batch_ends_where_the_ring_does_and_hands_over_what_there_was(pair: Pair) -> None:
    pair.writer.write_many([b"0", b"1"])
    pair.writer.end()
    assert pair.reader.read_many(9) == [b"0", b"1"]
    with pytest.raises(RingEnded, match="after 2 messages"):
        pair.reader.read_many(9)


def test_a_shutdown_strikes_both_sides(pair: Pair) -> None:
    pair.writer.write(b"lost")
    pair.reader.shutdown()
    with pytest.raises(RingClosed) as caught:
        pair.writer.write_many([b"0"])
    assert caught.value.completed == 0
    with pytest.raises(RingClosed):
        pair.reader.read_many(9)


def test_iterating_ends_with_the_ring(pair: Pair) -> None:
    pair.writer.write_many([b"0", b"1"])
    pair.writer.end()
    assert list(pair.reader) == [b"0", b"1"]


def test_messages_beyond_the_limit_of_a_copy_under_the_lock_arrive(
    ring_name: str, on: Kernels
) -> None:
    big = os.urandom(300_000)
    with Writer.create(ring_name, slots=2, slot_bytes=len(big), kernels=on.kind) as writer:
        with Reader.attach(ring_name, kernels=on.kind) as reader:
            writer.write(big)
            assert reader.read(SOON_S) == big
            writer.write_many([big, b"small"])
            assert reader.read_many(2, SOON_S) + reader.read_many(2) == [big, b"small"]


def test_a_closed_end_refuses_every_operation(pair: Pair) -> None:
    pair.close()
    pair.close()
    writer, reader = pair.writer, pair.reader
    operations: List[Callable[[], Any]] = [
        lambda: writer.write(b""),
        lambda: writer.write_many([b""]),
        lambda: writer.claim(1),
        lambda: writer.commit(),
        lambda: writer.abort(),
        writer.end,
        writer.drain,
        writer.describe,
        writer.unlink,
        writer.shutdown,
        reader.read,
        lambda: reader.read_many(1),
        reader.view,
        reader.release,
        lambda: reader.viewing().__enter__(),
        reader.describe,
        reader.unlink,
        reader.shutdown,
    ]
    for operation in operations:
        with pytest.raises(ValueError, match="closed end"):
            operation()
    assert not writer.is_open and not reader.is_open
    assert (writer.slots, writer.slot_bytes, reader.readers) == (None, None, None)
    assert repr(writer).endswith(", closed>")


def test_a_subclass_may_override_an_operation(ring_name: str, on: Kernels) -> None:
    class Shouting(Writer):
        def write(self, data: Any, timeout_s: Any = None) -> int:
            return super().write(bytes(data).upper(), timeout_s)

    with Shouting.create(ring_name, kernels=on.kind) as writer:
        with Reader.attach(ring_name, kernels=on.kind) as reader:
            writer.write(b"loud", SOON_S)
            assert reader.read(SOON_S) == b"LOUD"


def test_an_operation_inside_another_is_refused(pair: Pair) -> None:
    view = pair.writer.claim(3)
    for operation in (pair.writer.write, pair.writer.claim, lambda _: pair.writer.write_many([])):
        with pytest.raises(RingError, match="one operation at a time"):
            operation(b"" if operation == pair.writer.write else 1)
    view[:] = b"abc"
    pair.writer.commit()
    assert pair.reader.read() == b"abc"


def test_every_operation_is_documented_and_says_what_the_kernels_do() -> None:
    for kind in (Writer, Reader):
        for operation, thing in vars(kind).items():
            if callable(thing) and not operation.startswith("_"):
                assert inspect.getdoc(thing), operation


def test_batches_leak_no_references(pair: Pair) -> None:
    payload = os.urandom(40)
    before = sys.getrefcount(payload)
    for _ in range(1000):
        pair.writer.write_many([payload] * 3)
        pair.reader.read_many(3)
    for _ in range(10):
        with pytest.raises(TypeError):
            pair.writer.write_many([payload, 7])
        pair.reader.read()
    with pytest.raises(RingTimeout):
        pair.writer.write_many([payload] * 9, 0)
    assert sys.getrefcount(payload) == before
