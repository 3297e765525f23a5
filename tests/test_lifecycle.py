"""Simulated programs: their mechanisms, and that both worlds say the same of one scenario."""

from __future__ import annotations

import dataclasses
import re
import signal
from pathlib import Path
from typing import Any, List

import parity
import pytest
from scenario_plans import plan_of
from simulated_programs import Made

from sim.abc import NO_TRANSPORT
from sim.cli import main
from sim.errors import ScenarioError
from sim.hang.simulated_programs import tell
from sim.run import plan_all
from sim.scenario.loader import load
from sim.virtual.lifecycle import tracking
from sim.virtual.lifecycle.choosing import Drawn
from sim.virtual.lifecycle.execution import execute_programs
from sim.virtual.lifecycle.loading import Content, Extension, Initialiser
from sim.virtual.lifecycle.locks import Lock
from sim.virtual.lifecycle.modules import Module
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import MS, S
from sim.virtual.schedulers import parse

SCENARIOS = Path(__file__).parent.parent / "scenarios"
METHOD = "start_method:after_force"
RACE = """
schema = 1
name = "race"
worlds = ["live", "virtual"]
[[process]]
name = "app"
program = "sim.subjects.parallel_import:before"
python = "{python}"
env = {{ SUBJECT_STATEMENT = "{statement}" }}
"""


def importing(other: str, ended: List[str]) -> Any:
    def body(py: Any, module: Module) -> Any:
        yield from py.sleep(1 * MS)  # both threads are in their first module by then
        found = yield from py.imports.import_statement(py, other)
        module.names["other_is_whole"] = not found.is_initializing
        ended.append(module.name)

    return body


def test_of_two_threads_that_import_crosswise_one_goes_on_with_half_of_a_module() -> None:
    ended: List[str] = []

    def main(py: Any) -> Any:
        def load_b() -> Any:
            yield from py.imports.import_module(py, "b")

        thread = py.start_thread(load_b(), "other")
        yield from py.imports.import_module(py, "a")
        yield from py.join(thread)

    made = Made(main, {"a": importing("b", ended), "b": importing("a", ended)})
    modules = made.py.imports.modules
    assert made.top.status == 0 and sorted(ended) == ["a", "b"]
    whole = [modules[name].names["other_is_whole"] for name in ("a", "b")]
    assert sorted(whole) == [False, True]


@pytest.mark.parametrize(("python", "status"), [("3.9", "1"), ("3.13", "1"), ("3.13.13", "0")])
def test_an_import_statement_that_waited_looks_again_from_one_version_on(
    tmp_path: Path, python: str, status: str
) -> None:
    plan = plan_of(tmp_path, RACE.format(python=python, statement="from"))
    history = execute_programs(plan).history
    assert [op.outcome for op in history.where("exit")] == [status]


def forking(py: Any, lock: Lock) -> Any:
    def hold() -> Any:
        yield from lock.acquire(py)
        yield from py.sleep(10 * MS)
        lock.release()

    py.shared["lock"] = lock
    py.start_thread(hold(), "holder")
    yield from py.sleep(1 * MS)


def takes_lock(py: Any) -> Any:
    yield from py.shared["lock"].acquire(py)


def test_a_fork_has_the_lock_as_it_was_and_nobody_who_lets_it_go() -> None:
    lock = Lock()

    def main(py: Any) -> Any:
        yield from forking(py, lock)
        child = yield from start(py, takes_lock, method="fork")
        yield from child.join()

    made = Made(main)
    child = made.alive[-1]
    assert lock.is_free and not child.interpreter.shared["lock"].is_free
    assert tell(made.machine, [made.top], {}).kind.value == "fork-inherited-lock"


def test_a_lock_whose_thread_has_ended_is_told_from_one_that_a_fork_has_inherited() -> None:
    def main(py: Any) -> Any:
        lock = Lock()

        def end() -> Any:
            yield from lock.acquire(py)

        yield from py.join(py.start_thread(end(), "careless"))
        yield from lock.acquire(py)

    made = Made(main)
    assert tell(made.machine, [made.top], {}).kind.value == "lock-owner-dead"


