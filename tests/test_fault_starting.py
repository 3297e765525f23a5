"""Faults of how a program starts others: what each of them does to a real program."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

import pytest

from sim.abc import Capability, Evidence
from sim.errors import ScenarioError
from sim.history.history import History
from sim.history.op import EXIT, HANG, LEAK, PROBE
from sim.inside import start_hooks
from sim.live.execution import run_plan
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load_text
from sim.scenario.plan import AtProbe, Injection
from sim.scenario.planning import make_plan
from sim.verdict import RunResult, judge

PROGRAM = """
import logging, multiprocessing, os, threading
from multiprocessing import shared_memory
import spinbed

LOCK = threading.Lock()
logging.getLogger().addHandler(logging.StreamHandler())

def sets_a_method():
    multiprocessing.set_start_method("spawn")
    spinbed.probe("result", method=multiprocessing.get_start_method())

def says_its_method():
    spinbed.probe("result", method=multiprocessing.get_start_method(allow_none=True))

def uses_a_fork_server():
    process = multiprocessing.get_context("forkserver").Process(target=print, args=("worked",))
    process.start()
    process.join()
    spinbed.probe("result", status=process.exitcode)

def is_guarded():
    import runpy
    runpy.run_module("guarded", run_name="__main__", alter_sys=True)

def forks(work):
    pid = os.fork()
    if pid == 0:
        spinbed.probe("forked")
        work()
        os._exit(0)
    with LOCK:  # free again here, at once
        spinbed.probe("parent")
    os.waitpid(pid, 0)
    spinbed.probe("result")

def child_locks():
    forks(LOCK.acquire)

def child_logs():
    forks(lambda: logging.getLogger().warning("from the child"))

def child_imports():
    forks(lambda: __import__("colorsys"))

def child_works():
    forks(lambda: None)

def shares():
    region = shared_memory.SharedMemory(create=True, size=64)
    region.buf[0] = 7
    spinbed.probe("made", region=region.name)
    value = region.buf[0]
    region.close()
    spinbed.probe("read", value=value)
    region.unlink()
    spinbed.probe("result")

def forks_with_its_lock():
    with LOCK:
        pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    spinbed.probe("result")
"""
GUARDED = """
import multiprocessing, spinbed

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()
    assert process.exitcode == 0, process.exitcode
    spinbed.probe("result")
"""
HUNG_NS = 1_500_000_000  # how long a run that is to hang may do nothing more

Run = Callable[..., "Ran"]


class EndsSoon:
    """Not a fault: the deadline of the run counts from here, as a start may take any time."""

    alias = "ends_soon"
    heals = False
    requires: FrozenSet[Capability] = frozenset()
    target = "app"

    def inject(self, world: Any) -> Evidence:
        world._deadline_ns = world.now_ns() + HUNG_NS
        return Evidence(True, "the deadline is near")


class Ran:
    def __init__(self, history: History, result: RunResult) -> None:
        self.history = history
        self.result = result
        (end,) = [op for op in history.where(EXIT) if op.process == "app"]
        self.exit = end.outcome
        self.stderr = str((end.detail or {})["stderr"])
        (self.fault,) = result.faults
        self.is_hung = any(history.where(HANG))

    @property
    def evidence(self) -> str:
        return str(self.fault.evidence[0]["evidence"]["what"])

    def probes(self, name: str) -> List[Dict[str, Any]]:
        passed = [dict(op.detail or {}) for op in self.history.where(PROBE)]
        return [each["detail"] for each in passed if each["probe"] == name]


def still_running_in(folder: Path) -> List[str]:
    """Processes by their working directory."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is somebody else's
            if os.readlink(f"/proc/{entry}/cwd") == str(folder):
                found.append(entry)
    return found


