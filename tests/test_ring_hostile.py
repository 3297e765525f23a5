"""Damaged headers and careless callers get errors: no process crashes another, or itself."""

from __future__ import annotations

import mmap
import random
import signal
import struct
import threading
from typing import Iterator

import pytest
from ring_regions import KINDS, SharedRegion, new_recorder, soon

from cy_kernels.choice import Kernels
from cy_kernels.errors import RingClosed, RingError, RingMismatch, RingTimeout

SLOTS_AT, SLOT_BYTES_AT, READERS_AT, REGION_BYTES_AT, SHUTDOWN_AT = 16, 24, 32, 56, 64
RECORDER_CAPACITY_AT, RECORDER_COUNT_AT = 8, 16
SHAPE = {"slots": 4, "slot_bytes": 64, "readers": 2}
ALL_ONES = 2**64 - 1
TRIES = 50  # of what a preemption can blur


@pytest.fixture(params=KINDS)
def region(request: pytest.FixtureRequest, on: Kernels) -> Iterator[SharedRegion]:
    shared = SharedRegion(request.param, on=on.kind, **SHAPE)
    yield shared
    shared.close()


def overwrite(memory: memoryview, at: int, value: int, form: str = "<Q") -> None:
    struct.pack_into(form, memory, at, value)


@pytest.mark.parametrize(
    "at, value, form",
    [
        (SLOTS_AT, 1 << 20, "<Q"),
        (SLOTS_AT, ALL_ONES, "<Q"),
        (SLOT_BYTES_AT, 1 << 30, "<Q"),
        (READERS_AT, 2**32 - 1, "<I"),
        (READERS_AT, 64, "<I"),
        (REGION_BYTES_AT, 4096, "<Q"),
        (REGION_BYTES_AT, ALL_ONES, "<Q"),
    ],
)
def test_a_damaged_geometry_is_refused_at_attach_and_by_describe(
    region: SharedRegion, at: int, value: int, form: str
) -> None:
    overwrite(region.buffer, at, value, form)
    for refused in (region.describe, region.writer, region.reader):
        if at == READERS_AT and value == 64 and refused == region.describe:
            continue  # in the cursor_ring's lines there is room for 64
        with pytest.raises(RingMismatch):
            refused()


def test_a_region_that_claims_to_be_smaller_than_its_geometry_is_refused(
    region: SharedRegion,
) -> None:
    overwrite(region.buffer, REGION_BYTES_AT, 4096)
    header_alone = mmap.mmap(-1, 4096)
    header_alone[:] = region.map[:4096]
    region.buffer = memoryview(header_alone)
    with pytest.raises(RingMismatch, match="region_bytes is 4096 in the region, its geometry"):
        region.writer()


def test_an_unknown_state_is_described_as_one(region: SharedRegion) -> None:
    overwrite(region.buffer, SHUTDOWN_AT, 77, "<I")
    assert region.describe()["shutdown"] == "unknown (77)"


def test_a_geometry_that_changes_after_the_attach_changes_nothing(region: SharedRegion) -> None:
    writer, reader, second = region.writer(), region.reader(0), region.reader(1)
    for at in (SLOTS_AT, SLOT_BYTES_AT, REGION_BYTES_AT):
        overwrite(region.buffer, at, ALL_ONES)
    overwrite(region.buffer, READERS_AT, 2**32 - 1, "<I")
    for number in range(9):
        writer.send(bytes([number]) * 57, soon())
        assert reader.receive(soon()) == second.receive(soon()) == bytes([number]) * 57
    assert (writer.slots, reader.slot_bytes, second.readers) == (4, 64, 2)


def test_random_words_in_a_region_never_lead_out_of_it(region: SharedRegion) -> None:
    chosen, refused = random.Random(7), 0
    writer, reader = region.writer(), region.reader(0)
    for _ in range(600):
        for _ in range(8):
            at = chosen.randrange(len(region.buffer) - 8)
            words = (0, 1, 2**31, 2**32 - 1, 2**63, ALL_ONES, chosen.getrandbits(64))
            overwrite(region.buffer, at, chosen.choice(words))
        for operation in (
            lambda: writer.send(b"x" * 57, 1),
            lambda: reader.receive(1),
            region.describe,
            lambda: region.reader(1).receive(1),
        ):
            try:
                operation()
            except RingError:
                refused += 1
    assert refused > 0