def test_who_has_a_region_mapped_keeps_it_when_its_name_goes() -> None:
    found: List[Any] = []

    def main(py: Any) -> Any:
        region = yield from tracking.create(py, 8)
        region.content(py)[0] = 42
        other = yield from tracking.attach(py, region.name)
        yield from region.unlink(py)
        found.append(other.content(py)[0])
        yield from tracking.attach(py, region.name)

    made = Made(main)
    assert found == [42] and made.top.status == 1
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/psm_" in made.program.stderr


def test_a_tracker_unlinks_what_is_left_when_the_last_who_could_tell_it_something_has_gone() -> (
    None
):
    def stay(py: Any) -> Any:
        yield from py.sleep(1 * S)

    def main(py: Any) -> Any:
        yield from tracking.create(py, 8)
        yield from start(py, stay, method="spawn")
        raise SystemExit("gone")

    made = Made(main)
    assert not made.machine.regions and not made.alive
    assert "1 leaked shared_memory objects" in made.program.stderr


def test_a_handler_runs_in_the_main_thread_whatever_that_waits_for() -> None:
    heard: List[int] = []

    def handler(py: Any) -> Any:
        heard.append(py.now_ns)
        yield None

    def main(py: Any) -> Any:
        lock = Lock()
        lock.owner = py.ident
        py.on_signal(signal.SIGUSR1, handler)

        def send() -> Any:
            yield from py.sleep(5 * MS)
            py.machine.signal(py.process, signal.SIGUSR1)
            yield from py.sleep(5 * MS)
            py.machine.signal(py.process, signal.SIGTERM)

        py.start_thread(send(), "sender")
        yield from lock.acquire(py)

    made = Made(main)
    assert len(heard) == 1 and made.top.status == -signal.SIGTERM


@pytest.mark.parametrize("name", ["random", "pct:3", "pos", "delay:2", "round_robin"])
def test_the_same_seed_gives_the_same_execution_and_so_does_its_tape(
    tmp_path: Path, name: str
) -> None:
    plan = plan_of(tmp_path, RACE.format(python="3.11", statement="attribute"))
    first = execute_programs(plan, scheduler=name, seed=7, expected_choices=20)
    again = execute_programs(plan, scheduler=name, seed=7, expected_choices=20)
    replayed = execute_programs(plan, scheduler="replay", tape=first.tape)
    assert first == again == replayed
    assert first.tape and first.hash == again.hash


def test_a_round_has_everybody_go_in_turn() -> None:
    chooser = Drawn(parse("round_robin"), 0, 0)
    assert [chooser.choose(each) for each in ((2, 1, 3), (3, 1, 2), (1, 2, 3))] == [2, 1, 1]


def test_both_worlds_come_to_the_same_verdict() -> None:
    files = [SCENARIOS / "regressions/002_parallel_import"]
    found = list(parity.rows(parity.scenarios_of_both(files)))
    assert len(found) == 2
    assert all(row.is_same for row in found), found


def test_what_has_no_model_is_refused_by_its_key(tmp_path: Path) -> None:
    text = RACE.format(python="3.8", statement="from").replace("parallel_import:before", "x:y")
    path = tmp_path / "scenario.toml"
    path.write_text(f'{text}[[check]]\nalias = "imports"\n')
    with pytest.raises(ScenarioError) as refused:
        plan_all(load(path), 0, "virtual")
    keys = [(each.key, each.line) for each in refused.value.problems]
    assert keys == [("process[0].program", 7), ("process[0].python", 8), ("check[0].alias", 11)]


