"""Why programs hang that share locks, regions or rings: from evidence, and of real processes."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import pytest

import sim.hang.shared as shared
from sim.hang.of_run import tell, tell_apart
from sim.hang.shared import tell_of_locks, tell_of_regions
from sim.history.hang_class import HangClass
from sim.live import procfs
from sim.live.shared_evidence import collect

WINDOW_NS = 100_000_000
WATCHDOG_S = 60
ADDRESS = 0x7F00
KILLED = {"pid": 9, "parent": 7, "status": int(signal.SIGKILL)}
IN_CONDITION = ("/usr/lib/python3.11/multiprocessing/synchronize.py", "wait")


def process(
    pid: int, wakers: Optional[Sequence[int]] = (7, 8), *, cpu_ms: int = 0, **more: Any
) -> Dict[str, Any]:
    """`wakers`: who could end its wait; None: that is not known, or it waits for nobody."""
    thread = {"tid": pid, "state": "S", "cpu_ns": cpu_ms * 1_000_000, "queued_ns": 0}
    thread.update(switches=0, wait_channel="", system_call="running", wakers=wakers)
    seen = {"pid": pid, "parent": 1, "command": "python", "state": "S", "is_fork": False}
    seen.update(name=None, threads=[thread], stacks=[], locks=[], shared_locks=None)
    seen.update(is_frozen=False, timers=False)
    seen.update(answers=True, gil=None)
    return {**seen, **more}


def lock(kind: str = "semaphore", *waiters: int, **more: Any) -> Dict[str, Any]:
    seen = {"kind": kind, "name": "a", "owner": None, "waiters": list(waiters or (7,))}
    found = {**seen, "mapped_by": seen["waiters"], **more}
    return {**found, "at": [(pid, ADDRESS) for pid in found["mapped_by"]]}


def evidence(
    *processes: Mapping[str, Any],
    locks: Sequence[Mapping[str, Any]] = (),
    regions: Sequence[Mapping[str, Any]] = (),
    dead: Sequence[Mapping[str, Any]] = (),
) -> Dict[str, Any]:
    held = {"locks": list(locks), "regions": list(regions), "dead": list(dead)}
    found = {"window_ns": WINDOW_NS, "processes": list(processes), "last_probes": {}}
    return {**found, "shared": held, "rings": []}


def kind(found: Optional[Any]) -> Optional[HangClass]:
    return found.kind if found is not None else None


@pytest.mark.parametrize("what", ["mutex", "file lock (flock)"])
def test_a_lock_whose_dead_owner_is_recorded_is_told_whatever_else_goes_on(what: str) -> None:
    taken = lock(what, owner=3, is_owner_alive=False, mapped_by=[7, 8])
    found = tell_of_locks(evidence(process(7), process(8, None, cpu_ms=90), locks=[taken]))
    assert found is not None and found.kind is HangClass.LOCK_OWNER_DEAD
    assert "process 7 waits for" in found.why and "process 3, which has it, is dead" in found.why
    alive = {**taken, "is_owner_alive": True}
    assert tell_of_locks(evidence(process(7), locks=[alive], dead=[KILLED])) is None


@pytest.mark.parametrize(
    ("processes", "dead", "told"),
    [
        ([process(7, [7])], [KILLED], HangClass.LOCK_OWNER_DEAD),
        ([process(7, [7])], [{**KILLED, "status": 0}], HangClass.DEADLOCK),
        ([process(7, [7])], [], HangClass.DEADLOCK),
        ([process(7), process(8)], [KILLED], HangClass.LOCK_OWNER_DEAD),
        ([process(7), process(8, None)], [KILLED], None),
        ([process(7), process(8, [9])], [KILLED], None),
        ([process(7), process(8, None, cpu_ms=90)], [KILLED], None),
    ],
)
def test_a_semaphore_is_told_only_where_nobody_alive_would_give_it_back(
    processes: List[Mapping[str, Any]],
    dead: Sequence[Mapping[str, Any]],
    told: Optional[HangClass],
) -> None:
    mapped = [each["pid"] for each in processes]
    given = evidence(*processes, locks=[lock(mapped_by=mapped)], dead=dead)
    assert kind(tell_of_locks(given)) is told


@pytest.mark.parametrize(
    ("taken", "dead", "told"),
    [
        ([0, 0], [], HangClass.LOCK_OWNER_DEAD),
        ([0, 1], [KILLED], HangClass.DEADLOCK),
        ([1, 0], [KILLED], HangClass.DEADLOCK),
        ([0, None], [], HangClass.DEADLOCK),
        ([0, None], [KILLED], HangClass.LOCK_OWNER_DEAD),
    ],
)
def test_who_has_a_semaphore_is_known_where_all_have_said(
    taken: Sequence[Optional[int]],
    dead: Sequence[Mapping[str, Any]],
    told: HangClass,
) -> None:
    said = [None if each is None else [{"address": ADDRESS, "taken": each}] for each in taken]
    both = [process(pid, shared_locks=locks) for pid, locks in zip((7, 8), said)]
    given = evidence(*both, locks=[lock(mapped_by=[7, 8])], dead=dead)
    assert kind(tell_of_locks(given)) is told


def test_a_semaphore_that_is_no_lock_is_taken_by_nobody() -> None:
    event = process(7, [7], shared_locks=[])
    assert kind(tell_of_locks(evidence(event, locks=[lock()]))) is HangClass.DEADLOCK


def test_who_cannot_be_seen_may_have_the_semaphore() -> None:
    given = evidence(process(7, [7]), locks=[lock(mapped_by=[7, 8])], dead=[KILLED])
    assert tell_of_locks(given) is None


def test_a_condition_is_no_lock() -> None:
    file, function = IN_CONDITION
    waiting = process(7, [7], stacks=[[{"file": file, "line": 1, "function": function}]])
    assert tell_of_locks(evidence(waiting, locks=[lock()], dead=[KILLED])) is None


def region(name: str, inode: int, *pids: int) -> Dict[str, Any]:
    return {"name": name, "inode": inode, "has_name": True, "mapped_by": list(pids)}


def test_two_regions_of_one_name_are_told_where_each_has_somebody_of_its_own() -> None:
    two = [process(7), process(8)]
    apart = [region("/dev/shm/a", 1, 7), region("/dev/shm/a", 2, 8)]
    assert kind(tell_of_regions(evidence(*two, regions=apart))) is HangClass.SEGMENT_GONE
    assert kind(tell(evidence(*two, regions=apart))) is HangClass.SEGMENT_GONE
    both = [region("/dev/shm/a", 1, 7, 8), region("/dev/shm/a", 2, 8)]
    assert tell_of_regions(evidence(*two, regions=both)) is None
    names = [region("/dev/shm/a", 1, 7), region("/dev/shm/b", 2, 8)]
    assert tell_of_regions(evidence(*two, regions=names)) is None
    busy = [process(7), process(8, None, cpu_ms=90)]
    assert tell_of_regions(evidence(*busy, regions=apart)) is None


def test_what_one_process_shows_by_itself_comes_before_two_regions_of_one_name() -> None:
    apart = [region("/dev/shm/a", 1, 7), region("/dev/shm/a", 2, 8)]
    stopped = process(8, state="T")
    assert tell(evidence(process(7), stopped, regions=apart)).kind is HangClass.PEER_STOPPED


def test_before_the_time_is_over_only_who_can_never_move_is_told() -> None:
    taken = lock("mutex", owner=3, is_owner_alive=False)
    stuck = evidence(process(7, [7]), locks=[taken])
    found = tell_apart({**stuck, "is_over": False})
    assert found is not None and found["class"] == "lock-owner-dead"
    beside = evidence(process(7, [7]), process(8, None), locks=[taken])
    assert tell_apart({**beside, "is_over": False}) is None
    assert tell_apart({**beside, "is_over": True}) is not None
    nothing = evidence(process(7, [7]))
    assert tell_apart({**nothing, "is_over": False}) is None


@pytest.fixture
def subject() -> Iterator[Any]:
    """Starts a function of sim.subjects.dead_owners in a session of its own, which it ends."""
    started: List[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        code = f"from sim.subjects.dead_owners import {name} as f; f()"
        made = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        started.append(made)
        return made

    yield start
    for each in started:
        os.killpg(each.pid, signal.SIGKILL)
        each.wait()


@pytest.mark.parametrize(
    ("name", "what"),
    [("shared_mutex_owner_killed", "mutex"), ("file_lock_kept", "file lock (flock)")],
)
def test_the_dead_owner_of_a_real_lock_is_found(subject: Any, name: str, what: str) -> None:
    made = subject(name)
    deadline = time.monotonic() + WATCHDOG_S
    locks: Sequence[Mapping[str, Any]] = []
    while not locks and made.poll() is None and time.monotonic() < deadline:
        seen = collect([made.pid], {made.pid: procfs.threads(made.pid)})["locks"]
        locks = [each for each in seen if each["owner"] is not None]
    (found,) = locks
    assert (found["kind"], found["waiters"]) == (what, [made.pid])
    assert found["owner"] != made.pid and not found["is_owner_alive"]


def test_it_can_look_at_nothing_but_the_evidence() -> None:
    tree = ast.parse(Path(shared.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if str(name).startswith(("sim", "cy_kernels"))}
    assert ours == {"sim.hang.classes", "sim.hang.standstill", "sim.history.hang_class"}
