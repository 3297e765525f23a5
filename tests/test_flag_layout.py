"""flag_ring's bytes are those of the queue it reproduces: checked by plain Python code."""

from __future__ import annotations

from typing import Iterator, Optional

import pytest
from ring_regions import SharedRegion, soon

from cy_kernels.choice import Kernels

HEADER_PAGE = 4096


class PlainQueue:
    """The queue's side of the layout, written from its description: chunks, then metadata."""

    def __init__(self, memory: memoryview, chunks: int, chunk_bytes: int, readers: int) -> None:
        self.data = memory[HEADER_PAGE : HEADER_PAGE + chunks * chunk_bytes]
        self.metadata = memory[HEADER_PAGE + chunks * chunk_bytes :]
        self.chunks, self.chunk_bytes, self.readers = chunks, chunk_bytes, readers

    def flags(self, index: int) -> list[int]:
        width = 1 + self.readers
        return list(self.metadata[index * width : (index + 1) * width])

    def chunk(self, index: int) -> memoryview:
        return self.data[index * self.chunk_bytes : (index + 1) * self.chunk_bytes]

    def read(self, index: int, rank: int) -> Optional[bytes]:
        flags = self.flags(index)
        if flags[0] != 1 or flags[1 + rank] != 0:
            return None
        chunk = self.chunk(index)
        assert chunk[0] == 0
        assert int.from_bytes(chunk[1:3], "big") == 1
        length = int.from_bytes(chunk[3:7], "big")
        self.metadata[index * (1 + self.readers) + 1 + rank] = 1
        return bytes(chunk[7 : 7 + length])

    def write(self, index: int, payload: bytes) -> None:
        width = 1 + self.readers
        self.metadata[index * width] = 0
        chunk = self.chunk(index)
        chunk[0] = 0
        chunk[1:3] = (1).to_bytes(2, "big")
        chunk[3:7] = len(payload).to_bytes(4, "big")
        chunk[7 : 7 + len(payload)] = payload
        for rank in range(self.readers):
            self.metadata[index * width + 1 + rank] = 0
        self.metadata[index * width] = 1


@pytest.fixture
def region(on: Kernels) -> Iterator[SharedRegion]:
    shared = SharedRegion("flag", on=on.kind, slots=3, slot_bytes=300, readers=2)
    yield shared
    shared.close()


@pytest.fixture
def queue(region: SharedRegion) -> PlainQueue:
    return PlainQueue(region.buffer, 3, 300, 2)


def test_the_region_is_one_header_page_then_the_queues_own_bytes(region: SharedRegion) -> None:
    assert region.size_bytes == HEADER_PAGE + 3 * 300 + 3 * 3


@pytest.mark.parametrize("order", ["fenced", "as_shipped"])
def test_a_plain_reader_reads_what_our_writer_wrote(
    region: SharedRegion, queue: PlainQueue, order: str
) -> None:
    writer, ours = region.writer(order=order), region.reader(1, order=order)
    for number in range(7):
        payload = bytes([number]) * (number * 40)
        writer.send(payload, soon())
        assert queue.flags(number % 3) == [1, 0, 0]
        assert queue.read(number % 3, 0) == payload
        assert ours.receive(soon()) == payload
        assert queue.flags(number % 3) == [1, 1, 1]


@pytest.mark.parametrize("order", ["fenced", "as_shipped"])
def test_our_reader_reads_what_a_plain_writer_wrote(
    region: SharedRegion, queue: PlainQueue, order: str
) -> None:
    reader = region.reader(0, wait="yielding", order=order)
    for number in range(7):
        queue.write(number % 3, bytes([number]) * 200)
        assert reader.receive(soon()) == bytes([number]) * 200
        assert queue.flags(number % 3) == [1, 1, 0]


def test_the_four_states_admit_whom_the_table_says(region: SharedRegion, queue: PlainQueue) -> None:
    writer, readers = region.writer(), [region.reader(0), region.reader(1)]

    def admitted(end: object) -> bool:
        try:
            end.receive(1)  # type: ignore[attr-defined]
        except TimeoutError:
            return False
        return True

    assert not admitted(readers[0])  # EMPTY: readers wait
    writer.send(b"0")  # FULL: both may read
    assert admitted(readers[0])  # PARTIAL: only the other one may
    assert queue.flags(0) == [1, 1, 0]
    assert admitted(readers[1])  # DRAINED: the writer may
    assert queue.flags(0) == [1, 1, 1]
    for _ in range(3):
        writer.send(b"1")  # slots 1, 2 and the drained slot 0 again
    with pytest.raises(TimeoutError):
        writer.send(b"2", 1)
    assert [admitted(reader) for reader in readers] == [True, True]
