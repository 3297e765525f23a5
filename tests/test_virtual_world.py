"""The virtual world runs the repository's scenarios, faults included, as their files expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.errors import ExitStatus
from sim.history.op import HANG, Op
from sim.scenario.loader import load, load_text
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.verdict import fault_results, judge
from sim.virtual.execution import Execution, execute
from sim.virtual.limits import lacks
from sim.worlds import run_virtually

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
FILES = sorted(SCENARIOS.rglob("*.toml"))
A_TENTH_OF_THE_LONGEST = ("messages = 50000,", "messages = 5000,")  # still 78 laps of the ring
MS = 1_000_000
SMALL = """\
schema = 1
name = "small"
stall_threshold = "1s"
deadline = "1000s"
[transport]
slots = 2
slot_bytes = 64
[[process]]
name = "writer"
role = "writer"
wait = "{wait}"
workload = {{ messages = 20, size_bytes = 16 }}
[[process]]
name = "reader"
role = "reader"
wait = "{wait}"
{reader}
"""
KILLED = """
[[fault]]
kind = "kill"
target = "reader"
at = { after_ops = 5 }
"""


def relative(path: Path) -> str:
    return str(path.relative_to(SCENARIOS))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_scenario_that_can_run_virtually_does_so_as_expected(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace(*A_TENTH_OF_THE_LONGEST)
    loaded = load_text(text, str(path))
    runs = [s for s in loaded if "virtual" in s.worlds and not list(lacks(s))]
    for scenario in runs:
        plan = make_plan(scenario, 0)
        result = judge(plan, run_virtually(plan)[0], duration_ns=0, reproduce="")
        assert result.as_expected, (scenario.name, result.failure)


def made(tmp_path: Path, *, more: str = "", wait: str = "yielding", reader: str = "") -> Plan:
    path = tmp_path / "small.toml"
    path.write_text(SMALL.format(wait=wait, reader=reader) + more)
    (scenario,) = load(str(path))
    return make_plan(scenario, 0, "virtual")


def hang(execution: Execution) -> Op:
    (op,) = execution.history.where(HANG)
    return op


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("slow/crash_*.toml")), ids=relative)
def test_a_sweep_comes_to_every_step_that_it_comes_to_live(path: Path) -> None:
    """Live, every run of these is green, so each of its faults fired."""
    for scenario in load(str(path)):
        plan = make_plan(scenario, 1, "virtual")
        for fault in fault_results(execute(plan, seed=1).history):
            assert fault.fired and fault.healed is not False, (scenario.name, fault)


@pytest.mark.parametrize("wait", ["park", "yielding"])
def test_a_dead_peer_is_a_hang_at_once_and_names_who_waits_where(tmp_path: Path, wait: str) -> None:
    execution = execute(made(tmp_path, wait=wait, more=KILLED))
    found = hang(execution)
    assert found.detail is not None
    assert found.detail["waiting"] == ["writer"]
    assert found.detail["states"]["reader"] == "dead"
    assert execution.stop == "stuck"
    assert execution.clock_ns < MS  # of virtual time; the threshold is a second
    result = judge(made(tmp_path, more=KILLED), execution.history, duration_ns=0, reproduce="")
    assert result.exit_status is ExitStatus.LIVENESS


def test_time_outs_without_end_are_a_hang_after_the_threshold(tmp_path: Path) -> None:
    text = 'workload = { deadline = "1ms" }'
    more = KILLED.replace('"reader"', '"writer"')
    execution = execute(made(tmp_path, reader=text, more=more))
    found = hang(execution)
    assert found.detail is not None and found.detail["why"] == "hang"
    assert 1000 * MS <= found.detail["blocked_ns"] <= 1200 * MS


def test_a_pause_of_the_work_is_no_hang_and_costs_no_steps(tmp_path: Path) -> None:
    execution = execute(made(tmp_path, reader='workload = { think = "10s" }'))
    assert list(execution.history.where(HANG)) == []
    assert execution.clock_ns > 100 * 1000 * MS
    assert execution.steps < 10_000


def test_evidence_is_what_the_machine_says(tmp_path: Path) -> None:
    stalled = KILLED.replace('"kill"', '"stall"') + 'heal_after = "5ms"\n'
    history = execute(made(tmp_path, more=stalled)).history
    (fault,) = fault_results(history)
    first, second = fault.evidence
    assert (fault.fired, fault.healed) == (True, True)
    assert (first["evidence"]["state"], second["evidence"]["state"]) == ("stopped", "running")
    assert second["time_ns"] - first["time_ns"] == 5 * MS
    during = [op for op in history.of("reader") if first["time_ns"] < op.time_ns]
    assert all(op.time_ns >= second["time_ns"] for op in during)


@pytest.mark.parametrize("model", ["sc", "tso", "pso", "ra"])
def test_the_same_seed_gives_the_same_execution_and_its_tape_gives_it_again(
    tmp_path: Path, model: str
) -> None:
    restarted = KILLED.replace('"kill"', '"restart"')
    plan = made(tmp_path, more=restarted)
    one, two = (execute(plan, model=model, seed=9) for _ in range(2))
    again = execute(plan, model=model, scheduler="replay", tape=one.tape)
    assert one == two == again
    assert execute(plan, model=model, seed=10).hash != one.hash
