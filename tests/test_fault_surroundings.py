"""Faults that act on what surrounds a process: what is seen of them, and that none is left."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any, Iterator, List

import pytest
from live_ends import WITHIN_S, await_gone, with_our_path
from live_plans import closed, exits, healed, injected, injection, plan, positions
from ring_regions import TAKEOVER

from cy_kernels.choice import PURE, kernels
from cy_kernels.owner import owner_word
from sim.abc import Capability, TransportSpec
from sim.errors import ScenarioError, WorldError
from sim.faults.corrupt_word import CorruptWord
from sim.faults.cpu_starve import CpuStarve
from sim.faults.freeze import Freeze
from sim.faults.kill import Kill
from sim.faults.late_attach import LateAttach
from sim.faults.never_attach import NeverAttach
from sim.faults.oversubscribe import Oversubscribe
from sim.faults.signal_storm import SignalStorm
from sim.faults.small_shm import SmallShm
from sim.faults.stale_region import StaleRegion
from sim.history.history import History
from sim.history.op import EXIT
from sim.live import cgroup
from sim.live.execution import run_plan
from sim.live.procfs import descendants
from sim.live.rights import lack_of_rights
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load
from sim.scenario.plan import AfterOps, AtTime, Plan
from sim.testing.literal_plan import MS, SECOND
from sim.transport.words import find_word, names

MIB = 1 << 20


def needs(*capabilities: Capability) -> pytest.MarkDecorator:
    lack = lack_of_rights(frozenset(capabilities))
    return pytest.mark.skipif(lack is not None, reason=lack or "")


@pytest.fixture(autouse=True)
def no_group_is_left(nothing_is_left: None, supervisor: Supervisor) -> Iterator[None]:
    yield
    assert groups_of(supervisor.prefix) == []


def groups_of(prefix: str) -> List[str]:
    trees = [cgroup.find_tree(controller) for controller in (cgroup.FREEZER, cgroup.CPU)]
    folders = [tree.folder for tree in trees if tree is not None]
    return [
        name for folder in folders for name in os.listdir(folder) if name.startswith(prefix[1:])
    ]


def said_at_exit(history: History, process: str, key: str) -> str:
    return next(str(op.detail[key]) for op in history.where(EXIT) if op.process == process)


def with_spec(made: Plan, **changes: Any) -> Plan:
    return replace(made, transport=replace(made.transport, **changes))


def test_a_writer_that_gives_up_names_who_never_came(supervisor):
    made = plan(
        deadline_ns=SECOND,
        on_timeout="stop",
        injections=[injection(NeverAttach("reader[1]"), AtTime(0))],
    )
    history, _ = run_plan(made, supervisor)
    assert "rank 1 (never attached) at 0" in said_at_exit(history, "writer", "gave_up")
    assert "reader[1]" not in exits(history)
    assert positions(history, "reader[0]") == list(range(8))


def test_who_comes_late_gets_everything(supervisor):
    late = injection(LateAttach("reader[1]"), AfterOps("writer", 6))
    history, _ = run_plan(plan(injections=[late]), supervisor)
    assert closed(history, "reader[1]")[0].time_ns > closed(history, "writer")[5].time_ns
    assert positions(history, "reader[1]") == list(range(100))
    assert injected(history)[0]["evidence"]["before"] == "absent"


def test_who_comes_to_a_region_of_another_version_is_refused_with_both(supervisor):
    made = plan(
        deadline_ns=SECOND,
        on_timeout="stop",
        injections=[
            injection(CorruptWord("writer", word="version", value=99), AfterOps("writer", 3)),
            injection(LateAttach("reader[1]"), AfterOps("writer", 5), index=1),
        ],
    )
    history, _ = run_plan(made, supervisor)
    assert exits(history)["reader[1]"] == ["1"]
    stderr = said_at_exit(history, "reader[1]", "stderr")
    assert "layout version is 99, this build has 1" in stderr


def stale(word: str, value: int) -> Plan:
    """The region that reader[1] finds is a copy of the ring after five sends, but for a word."""
    fault = StaleRegion("reader[1]", word=word, value=value)
    return plan(
        deadline_ns=SECOND,
        on_timeout="stop",
        injections=[injection(fault, AfterOps("writer", 5))],
    )


def test_who_finds_a_stale_region_of_another_geometry_is_refused_with_both_values(supervisor):
    history, _ = run_plan(stale("slots", 16), supervisor)
    assert exits(history)["reader[1]"] == ["1"]
    said = said_at_exit(history, "reader[1]", "stderr")
    assert "slots is 16 in the region, asked for 8" in said


def test_a_place_in_a_stale_region_is_not_taken_from_a_live_owner(supervisor):
    history, _ = run_plan(stale("reader[1].owner", owner_word(os.getpid())), supervisor)
    assert exits(history)["reader[1]"] == ["1"]
    assert f"owned by pid {os.getpid()}" in said_at_exit(history, "reader[1]", "stderr")


@pytest.mark.skipif(kernels().kind == PURE, reason=TAKEOVER)
def test_a_place_in_a_stale_region_is_taken_over_from_a_dead_owner(supervisor):
    """It then has what was in the stale region, and nobody sends more there."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    owner = owner_word(gone.pid)
    gone.wait()
    history, _ = run_plan(stale("reader[1].owner", owner), supervisor)
    assert positions(history, "reader[1]") == list(range(5))
    assert closed(history, "reader[1]")[-1].outcome == "timeout"
    assert "rank 1 (never attached)" in said_at_exit(history, "writer", "gave_up")


