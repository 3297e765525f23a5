"""Pure kernels: what they refuse instead of doing it wrong, and how they go with compiled ones."""

from __future__ import annotations

import ast
import ctypes
import mmap
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from ring_regions import (
    ALL_KERNELS,
    DATA_EVENT,
    KINDS,
    PURE_LACKS,
    SPACE_EVENT,
    STRATEGIES,
    SharedRegion,
    new_recorder,
    soon,
)

import cy_kernels
from cy_kernels.choice import COMPILED, PURE, VARIABLE, BadChoice, chosen, kernels
from cy_kernels.errors import RingBusy, RingError, RingTimeout
from cy_kernels.pure import memory
from cy_kernels.pure.ends import READY, TIMED_OUT, await_ready
from cy_kernels.pure.ring import CursorWriter

WATCHDOG_S = 120  # only against a hang
mixes = pytest.mark.skipif(
    COMPILED not in ALL_KERNELS, reason="mixes pure with compiled kernels, and there are none"
)


@pytest.fixture(params=KINDS)
def region(request: pytest.FixtureRequest) -> Iterator[SharedRegion]:
    shared = SharedRegion(request.param, on=PURE, slots=4, slot_bytes=64, readers=2)
    yield shared
    shared.close()


@pytest.fixture
def cursor() -> Iterator[SharedRegion]:
    shared = SharedRegion("cursor", on=PURE, slots=4, slot_bytes=64, readers=2)
    yield shared
    shared.close()


def killed(region: SharedRegion, code: str, *, on: str = PURE) -> int:
    """The pid of a process that ran `code` and was killed."""
    child = region.process(code + '\nprint("there", flush=True)\nsignal.pause()', on=on)
    assert child.stdout is not None
    assert child.stdout.readline() == "there\n"
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    return child.pid


def test_each_listed_lack_is_a_test_of_this_folder() -> None:
    names = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(PURE_LACKS) <= names


@pytest.mark.parametrize("on", ALL_KERNELS)
def test_a_dead_owners_place_is_refused_because_nothing_can_swap(
    cursor: SharedRegion, on: str
) -> None:
    why = "which is dead: its place has to be taken over, which takes a compare-and-swap"
    pid = killed(cursor, "w = writer(); r = reader(1)", on=on)
    with pytest.raises(RingBusy, match=f"the writer's place is owned by pid {pid}, {why}"):
        cursor.writer()
    with pytest.raises(RingBusy, match=f"rank 1 is owned by pid {pid}, {why}"):
        cursor.reader(1)
    assert cursor.describe()["writer"]["pid"] == pid


@mixes
def test_a_compiled_successor_takes_the_place_of_a_dead_pure_one(cursor: SharedRegion) -> None:
    killed(cursor, 'w = writer(); w.send(b"0"); w.send(b"1")')
    ring = kernels(COMPILED).ring
    assert ring.CursorWriter(cursor.buffer, **cursor.geometry).position == 2


def test_a_place_that_its_owner_gave_up_is_free_again(cursor: SharedRegion) -> None:
    writer = cursor.writer()
    with pytest.raises(RingBusy, match="not proven dead"):
        cursor.writer()
    writer.send(b"")
    writer.close()
    assert cursor.writer().position == 1


def test_eviction_is_refused_because_nothing_can_swap(cursor: SharedRegion) -> None:
    with pytest.raises(ValueError, match="evict_dead: .* compare-and-swap, and pure kernels"):
        cursor.writer(evict_dead=True)
    assert cursor.describe()["writer"]["owner"] == "nobody"


def test_a_mutant_is_refused() -> None:
    region = SharedRegion("flag", on=PURE)
    with pytest.raises(ValueError, match="not one of this build's: none"):
        region.writer(mutant="flag-before-data")
    region.close()


@pytest.mark.parametrize("wait", STRATEGIES)
def test_nobody_parks_and_the_end_names_what_it_runs(region: SharedRegion, wait: str) -> None:
    reader = region.reader(0, wait=wait)
    assert reader.kernels == PURE
    runs = {"busy_spin": "busy_spin", "pause": "busy_spin", "yielding": "yielding"}
    assert reader.wait == runs.get(wait, "backoff")
    with pytest.raises(RingTimeout):
        reader.receive(soon(0.01))
    assert struct.unpack_from("<II", region.buffer, DATA_EVENT) == (0, 0)


BUMP = """
from cy_kernels.pure import memory
from cy_kernels.pure.ends import READY, TIMED_OUT, await_ready
event = memory.Memory(region).futex_word({offset})
print("ready", flush=True)
sys.stdin.readline()
for _ in range({times}):
    memory.bump_and_wake(event)
"""


def test_no_increment_of_an_event_is_lost_between_processes(cursor: SharedRegion) -> None:
    times = 20_000
    children = [cursor.process(BUMP.format(offset=SPACE_EVENT, times=times)) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=WATCHDOG_S)
        assert child.returncode == 0
    assert struct.unpack_from("<I", cursor.buffer, SPACE_EVENT) == (3 * times,)


