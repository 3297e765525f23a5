"""Python objects through a ring: what arrives is what was sent; a bad frame is told."""

from __future__ import annotations

import ctypes
import pickle
import struct
import sys
from typing import Any, List

import pytest
from named_rings import SOON_S, Pair
from ring_regions import ALL_KERNELS

from cy_kernels.choice import COMPILED, PURE, Kernels
from spinbed import Reader, RingEnded, RingError, RingGarbled, RingTimeout, Writer

HEADER = struct.Struct("=HBBIQ")
LINE_BYTES = 64


class Block:
    """Pickles its memory as a buffer, as an array does."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: int) -> Any:
        return Block, (pickle.PickleBuffer(self.data),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and bytes(self.data) == bytes(other.data)


class Refuses:
    def __reduce_ex__(self, protocol: int) -> Any:
        raise KeyError("does not want to")


def explode() -> None:
    raise LookupError("what the pickle asked for")


class Explodes:
    def __reduce_ex__(self, protocol: int) -> Any:
        return explode, ()


class Int(int):
    pass


THINGS: List[Any] = [
    *(None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**40, 1.5, 2j),
    *("", "text", "\u00e4\u20ac\U0001f600", "a\0b", "\ud800", b"", b"bytes", bytearray(b"array")),
    *((), [], {}, set(), frozenset({1}), (1, [2, {"three": (b"4", "5")}]), range(9), Ellipsis),
    *(list(range(300)), {str(n): n for n in range(50)}, "x" * 2000, ["y" * 100] * 30),
    *(Block(b""), Block(b"b" * 100), [Block(bytearray(b"c" * n)) for n in (0, 1, 63, 64, 65)]),
    *({"deep": [[Block(b"d")]]}, [[[[[Block(b"e")]]]]], (1, 2, 3, Block(b"f"), Block(b"g"))),
]


@pytest.fixture
def objects(ring_name: str, on: Kernels) -> Any:
    made = Pair(ring_name, on, slot_bytes=40_000)
    yield made
    made.close()


def test_what_arrives_is_equal_and_of_the_same_type(objects: Pair) -> None:
    for number, thing in enumerate(THINGS):
        assert objects.writer.send(thing, SOON_S) == number
        got = objects.reader.recv(SOON_S)
        assert got == thing and type(got) is type(thing)
    for thing in (Int(7), type("Text", (str,), {})):
        if isinstance(thing, int):
            objects.writer.send(thing)
            assert type(objects.reader.recv()) is Int


def test_a_long_pickle_is_read_where_it_lies(objects: Pair) -> None:
    thing = [bytes([n % 256]) * 50 for n in range(600)]
    objects.writer.send(thing)
    assert objects.reader.recv(SOON_S) == thing


def test_identity_inside_an_object_is_kept(objects: Pair) -> None:
    loop: List[Any] = [1]
    loop.append(loop)
    objects.writer.send(loop)
    got = objects.reader.recv(SOON_S)
    assert got[1] is got


def test_buffers_are_copies_that_can_be_written_to_or_not_as_before(objects: Pair) -> None:
    objects.writer.send([Block(bytearray(b"mine")), Block(b"fixed")])
    writable, fixed = objects.reader.recv(SOON_S)
    memoryview(writable.data)[0] = 77
    assert bytes(writable.data) == b"Mine"
    assert memoryview(fixed.data).readonly
    objects.writer.send(Block(bytearray(b"xxxx")))  # the next lap touches no copy
    objects.reader.recv(SOON_S)
    assert bytes(writable.data) == b"Mine"


def test_buffers_in_place_lie_at_lines_and_hold_the_slot(objects: Pair) -> None:
    objects.writer.send([Block(b"a" * 70), Block(bytearray(b"b"))])
    got = objects.reader.recv_view(SOON_S)
    assert [bytes(each.data) for each in got] == [b"a" * 70, b"b"]
    assert all(memoryview(each.data).readonly for each in got)
    region = objects.reader._region.view
    start = ctypes.addressof(ctypes.c_char.from_buffer(region))
    message = bytes(region).index(b"a" * 70)
    assert (start + message) % LINE_BYTES == 0
    with pytest.raises(BufferError):
        objects.reader.release()
    assert objects.reader.position == 0
    del got
    objects.reader.release()
    assert objects.reader.position == 1


def test_an_object_without_buffers_in_place_holds_the_slot_until_its_release(objects: Pair) -> None:
    for thing in (b"bytes", "text", 7, {"a": 1}):
        objects.writer.send(thing)
        assert objects.reader.recv_view(SOON_S) == thing
        with pytest.raises(RingError, match="one operation at a time"):
            objects.reader.recv()
        objects.reader.release()


def test_an_object_larger_than_a_slot_is_refused_with_its_sizes(pair: Pair) -> None:
    largest = 64 - HEADER.size
    pair.writer.send(b"x" * largest)
    assert pair.reader.recv() == b"x" * largest
    with pytest.raises(ValueError, match="bytes object of 65 bytes .49 of them .* at most 64"):
        pair.writer.send(b"x" * (largest + 1))
    with pytest.raises(ValueError, match="Block object of .* 1 buffers.* does not fit: at most 64"):
        pair.writer.send(Block(b"x" * 64))
    pair.writer.send("next")
    assert (pair.reader.recv(), pair.writer.position) == ("next", 2)


def test_what_pickling_raises_comes_through_and_nothing_is_sent(pair: Pair) -> None:
    with pytest.raises(KeyError, match="does not want to"):
        pair.writer.send(Refuses())
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pair.writer.send(lambda: None)
    assert pair.writer.position == 0
    pair.writer.write(b"")  # the end serves on


def test_what_unpickling_raises_comes_through_and_the_message_is_taken(objects: Pair) -> None:
    for receive in (objects.reader.recv, objects.reader.recv_view):
        objects.writer.send(Explodes())
        objects.writer.send("next")
        with pytest.raises(LookupError, match="what the pickle asked for"):
            receive(SOON_S)
        assert objects.reader.recv(SOON_S) == "next"


def test_waiting_for_an_object_ends_as_reading_does(pair: Pair) -> None:
    for receive in (pair.reader.recv, pair.reader.recv_view):
        with pytest.raises(RingTimeout):
            receive(0)
        with pytest.raises(ValueError, match="timeout_s"):
            receive(-1)
    pair.writer.write_many([b""] * 4)
    with pytest.raises(RingTimeout, match="rank 0"):
        pair.writer.send(1, 0)
    pair.writer.end()
    pair.reader.read_many(9)
    with pytest.raises(RingEnded):
        pair.reader.recv()


def frame(
    kind: int,
    body: bytes,
    *,
    magic: int = 0x5BED,
    zero: int = 0,
    count: int = 0,
    size: int = -1,
    sizes: bytes = b"",
    rest: bytes = b"",
) -> bytes:
    header = HEADER.pack(magic, kind, zero, count, len(body) if size < 0 else size)
    return header + sizes + body + rest


EXPLOSIVE = pickle.dumps(Explodes(), 5)
GARBLED = [
    (b"", "0 bytes are less than a header"),
    (b"plain bytes", "11 bytes are less than a header"),
    (b"sixteen bytes is a header's length", "its magic is"),
    (frame(0, b""), "its kind is 0"),
    (frame(5, EXPLOSIVE), "its kind is 5"),
    (frame(4, EXPLOSIVE, zero=1), "its kind is 260"),
    (frame(1, b"", count=1), "it has 1 buffers and is no pickle"),
    (frame(4, b"", count=1), "1 sizes of buffers do not fit 16 bytes"),
    (frame(4, EXPLOSIVE, count=2**32 - 1), "4294967295 sizes of buffers"),
    (frame(1, b"abc", size=4), "its body has 4 bytes, and there are 3"),
    (frame(1, b"abc", size=2), "its body has 2 bytes, and there are 3"),
    (frame(4, EXPLOSIVE, size=2**64 - 1), "its body has 18446744073709551615 bytes"),
    (frame(3, b"1234"), "an int of 4 bytes"),
    (frame(2, b"\xff"), "codec can't decode"),
    (frame(4, EXPLOSIVE, count=1, sizes=struct.pack("=Q", 1)), "buffer 0 of 1 bytes ends behind"),
    (
        frame(4, EXPLOSIVE, count=1, sizes=struct.pack("=Q", 2**64 - 1), rest=bytes(64)),
        "buffer 0 of 18446744073709551615 bytes ends behind",
    ),
    (frame(4, b"", count=1, sizes=bytes(8), rest=bytes(99)), "it ends at 48 of 123 bytes"),
]


@pytest.mark.parametrize(("message", "named"), GARBLED)
def test_a_garbled_frame_is_told_and_taken_and_unpickles_nothing(
    objects: Pair, message: bytes, named: str
) -> None:
    for number, receive in enumerate((objects.reader.recv, objects.reader.recv_view)):
        objects.writer.write(message)
        with pytest.raises(RingGarbled, match=f"message {number} is no object's frame: .*{named}"):
            receive(SOON_S)
    objects.writer.send("next")
    assert objects.reader.recv(SOON_S) == "next"


@pytest.mark.parametrize("size", [1, 15, 40, 80])
def test_a_frame_that_is_cut_anywhere_is_told(objects: Pair, size: int) -> None:
    objects.writer.send([Block(b"x" * 10), "some text, to have a body of some size"])
    whole = objects.reader.read()
    for end in range(0, len(whole) - 1, size):
        objects.writer.write(whole[:end])
        with pytest.raises(RingGarbled):
            objects.reader.recv(SOON_S)


@pytest.mark.skipif(
    COMPILED not in ALL_KERNELS, reason="mixes pure with compiled kernels, and there are none"
)
@pytest.mark.parametrize(("writes", "reads"), [(COMPILED, PURE), (PURE, COMPILED)])
def test_both_kernels_write_the_same_frames(ring_name: str, writes: str, reads: str) -> None:
    with Writer.create(ring_name, slot_bytes=40_000, kernels=writes) as writer:
        with Reader.attach(ring_name, kernels=reads) as reader:
            for thing in THINGS:
                writer.send(thing)
                assert reader.recv(SOON_S) == thing
    frames = []
    for kind in (writes, reads):
        with Writer.create(ring_name, slot_bytes=40_000, kernels=kind) as writer:
            with Reader.attach(ring_name, kernels=kind) as reader:
                frames.append([])
                for thing in THINGS:
                    writer.claim(40_000)[:] = bytes(40_000)  # what lies between parts is not told
                    writer.abort()
                    writer.send(thing)
                    frames[-1].append(reader.read())
    assert frames[0] == frames[1]


def test_an_array_of_numpy_arrives_in_its_shape(objects: Pair) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    array = numpy.arange(24, dtype="f4").reshape(2, 3, 4)
    for thing in (array, array.T, array[:, ::2], {"a": [array]}):
        objects.writer.send(thing)
        got = objects.reader.recv(SOON_S)
        for one, other in ((got["a"][0], array) if isinstance(got, dict) else (got, thing),):
            assert (one == other).all() and one.dtype == other.dtype and one.flags.writeable
    objects.writer.send(array)
    got = objects.reader.recv_view(SOON_S)
    assert (got == array).all() and not got.flags.writeable
    with pytest.raises(BufferError):
        objects.reader.release()
    del got
    objects.reader.release()


def test_objects_leak_no_references(objects: Pair) -> None:
    data = bytearray(b"x" * 100)
    thing = {"text": "t" * 30, "block": Block(data)}
    before = [sys.getrefcount(each) for each in (thing, data, thing["text"], thing["block"])]
    for _ in range(300):
        objects.writer.send(thing)
        objects.reader.recv()
        objects.writer.send(thing)
        objects.reader.recv_view()
        objects.reader.release()
        objects.writer.write(b"no frame")
        with pytest.raises(RingGarbled):
            objects.reader.recv()
    after = [sys.getrefcount(each) for each in (thing, data, thing["text"], thing["block"])]
    assert after == before
    data.append(1)  # BufferError, if anybody held its memory
