"""Step triggers in the live world: armed when they should be, proven by gate and wait status."""

from __future__ import annotations

import dataclasses
import mmap
from pathlib import Path
from typing import Any

import pytest
from live_plans import closed, exits, healed, injected, injection, plan, positions, with_wait

from cy_kernels import gate
from sim.abc import VALID
from sim.errors import ExitStatus
from sim.faults.crash_at_step import CrashAtStep
from sim.faults.kill import Kill
from sim.faults.restart import Restart
from sim.faults.stall import Stall
from sim.faults.stop_at_step import StopAtStep
from sim.history.op import EXIT, INVOKE, OK
from sim.live.execution import run_plan
from sim.live.kernels import lack_of_kernels
from sim.live.memory import GATE_AT, GATE_BYTES, WORDS
from sim.live.steps import Arming, Gate
from sim.report import text
from sim.run import run
from sim.scenario import steps
from sim.scenario.loader import load
from sim.scenario.plan import AfterOps, AtStep
from sim.scenario.planning import make_plan
from sim.testing.literal_plan import MS, SECOND

pytestmark = pytest.mark.usefixtures("nothing_is_left")

STOPS_NS = SECOND  # who waits so long waits for the dead: the living may be held up for a while


def at(process: str, step: str, after_ops: int, path: str = steps.MESSAGE, nth: int = 1) -> AtStep:
    return AtStep(process, after_ops, path, step, nth)


def fired(history: Any) -> Any:
    (detail,) = injected(history)
    return detail["fired"], detail["evidence"]


def test_the_steps_of_scenarios_are_the_steps_of_the_kernels():
    assert set(steps.NAMES) == {name for _, name in gate.STEPS}


def test_the_control_block_has_room_and_lines_of_its_own():
    assert GATE_BYTES == gate.GATE_BYTES
    assert GATE_AT >= WORDS * 8
    assert GATE_AT % 64 == 0


def test_a_gate_is_armed_at_its_moment_once_and_not_before_so_many_ops():
    control = memoryview(mmap.mmap(-1, 4096))
    armed = Gate(Arming("cursor.send.commit", 1, "token", "op", 3), control)
    try:
        assert armed.due == 3
        for moment, completed in (("attach", 9), ("end", 9), ("op", 2)):
            armed.come_to(moment, completed)
            assert gate.state(control)["armed"] is None
        armed.come_to("op", 3)
        assert gate.state(control)["armed"] == "cursor.send.commit"
        gate.disarm(control)
        armed.come_to("op", 4)
        assert gate.state(control)["armed"] is None
        assert armed.due > 10**18
    finally:
        gate.install(None)


@pytest.mark.parametrize("after_ops", [0, 1, 17])
@pytest.mark.parametrize(
    ("step", "is_sent"), [("cursor.send.commit", False), ("cursor.send.store_position", True)]
)
def test_a_writer_dies_after_exactly_so_many_ops(supervisor, after_ops, step, is_sent):
    made = plan(
        messages=30, injections=[injection(CrashAtStep("writer"), at("writer", step, after_ops))],
        deadline_ns=STOPS_NS, on_timeout="stop",
    )  # fmt: skip
    # Who dies between commit and wake-up wakes nobody: readers that look by themselves see it all.
    history, _ = run_plan(with_wait(made, "backoff"), supervisor)
    proven, evidence = fired(history)
    assert proven
    assert evidence["state"] == "signalled:SIGKILL"
    assert (evidence["last_step"], evidence["last_occurrence"]) == (step, 1)
    assert (evidence["step"], evidence["arrivals"]) == (step, 1)
    assert len(closed(history, "writer")) == after_ops
    assert len(positions(history, "writer", type=INVOKE)) == after_ops + 1
    assert positions(history, "reader[0]") == list(range(after_ops + is_sent))
    assert exits(history)["writer"] == ["SIGKILL"]


def test_a_writer_dies_at_the_second_reader_that_it_looks_at(supervisor):
    trigger = at("writer", "cursor.send.poll_reader_position", 5, nth=2)
    made = plan(slots=2, messages=20, deadline_ns=STOPS_NS, on_timeout="stop",
                injections=[injection(CrashAtStep("writer"), trigger)])  # fmt: skip
    proven, evidence = fired(run_plan(made, supervisor)[0])
    assert (proven, evidence["last_occurrence"]) == (True, 2)


@pytest.mark.parametrize(
    ("target", "step"),
    [("writer", "cursor.send.store_position"), ("reader[1]", "cursor.receive.release")],
)
def test_the_successor_of_who_died_at_a_step_goes_on(supervisor, target, step):
    fault = CrashAtStep(target, restart_after_ns=5 * MS)
    made = plan(messages=40, injections=[injection(fault, at(target, step, 10))])
    history, _ = run_plan(made, supervisor)
    assert fired(history)[0]
    assert [detail["healed"] for detail in healed(history)] == [True]
    assert exits(history)[target] == ["SIGKILL", "0"]
    for reader in ("reader[0]", "reader[1]"):
        assert sorted(set(positions(history, reader))) == list(range(40))


