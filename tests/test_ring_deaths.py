"""Rings between processes: who comes late, who is killed in the middle of what, what is left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest
from named_rings import SOON_S, holding, is_there, kill, line_of, process
from ring_regions import EVICTION, TAKEOVER

import spinbed
from cy_kernels.choice import PURE, Kernels
from spinbed import Reader, RingBusy, RingClosed, RingEnded, RingTimeout, Writer

READ_ALL = """
with Reader.attach(name, timeout_s=30) as reader:
    say(reader.read(30), reader.read_many(2, 30), reader.recv(30))
    view = reader.view(30)
    say(bytes(view[:4]), len(view))
    reader.release()
    say(reader.recv_view(30)); reader.release()
    say(len(list(reader)))
"""


def end(child: subprocess.Popen[str]) -> List[str]:
    out, _ = child.communicate(timeout=SOON_S)
    assert child.returncode == 0
    return out.splitlines()


def needs_takeover(on: Kernels) -> None:
    if on.kind == PURE:
        pytest.skip(TAKEOVER)


def test_every_operation_reaches_another_process(ring_name: str, on: Kernels) -> None:
    with Writer.create(ring_name, slot_bytes=1000, kernels=on.kind) as writer:
        writer.write(b"bytes")
        writer.write_many([b"1", b"2"])
        child = process(ring_name, READ_ALL, on)
        writer.drain(SOON_S)
        writer.send({"an": "object"}, SOON_S)
        with writer.claiming(100, SOON_S) as view:
            view[:4] = b"here"
        writer.send([1, 2], SOON_S)
        writer.write_many([b""] * 100, SOON_S)
    lines = end(child)
    assert lines == [
        "b'bytes' [b'1', b'2'] {'an': 'object'}",
        "b'here' 100",
        "[1, 2]",
        "100",
    ]
    assert not is_there(ring_name)


def test_a_reader_may_come_before_the_writer(ring_name: str, on: Kernels) -> None:
    child = process(ring_name, 'say("looks"); say(Reader.attach(name, timeout_s=30).read(30))', on)
    assert line_of(child) == "looks"
    with Writer.create(ring_name, kernels=on.kind) as writer:
        writer.write(b"late")
        writer.drain(SOON_S)
        assert line_of(child) == "b'late'"
    child.communicate(timeout=SOON_S)


STOPS = """
def messages():
    for number in range(3):
        yield bytes([number])
    hold()
Writer.create(name, slots=8).write_many(messages())
"""


def test_a_writer_that_is_killed_in_a_batch_has_sent_what_it_had_sent(
    ring_name: str, on: Kernels
) -> None:
    child = holding(ring_name, STOPS, on)
    reader = Reader.attach(ring_name, kernels=on.kind)
    kill(child)
    assert reader.read_many(9, SOON_S) == [b"\0", b"\1", b"\2"]
    with pytest.raises(RingTimeout):
        reader.read(0)
    assert is_there(ring_name)
    if on.kind == PURE:
        with pytest.raises(RingBusy, match="which is dead: its place has to be taken over"):
            Writer.attach(ring_name, kernels=on.kind)
    else:
        with Writer.attach(ring_name, kernels=on.kind) as successor:
            assert successor.write(b"goes on") == 3
            assert reader.read(SOON_S) == b"goes on"
            successor.unlink()
    reader.close()
    spinbed.unlink(ring_name)


WRITES = """
messages = [number.to_bytes(8, "little") * 100 for number in range(20_000)]
writer = Writer.create(name, slots=16)
say("there")
writer.write_many(messages)
"""


@pytest.mark.parametrize("count", [1, 17, 150, 1001])
def test_a_writer_that_is_killed_at_any_moment_of_a_batch_leaves_whole_messages(
    ring_name: str, on: Kernels, count: int
) -> None:
    child = process(ring_name, WRITES, on)
    assert line_of(child) == "there"
    with Reader.attach(ring_name, kernels=on.kind) as reader:
        received: List[bytes] = []
        while len(received) < count:
            received += reader.read_many(7, SOON_S)
        kill(child)
        with pytest.raises(RingTimeout):
            while True:
                received += reader.read_many(7, 0)
    assert received == [n.to_bytes(8, "little") * 100 for n in range(len(received))]
    assert len(received) < 20_000
    spinbed.unlink(ring_name)


READS = """
reader = Reader.attach(name)
while True:
    reader.read_many(5)
