"""cursor_ring where somebody dies: commit, takeover, eviction, and who may take whose place."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from typing import Iterator

import pytest
from ring_regions import SharedRegion, soon

from cy_kernels.choice import Kernels
from cy_kernels.errors import RingBusy, RingEvicted, RingFenced, RingTimeout
from cy_kernels.owner import is_proven_dead, owner_word

WRITER_POSITION, WRITER_OWNER = 256, 264  # offsets in the region header


@pytest.fixture
def region(on: Kernels) -> Iterator[SharedRegion]:
    shared = SharedRegion("cursor", on=on.kind, slots=4, slot_bytes=64, readers=2)
    yield shared
    shared.close()


def hold(region: SharedRegion, code: str) -> subprocess.Popen[str]:
    """A process that runs `code`, says so, and then sleeps until it is killed."""
    child = region.process(code + '\nprint("there", flush=True)\nsignal.pause()')
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL


def test_a_killed_writers_successor_goes_on_where_it_committed(region: SharedRegion) -> None:
    reader, other = region.reader(0), region.reader(1)
    kill(hold(region, 'w = writer(); w.send(b"0"); w.send(b"1")'))
    successor = region.writer()
    assert successor.position == 2
    successor.send(b"2")
    for end in (reader, other):
        assert [end.receive(soon()) for _ in range(3)] == [b"0", b"1", b"2"]
    assert region.describe()["writer"]["takeovers"] == 1


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_commits_that_the_dead_writer_did_not_count_are_found(
    region: SharedRegion, lag: int
) -> None:
    # A death between the commit and the store of writer_position leaves the position behind.
    kill(hold(region, "w = writer()\nfor n in range(4): w.send(bytes([n]))"))
    struct.pack_into("<Q", region.buffer, WRITER_POSITION, 4 - lag)
    assert region.writer().position == 4


def test_a_commit_of_an_earlier_lap_is_not_taken_for_a_new_one(region: SharedRegion) -> None:
    first, second = region.reader(0), region.reader(1)
    child = hold(region, "w = writer()\nfor n in range(4): w.send(bytes([n]))")
    kill(child)
    for number in range(4):
        assert first.receive(soon()) == second.receive(soon()) == bytes([number])
    successor = region.writer()
    assert successor.position == 4
    successor.send(b"lap")
    assert first.receive(soon()) == b"lap"


@pytest.mark.parametrize("stopped", [False, True])
def test_a_living_owner_keeps_its_place_even_when_it_is_stopped(
    region: SharedRegion, stopped: bool
) -> None:
    child = hold(region, "w = writer(); r = reader(0)")
    try:
        if stopped:
            child.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        with pytest.raises(RingBusy, match=f"writer's place is owned by pid {child.pid}, which"):
            region.writer()
        with pytest.raises(RingBusy, match=f"rank 0 is owned by pid {child.pid}, which"):
            region.reader(0)
    finally:
        kill(child)


def test_a_killed_readers_successor_repeats_what_was_not_released(region: SharedRegion) -> None:
    writer = region.writer()
    for number in range(3):
        writer.send(bytes([number]))
    kill(
        hold(
            region,
            """
r = reader(0)
r.receive()
held = r.receiving()
assert bytes(held.__enter__()) == bytes([1])
""",
        )
    )
    successor = region.reader(0)
    assert [successor.receive(soon()) for _ in range(2)] == [b"\1", b"\2"]


def test_a_writer_that_evicts_goes_on_without_a_dead_reader(region: SharedRegion) -> None:
    kill(hold(region, "r = reader(0)"))
    writer, alive = region.writer(evict_dead=True), region.reader(1)
    for number in range(9):
        writer.send(bytes([number]), soon())
        assert alive.receive(soon()) == bytes([number])
    assert region.describe()["reader"][0]["owner"] == "evicted"
    with pytest.raises(RingEvicted, match="rank 0 was given up by the writer"):
        region.reader(0)


def test_a_slot_that_an_eviction_frees_beats_the_deadline(region: SharedRegion) -> None:
    kill(hold(region, "r = reader(0)"))
    writer, alive = region.writer(evict_dead=True), region.reader(1)
    for number in range(4):
        writer.send(bytes([number]), soon())
        alive.receive(soon())
    assert writer.send(b"", 1) == 4


def test_a_stopped_reader_is_never_evicted(region: SharedRegion) -> None:
    child = hold(region, "r = reader(0)")
    try:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        writer, alive = region.writer(evict_dead=True), region.reader(1)
        for number in range(4):
            writer.send(bytes([number]), soon())
            alive.receive(soon())
        with pytest.raises(RingTimeout, match=rf"rank 0 \(pid {child.pid}\) at 0"):
            writer.send(b"", soon(0.05))
        assert region.describe()["reader"][0]["owner"] == "process"
    finally:
        kill(child)


def test_a_writer_whose_reader_died_says_so(region: SharedRegion) -> None:
    child = hold(region, "r = reader(0)")
    writer, _ = region.writer(), region.reader(1)
    kill(child)
    for _ in range(4):
        writer.send(b"")
    with pytest.raises(RingTimeout, match=rf"rank 0 \(pid {child.pid}, dead\) at 0"):
        writer.send(b"", 1)


def test_a_reader_that_leaves_is_not_waited_for(region: SharedRegion) -> None:
    writer, leaving, staying = region.writer(), region.reader(0), region.reader(1)
    leaving.close()
    for number in range(9):
        writer.send(bytes([number]), soon())
        assert staying.receive(soon()) == bytes([number])


def test_a_writer_that_was_succeeded_cannot_write_on(region: SharedRegion) -> None:
    region.reader(0), region.reader(1)
    writer = region.writer()
    for _ in range(4):
        writer.send(b"")
    struct.pack_into("<Q", region.buffer, WRITER_OWNER, 1)
    with pytest.raises(RingFenced):
        writer.send(b"", soon())


def test_an_owner_of_another_pid_namespace_is_never_proven_dead(region: SharedRegion) -> None:
    kill(hold(region, "w = writer()"))
    struct.pack_into("<Q", region.buffer, 48, 1)  # the namespace's inode
    with pytest.raises(RingBusy):
        region.writer()


def test_a_recycled_pid_is_not_mistaken_for_the_owner() -> None:
    mine = owner_word(os.getpid())
    assert not is_proven_dead(mine)
    assert is_proven_dead(mine + (1 << 22))  # same pid, started one tick later


def test_a_zombie_is_proven_dead_and_nobody_is_not() -> None:
    child = subprocess.Popen(["true"])
    word = owner_word(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie until it is reaped
    assert is_proven_dead(word)
    child.wait()
    assert not is_proven_dead(0)


def test_the_heartbeat_of_a_waiting_end_moves(region: SharedRegion) -> None:
    reader = region.reader(0, wait="yielding")
    before_ns = time.monotonic_ns()
    with pytest.raises(RingTimeout):
        reader.receive(soon(0.01))
    assert region.describe()["reader"][0]["heartbeat_ns"] >= before_ns
