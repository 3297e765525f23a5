"""Readers on other hosts: what a file may say of them, what their links do, what is left."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Set

import pytest

from sim.checkers import CHECKERS
from sim.errors import ScenarioError
from sim.history.op import INJECT, OK, RECEIVE
from sim.live.execution import run_plan
from sim.live.hosts import lack_of_hosts
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load, load_text
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.worlds import refuse_live_only

FILE = Path(__file__).resolve().parents[1] / "scenarios/fast/two_hosts.toml"
DEADLINE_S = 60.0
TEXT = """schema = 1
name = "two"
[[process]]
name = "writer"
role = "writer"
[[process]]
name = "reader"
role = "reader"
[[process]]
name = "away"
role = "reader"
host = "b"
[[fault]]
kind = "partition"
target = "b"
at = "1s"
"""


def plan_of(messages: int, *, after_ops: int, heal_after_ns: int) -> Plan:
    """Of the file, shorter; skipped where this host cannot."""
    text = FILE.read_text(encoding="utf-8").replace("messages = 600", f"messages = {messages}")
    text = text.replace("after_ops = 100", f"after_ops = {after_ops}")
    (scenario,) = load_text(text, str(FILE))
    plan = make_plan(scenario, 0)
    lack = lack_of_hosts(plan)
    if lack is not None:
        pytest.skip(lack)
    changed = [dataclasses.replace(i, heal_after_ns=heal_after_ns) for i in plan.injections]
    return dataclasses.replace(plan, injections=changed)


@pytest.mark.parametrize(
    ("old", "new", "key", "said", "near"),
    [
        ('target = "b"', 'target = "bb"', "fault[0].target", "is no host beside", "b"),
        ('target = "b"', 'target = "away"', "fault[0].target", "is no host beside", None),
        ('host = "b"', "", "fault[0].target", "no reader of this file has a `host`", None),
        ('host = "b"', 'host = "reader"', "process[2].host", "what processes are called", None),
        ('host = "b"', 'host = "B"', "process[2].host", "begins with a small letter", None),
        ('host = "b"', 'host = "b"\nwait = "park"', "process[2].wait", "of the ring", None),
        ('host = "b"', 'hots = "b"', "process[2].hots", "unknown key", "host"),
        ('name = "reader"', 'name = "reader"\nhost = "b"', "process", "one at least", None),
        ('"partition"', '"slow_host"', "fault[0].kind", "of the hosts of a [cluster]", None),
        ('"partition"', '"bad_link"\nloss = 0.1', "fault[0].loss", "links of a [cluster]", None),
        ('"partition"', '"link_dwon"', "fault[0].kind", "unknown", "link_down"),
        ('"partition"', '"stall"', "fault[0].target", "names nobody", None),
        ('at = "1s"', "at = { after_ops = 5 }", "fault[0].at.process", "name whose", None),
        (
            'kind = "partition"\ntarget = "b"',
            'kind = "raise_in_read"\ntarget = "away"',
            "fault[0].target",
            "away is on another host",
            None,
        ),
        (
            'kind = "partition"\ntarget = "b"',
            'kind = "restart"\ntarget = "writer"',
            "fault[0].kind",
            "has no successor",
            None,
        ),
    ],
)
def test_what_a_file_says_wrong_is_told_at_its_line(
    old: str, new: str, key: str, said: str, near: str | None
) -> None:
    assert old in TEXT
    with pytest.raises(ScenarioError) as refused:
        load_text(TEXT.replace(old, new, 1), "two.toml")
    found = {problem.key: problem for problem in refused.value.problems}
    assert said in found[key].message
    assert found[key].nearest == near
    assert found[key].line is not None


def test_the_virtual_world_refuses_it_at_its_line() -> None:
    (scenario,) = load_text(TEXT, "two.toml")
    with pytest.raises(ScenarioError) as refused:
        refuse_live_only(scenario)
    assert [(each.key, each.line) for each in refused.value.problems][0] == ("process[2].host", 12)


def test_what_a_link_held_back_comes_when_it_is_up_again(supervisor: Supervisor) -> None:
    plan = plan_of(60, after_ops=20, heal_after_ns=200_000_000)
    history, _ = run_plan(plan, supervisor)
    results = [CHECKERS[alias].check(history) for alias in plan.checkers]
    assert [each for each in results if each.result != "valid"] == []
    (fired,) = history.where(INJECT)
    taken = [op for op in history.ops if op.f == RECEIVE and op.type == OK]
    for name in ("away[0]", "away[1]"):
        own = [op for op in taken if op.process == name]
        assert [op.position for op in own] == list(range(60))
        assert own[20].time_ns >= fired.time_ns + 200_000_000  # it was sent while the link was down


def namespaces(owner: int) -> Set[str]:
    """Of the processes that this runner has started, other than our own."""
    mark = f"SPINBED_OWNER=spinbed.{owner}.".encode()
    found = set()
    for entry in os.listdir("/proc"):
        try:
            if mark in Path(f"/proc/{entry}/environ").read_bytes():
                found.add(os.readlink(f"/proc/{entry}/ns/net"))
        except OSError:
            continue
    return found - {os.readlink("/proc/self/ns/net")}


def users(of: Set[str]) -> Set[str]:
    """Namespaces among these that some process is in."""
    found = set()
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/{entry}/ns/net"))
    return found & of


def test_a_killed_runner_leaves_no_namespace(tmp_path: Path) -> None:
    if (lack := lack_of_hosts(make_plan(load(str(FILE))[0], 0))) is not None:
        pytest.skip(lack)
    text = FILE.read_text(encoding="utf-8").replace("messages = 600", "messages = 60000")
    file = tmp_path / "two_hosts.toml"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "sim.cli", "run", str(file), "--journal-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as runner:
        try:
            assert eventually(lambda: len(namespaces(runner.pid)) == 2)
            made = namespaces(runner.pid)
        finally:
            runner.kill()
    assert eventually(lambda: not users(made))


def eventually(is_so: Callable[[], bool]) -> bool:
    """Polls: nothing tells of a namespace but looking."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        select.select([], [], [], 0.02)
    return True