# Now and then a pure end goes on only when the compiled other side has raised its flag to sleep:
# on a loaded machine that side would else find its message each time before it does.
AWAIT_PARKED = """
def await_parked(count):
    while count % 500 == 250 and {is_pure} and not region[{parked}]:
        time.sleep(0.001)
"""
READ_ALL = """
mine = reader({rank}, wait="park")
print("ready", flush=True)
count = 0
try:
    while True:
        await_parked(count)
        mine.receive(-1)
        count += 1
except RingEnded:
    print(count)
"""
WRITE_ALL = """
mine = writer(wait="park")
for count in range({messages}):
    await_parked(count)
    mine.send(b"x", -1)
mine.end()
"""


@mixes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("writes", "reads"), [(COMPILED, PURE), (PURE, COMPILED)])
def test_an_end_that_is_parked_without_any_limit_is_woken_by_its_pure_peers(
    kind: str, writes: str, reads: str
) -> None:
    # Three readers wake one writer, or one writer three: nobody has a deadline to save it.
    messages, readers = 3_000, 3
    event = SPACE_EVENT if writes == COMPILED else DATA_EVENT
    awaits = [
        AWAIT_PARKED.format(is_pure=side == PURE, parked=event + 4) for side in (reads, writes)
    ]
    shared = SharedRegion(kind, on=PURE, slots=1, slot_bytes=64, readers=readers)
    children = []
    for rank in range(readers):
        children.append(shared.process(awaits[0] + READ_ALL.format(rank=rank), on=reads))
        stdout = children[-1].stdout
        assert stdout is not None and stdout.readline() == "ready\n"
    writer = shared.process(awaits[1] + WRITE_ALL.format(messages=messages), on=writes)
    try:
        writer.communicate(timeout=WATCHDOG_S)
        counted = [child.communicate(timeout=WATCHDOG_S)[0] for child in children]
        assert [writer.returncode, *counted] == [0, *[f"{messages}\n"] * readers]
        assert struct.unpack_from("<I", shared.buffer, event)[0] > readers, "nobody parked"
    finally:
        for child in (writer, *children):
            child.kill()
            child.communicate()
        shared.close()


@mixes
@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_format_and_describe_the_same_bytes(kind: str) -> None:
    shape = {"slots": 3, "slot_bytes": 100, "readers": 2}
    made = [SharedRegion(kind, on=on, **shape) for on in (COMPILED, PURE)]
    assert made[0].buffer == made[1].buffer
    writers = [region.writer() for region in made]
    readers = [region.reader(1) for region in made]
    for number in range(2):
        for writer in writers:
            writer.send(bytes([number]) * 50, soon())
    assert readers[0].receive(soon()) == readers[1].receive(soon())
    assert made[0].buffer == made[1].buffer
    assert made[0].describe() == made[1].describe()
    for region in made:
        region.close()


@mixes
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 64, 1000])
def test_both_kinds_have_the_same_checksums(size: int) -> None:
    payload = bytes((7 * n) % 256 for n in range(size))
    one, other = (kernels(on).recorder.checksum(payload) for on in (COMPILED, PURE))
    assert one == other


@mixes
@pytest.mark.parametrize("made_by", ALL_KERNELS)
def test_what_a_pure_end_records_both_kinds_can_read(made_by: str, region: SharedRegion) -> None:
    # A compiled runner may have promised stamps of the CPU's counter: the pure end says "ns".
    recording = new_recorder(on=made_by)
    before_ns = soon(0)
    writer = region.writer(recorder=recording)
    writer.send(b"payload")
    found = [kernels(on).recorder.records(recording) for on in (COMPILED, PURE)]
    assert [tuple(record) for record in found[0]] == [tuple(record) for record in found[1]]
    assert [record.type for record in found[0]] == ["invoke", "ok"]
    assert before_ns <= found[0][0].time_ns <= found[0][1].time_ns <= soon(0)


@mixes
def test_what_a_compiled_end_records_for_a_pure_runner_is_in_ns() -> None:
    recording = new_recorder(on=PURE)
    before_ns = soon(0)
    kernels(COMPILED).recorder.append(recording, "ok", "send", 5, 7, 9, None)
    [record] = kernels(PURE).recorder.records(recording)
    assert tuple(record)[1:] == ("ok", "send", 5, 7, 9, None)
    assert before_ns <= record.time_ns <= soon(0)


@mixes
@pytest.mark.skipif(
    not (COMPILED in ALL_KERNELS and kernels(COMPILED).recorder.counter_is_constant()),
    reason="this CPU's counter is not used for stamps",
)
def test_stamps_of_the_counter_are_refused_rather_than_mixed_with_ns(region: SharedRegion) -> None:
    recording = new_recorder(on=COMPILED)
    kernels(COMPILED).recorder.append(recording, "invoke", "send", 0, 0, 0)
    assert kernels(PURE).recorder.count(recording) == 1
    assert kernels(PURE).recorder.last_is_invoke(recording)
    with pytest.raises(ValueError, match="only the compiled recorder can turn them into ns"):
        kernels(PURE).recorder.records(recording)
    with pytest.raises(ValueError, match="recorder: .*it cannot go on with ns"):
        region.writer(recorder=recording)