"""


@pytest.mark.parametrize("count", [3, 100, 700])
def test_a_reader_that_is_killed_at_any_moment_of_a_batch_loses_none_that_it_did_not_release(
    ring_name: str, on: Kernels, count: int
) -> None:
    needs_takeover(on)
    with Writer.create(ring_name, slots=16, kernels=on.kind) as writer:
        child = process(ring_name, READS, on)
        for number in range(count):
            writer.write(number.to_bytes(8, "little"), SOON_S)
        kill(child)
        with Reader.attach(ring_name, kernels=on.kind) as successor:
            first = successor.position
            # The ring may be full: of what is there, the successor makes room.
            there = successor.read_many(16, 0) if first < count else []
            writer.write(count.to_bytes(8, "little"), 0)
            writer.end()
            rest = [int.from_bytes(message, "little") for message in (*there, *successor)]
    assert rest == list(range(first, count + 1))


CLAIMS = """
writer = Writer.create(name)
writer.write(b"whole")
writer.claim(100)[:50] = bytes(range(50))
hold()
"""


def test_a_writer_that_is_killed_with_a_claim_has_sent_nothing(
    ring_name: str, on: Kernels
) -> None:
    needs_takeover(on)
    child = holding(ring_name, CLAIMS, on)
    reader = Reader.attach(ring_name, kernels=on.kind)
    kill(child)
    assert reader.read_many(9) == [b"whole"]
    with pytest.raises(RingTimeout):
        reader.view(0)
    with Writer.attach(ring_name, kernels=on.kind) as successor:
        assert successor.claim(5)[:] == bytes(range(5))  # it is the very slot
        assert successor.commit() == 1
        assert reader.read(SOON_S) == bytes(range(5))
        successor.unlink()
    reader.close()


@pytest.mark.parametrize("how", ["view()", "viewing().__enter__()", "recv_view()"])
def test_a_reader_that_is_killed_with_a_view_has_not_taken_the_message(
    ring_name: str, on: Kernels, how: str
) -> None:
    needs_takeover(on)
    with Writer.create(ring_name, slots=2, kernels=on.kind) as writer:
        writer.send("first")
        child = holding(ring_name, f"reader = Reader.attach(name); kept = reader.{how}", on)
        kill(child)
        writer.send("second")
        with pytest.raises(RingTimeout, match=rf"rank 0 \(pid {child.pid}, dead\) at 0"):
            writer.write_many([b"x"], 0.01)
        with Reader.attach(ring_name, kernels=on.kind) as successor:
            assert [successor.recv(), successor.recv()] == ["first", "second"]


def test_a_writer_may_go_on_without_readers_that_were_killed(ring_name: str, on: Kernels) -> None:
    if on.kind == PURE:
        pytest.skip(EVICTION)
    with Writer.create(
        ring_name, slots=2, readers=2, evict_dead=True, kernels=on.kind
    ) as writer:
        writer.write(b"0")
        kill(holding(ring_name, "reader = Reader.attach(name, 1); view = reader.view()", on))
        with Reader.attach(ring_name, kernels=on.kind) as alive:
            assert writer.write_many([b"1"], SOON_S) == 1
            assert alive.read_many(9) == [b"0", b"1"]
            assert writer.write_many([b"2", b"3"], SOON_S) == 2
            assert alive.read_many(9) == [b"2", b"3"]
            writer.claim(1, SOON_S)
            writer.abort()


def test_a_dead_writers_ring_is_replaced_and_its_readers_are_told(
    ring_name: str, on: Kernels
) -> None:
    child = holding(ring_name, 'writer = Writer.create(name); writer.write(b"old")', on)
    reader = Reader.attach(ring_name, kernels=on.kind)
    kill(child)
    with Writer.create(ring_name, slots=2, kernels=on.kind) as writer:
        with pytest.raises(RingClosed):
            reader.read(SOON_S)
        reader.close()
        with Reader.attach(ring_name, kernels=on.kind) as again:
            writer.write(b"new")
            assert again.read(SOON_S) == b"new"
    assert not is_there(ring_name)


def test_a_reader_that_waits_is_woken_when_its_ring_is_replaced(
    ring_name: str, on: Kernels
) -> None:
    writer = holding(ring_name, "writer = Writer.create(name)", on)
    waits = """
reader = Reader.attach(name, wait="park")
say("waits")
try:
    reader.read()
except spinbed.RingClosed:
    say("told")
os._exit(0)
"""
    child = process(ring_name, waits, on)
    assert line_of(child) == "waits"
    kill(writer)
    with Writer.create(ring_name, kernels=on.kind):
        assert line_of(child) == "told"
        child.communicate(timeout=SOON_S)


RACES = """
say("ready")
sys.stdin.readline()
try:
    writer = Writer.create(name)
except spinbed.RingBusy:
    say("busy")
else:
    say("made")
    sys.stdin.readline()
    writer.close()