def test_a_recorder_header_that_is_written_over_leads_nowhere(region: SharedRegion) -> None:
    recorder, memory = region.kernels.recorder, new_recorder(4, on=region.kernels.kind)
    writer = region.writer(recorder=memory)
    overwrite(memory, RECORDER_CAPACITY_AT, 1 << 40)
    overwrite(memory, RECORDER_COUNT_AT, 1 << 39)
    writer.send(b"payload", soon())
    assert recorder.overflowed(memory)
    for read in (recorder.records, recorder.last_is_invoke):
        with pytest.raises(ValueError, match=f"{1 << 39} records do not lie in a buffer of"):
            read(memory)
    for write in (
        lambda: region.reader(0, recorder=memory),
        lambda: recorder.append(memory, "ok", "send", 0, 0, 0),
    ):
        with pytest.raises(ValueError, match=f"{1 << 40} records do not lie in a buffer of"):
            write()


@pytest.mark.parametrize("records", [-1, -2, -3, -(2**70), 2**59, 2**63])
def test_an_impossible_number_of_records_is_refused(on: Kernels, records: int) -> None:
    for memory in (bytearray(0), bytearray(4096)):
        with pytest.raises((ValueError, OverflowError)):
            on.recorder.format_recorder(memory, records)


class Anything(int):
    """A number that passes every comparison."""

    def __le__(self, other: object) -> bool:
        return True

    __ge__ = __lt__ = __gt__ = __le__


def test_a_number_with_comparisons_of_its_own_passes_no_bound(region: SharedRegion) -> None:
    for name, value in (("slots", 0), ("slot_bytes", 0), ("readers", 1000)):
        with pytest.raises(ValueError, match=f"not {value}"):
            region.writer(**{name: Anything(value)})
    with pytest.raises(ValueError, match="rank must be 0 to 1, not 99"):
        region.reader(Anything(99))


@pytest.mark.parametrize("side", ["writer", "reader"])
def test_a_handler_cannot_close_or_reopen_the_end_that_it_interrupts(
    region: SharedRegion, side: str
) -> None:
    end = getattr(region, side)(wait="backoff")
    if side == "writer":
        for _ in range(4):
            end.send(b"")
    said = []

    def use(deadline_ns: int) -> None:
        end.send(b"", deadline_ns) if side == "writer" else end.receive(deadline_ns)

    def handler(*_: object) -> None:
        try:
            use(1)
        except RingTimeout:  # it came before the operation, or after it: on a loaded machine
            return
        except RingError:
            pass  # one operation at a time
        for leave in (end.close, end.abandon):
            with pytest.raises(RingError, match="not over") as refused:
                leave()
            said.append(refused.value)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(TRIES):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            with pytest.raises(RingTimeout):
                use(soon(0.1))
            signal.setitimer(signal.ITIMER_REAL, 0)
            if said:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(said) == 2
    end.close()


def test_another_thread_cannot_close_an_end_under_an_operation(region: SharedRegion) -> None:
    reader = region.reader(0, wait="pause")
    refusals: list[object] = []
    endings: list[object] = []

    def receive() -> None:
        while not endings:
            try:
                reader.receive(soon())
            except RingClosed as closed:
                endings.append(closed)
            except RingError:  # it was the other one that was inside
                continue

    thread = threading.Thread(target=receive)
    thread.start()
    while not refusals and thread.is_alive():
        try:
            reader.receive(1)  # refused as soon as the other one is inside
        except RingTimeout:
            continue
        except RingError:
            with pytest.raises(RingError, match="not over") as refused:
                reader.close()
            refusals.append(refused)
    region.writer().shutdown()
    thread.join(20)
    assert len(refusals) == len(endings) == 1 and not thread.is_alive()


def test_who_still_looks_at_a_message_keeps_its_memory(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    writer.send(b"payload", soon())
    with pytest.raises(BufferError, match="slice .* its slot stays held"):
        with reader.receiving(soon()) as view:
            part = view[3:]
    reader.close()
    writer.close()
    with pytest.raises(BufferError):
        region.buffer.release()
        region.map.close()
    assert bytes(part) == b"load"


@pytest.mark.parametrize("how", ["close", "abandon"])
def test_an_end_that_is_closed_inside_its_block_releases_nothing(
    region: SharedRegion, how: str
) -> None:
    writer, reader = region.writer(), region.reader(0)
    writer.send(b"payload", soon())
    before = region.describe()
    with reader.receiving(soon()) as view:
        getattr(reader, how)()
        assert view == b"payload"
    assert region.describe().get("slot_flags") == before.get("slot_flags")
    with pytest.raises(ValueError, match="closed end"):
        reader.receive(1)


def test_a_block_that_ends_twice_releases_once(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    writer.send(b"first", soon())
    writer.send(b"second", soon())
    block = reader.receiving(soon())
    with pytest.raises(RingError, match="no message is held"):
        block.__exit__(None, None, None)
    with block as view:
        assert view == b"first"
    with pytest.raises(RingError, match="no message is held"):
        block.__exit__(None, None, None)
    assert reader.receive(soon()) == b"second"
