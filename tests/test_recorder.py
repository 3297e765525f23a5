"""The flight recorder: what it says, in which clock, and what survives its process."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time

import pytest
from ring_regions import SharedRegion, new_recorder, soon

from cy_kernels.choice import VARIABLE, Kernels
from cy_kernels.errors import RingTimeout


def test_the_records_of_a_send_a_time_out_and_a_raise(on: Kernels) -> None:
    recorder = on.recorder
    region = SharedRegion("flag", on=on.kind, slots=1, readers=1)
    writing, reading = new_recorder(on=on.kind), new_recorder(on=on.kind)
    writer, reader = region.writer(recorder=writing), region.reader(0, recorder=reading)
    writer.send(b"payload", soon())
    with pytest.raises(RingTimeout):
        writer.send(b"more", 1)
    with pytest.raises(KeyError), reader.receiving(soon()):
        raise KeyError
    seven, four = recorder.checksum(b"payload"), recorder.checksum(b"more")
    assert [tuple(record)[1:] for record in recorder.records(writing)] == [
        ("invoke", "send", 0, 7, seven, None),
        ("ok", "send", 0, 7, seven, None),
        ("invoke", "send", 1, 4, four, None),
        ("fail", "send", 1, 4, four, "timeout"),
    ]
    assert [tuple(record)[1:] for record in recorder.records(reading)] == [
        ("invoke", "receive", 0, 0, 0, None),
        ("fail", "receive", 0, 7, seven, "raised"),
    ]
    region.close()


def test_stamps_are_monotonic_clock_ns(on: Kernels) -> None:
    recorder = on.recorder
    buffer = new_recorder(on=on.kind)
    before_ns = time.monotonic_ns()
    for _ in range(100):
        recorder.append(buffer, "invoke", "send", 0, 0, 0)
    after_ns = time.monotonic_ns()
    stamps = [record.time_ns for record in recorder.records(buffer)]
    slack_ns = 100_000  # the fit of two clocks over a span of microseconds
    assert before_ns - slack_ns <= min(stamps) <= max(stamps) <= after_ns + slack_ns


def test_a_full_recorder_keeps_what_it_has_and_says_that_it_overflowed(on: Kernels) -> None:
    recorder = on.recorder
    buffer = new_recorder(records=2, on=on.kind)
    for position in range(3):
        assert not recorder.overflowed(buffer)
        recorder.append(buffer, "info", "send", position, 0, 0)
    assert recorder.overflowed(buffer)
    assert [record.position for record in recorder.records(buffer)] == [0, 1]
    assert recorder.count(buffer) == 2


def test_an_open_operation_shows(on: Kernels) -> None:
    recorder = on.recorder
    buffer = new_recorder(on=on.kind)
    assert not recorder.last_is_invoke(buffer)
    recorder.append(buffer, "invoke", "receive", 0, 0, 0)
    assert recorder.last_is_invoke(buffer)
    recorder.append(buffer, "ok", "receive", 0, 0, 0)
    assert not recorder.last_is_invoke(buffer)


def test_records_can_be_drained_in_parts(on: Kernels) -> None:
    recorder = on.recorder
    buffer = new_recorder(on=on.kind)
    for position in range(5):
        recorder.append(buffer, "ok", "send", position, 0, 0)
    assert [record.position for record in recorder.records(buffer, 3)] == [3, 4]


def test_every_record_before_a_sigkill_can_be_read(on: Kernels) -> None:
    recorder = on.recorder
    size_bytes = recorder.recorder_bytes(1_000_000)
    fd = os.memfd_create("flight")
    os.ftruncate(fd, size_bytes)
    buffer = memoryview(mmap.mmap(fd, size_bytes))
    recorder.format_recorder(buffer, 1_000_000)
    code = f"""
import mmap, sys
from cy_kernels.choice import kernels
recorder = kernels().recorder
buffer = memoryview(mmap.mmap({fd}, {size_bytes}))
for position in range(1_000_000):
    recorder.append(buffer, "ok", "send", position, position % 7, position * 3)
    if position == 500:
        print("going", flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        pass_fds=[fd],
        env={**os.environ, VARIABLE: on.kind},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"going\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    os.close(fd)
    records = recorder.records(buffer)
    assert len(records) > 500
    assert [record.position for record in records] == list(range(len(records)))
    assert all(record.checksum == 3 * record.position for record in records)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 63, 64, 4096])
def test_the_checksum_sees_every_flipped_bit(on: Kernels, size: int) -> None:
    recorder = on.recorder
    payload = bytes(range(256)) * 16
    seen = {recorder.checksum(payload[:size])}
    for byte in range(0, size, 1 + size // 50):
        for bit in range(8):
            damaged = bytearray(payload[:size])
            damaged[byte] ^= 1 << bit
            seen.add(recorder.checksum(bytes(damaged)))
    assert len(seen) == 1 + 8 * len(range(0, size, 1 + size // 50))


def test_a_buffer_that_is_no_recorder_is_refused(on: Kernels) -> None:
    recorder = on.recorder
    with pytest.raises(ValueError, match="format_recorder"):
        recorder.records(memoryview(bytearray(4096)))
    with pytest.raises(ValueError, match="need 96 bytes, not 64"):
        recorder.format_recorder(memoryview(bytearray(64)), 1)