def test_an_end_that_was_interrupted_outside_its_wait_is_not_used_again(
    region: SharedRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = region.writer(), region.reader(0)
    recording = new_recorder(on=PURE)
    other = region.reader(1, recorder=recording)
    writer.send(b"0")
    assert reader.receive() == b"0"

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(other, "_release", interrupted)  # where a handler may raise
    with pytest.raises(KeyboardInterrupt):
        other.receive()
    with pytest.raises(RingError, match="it is in use"):
        other.receive()
    assert [r.type for r in kernels(PURE).recorder.records(recording)] == ["invoke", "ok"]


def test_another_machine_refuses_where_compiled_ends_are_possible(
    region: SharedRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "MACHINE", "aarch64")
    monkeypatch.setattr(memory, "IS_X86_64", memory.orders_like_x86("aarch64"))
    monkeypatch.setattr(memory.PathFinder, "find_spec", lambda name, path: object())
    with pytest.raises(RingError, match="on x86-64 only; this machine is aarch64"):
        region.writer()
    monkeypatch.setattr(memory.PathFinder, "find_spec", lambda name, path: None)
    monkeypatch.setattr(memory, "MACHINE", "vax")
    with pytest.raises(RingError, match="no memory barrier for this machine, which is vax"):
        region.writer()


@pytest.mark.skipif(memory.MACHINE not in memory.SYS_MEMBARRIER, reason="knows no membarrier here")
def test_among_pure_ends_alone_another_machine_uses_barriers_of_the_system(
    region: SharedRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "IS_X86_64", False)
    monkeypatch.setattr(memory.PathFinder, "find_spec", lambda name, path: None)
    writer, reader = region.writer(), region.reader(0)
    region.reader(1).close()
    writer.send(b"over", soon())
    assert reader.receive(soon()) == b"over"


def test_a_fence_takes_no_lock_that_a_signal_could_leave_locked() -> None:
    for _ in range(3):
        memory.fence()
    assert memory.orders_like_x86("x86_64") == (sys.thread_info.lock != "mutex+cond")
    assert not memory.orders_like_x86("riscv64")


def test_the_layouts_offsets_are_what_the_words_are_named() -> None:
    region = SharedRegion("cursor", on=PURE, slots=3, slot_bytes=100, readers=2)
    held = region.writer()
    at = ctypes.addressof(ctypes.c_char.from_buffer(region.buffer))
    assert ctypes.c_uint64.from_address(at).value.to_bytes(8, "little") == b"SPINBED\0"
    assert ctypes.c_uint64.from_address(at + 264).value & (1 << 22) - 1 == os.getpid()
    assert isinstance(held, CursorWriter)
    held.close()
    assert ctypes.c_uint64.from_address(at + 264).value == 0


def test_a_name_beats_the_variable_and_the_variable_beats_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert chosen() == cy_kernels.status().kind
    monkeypatch.setenv(VARIABLE, PURE)
    assert chosen() == PURE and kernels().ring is kernels(PURE).ring
    assert chosen(COMPILED) == COMPILED
    monkeypatch.setenv(VARIABLE, "compilde")
    with pytest.raises(BadChoice, match="SPINBED_KERNELS='compilde' is not one of compiled, pure"):
        kernels()


def test_who_asks_for_pure_kernels_loads_nothing_compiled_and_is_not_warned() -> None:
    code = """
import logging, sys
logging.basicConfig()
from cy_kernels.choice import kernels
print(kernels().kind, sorted(set(sys.modules) & {"cy_kernels.ring", "cy_kernels.recorder"}))
"""
    environ = {**os.environ, VARIABLE: PURE, "SPINBED_REQUIRE_EXT": "0"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=WATCHDOG_S)
    assert (done.stdout, done.stderr) == ("pure []\n", "")


def test_a_region_that_is_read_only_can_be_described_and_not_opened(region: SharedRegion) -> None:
    frozen = mmap.mmap(region.fd, region.size_bytes, prot=mmap.PROT_READ)
    describe = getattr(region.kernels.ring, f"{region.kind}_describe")
    assert describe(frozen) == region.describe()
    with pytest.raises(BufferError):
        region._end("Writer")(frozen, **region.geometry)


@pytest.mark.parametrize("wait", STRATEGIES)
def test_what_comes_while_the_deadline_passes_is_not_too_late(wait: str) -> None:
    clock_looks: list[int] = []  # the last of them finds that time is over
    came = await_ready(lambda: READY if clock_looks else None, wait, 1, clock_looks.append)
    assert (came, len(clock_looks)) == (READY, 1)
    assert await_ready(lambda: None, wait, 1, None) == TIMED_OUT
