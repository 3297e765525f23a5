"""Scenario files under pytest: what becomes an item, what becomes of it, and the fixture."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List
from xml.etree import ElementTree

import pytest
from pytest_runs import (
    ELSEWHERE,
    GOOD,
    SWEPT,
    UNMET,
    WATCHDOG_S,
    counts,
    environment,
    project,
    write,
)
from warm_command import RunPytest

import cy_kernels
from sim.history import journal

pytestmark = pytest.mark.skipif(
    cy_kernels.status().reason is not None, reason=f"kernels: {cy_kernels.status()}"
)

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "pytest.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def items(done: subprocess.CompletedProcess[str]) -> List[str]:
    """What --collect-only -q lists."""
    return [line for line in done.stdout.splitlines() if "::" in line]


# What becomes an item.


def test_a_folder_gives_its_scenarios_and_no_other_toml(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(folder, "green", GOOD)
    write(folder, "swept", SWEPT)
    done = run_pytest("--collect-only", "-q", ".", cwd=folder)
    assert items(done) == [
        "green.toml::green",
        "swept.toml::swept[transport.slots=4]",
        "swept.toml::swept[transport.slots=44]",
    ], done.stdout
    assert done.returncode == 0
    assert not (folder / ".spinbed").exists()


def test_without_the_plugin_nothing_is_collected(run_pytest: RunPytest, folder: Path) -> None:
    write(folder, "green", GOOD)
    done = run_pytest("--collect-only", "-q", ".", cwd=folder, plugin="no:spinbed")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout


@pytest.mark.parametrize(
    "mark", ["schema = 1\n", "[transport]\n", '[[process]]\nname = "writer"\n']
)
def test_a_scenario_that_lacks_one_of_its_marks_is_an_error_and_not_left_out(
    run_pytest: RunPytest, folder: Path, mark: str
) -> None:
    assert mark in GOOD
    write(folder, "lacking", GOOD.replace(mark, "", 1))
    done = run_pytest("--collect-only", "-q", ".", cwd=folder)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "ERROR lacking.toml" in done.stdout


def test_a_file_that_is_named_is_a_scenario_or_an_error(
    run_pytest: RunPytest, folder: Path
) -> None:
    done = run_pytest("settings.toml", cwd=folder)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "settings.toml:2: database: " in done.stdout, done.stdout


def test_a_bad_file_is_an_error_with_all_its_problems_and_nothing_runs(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(folder, "green", GOOD)
    bad = GOOD.replace("slots = 4", "slots = -4").replace("cursor_ring", "cursor_rin")
    write(folder, "bad", bad)
    done = run_pytest(".", cwd=folder)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert counts(done) == {"error": 1}
    assert "bad.toml:7: transport.kind: " in done.stdout
    assert "did you mean 'cursor_ring'" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (folder / ".spinbed").exists()


# What becomes of an item.


@pytest.mark.parametrize("plugin", ["spinbed", "sim.pytest_plugin"])
def test_runs_that_end_as_expected_pass_and_keep_their_journals(
    run_pytest: RunPytest, folder: Path, plugin: str
) -> None:
    write(folder, "green", GOOD)
    write(folder, "swept", SWEPT)
    done = run_pytest("-v", ".", "--spinbed-seed", str(2**64 - 1), cwd=folder, plugin=plugin)
    assert (done.returncode, counts(done)) == (0, {"passed": 3}), done.stdout
    assert "swept.toml::swept[transport.slots=44] PASSED" in done.stdout
    kept = sorted((folder / ".spinbed" / "journals").iterdir())
    assert [journal.read(path).header.seed for path in kept] == [2**64 - 1] * 3


def test_a_failure_is_three_lines_and_the_command_reproduces_it(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(folder, "unmet", UNMET)
    done = run_pytest("unmet.toml", "--spinbed-seed", "7", cwd=folder)
    assert (done.returncode, counts(done)) == (1, {"failed": 1})
    shown = re.search(r"_ unmet _+\n(.*?)\n===", done.stdout, re.DOTALL)
    assert shown is not None, done.stdout
    what, where, command = shown[1].splitlines()
    assert what.startswith("expected verdict invalid by fifo")
    assert ".spinbed/journals/unmet-" in where
    assert command == "spinbed run unmet.toml --seed 7 --world live"
    again = subprocess.run(
        [sys.executable, "-m", "sim.cli", *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=WATCHDOG_S,
        env=environment(),
    )
    assert again.returncode == 1, again.stderr
    assert what in again.stdout and command in again.stdout


def test_a_run_that_this_host_cannot_do_is_skipped_with_the_reason(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(folder, "elsewhere", ELSEWHERE)
    done = run_pytest(".", cwd=folder)
    assert (done.returncode, counts(done)) == (0, {"skipped": 1})
    reason = "pure kernels cannot evict"
    assert re.search(rf"SKIPPED \[1\] elsewhere\.toml(:1)?: {reason}", done.stdout), done.stdout


def test_one_run_of_a_sweep_is_chosen_by_its_id_or_by_k(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(folder, "swept", SWEPT)
    one = "swept.toml::swept[transport.slots=44]"
    assert items(run_pytest("--collect-only", "-q", one, cwd=folder)) == [one]
    assert items(run_pytest("--collect-only", "-q", "-k", "44", ".", cwd=folder)) == [one]


def test_lf_runs_only_what_failed(run_pytest: RunPytest, folder: Path) -> None:
    write(folder, "green", GOOD)
    write(folder, "unmet", UNMET)
    assert counts(run_pytest(".", cwd=folder)) == {"failed": 1, "passed": 1}
    done = run_pytest("--lf", "-v", ".", cwd=folder)
    assert "unmet.toml::unmet FAILED" in done.stdout
    assert "green.toml::green" not in done.stdout


def test_junit_gets_seed_verdict_and_journal(run_pytest: RunPytest, folder: Path) -> None:
    write(folder, "green", GOOD)
    assert run_pytest(".", "--junitxml=r.xml", "--spinbed-seed=5", cwd=folder).returncode == 0
    properties = {
        each.get("name"): each.get("value")
        for each in ElementTree.parse(str(folder / "r.xml")).getroot().iter("property")
    }
    assert (properties["seed"], properties["verdict"]) == ("5", "valid")
    assert journal.read(Path(str(properties["journal"]))).header.seed == 5


def test_a_wrong_seed_is_refused_before_anything_is_collected(
    run_pytest: RunPytest, folder: Path
) -> None:
    done = run_pytest("--spinbed-seed", "-1", ".", cwd=folder)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "-1" in done.stdout


def test_a_journal_folder_that_cannot_be_is_one_line(run_pytest: RunPytest, folder: Path) -> None:
    path = write(folder, "green", GOOD)
    done = run_pytest(path, "--spinbed-journal-dir", "settings.toml", cwd=folder)
    assert (done.returncode, counts(done)) == (1, {"failed": 1})
    assert "settings.toml: File exists" in done.stdout
    assert "Traceback" not in done.stdout


# The fixture.

FIXTURE_USERS = """\
import os
import threading
import pytest
from sim.errors import ScenarioError

