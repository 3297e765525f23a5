"""`spinbed attach`: real processes that the test has started by hand, told apart by looking."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

import pytest
from attached_processes import Attach, end, holders
from named_rings import kill, line_of, process
from ring_regions import SharedRegion

from cy_kernels.choice import Kernels
from sim.live.foreign_flags import Asked, Geometry, geometries

SLOTS, CHUNK, READERS = 10, 1024, 2

WRITER = """
writer = Writer.create(name, slots=4, slot_bytes=64, readers=int(sys.argv[2]))
say("there")
sys.stdin.readline()
for number in range(9):
    writer.write(b"%d" % number)
"""
READER = """
reader = Reader.attach(name, int(sys.argv[2]))
say("there")
reader.read()
say("read")
sys.stdin.readline()
while True:
    reader.read()
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(ring_name: str, on: Kernels) -> Iterator[Start]:
    """Processes with the fixture's name, which end with the test."""
    with ExitStack() as started:

        def begin(code: str, argument: int = 1) -> subprocess.Popen[str]:
            child = process(ring_name, f"sys.argv.append('{argument}')\n" + code, on)
            started.callback(end, child)
            assert line_of(child) == "there"
            return child

        yield begin


def go_on(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def blocked(start: Start, readers: int = 1) -> List[subprocess.Popen[str]]:
    """A writer that waits for a slot, and readers each of which has read one message."""
    ends = [start(WRITER, readers), *(start(READER, rank) for rank in range(readers))]
    go_on(ends[0])
    for reader in ends[1:]:
        assert line_of(reader) == "read"
    return ends


def test_a_reader_that_was_killed_is_who_the_writer_waits_for(
    start: Start, attach: Attach
) -> None:
    writer, reader = blocked(start)
    kill(reader)
    told = attach.until(3, writer.pid)
    first = told.splitlines()[0]
    assert first.startswith("hang: peer-dead, /dev/shm/spinbed.ring-"), told
    assert "writer waits in send of message 5; " in first
    assert f"reader[0] (pid {reader.pid}) is dead: ended" in first
    assert f"  writer is process {writer.pid}\n" in told
    assert f"  reader[0]: process {reader.pid}, at message 1, ended" in told
    assert re.search(rf"^{writer.pid} +\w ", told, re.MULTILINE)


def test_a_reader_that_is_stopped_is_named_and_stays_as_it_is(
    start: Start, attach: Attach, ring_name: str
) -> None:
    writer, reader = blocked(start)
    os.kill(reader.pid, signal.SIGSTOP)
    told = attach.until(3, writer.pid)
    assert told.startswith("hang: peer-stopped") and f"(pid {reader.pid}) is stopped" in told
    assert state_of(reader.pid) == "T"
    from_the_other_side = attach.until(3, reader.pid)
    assert from_the_other_side.splitlines()[0] == told.splitlines()[0]


def test_one_dead_is_told_though_another_one_in_the_way_is_at_work(
    start: Start, attach: Attach
) -> None:
    writer, dead, alive = blocked(start, readers=2)
    kill(dead)
    told = attach.until(3, writer.pid)
    assert told.startswith("hang: peer-dead") and f"reader[0] (pid {dead.pid}) is dead" in told
    assert f"reader[1]: process {alive.pid}, at message 1, in no operation" in told


def test_a_writer_that_was_killed_is_who_the_readers_wait_for(
    start: Start, attach: Attach
) -> None:
    writer, reader = start(WRITER), start(READER, 0)
    kill(writer)
    told = json.loads(attach.until(3, reader.pid, "--json"))
    assert told["hang"] == "peer-dead"
    (finding,) = (each for each in told["told"] if each["is_hang"])
    assert (finding["on"], finding["who"]) == (["writer"], ["reader[0]"])
    (region,) = told["evidence"]["regions"]
    seats = {each["name"]: each for each in region["processes"]}
    assert seats["writer"]["pid"] == writer.pid and seats["writer"]["state"] == "ended"


def test_a_reader_to_whom_nobody_writes_is_no_hang(start: Start, attach: Attach) -> None:
    writer, reader = start(WRITER), start(READER, 0)
    done = attach(reader.pid, writer.pid)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(("no hang: computing", "no hang: idle")), done.stdout


def test_nothing_is_written_and_nobody_is_stopped_or_traced(
    start: Start, attach: Attach, ring_name: str
) -> None:
    writer, reader = blocked(start)
    os.kill(reader.pid, signal.SIGSTOP)
    attach.until(3, writer.pid)
    before = positions(ring_name)
    maps = Path(f"/proc/{writer.pid}/maps").read_bytes()
    attach.until(3, writer.pid)
    assert positions(ring_name) == before
    assert Path(f"/proc/{writer.pid}/maps").read_bytes() == maps
    assert state_of(writer.pid) in "SR" and state_of(reader.pid) == "T"
    assert "TracerPid:\t0\n" in Path(f"/proc/{writer.pid}/status").read_text()
    os.kill(reader.pid, signal.SIGCONT)
    go_on(reader)
    writer.wait()
    assert writer.returncode == 0  # it has sent the rest


def positions(name: str) -> bytes:
    """All bytes but a waiter's heartbeat, which it writes itself where it naps."""
    found = bytearray(Path("/dev/shm", name).read_bytes())
    found[272:280] = bytes(8)
    return bytes(found)


def test_a_ring_under_traffic_is_no_hang_and_loses_nothing(
    start: Start, attach: Attach
) -> None:
    writing = """
import select
writer = Writer.create(name, slots=4, slot_bytes=64)
say("there")
count = 0
while not select.select([sys.stdin], [], [], 0.0005)[0]:
    writer.write(b"%d" % count)
    count += 1
writer.end()
say(count)
"""
    reading = """
reader = Reader.attach(name)
say("there")
count = 0
try:
    while True:
        assert reader.read() == b"%d" % count
        count += 1
except spinbed.RingEnded:
    say(count)
"""
    writer, reader = start(writing), start(reading)
    for _ in range(3):
        done = attach(writer.pid, reader.pid)
        assert done.returncode == 0, done.stdout
        assert done.stdout.startswith("no hang: peer-slow"), done.stdout
    go_on(writer)
    sent = int(line_of(writer))
    assert sent > 0 and int(line_of(reader)) == sent


def flags(rows: Sequence[Sequence[int]]) -> bytes:
    """Chunks of data, then of each chunk 1 + READERS bytes."""
    return b"\xaa" * (SLOTS * CHUNK) + b"".join(map(bytes, rows))


BEHIND = [[1, 1, 0]] * SLOTS  # all are written, and rank 1 has read none


def test_a_ring_of_flags_without_a_header_tells_who_has_not_read(
    psm: str, on: Kernels, attach: Attach
) -> None:
    Path("/dev/shm", psm).write_bytes(flags(BEHIND))
    with ExitStack() as started:
        ends = holders(psm, on, 3)
        for each in ends:
            started.callback(end, each)
        done = attach(ends[0].pid)
        assert done.returncode == 0 and done.stdout.startswith("no hang: computing"), done.stdout
        assert "10 slots of 1024 bytes, readers: 2, without a header" in done.stdout
        assert "10 of 10 slots wait for readers: 0, 1, 2, 3, 4, 5, 6, 7, ..." in done.stdout
        assert "reader[1] has not read slot 0, 1," in done.stdout
        assert "reader[0] has not" not in done.stdout
        pids = ", ".join(str(each.pid) for each in sorted(ends, key=lambda each: each.pid))
        assert f"mapped by {pids}" in done.stdout
        os.kill(ends[1].pid, signal.SIGSTOP)
        told = attach.until(3, ends[0].pid)
        assert told.startswith("hang: peer-stopped")
        assert f"process {ends[1].pid} is stopped" in told
        kill(ends[1])
        said = attach(ends[0].pid)
        assert said.returncode == 0
        assert "say of which geometry, --slots 10 --slot-bytes 1024 --readers 2;" in said.stdout
        told = attach.until(3, ends[0].pid, "--slots", 10)
        assert told.startswith("hang: peer-dead") and "every slot is full" in told
        assert "3 processes, and only 2 have it mapped" in told
        wrong = attach.refused(ends[0].pid, "--slots", 7)
        assert "no mapped region without a header has such a size" in wrong and psm in wrong


def test_flags_that_leave_the_writer_a_slot_are_no_hang(
    psm: str, on: Kernels, attach: Attach
) -> None:
    rows = [[1, 1, 0]] * (SLOTS - 1) + [[1, 1, 1]]
    Path("/dev/shm", psm).write_bytes(flags(rows))
    (only,) = holders(psm, on, 1)
    done = attach(only.pid, "--slots", SLOTS, "--slot-bytes", CHUNK, "--readers", READERS)
    end(only)
    assert done.returncode == 0 and done.stdout.startswith("no hang: idle"), done.stdout
    assert "9 of 10 slots wait for readers" in done.stdout


def test_a_ring_of_flags_with_our_header_needs_nothing_said(
    ring_name: str, on: Kernels, attach: Attach
) -> None:
    region = SharedRegion("flag", on=on.kind)
    Path("/dev/shm", ring_name).write_bytes(bytes(region.buffer))
    region.close()
    (only,) = holders(ring_name, on, 1)
    done = attach(only.pid)
    end(only)
    assert done.returncode == 0 and done.stdout.startswith("no hang: idle"), done.stdout
    assert "flag_ring\n  4 slots of 64 bytes, readers: 1\n  no slot waits" in done.stdout


def test_the_size_allows_several_geometries_and_what_is_said_chooses() -> None:
    size_bytes = 10 * ((24 << 20) + 1 + 2)  # what vLLM makes for two readers
    real = Geometry(10, 24 << 20, 2)
    assert len(geometries(size_bytes, Asked())) > 1 and real in geometries(size_bytes, Asked())
    for asked in (Asked(slots=10), Asked(readers=2), Asked(slot_bytes=24 << 20)):
        assert geometries(size_bytes, asked) == [real], asked
    assert geometries(size_bytes, Asked(slots=7)) == []


def test_a_program_that_waits_for_a_lock_of_its_own_is_told(attach: Attach, on: Kernels) -> None:
    code = "import threading; say('there'); a = threading.Lock(); a.acquire(); a.acquire()"
    child = process("none", code, on)
    assert line_of(child) == "there"
    told = attach.until(3, child.pid)
    end(child)
    assert told.startswith(f"hang: deadlock, the programs: process {child.pid}: all of its threads")


def test_one_that_a_signal_may_let_go_is_no_hang(attach: Attach, on: Kernels) -> None:
    code = "import threading\nsignal.signal(signal.SIGTERM, print)\nsay('there')\n"
    child = process("none", code + "threading.Event().wait()", on)
    assert line_of(child) == "there"
    done = attach(child.pid)
    end(child)
    assert done.returncode == 0 and done.stdout.startswith("no hang: "), done.stdout