@pytest.fixture
def run(supervisor: Supervisor, tmp_path: Path) -> Run:
    (tmp_path / "app.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "guarded.py").write_text(GUARDED, encoding="utf-8")
    path = os.pathsep.join(filter(None, sys.path))

    def run(
        function: str, at: Optional[str] = None, hangs_after: Sequence[str] = (), **keys: Any
    ) -> Ran:
        where = f"cwd = {json.dumps(str(tmp_path))}\nenv = {{ PYTHONPATH = {json.dumps(path)} }}\n"
        fault = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        fault += "" if at is None else f'at = {{ probe = "{at}" }}\n'
        text = 'schema = 1\nname = "starting"\ndeadline = "60s"\n[[process]]\n'
        text += f'name = "app"\nprogram = "app:{function}"\n{where}'
        text += f'[[fault]]\ntarget = "app"\n{fault}'
        (scenario,) = load_text(text, "test.toml")
        plan = make_plan(scenario, 0)
        soon: Any = EndsSoon()
        ends = [
            Injection(number, "the last of them counts", soon, AtProbe("app", probe, 1), None)
            for number, probe in enumerate(hangs_after, len(plan.injections))
        ]
        plan = replace(plan, injections=[*plan.injections, *ends])
        history, duration_ns = run_plan(plan, supervisor)
        return Ran(history, judge(plan, history, duration_ns=duration_ns, reproduce="again"))

    return run


@pytest.mark.parametrize("where", ["first_import", "thread"])
def test_a_bare_set_start_method_raises_after_another_one(run: Run, where: str) -> None:
    ran = run("sets_a_method", kind="start_method_twice", method="spawn", where=where)
    assert ran.exit == "1" and ran.fault.fired
    last, *_ = ran.stderr.strip().splitlines()[-1:]
    assert last == "RuntimeError: context has already been set"
    assert "/multiprocessing/context.py" in ran.stderr  # the interpreter's own


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_method_is_set_that_the_fault_names(run: Run, method: str) -> None:
    ran = run("says_its_method", kind="start_method_twice", method=method)
    assert ran.exit == "0" and ran.probes("result") == [{"method": method}]


def test_a_main_part_with_a_guard_is_run_by_the_processes_that_it_spawns(run: Run) -> None:
    ran = run("is_guarded", kind="no_main_guard")
    assert ran.exit == "1" and ran.fault.fired and not ran.probes("result")
    assert "An attempt has been made to start a new process before the" in ran.stderr
    assert "/multiprocessing/spawn.py" in ran.stderr  # the interpreter's own


def test_a_program_that_has_no_main_module_to_run_again_keeps_its_guard(run: Run) -> None:
    ran = run("uses_a_fork_server", kind="no_main_guard")
    assert ran.exit == "0" and not ran.fault.fired
    assert ran.evidence == "app never has its main module run again by multiprocessing.spawn"


@pytest.mark.parametrize("how", ["error", "exits"])
def test_a_broken_preload_ends_the_fork_server_and_the_start_fails(run: Run, how: str) -> None:
    ran = run("uses_a_fork_server", kind="preload_broken", how=how)
    assert ran.exit == "1" and ran.fault.fired and not ran.probes("result")
    raised = ran.stderr.strip().splitlines()[-1].partition(":")[0]
    assert raised in ("EOFError", "ConnectionResetError", "BrokenPipeError"), ran.stderr
    assert ("RuntimeError: planted by preload_broken" in ran.stderr) is (how == "error")
    assert not any(ran.history.where(LEAK))


def test_an_import_error_in_a_preload_is_ignored(run: Run) -> None:
    ran = run("uses_a_fork_server", kind="preload_broken", how="import_error")
    assert ran.exit == "0" and ran.fault.fired
    assert ran.probes("result") == [{"status": 0}]


def test_who_starts_no_fork_server_is_not_struck(run: Run) -> None:
    ran = run("says_its_method", kind="preload_broken", how="exits")
    assert ran.exit == "0" and not ran.fault.fired
    assert ran.evidence == "app never preloads spinbed_broken_preload"


HANGING: List[Tuple[str, str, Dict[str, str]]] = [
    ("child_locks", "plain", {"name": "app:LOCK"}),
    ("child_imports", "import", {"name": "colorsys"}),
]


@pytest.mark.parametrize(("function", "lock", "more"), HANGING)
def test_a_forked_child_waits_for_a_lock_for_ever(
    run: Run, tmp_path: Path, function: str, lock: str, more: Dict[str, str]
) -> None:
    probes = ("parent", "forked")
    ran = run(function, hangs_after=probes, kind="fork_with_threads", lock=lock, **more)
    assert ran.is_hung and ran.fault.fired
    assert all(map(ran.probes, probes)) and not ran.probes("result")
    assert ran.result.verdict == "invalid"
    assert not still_running_in(tmp_path)


WORKING: List[Tuple[str, str, Dict[str, str]]] = [
    ("child_logs", "logging", {}),
    ("child_works", "plain", {"name": "app:LOCK"}),
    ("child_works", "import", {"name": "colorsys"}),
]


@pytest.mark.parametrize(("function", "lock", "more"), WORKING)
def test_a_forked_child_works_where_it_wants_no_lock_that_is_held(
    run: Run, function: str, lock: str, more: Dict[str, str]
) -> None:
    ran = run(function, kind="fork_with_threads", lock=lock, **more)
    assert ran.exit == "0" and not ran.is_hung and ran.fault.fired
    assert ran.probes("result") == [{}]


def test_a_lock_that_the_forking_thread_holds_itself_cannot_be_held_by_another(run: Run) -> None:
    ran = run("forks_with_its_lock", kind="fork_with_threads", lock="plain", name="app:LOCK")
    assert ran.exit == "0" and not ran.fault.fired
    assert "app:LOCK: another thread cannot have the lock" in ran.evidence


@pytest.mark.parametrize("name", ["app:NONE", "nowhere:LOCK"])
def test_a_lock_that_there_is_not_strikes_nobody(run: Run, name: str) -> None:
    ran = run("child_locks", kind="fork_with_threads", lock="plain", name=name)
    assert ran.exit == "0" and not ran.fault.fired


def test_processes_of_a_fork_server_meet_no_held_lock(run: Run) -> None:
    ran = run("uses_a_fork_server", kind="fork_with_threads", lock="import", name="colorsys")
    assert ran.exit == "0" and not ran.fault.fired


def test_an_unrelated_process_that_attaches_and_exits_takes_the_region_away(run: Run) -> None:
    ran = run("shares", kind="resource_tracker_unlink", at="made")
    (made,) = ran.probes("made")
    assert ran.fault.fired and f"{made['region']}: unlinked behind the back" in ran.evidence
    assert ran.probes("read") == [{"value": 7}]  # a mapping stays
    assert ran.exit == "1" and not ran.probes("result")
    assert "FileNotFoundError: [Errno 2]" in ran.stderr and made["region"] in ran.stderr


def test_a_region_that_there_is_not_cannot_be_taken_away(run: Run) -> None:
    ran = run("shares", kind="resource_tracker_unlink", at="made", region="no_such_region")
    assert ran.exit == "0" and ran.probes("result") == [{}]
    assert not ran.fault.fired and "no_such_region" in ran.evidence


def test_a_program_that_shares_nothing_has_nothing_to_lose(run: Run) -> None:
    ran = run("child_works", kind="resource_tracker_unlink", at="parent")
    assert not ran.fault.fired and ran.evidence == "app has no region mapped"


REFUSED: List[Dict[str, str]] = [
    {"kind": "start_method_twice", "method": "thread"},
    {"kind": "preload_broken", "how": "hangs"},
    {"kind": "fork_with_threads", "lock": "plain"},
    {"kind": "fork_with_threads", "lock": "plain", "name": "no_attribute"},
    {"kind": "fork_with_threads", "lock": "import", "name": "m:attribute"},
    {"kind": "fork_with_threads", "lock": "logging", "name": "root"},
    {"kind": "resource_tracker_unlink", "region": "a/b"},
]


@pytest.mark.parametrize("keys", REFUSED, ids=str)
def test_what_makes_no_sense_is_refused_before_anything_is_started(
    run: Run, keys: Dict[str, str]
) -> None:
    with pytest.raises(ScenarioError):
        run("child_works", at="parent" if "region" in keys else None, **keys)


SPECS: List[Dict[str, str]] = [
    {"kind": "no_such_kind"},
    {"kind": "start_method", "method": "thread", "where": "first_import"},
    {"kind": "start_method", "method": "fork", "where": "nowhere"},
    {"kind": "fork", "lock": "no_such_lock", "name": "m"},
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_hook_refuses_what_it_does_not_understand(spec: Dict[str, str]) -> None:
    with pytest.raises(ValueError, match="starts: "):
        start_hooks.install([spec])