def test_a_fault_on_who_has_not_come_does_not_fire(supervisor):
    made = plan(
        messages=5,
        injections=[
            injection(NeverAttach("reader[1]"), AtTime(0)),
            injection(Kill("reader[1]"), AfterOps("writer", 3), index=1),
        ],
    )
    history, _ = run_plan(made, supervisor)
    assert [detail["fired"] for detail in injected(history)] == [True, False]
    assert "has not been started" in injected(history)[1]["evidence"]["what"]


@pytest.mark.parametrize("target", ["writer", "reader[1]"])
@pytest.mark.parametrize("kind", ["cursor_ring", "flag_ring"])
def test_interrupted_system_calls_cost_no_message(supervisor, target, kind):
    storm = SignalStorm(target, period_ns=MS // 10)
    made = plan(
        kind=kind,
        messages=150,
        interval_ns=MS,
        injections=[injection(storm, AfterOps(target, 10))],
    )
    history, _ = run_plan(made, supervisor)
    assert healed(history)[0]["evidence"]["received"] >= 5
    assert positions(history, "reader[1]") == list(range(150))


@needs(Capability.CPU_QUOTA)
def test_who_spins_with_little_cpu_time_is_throttled(supervisor):
    made = plan(
        messages=100,
        interval_ns=2 * MS,
        injections=[
            injection(
                CpuStarve("reader[1]", run_ns=2 * MS, of_ns=20 * MS),
                AfterOps("reader[1]", 5),
            )
        ],
    )
    spinning = [replace(p, wait="busy_spin") for p in made.processes]
    history, _ = run_plan(replace(made, processes=spinning), supervisor)
    assert healed(history)[0]["evidence"]["throttled"] >= 1
    assert positions(history, "reader[1]") == list(range(100))


@needs(Capability.FREEZE)
def test_who_is_frozen_does_nothing_and_can_still_be_killed(supervisor):
    # The writer comes to its trigger 8 messages after the reader has given a slot back, and may be
    # quicker than the reader is at saying that it is at its own: hence the slow pace.
    made = plan(
        interval_ns=60 * MS,
        deadline_ns=2 * SECOND,
        on_timeout="stop",
        injections=[
            injection(Freeze("reader[1]"), AfterOps("reader[1]", 3)),
            injection(Kill("reader[1]"), AfterOps("writer", 11), index=1),
        ],
    )
    history, _ = run_plan(made, supervisor)
    assert len(closed(history, "reader[1]")) == 3
    assert exits(history)["reader[1]"] == ["SIGKILL"]
    assert [detail["healed"] for detail in healed(history)] == [True]


def test_the_spinners_take_cpu_time_and_are_gone_after_the_heal(supervisor):
    crowd = Oversubscribe("reader[1]", spinners=2)
    made = plan(
        messages=60,
        interval_ns=2 * MS,
        injections=[injection(crowd, AfterOps("reader[1]", 5), heal_after_ns=80 * MS)],
    )
    history, _ = run_plan(made, supervisor)
    pids = injected(history)[0]["evidence"]["pids"]
    assert min(healed(history)[0]["evidence"]["spun_ns"]) > 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def small(**changes: Any) -> Plan:
    """A ring of 4 MiB in a /dev/shm of 1 MiB."""
    shm = injection(SmallShm("writer", size_bytes=MIB), AtTime(0))
    made = plan(deadline_ns=SECOND, on_timeout="stop", injections=[shm])
    work = replace(made.processes[0].workload, sizes_bytes=[65000])
    writer = replace(made.processes[0], workload=work)
    made = replace(made, processes=[writer, *made.processes[1:]])
    return with_spec(made, slots=64, slot_bytes=65536, **changes)


@needs(Capability.SMALL_SHM)
def test_a_reserved_region_that_does_not_fit_is_refused_at_its_making_by_name(supervisor):
    with pytest.raises(WorldError, match="posix_fallocate failed: ENOSPC") as raised:
        run_plan(small(reserve=True), supervisor)
    assert raised.value.errno == errno.ENOSPC
    assert f"{supervisor.prefix}.r" in str(raised.value)
    assert f"has {MIB} bytes free" in str(raised.value)


@needs(Capability.SMALL_SHM)
def test_a_lazy_region_that_does_not_fit_is_a_sigbus_at_first_touch(supervisor):
    history, _ = run_plan(small(reserve=False), supervisor)
    assert exits(history)["writer"] == ["SIGBUS"]
    assert "Fatal Python error: Bus error" in said_at_exit(history, "writer", "stderr")
    sent = positions(history, "writer")
    assert 0 < len(sent) < 16, "its record survives it"
    assert positions(history, "reader[0]") == sent


@needs(Capability.SMALL_SHM)
@pytest.mark.parametrize("start", ["template", "fork", "spawn", "forkserver"])
def test_everybody_meets_in_the_runs_own_shm_however_started(supervisor, start):
    shm = injection(SmallShm("writer", size_bytes=MIB), AtTime(0))
    history, _ = run_plan(plan(start=start, messages=20, injections=[shm]), supervisor)
    around = [op for op in history.ops if op.f not in ("send", "receive")]
    assert positions(history, "reader[1]") == list(range(20)), around
    assert injected(history)[0]["evidence"]["size_bytes"] == MIB, around


WITHOUT_RIGHTS = """
import ctypes, os, sys

PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21
if len(sys.argv) == 1 and os.geteuid() == 0:
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)
    os.execv(sys.executable, [sys.executable, "-c", os.environ["SELF"], "again"])

from live_plans import injected, injection, plan, positions
from sim.faults.small_shm import SmallShm
from sim.live.rights import lack_of_rights
from sim.live.supervisor import Supervisor
from sim.live.execution import run_plan
from sim.scenario.plan import AtTime

fault = SmallShm("writer")
lack = lack_of_rights(fault.requires)
if lack is not None:
    print("lack:", lack)
    raise SystemExit
with Supervisor() as supervisor:
    history, _ = run_plan(plan(messages=20, injections=[injection(fault, AtTime(0))]), supervisor)
print(injected(history)[0]["fired"], len(positions(history, "reader[1]")))
"""


def test_a_small_shm_needs_no_right_to_mount_but_a_user_namespace():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RIGHTS],
        env=with_our_path(SELF=WITHOUT_RIGHTS),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    if done.stdout.startswith("lack:"):
        pytest.skip(f"this host cannot mount a small /dev/shm for a user: {done.stdout}")
    assert done.stdout == "True 20\n", done.stderr


