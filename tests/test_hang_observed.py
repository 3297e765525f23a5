"""Why live participants do not get on, told from evidence alone."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import pytest

import sim.hang.observed as observed
from sim.hang.classes import Hang
from sim.hang.observed import tell, tell_apart
from sim.history.hang_class import HangClass
from sim.history.stall_kind import StallKind

MS = 1_000_000
WINDOW_NS = 100 * MS
SLOTS = 4
DEAD = "signalled:SIGKILL"


def process(
    name: str,
    position: Optional[int] = None,
    *,
    state: str = "running",
    cpu_ms: int = 0,
    queued_ms: int = 0,
    **more: Any,
) -> Dict[str, Any]:
    """`position`: of the message that it is at; None: between two operations."""
    role = name.partition("[")[0]
    rank = int(name[:-1].partition("[")[2] or 0) if role == "reader" else None
    seen: Dict[str, Any] = {"name": name, "role": role, "rank": rank, "state": state}
    if state == "absent":
        return seen
    thread = {"tid": 1, "state": "S", "wait_channel": "futex_wait_queue"}
    thread.update(cpu_ns=cpu_ms * MS, queued_ns=queued_ms * MS)
    f = "send" if role == "writer" else "receive"
    op = None if position is None else {"f": f, "position": position, "since_ns": 1}
    threads = [thread] if state == "running" else []
    return {**seen, "pid": 7, "life": "running", "op": op, "threads": threads, **more}


def cursor(written: int, *read: int, owners: Sequence[str] = ()) -> Dict[str, Any]:
    """A region in which so many messages were published, and so many read by each reader."""
    owned = list(owners) or ["process"] * len(read)
    readers = [{"owner": owner, "position": at} for owner, at in zip(owned, read)]
    writer = {"owner": "process", "position": written}
    more = {"writer": writer, "reader": readers, "readers": len(read)}
    return {"kind": "cursor_ring", "slots": SLOTS, **more}


def flags(*slots: List[int]) -> Dict[str, Any]:
    more = {"slot_flags": list(slots), "readers": len(slots[0]) - 1}
    return {"kind": "flag_ring", "slots": len(slots), **more}


def evidence(
    region: Mapping[str, Any],
    *processes: Mapping[str, Any],
    moved: bool = False,
    before: Optional[Mapping[str, Any]] = None,
    **more: Any,
) -> Dict[str, Any]:
    return {
        "window_ns": WINDOW_NS,
        "moved": moved,
        "processes": list(processes),
        "region": region,
        "region_before": region if before is None else before,
        "is_changing": before is not None and before != region,
        **more,
    }


def hang(*arguments: Any, **more: Any) -> Hang:
    told = tell(evidence(*arguments, **more))
    assert isinstance(told, Hang), told
    return told


FULL = cursor(14, 10, 14)  # behind reader[0]
EMPTY = cursor(14, 14, 14)
WRITER, READER = process("writer", 14), process("reader[1]", 14)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (DEAD, HangClass.PEER_DEAD),
        ("exited:1", HangClass.PEER_DEAD),
        ("stopped", HangClass.PEER_STOPPED),
        ("frozen", HangClass.PEER_STOPPED),
        ("absent", HangClass.STARTUP_NEVER),
    ],
)
def test_the_state_of_who_is_waited_for_is_the_class(state: str, kind: HangClass) -> None:
    found = hang(FULL, WRITER, process("reader[0]", 10, state=state), READER)
    assert (found.kind, found.waits_for) == (kind, ("reader[0]",))
    assert "writer" in found.who and "send of message 14" in found.why
    found = hang(EMPTY, process("writer", 14, state=state), process("reader[0]", 14), READER)
    assert (found.kind, found.waits_for) == (kind, ("writer",))
    assert set(found.who) == {"reader[0]", "reader[1]"}


@pytest.mark.parametrize("life", ["asked", "started", "ready"])
def test_who_is_there_and_never_began_is_named_with_how_far_it_came(life: str) -> None:
    found = hang(FULL, WRITER, process("reader[0]", life=life), READER)
    assert (found.kind, found.waits_for) == (HangClass.STARTUP_NEVER, ("reader[0]",))
    assert f"never got further than: {life}" in found.why


@pytest.mark.parametrize("slot", [[1, 0, 1], [1, 0, 0]])
def test_flags_name_the_readers_that_have_not_read(slot: List[int]) -> None:
    region = flags([0, 0, 0], [1, 1, 1], slot, [0, 0, 0])
    stopped = process("reader[0]", 2, state="stopped")
    found = hang(region, process("writer", 6), stopped, process("reader[1]", 6))
    assert (found.kind, found.waits_for) == (HangClass.PEER_STOPPED, ("reader[0]",))


@pytest.mark.parametrize("owner", ["left", "evicted"])
def test_who_left_is_waited_for_by_nobody(owner: str) -> None:
    region = cursor(14, 10, 10, owners=[owner, "process"])
    dead, stopped = process("reader[0]", state=DEAD), process("reader[1]", 10, state="stopped")
    found = hang(region, WRITER, dead, stopped)
    assert (found.kind, found.waits_for) == (HangClass.PEER_STOPPED, ("reader[1]",))


def test_what_cannot_end_is_named_before_what_might() -> None:
    stopped, dead = process("reader[0]", 10, state="stopped"), process("reader[1]", 10, state=DEAD)
    found = hang(cursor(14, 10, 10), WRITER, stopped, dead)
    assert (found.kind, found.waits_for) == (HangClass.PEER_DEAD, ("reader[1]",))


def test_a_dead_one_that_is_not_in_the_way_is_not_named() -> None:
    dead = process("reader[1]", 14, state=DEAD)
    found = hang(FULL, WRITER, process("reader[0]", 10, state="stopped"), dead)
    assert (found.kind, found.waits_for) == (HangClass.PEER_STOPPED, ("reader[0]",))


def test_one_that_could_get_on_has_lost_a_wake_up() -> None:
    sleeper = process("reader[0]", 10)
    found = hang(FULL, WRITER, sleeper, READER)
    assert found.kind is HangClass.LOST_WAKEUP
    assert found.who == ("writer", "reader[0]", "reader[1]")  # the others wait for it
    assert "has not noticed" in found.why


def test_one_that_could_get_on_and_only_changes_memory_is_in_a_livelock() -> None:
    before = cursor(14, 9, 14)
    found = hang(FULL, WRITER, process("reader[0]", 10), READER, before=before)
    assert found.kind is HangClass.LIVELOCK


def test_a_circle_is_a_deadlock() -> None:
    """Both wait for each other: a region whose words contradict each other can look so."""
    region = cursor(14, 10)
    found = hang(region, WRITER, process("reader[0]", 14))
    assert (found.kind, set(found.who)) == (HangClass.DEADLOCK, {"writer", "reader[0]"})


@pytest.mark.parametrize(
    "region",
    [
        {},
        {"what": "another transport's"},
        {**FULL, "slots": 0},
        {**FULL, "readers": 64},
        {**flags([1, 0, 0]), "slots": 4},
        {**flags([1, 0, 0]), "readers": 5},
    ],
)
def test_of_a_region_that_says_nothing_sensible_only_states_are_told(
    region: Mapping[str, Any],
) -> None:
    assert hang(region, WRITER, READER).kind is HangClass.UNKNOWN
    found = hang(region, WRITER, process("reader[0]", 10, state=DEAD), READER)
    assert (found.kind, found.waits_for) == (HangClass.PEER_DEAD, ("reader[0]",))


def test_who_has_another_region_of_that_name_is_named() -> None:
    other = process("reader[0]", 4, has_the_region=False)
    found = hang(FULL, WRITER, other, READER)
    assert (found.kind, found.waits_for) == (HangClass.SEGMENT_GONE, ("reader[0]",))
    assert set(found.who) == {"writer", "reader[1]"} and "another region" in found.why
    away = process("writer", 4, has_the_region=False)
    found = hang(EMPTY, away, process("reader[0]", 14), READER)
    assert (found.kind, found.waits_for) == (HangClass.SEGMENT_GONE, ("writer",))


@pytest.mark.parametrize(
    ("came_to", "has_name", "kind"),
    [
        ("started", False, HangClass.SEGMENT_GONE),
        ("started", True, HangClass.PEER_DEAD),
        ("ready", False, HangClass.PEER_DEAD),
    ],
)
def test_who_came_when_there_was_no_region_of_that_name_is_no_dead_peer(
    came_to: str, has_name: bool, kind: HangClass
) -> None:
    late = process("reader[0]", state="exited:1", came_to=came_to)
    found = hang(FULL, WRITER, late, READER, has_name=has_name)
    assert (found.kind, found.waits_for) == (kind, ("reader[0]",))


def test_a_region_that_was_cut_explains_who_died_of_it_and_not_who_is_at_work() -> None:
    dead = process("reader[0]", 10, state="signalled:SIGBUS")
    gone = {"error": "pages of the region are gone: it cannot be read"}
    assert hang(gone, WRITER, dead, is_cut=True).kind is HangClass.SEGMENT_GONE
    assert hang(gone, WRITER, dead).kind is HangClass.PEER_DEAD
    busy = process("reader[0]", None, cpu_ms=90)
    assert tell(evidence(gone, WRITER, busy, is_cut=True)) is StallKind.COMPUTING


def test_a_region_that_cannot_be_read_is_the_reason_where_nobody_else_is() -> None:
    gone = {"error": "pages of the region are gone: it cannot be read"}
    assert hang(gone, WRITER, READER).kind is HangClass.SEGMENT_GONE


@pytest.mark.parametrize(
    ("who", "kind"),
    [
        (process("reader[0]", None, cpu_ms=90), StallKind.COMPUTING),
        (process("reader[0]", None), StallKind.COMPUTING),
        (process("reader[0]", None, queued_ms=95), StallKind.STARVED),
        (process("reader[0]", 10, queued_ms=95), StallKind.STARVED),
        (process("reader[0]", None, idle=True), StallKind.IDLE),
        (process("reader[0]", None, state="stopped", threads=[{"state": "t"}]), StallKind.DEBUGGED),
    ],
)
def test_who_will_go_on_by_itself_is_no_alarm(who: Mapping[str, Any], kind: StallKind) -> None:
    seen = evidence(FULL, WRITER, who, READER)
    assert tell(seen) is kind
    assert tell_apart(seen) is None


def test_who_came_to_run_has_looked_and_is_not_starved() -> None:
    looked = process("reader[0]", 10, queued_ms=80, cpu_ms=10)
    assert hang(FULL, WRITER, looked, READER).kind is HangClass.LOST_WAKEUP


def test_what_moves_is_slow_whatever_else_is_seen() -> None:
    dead = process("reader[0]", 10, state=DEAD)
    assert tell(evidence(FULL, WRITER, dead, READER, moved=True)) is StallKind.PEER_SLOW


def test_nobody_waiting_and_nothing_known_is_unknown() -> None:
    found = hang(EMPTY, process("writer", None, state=DEAD), process("reader[0]", None))
    assert found.kind is HangClass.UNKNOWN


def test_what_is_told_can_be_written_to_a_journal() -> None:
    dead = process("reader[0]", 10, state=DEAD)
    told = tell_apart(json.loads(json.dumps(evidence(FULL, WRITER, dead, READER))))
    assert told is not None and json.loads(json.dumps(told)) == told
    assert told["class"] == "peer-dead" and told["on"] == ["reader[0]"]
    assert any(line.startswith("writer (futex_wait_queue at send") for line in told["each"])


def test_it_can_look_at_nothing_but_the_evidence() -> None:
    """Neither plan nor faults: they are not among what it imports, and nothing else is passed."""
    tree = ast.parse(Path(observed.__file__).read_text(encoding="utf-8"))
    imported = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {name for name in imported if name.startswith(("sim", "cy_kernels"))}
    assert ours == {"sim.hang.classes", "sim.history.hang_class", "sim.history.stall_kind"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
