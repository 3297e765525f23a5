"""Tapes of the simulated machine, driven through real processes by their step gates."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from tapes_made import explored

from sim import cli
from sim.replaying import driven, order_from
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan
from sim.scenario.turns import NotForced, Turn
from sim.virtual import tape as tapes
from sim.virtual.ordering import order_of
from sim.virtual.players import open_player
from sim.virtual.program import STEP_NUMBERS
from sim.virtual.reduction import NOTHING
from sim.virtual.schedulers import parse
from sim.worlds import Worlds

MUTANT = """
schema = 1
name = "planted"
stall_threshold = "1s"

[transport]
kind = "flag_ring"
mutant = "{mutant}"
slots = 2
slot_bytes = 64

[[process]]
name = "writer"
role = "writer"
wait = "{wait}"
workload = {{ messages = 4, size_bytes = 24 }}

[[process]]
name = "reader"
role = "reader"
count = 2
wait = "{wait}"
"""
# Of each what it does to the readers, and one that steps over slots, so that polls are counted.
MUTANTS = (("flag-before-data", "park", 1), ("step-over-not-ready", "yielding", 1),
           ("no-recheck", "park", 3))  # fmt: skip


def tape_of(folder: Path, mutant: str, wait: str = "park") -> Path:
    scenario = folder / "planted.toml"
    scenario.write_text(MUTANT.format(mutant=mutant, wait=wait))
    return explored(folder / "t", scenario, "--model", "tso", "--scheduler", "pos")


@pytest.mark.parametrize(("mutant", "wait", "status"), MUTANTS)
def test_a_failure_of_the_simulator_shows_in_real_processes(mutant, wait, status, tmp_path, capsys):
    tape = tape_of(tmp_path, mutant, wait)
    capsys.readouterr()
    assert cli.main(["replay", str(tape), "--world", "live", "--tries", "2"]) == status
    assert "the failure showed in 2 of 2 tries\n" in capsys.readouterr().out


RAISES = """
[[fault]]
kind = "raise_in_read"
target = "reader[0]"
at = { after_ops = 1 }
"""


def test_a_fault_of_the_tape_comes_where_it_came_in_its_order(tmp_path, capsys):
    """A reader raises in its slot, which the planted bug then never gives back."""
    scenario = tmp_path / "raising.toml"
    scenario.write_text(MUTANT.format(mutant="no-release-on-raise", wait="park") + RAISES)
    tape = explored(tmp_path / "t", scenario, "--model", "tso")
    capsys.readouterr()
    assert cli.main(["replay", str(tape), "--world", "live", "--tries", "2"]) in (1, 3)
    assert "the failure showed in 2 of 2 tries\n" in capsys.readouterr().out


CRASH = """
[[fault]]
kind = "crash_at_step"
target = "writer"
at = { step = "cursor.send.store_position", after_ops = 1 }
restart_after = "10ms"
"""


def test_a_death_at_a_step_and_its_successor_go_as_they_went(tmp_path):
    """Of a tape without a failure it shows that everybody does the same to the last operation."""
    ring = MUTANT.format(mutant="", wait="park").replace("flag_ring", "cursor_ring")
    text = ring.replace('mutant = ""\n', "") + CRASH
    (scenario,) = load_text(text, "crash.toml")
    plan = make_plan(scenario, 0)
    made = open_player(plan, "tso", time.monotonic).execute(parse("random"), 1)
    tape = tapes.Tape(
        "crash.toml", text, "planted", 0, NOTHING, "tso", "random", 1, made.choices, made.outcome
    )
    order = order_from(tape, plan, "crash.toml")
    assert {"at_step", "died", "began", "attached"} <= {turn.kind for turn in order.turns}
    with Worlds() as worlds:
        done = driven(tape, plan, order, worlds)
    assert (done.showed, done.diverged) == (True, None)


def test_who_does_not_come_to_its_step_is_named_with_where_it_is(tmp_path):
    file = tape_of(tmp_path, "flag-before-data")
    tape = tapes.load(file)
    plan = tape.plan()
    order = order_from(tape, plan, str(file))
    written = next(t for t in order.turns if t.site == "flag.send.set_written")
    other = [replace(t, site="flag.send.copy_payload") if t is written else t for t in order.turns]
    with Worlds() as worlds:
        done = driven(tape, plan, replace(order, turns=tuple(other)), worlds)
    assert not done.showed
    assert done.diverged == (
        f"writer flag.send.copy_payload (line {written.line}): it is at flag.send.set_written"
    )


def test_a_tape_that_no_such_processor_makes_is_refused(tmp_path, capsys):
    tape = explored(tmp_path)  # with PSO
    capsys.readouterr()
    assert cli.main(["replay", str(tape), "--world", "live"]) == 64
    assert "model: pso: x86 has no such execution: writer's store at" in capsys.readouterr().err


def test_a_scenario_of_the_virtual_world_alone_is_refused(tmp_path, capsys):
    text = MUTANT.format(mutant="flag-before-data", wait="park")
    scenario = tmp_path / "virtual.toml"
    scenario.write_text(text.replace("\n\n[trans", '\nworlds = ["virtual"]\n\n[trans'))
    tape = explored(tmp_path / "t", scenario, "--model", "tso")
    capsys.readouterr()
    assert cli.main(["replay", str(tape), "--world", "live"]) == 64
    assert "is for the virtual world alone" in capsys.readouterr().err


def test_processes_without_gates_cannot_be_driven(tmp_path, monkeypatch, capsys):
    scenario = tmp_path / "planted.toml"
    text = MUTANT.format(mutant="flag-before-data", wait="park")
    scenario.write_text(text)
    tape = explored(tmp_path / "t", scenario, "--model", "tso")
    capsys.readouterr()
    monkeypatch.setenv("SPINBED_KERNELS", "pure")
    assert cli.main(["replay", str(tape), "--world", "live"]) == 2
    assert "live world failed: pure kernels have no mutants" in capsys.readouterr().err


# What happens in a trace: event, process, site, offset, value, order, choices, age.
def line(event: str, process: int, step: str = "", offset: int = 0, age: int = 0) -> tuple:
    return (event, process, STEP_NUMBERS.get(step, 0), offset, 1, 0, 0, age)


NAMES = ("writer", "reader[0]")
WROTE, READ = "flag.send.set_written", "flag.receive.poll_written"
PARKED = "flag.send.load_parked"


def test_a_store_is_taken_where_it_became_visible():
    trace = [line("turn", 0), line("store", 0, WROTE, 64), line("turn", 1),
             line("load", 1, READ, 64), line("flush", 0, WROTE, 64)]  # fmt: skip
    assert order_of(trace, NAMES, "tso").turns == (
        Turn("reader[0]", "op", READ, 2),
        Turn("writer", "op", WROTE, 1),
    )
    assert order_of(trace[:-1], NAMES, "sc").turns[0].process == "writer"


@pytest.mark.parametrize(("word", "delays"), [(8, 1), (72, 0)])
def test_a_load_that_passes_a_store_is_told_where_it_would_read_something_else(word, delays):
    trace = [line("turn", 0), line("store", 0, WROTE, 64), line("load", 0, PARKED, 8),
             line("store", 1, "wait.park.raise_parked", word),
             line("flush", 1, "wait.park.raise_parked", word),
             line("flush", 0, WROTE, 64)]  # fmt: skip
    order = order_of(trace, NAMES, "tso")
    assert [turn.site for turn in order.turns] == ["wait.park.raise_parked", WROTE, PARKED]
    assert [(d.process, d.store, d.load) for d in order.delays] == [("writer", WROTE, PARKED)][
        :delays
    ]


def test_an_old_value_of_the_release_acquire_model_is_refused():
    with pytest.raises(NotForced, match="reads an old value at flag.receive.poll_written"):
        order_of([line("turn", 1), line("load", 1, READ, 64, age=1)], NAMES, "ra")