"""


@pytest.mark.parametrize("has_old", [False, True])
def test_of_many_who_make_one_name_at_once_one_does(
    ring_name: str, on: Kernels, has_old: bool
) -> None:
    if has_old:
        kill(holding(ring_name, "writer = Writer.create(name)", on))
    children = [process(ring_name, RACES, on) for _ in range(4)]
    assert [line_of(child) for child in children] == ["ready"] * 4
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert sorted(line_of(child) for child in children) == ["busy"] * 3 + ["made"]
    assert is_there(ring_name)
    for child in children:
        child.communicate("\n", timeout=SOON_S)
        assert child.returncode == 0
    assert not is_there(ring_name)


def test_a_maker_that_dies_before_the_name_leaves_nothing(
    ring_name: str, on: Kernels, monkeypatch: Any
) -> None:
    before = sorted(os.listdir("/dev/shm"))
    dies = """
def dies(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)
os.link = dies
Writer.create(name)
"""
    child = process(ring_name, dies, on)
    child.communicate(timeout=SOON_S)
    assert child.returncode == -9
    left = [each for each in os.listdir("/dev/shm") if each not in before]
    # Others' tests make names meanwhile, in which the digits of this pid may well be.
    pid = re.compile(rf"(?<![0-9a-f]){child.pid}(?![0-9a-f])")
    assert [each for each in left if ring_name.lstrip("/") in each or pid.search(each)] == []

    def refuses(*arguments: Any, **more: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuses)
    with pytest.raises(PermissionError, match="no links here"):
        Writer.create(ring_name, kernels=on.kind)
    assert not is_there(ring_name)


FORKS = """
writer = Writer.create(name)
reader = Reader.attach(name)
if os.fork() == 0:
    writer.close()
    reader.close()
    os._exit(0)
os.wait()
writer.write(b"still ours")
say(reader.read(30), writer.describe()["writer"]["owner"], reader.describe()["shutdown"])
reader.close()
writer.close()
"""


def test_a_forked_child_that_closes_takes_nothing_from_its_parent(
    ring_name: str, on: Kernels
) -> None:
    assert end(process(ring_name, FORKS, on)) == ["b'still ours' process open"]
    assert not is_there(ring_name)


def test_a_process_that_exits_without_closing_is_warned_and_its_name_can_be_removed(
    ring_name: str, on: Kernels
) -> None:
    child = process(ring_name, 'Writer.create(name).write(b"left")', on)
    child.communicate(timeout=SOON_S)
    assert is_there(ring_name)
    assert spinbed.unlink(ring_name) is True
    assert not is_there(ring_name)


def test_an_interrupt_while_waiting_claims_and_takes_nothing(ring_name: str, on: Kernels) -> None:
    code = """
reader = Reader.attach(name, wait="park")
for wait in (reader.read, lambda: reader.read_many(3), reader.view, reader.recv):
    try:
        say("waits")
        wait()
    except KeyboardInterrupt:
        say("interrupted", reader.position)
say(reader.read(30))
reader.close()
"""
    with Writer.create(ring_name, kernels=on.kind) as writer:
        child = process(ring_name, code, on)
        for _ in range(4):
            assert line_of(child) == "waits"
            awaits = Path(f"/proc/{child.pid}/stat")
            while awaits.read_text().rpartition(")")[2].split()[0] != "S":
                os.sched_yield()
            child.send_signal(2)
            assert line_of(child) == "interrupted 0"
        writer.write(b"whole")
        assert end(child) == ["b'whole'"]


def test_who_wants_the_ring_alone_loads_no_test_bed() -> None:
    code = """
import sys, spinbed
spinbed.Writer, spinbed.Reader, spinbed.RingTimeout
heavy = {"pydantic", "rich", "sim.run", "sim.cli", "sim.scenario", "pickle", "subprocess",
         "multiprocessing"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_two_ranks_in_two_processes_both_read_everything(ring_name: str, on: Kernels) -> None:
    counts = "say(sum(len(m) for m in Reader.attach(name, {rank})))"
    with Writer.create(ring_name, slots=4, readers=2, kernels=on.kind) as writer:
        children = [
            process(ring_name, counts.format(rank=rank) + "\nos._exit(0)", on) for rank in (0, 1)
        ]
        writer.write_many((bytes(n % 50) for n in range(500)), SOON_S)
        writer.drain(SOON_S)
    total = str(sum(n % 50 for n in range(500)))
    assert [end(child) for child in children] == [[total], [total]]
    with pytest.raises((RingEnded, RingTimeout)):
        Reader.attach(ring_name, timeout_s=0, kernels=on.kind)
