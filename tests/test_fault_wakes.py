"""Wake-ups of live processes that go wrong: who can be disturbed, what it proves, what is left."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from bad_scenarios import GOOD
from live_plans import exits, healed, injected, injection, plan, positions, with_wait
from scenario_plans import scenarios

from cy_kernels import features, mutants, trap
from cy_kernels.choice import COMPILED, PURE, kernels
from sim.abc import Capability
from sim.errors import ScenarioError
from sim.faults.disturb_wakes import DisturbWakes
from sim.faults.kill import Kill
from sim.history.op import READY
from sim.live import emulation, task
from sim.live.execution import run_plan
from sim.live.kernels import lack_of_kernels
from sim.live.memory import GATE_AT, GATE_BYTES, TRAP_AT, TRAP_BYTES
from sim.live.rights import lack_of_rights
from sim.scenario.plan import AfterOps
from sim.testing.literal_plan import MS

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

pytestmark = pytest.mark.usefixtures("nothing_is_left")
HOLD_NS = 20_000  # as in cy_kernels/protocol/wait.pxi
FAULT = '[[fault]]\nkind = "disturb_wakes"\ntarget = "writer"\nat = "1ms"\n'


def test_the_control_block_has_room_and_lines_of_its_own() -> None:
    assert TRAP_BYTES == trap.TRAP_BYTES
    assert TRAP_AT >= GATE_AT + GATE_BYTES
    assert TRAP_AT % 64 == 0 and TRAP_AT + TRAP_BYTES <= 4096


def disturbed(fault: DisturbWakes, wait: str, *, kind: str = "cursor_ring", **more: Any) -> Any:
    trigger = AfterOps(fault.target, 20)
    injections = [injection(fault, trigger, heal_after_ns=50 * MS), *more.pop("also", ())]
    return with_wait(plan(kind=kind, interval_ns=1 * MS, injections=injections, **more), wait)


@pytest.mark.parametrize("kind", ["cursor_ring", "flag_ring"])
@pytest.mark.parametrize("wait", ["mwaitx", "umwait"])
def test_a_process_whose_every_wake_is_missed_is_late_by_its_own_timer(
    supervisor: Any, kind: str, wait: str
) -> None:
    made = disturbed(DisturbWakes("reader[1]"), wait, kind=kind, messages=200)
    history, _ = run_plan(made, supervisor)
    (inject,), (heal,) = injected(history), healed(history)
    assert (inject["fired"], heal["healed"]) == (True, True)
    seen = heal["evidence"]
    assert seen["disturbed"] > 0 and seen["disturbed"] >= seen["struck"]
    assert (seen["unbounded"], seen["disturbance"]) == (0, "calm")
    assert 0 < seen["longest_ns"] <= 2 * HOLD_NS  # each process measures the counter's rate itself
    assert "missed; the longest wait asked for was one of" in seen["what"]
    for reader in ("reader[0]", "reader[1]"):
        assert positions(history, reader) == list(range(200))
    waits = {op.process: op.detail["wait"] for op in history.where(READY)}
    assert waits["reader[1]"] == wait  # which this CPU need not have


@pytest.mark.parametrize("how", ["early", "raced_arm", "raced_wait", "raced_lost", "os_limit"])
def test_every_other_disturbance_costs_no_message_either(supervisor: Any, how: Any) -> None:
    made = disturbed(DisturbWakes("reader[0]", how=how, one_in=1 + (how != "os_limit")), "umwait")
    history, _ = run_plan(made, supervisor)
    (inject,), (heal,) = injected(history), healed(history)
    assert (inject["fired"], heal["healed"]) == (True, True)
    assert how in inject["evidence"]["what"]
    assert positions(history, "reader[0]") == list(range(100))


def test_what_was_missed_is_known_after_the_death_of_who_missed_it(supervisor: Any) -> None:
    killed = injection(Kill("reader[0]"), AfterOps("reader[0]", 40), index=1)
    made = disturbed(DisturbWakes("reader[0]"), "mwaitx", also=[killed], messages=60)
    history, _ = run_plan(dataclasses.replace(made, deadline_ns=2_000 * MS), supervisor)
    heal = next(each for each in healed(history) if each["alias"] == "disturb_wakes")
    assert heal["healed"] and heal["evidence"]["disturbed"] > 0
    assert exits(history)["reader[0]"] == ["SIGKILL"]


def test_only_the_target_is_emulated() -> None:
    made = disturbed(DisturbWakes("reader[1]"), "umwait")
    names = [process.name for process in made.processes]
    assert [name for name in names if task.emulates(made, name)] == ["reader[1]"]


def test_pure_kernels_and_hosts_without_an_emulator_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = frozenset({Capability.DISTURB_WAKES})
    assert lack_of_rights(needs) is None
    made = disturbed(DisturbWakes("writer"), "umwait")
    assert lack_of_kernels(made) is None
    pure = [dataclasses.replace(each, kernels=PURE) for each in made.processes]
    said = lack_of_kernels(dataclasses.replace(made, processes=pure))
    assert said is not None and "have their wake-ups disturbed" in said
    monkeypatch.setattr(trap, "refusal", lambda: "no such CPU")
    assert lack_of_rights(needs) == "this host cannot disturb wake-ups: no such CPU"


def test_what_is_asked_for_must_make_sense() -> None:
    with pytest.raises(ValueError, match="`one_in` must be 1 at least"):
        DisturbWakes("writer", one_in=0)
    with pytest.raises(ValueError, match="`one_in` must be 4294967295 at most"):
        DisturbWakes("writer", one_in=2**32)
    assert DisturbWakes("writer", one_in=2**32 - 1).one_in == 2**32 - 1
    with pytest.raises(ValueError, match="`one_in` is not for os_limit"):
        DisturbWakes("writer", how="os_limit", one_in=2)


UMWAIT = ('wait = "park"', 'wait = "umwait"')
MWAITX = ('wait = "park"', 'wait = "mwaitx"')
REFUSED = [
    (GOOD + FAULT, "fault[1].target", "waits by park: disturb_wakes needs one of umwait, mwaitx"),
    (
        GOOD.replace(*MWAITX) + FAULT + 'how = "os_limit"\n',
        "fault[1].target",
        "waits by mwaitx: disturb_wakes needs one of umwait",
    ),
    (GOOD.replace(*UMWAIT) + FAULT + 'how = "misssed"\n', "fault[1].how", "did you mean 'missed'?"),
    (GOOD.replace(*UMWAIT) + FAULT + "one_in = 0\n", "fault[1]", "`one_in` must be 1 at least"),
]


@pytest.mark.parametrize(("text", "key", "said"), REFUSED)
def test_who_cannot_be_disturbed_is_refused_by_its_key(
    tmp_path: Path, text: str, key: str, said: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenarios(tmp_path, text)
    (problem,) = caught.value.problems
    assert problem.key == key and said in str(problem)


def test_a_process_of_each_of_the_two_strategies_is_taken(tmp_path: Path) -> None:
    for changed in (UMWAIT, MWAITX):
        (loaded,) = scenarios(tmp_path, GOOD.replace(*changed) + FAULT)
        assert loaded.faults[1].kind is DisturbWakes


@pytest.mark.parametrize("is_forced", [True, False])
def test_a_participant_runs_the_marked_rings_and_says_what_its_cpu_has(
    monkeypatch: pytest.MonkeyPatch, is_forced: bool
) -> None:
    monkeypatch.setenv(features.VARIABLE, "none")
    monkeypatch.setattr("cy_kernels.choice._loaded", {})
    block = memoryview(bytearray(TRAP_BYTES))
    emulation.begin(block, forced=is_forced)
    try:
        assert kernels(COMPILED).ring is mutants
        assert os.environ[features.VARIABLE] == ("monitorx,waitpkg" if is_forced else "none")
        assert trap.is_installed()
        for how in ("early", "raced_wait", "os_limit"):
            emulation.disturb(block, how, 3, 0)
            calm = emulation.seen(block, how)
            assert calm["disturbance"] == ("calm" if how == "os_limit" else how)
            emulation.calm(block)
            assert emulation.seen(block, how)["disturbance"] == "calm"
    finally:
        trap.uninstall()