def test_result(scenario):
    result = scenario("green.toml", seed=9)
    assert (result.verdict, result.as_expected, result.seed) == ("valid", True, 9)

def test_other_folder(scenario, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scenario.check("green.toml").seed == 3
    assert os.listdir(tmp_path) == []

def test_red(scenario):
    scenario.check("unmet.toml", seed=9)

def test_raises(scenario):
    with pytest.raises(AssertionError) as caught:
        scenario.check("unmet.toml", seed=9)
    assert len(str(caught.value).splitlines()) == 3

def test_sweep(scenario):
    run = "swept[transport.slots=44]"
    assert scenario.check("swept.toml", run=run).name == run
    with pytest.raises(ScenarioError, match="makes 2 runs, name one with run="):
        scenario("swept.toml")
    with pytest.raises(ScenarioError, match="did you mean"):
        scenario("swept.toml", run=run.replace("44", "5"))

def test_bad(scenario):
    with pytest.raises(ScenarioError, match="no such file"):
        scenario("gone.toml")
    with pytest.raises(ValueError, match="is no seed"):
        scenario("green.toml", seed=-1)

def test_skipped(scenario):
    scenario("elsewhere.toml")

def test_threads_take_turns(scenario):
    results = []
    run = lambda: results.append(scenario.check("green.toml"))
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [result.verdict for result in results] == ["valid"] * 3
"""


def test_the_fixture_runs_checks_skips_and_refuses(run_pytest: RunPytest, folder: Path) -> None:
    tests = folder / "tests"
    tests.mkdir()
    for name, text in (("green", GOOD), ("unmet", UNMET), ("swept", SWEPT)):
        write(tests, name, text)
    write(tests, "elsewhere", ELSEWHERE)
    (tests / "test_it.py").write_text(FIXTURE_USERS)
    done = run_pytest("tests/test_it.py", "--spinbed-seed=3", cwd=folder)
    assert counts(done) == {"failed": 1, "passed": 6, "skipped": 1}, done.stdout
    assert "FAILED tests/test_it.py::test_red" in done.stdout
    assert "spinbed run tests/unmet.toml --seed 9 --world live" in done.stdout
    assert "pure kernels cannot evict" in done.stdout


# The document.


def fenced(language: str) -> List[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> List[str]:
    lines = "".join(fenced("")).splitlines()
    return [line.partition("  #")[0] for line in lines if line.startswith("pytest ")]


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_document_runs_green(
    run_pytest: RunPytest, tmp_path: Path, command: str
) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    (tmp_path / "pytest.ini").touch()
    tests = tmp_path / "tests"
    tests.mkdir()
    (program,) = fenced("python")
    (tests / "test_transport.py").write_text(program)
    program_name, *words = shlex.split(command)
    assert program_name == "pytest" and words[:2] == ["-p", "spinbed"]
    done = run_pytest(*words[2:], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert counts(done)["passed"] >= 1