@pytest.mark.parametrize("target", ["writer", "reader[0]"])
def test_who_stops_at_a_step_does_nothing_until_it_is_healed(supervisor, target):
    step = "cursor.send.commit" if target == "writer" else "cursor.receive.release"
    made = plan(
        messages=30,
        injections=[injection(StopAtStep(target), at(target, step, 10), heal_after_ns=50 * MS)],
    )
    history, _ = run_plan(made, supervisor)
    proven, evidence = fired(history)
    assert proven
    assert (evidence["state"], evidence["last_step"]) == ("stopped", step)
    (inject,) = history.where("inject")
    healed_ns = inject.time_ns + 50 * MS  # or later
    assert not [op for op in history.of(target) if inject.time_ns < op.time_ns < healed_ns]
    assert [detail["healed"] for detail in healed(history)] == [True]
    assert positions(history, target) == list(range(30))
    assert exits(history)[target] == ["0"]


def test_a_successor_dies_while_it_takes_over_and_the_next_one_goes_on(supervisor):
    step = "cursor.takeover.store_writer_position"
    made = plan(
        messages=40,
        injections=[
            injection(Restart("writer", restart_after_ns=5 * MS), AfterOps("writer", 10)),
            injection(
                CrashAtStep("writer", restart_after_ns=5 * MS),
                at("writer", step, 10, steps.TAKEOVER),
                index=1,
            ),
        ],
    )
    history, _ = run_plan(made, supervisor)
    assert [detail["fired"] for detail in injected(history)] == [True, True]
    assert injected(history)[1]["evidence"]["last_step"] == step
    assert [op.incarnation for op in history.where(EXIT) if op.process == "writer"] == [0, 1, 2]
    assert not closed(history, "writer", incarnation=1)
    assert positions(history, "reader[0]") == list(range(40))


@pytest.mark.parametrize("fault", [StopAtStep("reader[1]"), Stall("reader[1]")])
def test_who_stops_while_it_attaches_becomes_ready_after_the_heal(supervisor, fault):
    trigger = at("reader[1]", "cursor.takeover.claim_reader", 0, steps.ATTACH)
    made = plan(messages=20, injections=[injection(fault, trigger, heal_after_ns=20 * MS)])
    history, _ = run_plan(made, supervisor)
    assert fired(history)[0], fired(history)
    assert positions(history, "reader[1]") == list(range(20))


def test_what_comes_from_outside_finds_the_process_waiting_at_its_step(supervisor):
    trigger = at("writer", "cursor.send.commit", 7)
    made = plan(messages=20, injections=[injection(Kill("reader[1]"), trigger)],
                deadline_ns=STOPS_NS, on_timeout="stop")  # fmt: skip
    history, _ = run_plan(made, supervisor)
    assert fired(history)[0]
    (inject,) = history.where("inject")
    before = [op.position for op in history.of("writer")
              if op.type == OK and op.time_ns < inject.time_ns]  # fmt: skip
    assert before == list(range(7))
    assert len(positions(history, "writer")) >= 8  # it was let go


def test_a_step_that_is_never_come_to_did_not_fire(supervisor):
    trigger = at("writer", "wait.clock.timed_out", 0, steps.TIMEOUT)
    made = plan(messages=20, deadline_ns=20 * SECOND,
                injections=[injection(CrashAtStep("writer"), trigger)])  # fmt: skip
    proven, evidence = fired(run_plan(made, supervisor)[0])
    assert not proven
    assert (evidence["step"], evidence["is_there"]) == ("wait.clock.timed_out", False)


SWEEP = """\
schema = 1
name = "sweep"
[transport]
slots = 2
slot_bytes = 256
[[process]]
name = "writer"
role = "writer"
workload = { messages = 20 }
[[process]]
name = "reader"
role = "reader"
[[fault]]
kind = "crash_at_step"
target = "writer"
at = { path = "PATH", step = "every" }
restart_after = "5ms"
"""


@pytest.mark.parametrize(("path", "count"), [("attach", 6), ("end", 5), ("detach", 1)])
def test_a_sweep_covers_every_step_of_its_path(worlds, tmp_path: Path, path: str, count: int):
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP.replace("PATH", path))
    results = [
        run(make_plan(scenario, 0), worlds, reproduce="", journal=tmp_path / str(index))
        for index, scenario in enumerate(load(file))
    ]
    assert [(result.verdict, result.exit_status) for result in results] == [
        (VALID, ExitStatus.OK)
    ] * count
    assert f"steps covered: {count} of {count}" in text.render(results)


def test_a_sweep_with_a_step_that_is_not_come_to_fails_and_names_it(worlds, tmp_path: Path):
    file = tmp_path / "sweep.toml"
    never = SWEEP.replace("messages = 20", 'messages = 20, deadline = "20s"')
    file.write_text(never.replace("PATH", "timeout"))
    (scenario,) = load(file)
    result = run(make_plan(scenario, 0), worlds, reproduce="", journal=tmp_path / "journal")
    assert result.exit_status is ExitStatus.UNKNOWN
    said = text.render([dataclasses.replace(result, duration_ns=0)])
    assert "steps covered: 0 of 1; never come to: writer wait.clock.timed_out" in said


@pytest.mark.parametrize("fault", [CrashAtStep("writer"), Stall("reader[0]")])
def test_who_has_no_gate_cannot_come_to_a_step(fault):
    made = plan(injections=[injection(fault, at("writer", "cursor.send.commit", 0))])
    assert lack_of_kernels(made) is None
    pure = [dataclasses.replace(p, kernels="pure") if p.role == "writer" else p
            for p in made.processes]  # fmt: skip
    assert "they have no gate" in str(lack_of_kernels(dataclasses.replace(made, processes=pure)))
