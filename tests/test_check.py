"""The command check: journals of live runs, and the same with one op edited."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from trace_inclusion import EDITS, edited, verdict

from sim import cli
from sim.checking import plan_of
from sim.history import journal
from sim.history.history import History, in_order
from sim.history.op import EXIT, SEND, Op

SCENARIO = """
schema = 1
name = "checked"
deadline = "20s"

[transport]
kind = "{kind}"
slots = 2
slot_bytes = 64

[[process]]
name = "writer"
role = "writer"
workload = {{ messages = 40, size_bytes = 16{writer} }}

[[process]]
name = "reader"
role = "reader"
count = 2
workload = {{ think = "50us" }}
"""
STALLED = """
[[fault]]
kind = "stall"
target = "reader[1]"
at = { process = "reader[1]", after_ops = 7 }
heal_after = "60ms"

[[expect]]
process = "writer"
op = "send"
outcome = "timeout"
count = { min = 0 }
"""
CRASHED = """
[[fault]]
kind = "crash_at_step"
target = "writer"
at = { step = "cursor.send.store_position", after_ops = 9 }
restart_after = "10ms"
"""
DIED_READING = """
[[fault]]
kind = "crash_at_step"
target = "reader[0]"
at = { step = "cursor.receive.release", after_ops = 9 }
restart_after = "10ms"
"""
CLOSED = """
[[expect]]
process = "reader"
op = "receive"
outcome = "closed"
"""
DEADLINE = ', deadline = "10ms"'


def run(folder: Path, text: str) -> Path:
    scenario = folder / "checked.toml"
    scenario.write_text(text)
    assert cli.main(["run", str(scenario), "--journal-dir", str(folder / "j")]) == 0
    (file,) = (folder / "j").glob("*.jsonl")
    return file


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """The journal of a run with time-outs, on whose readers nothing was done."""
    folder = tmp_path_factory.mktemp("kept")
    return run(folder, SCENARIO.format(kind="cursor_ring", writer=DEADLINE) + STALLED)


@pytest.mark.parametrize(
    ("kind", "writer", "fault"),
    [
        ("flag_ring", DEADLINE, STALLED),
        ("cursor_ring", ', finish = "shutdown"', CLOSED),
        ("cursor_ring", "", CRASHED),
        ("cursor_ring", "", DIED_READING),
    ],
)
def test_a_live_run_is_an_execution_of_the_simulator(kind, writer, fault, tmp_path, capsys):
    file = run(tmp_path, SCENARIO.format(kind=kind, writer=writer) + fault)
    capsys.readouterr()
    assert cli.main(["check", str(file)]) == 0
    assert f"{file}: allowed: the simulated machine does the same" in capsys.readouterr().out


def test_a_run_of_a_planted_bug_is_none(tmp_path, capsys):
    text = SCENARIO.format(kind="flag_ring", writer="")
    mutant = text.replace("slots = 2", 'slots = 2\nmutant = "flag-before-data"')
    expect = '[[expect]]\nverdict = "invalid"\nchecker = "no_tearing"\n'
    file = run(tmp_path, mutant + expect)
    capsys.readouterr()
    assert cli.main(["check", str(file)]) == 1
    out = capsys.readouterr().out
    assert "receive ok at position" in out and "no execution has that" in out


@pytest.mark.parametrize("name", EDITS)
def test_a_journal_with_one_op_edited_is_refused(name, kept):
    history = journal.read(kept)
    plan = plan_of(history.header, str(kept))
    assert verdict(plan, history) == "allowed"
    dice = random.Random(1)
    made = [edited(history, name, dice) for _ in range(25)]
    found = [verdict(plan, each) for each in made if each is not None]
    assert found
    # A line may go elsewhere, where it could as well have been.
    legal = 2 if name == "order" else 0
    assert sum(each == "allowed" for each in found) <= legal, found


def test_times_that_no_order_of_effects_has_are_refused(kept):
    """Everything is as it was, but that the writer did it a second later."""
    history = journal.read(kept)
    plan = plan_of(history.header, str(kept))
    late = [
        op._replace(time_ns=op.time_ns + 10**9) if op.f == SEND or is_exit_of(op, "writer") else op
        for op in history.ops
    ]
    found = verdict(plan, History(history.header, in_order(late)))
    assert "has to come after the commit of position 0 of writer" in found, found


def is_exit_of(op: Op, process: str) -> bool:
    return (op.f, op.process) == (EXIT, process)


def test_what_is_no_journal_or_not_of_that_scenario_is_refused(kept, tmp_path, capsys):
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(kept.read_bytes()[:-100])
    assert cli.main(["check", str(cut)]) == 64
    assert f"{cut}:" in capsys.readouterr().err
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text('{"schema":9,"header":{}}\n{"ops":0}\n')
    assert cli.main(["check", str(foreign)]) == 64
    assert f"{foreign}:1: schema: is 9" in capsys.readouterr().err
    other = tmp_path / "other.jsonl"
    header = replace(journal.read(kept).header, slots=4)
    with journal.Journal.create(other, header) as written:
        written.write(())
    assert cli.main(["check", str(other)]) == 64
    assert f"{other}:1: header: " in capsys.readouterr().err
    assert cli.main(["check", str(tmp_path / "nothing.jsonl")]) == 64


def test_what_is_not_simulated_is_not_told(tmp_path, capsys):
    text = SCENARIO.format(kind="cursor_ring", writer=', deadline = "1s"')
    fault = '[[fault]]\nkind = "raise_at_step"\ntarget = "writer"\n'
    fault += 'at = { step = "cursor.send.commit", after_ops = 5 }\n'
    expect = '[[expect]]\nprocess = "writer"\nop = "send"\noutcome = "error:GateRaised"\n'
    scenario = tmp_path / "raised.toml"
    scenario.write_text(text + fault + expect)
    cli.main(["run", str(scenario), "--journal-dir", str(tmp_path)])
    (file,) = tmp_path.glob("*.jsonl")
    assert cli.main(["check", str(file)]) == 2
    assert "cannot be told: writer raised out of an operation" in capsys.readouterr().out