@pytest.mark.parametrize(("python", "status"), [("3.12", 1), ("3.13.13", 0)])
def test_exploring_finds_the_order_in_which_an_import_goes_wrong_and_its_tape_shows_it_again(
    tmp_path: Path, capsys: Any, python: str, status: int
) -> None:
    text = (SCENARIOS / "virtual/import_race.toml").read_text(encoding="utf-8")
    file = tmp_path / "race.toml"
    file.write_text(text.replace('python = "3.12"', f'python = "{python}"'))
    words = ["explore", str(file), "--tape-dir", str(tmp_path), "--executions", "30"]
    assert main(words) == status
    tapes = list(tmp_path.glob("*.json"))
    if status == 0:
        assert not tapes
        return
    (tape,) = tapes
    assert main(["shrink", str(tape), "--output", str(tmp_path / "less.json")]) == 1
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "less.json"), "--trace"]) == 1
    said = capsys.readouterr().out
    assert "MainThread: has modelkit from sys.modules while it is imported" in said
    assert "preload: has executed modelkit, which replaced itself" in said
    assert "| ImportError: cannot import name 'GenerationConfig' from 'modelkit' (" in said


@pytest.mark.parametrize(
    ("python", "said"),
    [("3.10", "the process ended with status -11"), ("3.11", "RuntimeError: A SemLock created in")],
)
def test_what_a_lock_of_another_context_does_is_a_matter_of_the_version(
    tmp_path: Path, python: str, said: str
) -> None:
    text = RACE.format(python=python, statement="").replace("parallel_import:before", METHOD)
    plan = plan_of(tmp_path, text.replace('SUBJECT_STATEMENT = ""', 'SUBJECT_CASE = "in_use"'))
    (exit_,) = execute_programs(plan).history.where("exit")
    assert exit_.outcome == "1" and said in (exit_.detail or {})["stderr"]


@pytest.mark.parametrize(
    ("changes", "ends_by"),
    [
        ({"size_bytes": 63, "is_elf": False}, "file too short"),
        ({"word_bits": 32, "is_little_endian": False}, "wrong ELF class: ELFCLASS32"),
        ({"size_bytes": 64, "needed": ("libgone.so",)}, "cannot read file data"),
        ({"size_bytes": 4096, "needed": ("libgone.so",)}, "libgone.so: cannot open shared"),
        ({"size_bytes": 4096, "undefined": ("gone",)}, -signal.SIGBUS),
        ({"undefined": ("gone",), "has_initialiser": False}, "undefined symbol: gone"),
        ({"initialiser": Initialiser(sets="planted")}, "raised unreported exception"),
        ({"initialiser": Initialiser(sets="planted", gives="nothing")}, "RuntimeError: planted"),
    ],
)
def test_a_file_that_is_wrong_in_two_ways_fails_by_what_the_loader_asks_first(
    changes: Any, ends_by: Any
) -> None:
    def provides() -> Any:
        yield None

    def main(py: Any) -> Any:
        content = dataclasses.replace(Content(), **changes)
        py.process.program.extensions["ext"] = Extension("ext", provides, content)
        yield from py.imports.import_module(py, "ext")

    made = Made(main)
    if isinstance(ends_by, int):
        assert made.top.status == ends_by
    else:
        assert made.top.status == 1 and ends_by in made.program.stderr


def test_the_page_lists_every_scenario_of_programs_that_both_worlds_can_run() -> None:
    files = {
        str(Path(each.path).relative_to(SCENARIOS).with_suffix(""))
        for each in parity.scenarios_of_both([SCENARIOS])
        if each.transport is NO_TRANSPORT
    }
    page = (SCENARIOS.parent / "docs/lifecycle.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w/]+) \| \d+ \| (.*) \| (.*) \|$", page, re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(files)
    assert all(live == virtual for _, live, virtual in rows)
    assert len(rows) >= 30


def test_exploring_tells_the_class_of_a_hang_and_accounts_for_one_that_is_expected(
    tmp_path: Path, capsys: Any
) -> None:
    words = ["--executions", "2", "--tape-dir", str(tmp_path)]
    assert main(["explore", str(SCENARIOS / "startup/fork_with_a_held_lock.toml"), *words]) == 3
    said = capsys.readouterr().out
    assert "stuck: nothing can move any more" in said and "fork-inherited-lock: process 1" in said
    assert main(["explore", str(SCENARIOS / "hangs/program_crossed_locks.toml"), *words]) == 0
