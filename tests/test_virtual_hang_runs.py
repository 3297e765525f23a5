"""A run in the virtual world that hangs says which class of hang, and who waits for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.cli import main
from sim.hang.explain import explain
from sim.history.hang_class import HangClass
from sim.scenario.loader import load
from sim.scenario.planning import make_plan
from sim.virtual.execution import execute

SEEDS = range(200)

HANGING = """\
schema = 1
name = "{name}"
deadline = "20s"
worlds = ["virtual"]

[transport]
kind = "flag_ring"
slots = 1
slot_bytes = 256
{transport}

[[process]]
name = "writer"
role = "writer"
wait = "park"
workload = {{ messages = 6, size_bytes = 64 }}

[[process]]
name = "reader"
role = "reader"
count = 2
wait = "park"
{rest}
"""
NO_RECHECK = HANGING.format(name="no-recheck", transport='mutant = "no-recheck"', rest="")
KILLED = HANGING.format(
    name="killed",
    transport="",
    rest="""
[[fault]]
kind = "kill"
target = "writer"
at = { process = "writer", after_ops = 3 }
""",
)


def stuck(text: str, folder: Path) -> tuple:
    """Plan and tape of the first execution that hangs."""
    path = folder / "hangs.toml"
    path.write_text(text, encoding="utf-8")
    (scenario,) = load(str(path))
    for seed in SEEDS:
        plan = make_plan(scenario, seed)
        made = execute(plan, model="tso", seed=seed)
        if any(op.f == "hang" for op in made.history.ops):
            return plan, made, seed
    raise AssertionError("no execution hung")


def test_a_lost_wakeup_of_a_plan_is_explained_from_its_tape(tmp_path: Path) -> None:
    plan, made, _ = stuck(NO_RECHECK, tmp_path)
    hang = explain(plan, "tso", made.tape)
    assert hang is not None and hang.kind is HangClass.LOST_WAKEUP
    assert set(hang.who) <= {"writer", "reader[0]", "reader[1]"}
    assert execute(plan, model="tso", scheduler="replay", tape=made.tape).hash == made.hash


def test_a_dead_writer_of_a_plan_is_named(tmp_path: Path) -> None:
    plan, made, _ = stuck(KILLED, tmp_path)
    hang = explain(plan, "tso", made.tape)
    assert hang is not None
    assert (hang.kind, hang.waits_for) == (HangClass.PEER_DEAD, ("writer",))


def test_an_execution_that_ends_has_nothing_to_explain(tmp_path: Path) -> None:
    path = tmp_path / "ends.toml"
    path.write_text(HANGING.format(name="ends", transport="", rest=""), encoding="utf-8")
    plan = make_plan(load(str(path))[0], 1)
    assert explain(plan, "tso", execute(plan, model="tso", seed=1).tape) is None


def test_the_report_names_the_class_and_who_waits(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    _, _, seed = stuck(NO_RECHECK, tmp_path)
    status = main(["run", str(tmp_path / "hangs.toml"), "--world", "virtual", "--seed", str(seed)])
    told = capsys.readouterr()
    assert status == 3, told.out + told.err
    assert "lost-wakeup: " in told.out and "sleeps on data_event though it could" in told.out
