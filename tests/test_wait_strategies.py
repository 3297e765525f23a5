"""Every wait strategy, against a waker in another process."""

from __future__ import annotations

import signal
import struct
from typing import Iterator

import pytest
from ring_regions import (
    ALL_KERNELS,
    DATA_EVENT,
    SPACE_EVENT,
    STRATEGIES,
    SharedRegion,
    await_sleep,
    soon,
)

from cy_kernels.choice import COMPILED, PURE, Kernels
from cy_kernels.errors import RingTimeout

ECHO = """
there, back = reader(0, wait="{wait}"), None
print("ready", flush=True)
total = 0
while True:
    try:
        total += len(there.receive(time.monotonic_ns() + 60 * 10**9))
    except RingEnded:
        break
print(total)
"""


@pytest.fixture
def region(on: Kernels) -> Iterator[SharedRegion]:
    shared = SharedRegion("cursor", on=on.kind, slots=1, slot_bytes=64, readers=1)
    yield shared
    shared.close()


def hand_off(region: SharedRegion, wait: str, messages: int, *, to: str) -> None:
    """One slot: both sides wait for each other at every message, with no safety time-out to hide
    a lost wake-up; a loss ends in RingTimeout."""
    child = region.process(ECHO.format(wait=wait), on=to)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    writer = region.writer(wait=wait)
    for _ in range(messages):
        writer.send(b"x", soon(60))
    writer.end()
    assert child.communicate(timeout=60)[0] == f"{messages}\n"
    assert child.returncode == 0


@pytest.mark.parametrize("wait", STRATEGIES)
def test_no_hand_off_through_one_slot_is_lost(region: SharedRegion, wait: str) -> None:
    is_fast = wait in ("park", "yielding") and region.kernels.kind == COMPILED
    hand_off(region, wait, 20_000 if is_fast else 2_000, to=region.kernels.kind)


@pytest.mark.skipif(COMPILED not in ALL_KERNELS, reason="mixes pure with compiled kernels")
@pytest.mark.parametrize("wait", STRATEGIES)
def test_no_hand_off_between_compiled_and_pure_ends_is_lost(
    region: SharedRegion, wait: str
) -> None:
    # With park the compiled side sleeps without limit: its pure peer must wake it each time.
    other = PURE if region.kernels.kind == COMPILED else COMPILED
    hand_off(region, wait, 2_000, to=other)


@pytest.mark.parametrize("wait", STRATEGIES)
def test_times_out_at_its_deadline_and_not_before(region: SharedRegion, wait: str) -> None:
    reader = region.reader(0, wait=wait)
    deadline_ns = soon(0.02)
    with pytest.raises(RingTimeout):
        reader.receive(deadline_ns)
    assert soon(0) >= deadline_ns


@pytest.mark.parametrize("wait", STRATEGIES)
def test_a_signal_reaches_python_while_it_waits(region: SharedRegion, wait: str) -> None:
    child = region.process(
        f"""
there = reader(0, wait="{wait}")
try:
    print("ready", flush=True)
    there.receive(time.monotonic_ns() + 60 * 10**9)
except KeyboardInterrupt:
    print("interrupted", there.position, flush=True)
"""
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    if wait == "park" and region.kernels.kind == COMPILED:
        await_sleep(region, child.pid)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert out == "interrupted 0\n"


def test_nobody_is_woken_by_system_call_while_nobody_is_parked(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    for _ in range(100):
        writer.send(b"")
        reader.receive()
    assert struct.unpack_from("<II", region.buffer, DATA_EVENT) == (0, 0)
    assert struct.unpack_from("<II", region.buffer, SPACE_EVENT) == (0, 0)


def test_a_parked_reader_raises_its_flag_and_the_waker_clears_it(region: SharedRegion) -> None:
    writer, reader = region.writer(), region.reader(0)
    with pytest.raises(RingTimeout):
        reader.receive(soon(0.5))
    assert struct.unpack_from("<II", region.buffer, DATA_EVENT) == (0, 1)
    writer.send(b"")
    assert struct.unpack_from("<II", region.buffer, DATA_EVENT) == (1, 0)