RUNNER = """
import os
from live_plans import injection, plan
from sim.testing.literal_plan import SECOND
from live_transports import SayWhenRunning
from sim.faults import FAULTS
from sim.live.rights import lack_of_rights
from sim.live.supervisor import Supervisor
from sim.live.execution import run_plan
from sim.scenario.plan import AfterOps

aimed = [FAULTS["freeze"]("reader[0]"), FAULTS["cpu_starve"]("reader[1]"),
         FAULTS["signal_storm"]("writer"), FAULTS["oversubscribe"]("writer", spinners=1),
         FAULTS["small_shm"]("writer")]
able = [fault for fault in aimed if lack_of_rights(fault.requires) is None]
injections = [injection(f, AfterOps("writer", 1), index=i) for i, f in enumerate(able)]
with Supervisor() as supervisor:
    print(supervisor.prefix, flush=True)
    run_plan(plan(messages=10**6, interval_ns=SECOND,
                  injections=[*injections, SayWhenRunning.injection()]), supervisor)
"""


def test_nothing_of_any_fault_outlives_a_killed_runner():
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        env=with_our_path(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout is not None
    prefix = runner.stdout.readline().strip()
    line = runner.stdout.readline()
    below = list(descendants(runner.pid))
    able = sum(
        lack_of_rights(frozenset({c})) is None for c in (Capability.FREEZE, Capability.CPU_QUOTA)
    )
    there = len(groups_of(prefix))
    runner.kill()
    _, stderr = runner.communicate(timeout=WITHIN_S)
    assert line == "running\n", stderr
    assert there == able
    assert len(below) >= 7  # watcher, template, participants, sender, spinner
    await_gone(below, prefix)
    assert groups_of(prefix) == []


HELD_BACK = """
schema = 1
name = "held-back"
process = [{ name = "writer", role = "writer" }, { name = "reader", role = "reader", count = 2 }]

[[fault]]
kind = "late_attach"
target = "%s"
at = { %s after_ops = 5 }
"""


@pytest.mark.parametrize(
    ("target", "whose"),
    [
        ("reader[1]", ""),
        ("reader[1]", 'process = "reader[1]",'),
        ("reader:one", 'process = "reader[0]",'),
    ],
)
def test_who_is_held_back_is_not_waited_for(tmp_path, target, whose):
    path = tmp_path / "held_back.toml"
    path.write_text(HELD_BACK % (target, whose), encoding="utf-8")
    with pytest.raises(ScenarioError, match="does nothing until then: wait for another process"):
        load(path)
    path.write_text(HELD_BACK % (target, 'process = "writer",'), encoding="utf-8")
    assert len(load(path)) == 1


def test_every_word_that_is_named_to_people_can_be_found():
    for kind in ("cursor_ring", "flag_ring"):
        spec = TransportSpec(kind=kind, readers=2, slots=4, slot_bytes=64)
        for name in names(spec):
            word = find_word(spec, name.replace("[i]", "[1]").replace("[rank]", "[1]"))
            assert word.size_bytes in (1, 4, 8) and word.offset % word.size_bytes == 0


@pytest.mark.parametrize("name", ["magik", "slot[4].sequence", "reader[2].position", "slot[0].x"])
def test_a_word_that_there_is_not_is_refused_with_what_there_is(name):
    spec = TransportSpec(kind="cursor_ring", readers=2, slots=4, slot_bytes=64)
    with pytest.raises(KeyError, match=r"slot\[i\].sequence"):
        find_word(spec, name)
