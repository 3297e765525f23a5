"""Many executions in a row, and the checkers that must agree with the machine's oracles."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import List

import pytest

from sim import cli
from sim.abc import INVALID, Result
from sim.history.history import History
from sim.scenario.loader import load
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.virtual import judging
from sim.virtual import tape as tapes
from sim.virtual.execution import STEPS_LEAST, execute
from sim.virtual.exploring import Combination, Explorer, Found
from sim.virtual.judging import ONE_IN, disagreement, judged
from sim.virtual.players import open_player
from sim.virtual.schedulers import parse

TEXT = """\
schema = 1
name = "small"
[transport]
kind = "{kind}"
slots = 2
slot_bytes = 64
{transport}
[[process]]
name = "writer"
role = "writer"
wait = "yielding"
workload = {{ messages = 4, size_bytes = 16 }}
[[process]]
name = "reader"
role = "reader"
count = 2
wait = "yielding"
"""
KILL = """
[[fault]]
kind = "restart"
target = "reader[0]"
at = { after_ops = 1 }
"""


def plan(tmp_path: Path, kind: str = "cursor_ring", transport: str = "", more: str = "") -> Plan:
    path = tmp_path / "small.toml"
    path.write_text(TEXT.format(kind=kind, transport=transport) + more)
    (scenario,) = load(str(path))
    return make_plan(scenario, 0)


SCHEDULERS = ["random", "pct:3", "pos", "delay:2", "round_robin"]
FAULTS = {
    "killed": '[[fault]]\nkind = "kill"\ntarget = "reader[1]"\nat = { after_ops = 1 }\n',
    "restarted": KILL,
    "restarted writer": KILL.replace("reader[0]", "writer"),
    "stalled": KILL.replace("restart", "stall") + 'heal_after = "1us"\n',
}


def explored(
    plan: Plan, model: str, seeds: range, *, scheduler: str = "random", counts_all: bool = True
) -> Found:
    explorer = Explorer(Combination(plan, model, parse(scheduler)), time.monotonic)
    found, _ = explorer.explore(seeds, counts_all=counts_all, is_over=lambda: False)
    return found


@pytest.mark.parametrize("model", ["sc", "tso", "pso", "ra"])
def test_a_sound_ring_passes_and_one_execution_in_a_thousand_is_checked(
    tmp_path: Path, model: str
) -> None:
    found = explored(plan(tmp_path), model, range(7, 7 + 2 * ONE_IN))
    assert (found.executions, found.checked, found.first) == (2 * ONE_IN, 2, None)
    assert found.steps > 2 * ONE_IN


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("model", ["tso", "pso", "ra"])
def test_with_faults_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, fault: str, scheduler: str
) -> None:
    monkeypatch.setattr("sim.virtual.exploring.ONE_IN", 3)
    made = plan(tmp_path, transport="evict_dead = true", more=FAULTS[fault])
    found = explored(made, model, range(60), scheduler=scheduler)
    assert (found.executions, found.checked, found.first) == (60, 20, None)


def test_the_death_of_a_reader_of_a_ring_without_owners_is_no_finding(tmp_path: Path) -> None:
    """The writer waits for it for ever: so it does in the live world, and no checker objects."""
    made = plan(tmp_path, "flag_ring", more=FAULTS["killed"])
    player = open_player(made, "tso", time.monotonic)
    assert player.replay(b"").outcome.failure is None
    assert player.simulation.stop == "stuck"
    assert explored(made, "tso", range(100)).first is None


@pytest.mark.parametrize("fault", ["", FAULTS["stalled"]])
def test_a_planted_bug_is_found_by_both_and_replayed_from_its_tape(
    tmp_path: Path, fault: str
) -> None:
    made = plan(tmp_path, "flag_ring", 'mutant = "flag-before-data"', fault)
    found = explored(made, "tso", range(1, 5 * ONE_IN), counts_all=False)
    assert found.first is not None and found.checked >= 1
    _, bad = found.first
    assert bad.outcome.finding is not None
    again = open_player(made, "tso", time.monotonic).replay(bad.choices)
    assert again == bad


def test_a_contradiction_between_oracles_and_checkers_is_told(tmp_path: Path) -> None:
    good = execute(plan(tmp_path))
    results = judged(good.history)
    assert disagreement(good, results, is_failure=False) is None
    said = disagreement(replace(good, finding=("torn", 1, 0)), results, is_failure=True)
    assert said is not None and "torn" in said
    said = disagreement(good, results, is_failure=True)
    assert said is not None and "liveness does not object" in said
    made = plan(tmp_path, "flag_ring", 'mutant = "flag-before-data"')
    bad = next(e for e in (execute(made, seed=seed) for seed in range(5000)) if e.finding)
    said = disagreement(replace(bad, finding=None), judged(bad.history), is_failure=False)
    assert said is not None and said.startswith("the oracles found nothing")


class Objects:
    alias = "no_loss"
    doc = "it always objects"

    def check(self, history: History) -> Result:
        return Result(alias=self.alias, result=INVALID, why="I object")


@pytest.mark.parametrize("fault", ["", FAULTS["stalled"]])
def test_a_contradiction_is_a_bug_whose_tape_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    monkeypatch.setitem(judging.CHECKERS, "no_loss", Objects())  # type: ignore[index]
    path = plan(tmp_path, more=fault).path
    words = ["explore", path, "--model", "sc", "--executions", "2000", "--tape-dir"]
    assert cli.main([*words, str(tmp_path / "t"), "--scheduler", "random"]) == 70
    out = capsys.readouterr().out
    assert "the oracles found nothing, but no_loss: I object" in out
    (file,) = (tmp_path / "t").iterdir()
    assert tapes.load(file).outcome.failure is None
    assert f"spinbed replay {file}" in out


def hung(tmp_path: Path, mutant: str) -> List[str]:
    path = plan(tmp_path, "flag_ring", f'mutant = "{mutant}"').path
    text = Path(path).read_text().replace("yielding", "park").replace("slots = 2", "slots = 1")
    Path(path).write_text(text)
    return ["explore", path, "--tape-dir", str(tmp_path / "t")]


@pytest.mark.parametrize("mutant", ["no-recheck", "bump-after-wake"])
def test_a_standstill_has_its_class_and_says_who_waits_for_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mutant: str
) -> None:
    assert cli.main([*hung(tmp_path, mutant), "--model", "tso", "--scheduler", "random"]) == 3
    out = capsys.readouterr().out
    assert "stuck: nothing can move any more" in out
    assert "lost-wakeup: " in out
    assert "waits for writer" in out and "proof: woken while everybody else stood still" in out


def test_an_execution_without_an_end_costs_milliseconds(tmp_path: Path) -> None:
    """A reader that steps over a slot can go round for ever, looking at one after the other."""
    made = plan(tmp_path, "flag_ring", 'mutant = "step-over-not-ready"')
    found = explored(made, "tso", range(200), scheduler="pct:3")
    assert found.failures["out_of_steps"] > 0
    assert found.first is not None and found.first[1].outcome.steps == STEPS_LEAST
