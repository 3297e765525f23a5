"""The module `spinbed`: what a program that imports it gets, and what it does not pay for."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_runs import GOOD, WATCHDOG_S, environment, write

import cy_kernels
import spinbed
from sim.argument_types import SEED_MAX

needs_kernels = pytest.mark.skipif(
    cy_kernels.status().reason is not None, reason=f"kernels: {cy_kernels.status()}"
)


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=WATCHDOG_S,
        env=environment(),
    )


def test_every_public_name_is_there_and_documented_or_data() -> None:
    for name in spinbed.__all__:
        thing = getattr(spinbed, name)
        assert isinstance(thing, str) or inspect.getdoc(thing), name


def test_the_version_is_the_command_s(tmp_path: Path) -> None:
    done = python("import spinbed; raise SystemExit(spinbed.main(['version']))", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"spinbed {spinbed.__version__} (")


def test_an_import_starts_nothing_and_does_not_want_pytest(tmp_path: Path) -> None:
    seen = "[name for name in ('pytest', 'sim', 'multiprocessing') if name in sys.modules]"
    code = f"import os, sys, spinbed; print({seen}, os.listdir('.'))"
    done = python(code, tmp_path)
    assert (done.stdout, done.stderr) == ("[] []\n", "")


def test_the_plugin_that_pytest_is_told_of_can_be_imported() -> None:
    for name in spinbed.pytest_plugins:
        assert hasattr(importlib.import_module(name), "pytest_collect_file")


def test_bad_input_raises_every_problem_of_every_file_before_anything_starts(
    tmp_path: Path,
) -> None:
    write(tmp_path, "good", GOOD)
    write(tmp_path, "bad", GOOD.replace("slots = 4", "slots = -4").replace("cursor", "curser"))
    write(tmp_path, "worse", "schema = 99\n")
    with pytest.raises(spinbed.ScenarioError) as caught:
        spinbed.run(tmp_path, journal_dir=tmp_path / "journals")
    problems = caught.value.problems
    assert all(isinstance(problem, spinbed.Problem) for problem in problems)
    assert {Path(problem.file).name for problem in problems} == {"bad.toml", "worse.toml"}
    assert "transport.kind" in {problem.key for problem in problems}
    assert not (tmp_path / "journals").exists()


def test_a_path_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(spinbed.ScenarioError, match="no such file or folder"):
        spinbed.run(tmp_path / "gone.toml")


@needs_kernels
def test_a_folder_s_results_come_in_the_order_of_its_files(tmp_path: Path) -> None:
    scenarios = tmp_path / "scenarios"
    scenarios.mkdir()
    slow = GOOD.replace("messages = 20", "messages = 500")
    write(scenarios, "a", slow)
    write(scenarios, "b", GOOD)
    results = spinbed.run(str(scenarios), seed=SEED_MAX, jobs=2, journal_dir=tmp_path / "journals")
    assert [(each.name, each.seed, each.verdict) for each in results] == [
        ("a", SEED_MAX, "valid"),
        ("b", SEED_MAX, "valid"),
    ]
    assert all(each.as_expected and each.exit_status is spinbed.ExitStatus.OK for each in results)
    assert all(Path(str(each.journal)).parent == tmp_path / "journals" for each in results)


@needs_kernels
def test_a_run_that_is_not_as_expected_is_data_and_no_exception(tmp_path: Path) -> None:
    path = tmp_path / write(tmp_path, "unmet", GOOD + '[[expect]]\nverdict = "invalid"\n')
    (result,) = spinbed.run(path, journal_dir=tmp_path)
    assert (result.verdict, result.as_expected) == ("valid", False)
    assert result.exit_status is spinbed.ExitStatus.SAFETY
    assert len(result.failure) == 3 and result.failure[2] == result.reproduce


@needs_kernels
def test_a_program_that_runs_a_scenario_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / write(tmp_path, "green", GOOD)
    code = f"import os, spinbed; print(os.getpid(), *spinbed.run({str(path)!r})[0].failure)"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    prefix = f"spinbed.{done.stdout.strip()}."
    assert [name for name in os.listdir("/dev/shm") if name.startswith(prefix)] == []
