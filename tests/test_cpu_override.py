"""A SPINBED_CPU that makes no sense is bad input, wherever it stands, and nothing is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scenario_texts import GOOD
from warm_command import RunPytest

from cy_kernels.features import VARIABLE
from sim import run as story
from sim.errors import ScenarioError
from sim.live.cpu import check_environments, features_here
from sim.loading import load_all

WATCHDOG_S = 120  # only against a hang
BAD = "SPINBED_CPU='waitpgk': no feature is called 'waitpgk' (did you mean 'waitpkg'?)"
WITH_ENV = GOOD.replace('role = "reader"', 'role = "reader"\nenv = { SPINBED_CPU = "VALUE" }')


def spinbed(*words: str, cwd: Path, cpu: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-m", "sim.cli", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=WATCHDOG_S,
        env={**os.environ, "PYTHONPATH": path, VARIABLE: cpu},
    )


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What it said, but for the warning of an installation that is pure."""
    return [line for line in done.stderr.splitlines() if not line.startswith("cy_kernels: ")]


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.toml").write_text(text.replace("NAME", name), encoding="utf-8")


@pytest.mark.parametrize("words", ["run .", "run . --journal-dir journals", "doctor"])
def test_a_variable_that_names_no_feature_ends_the_command_with_64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("PATH", os.defpath)  # few interpreters to ask
    write(tmp_path, "good", GOOD)
    done = spinbed(*words.split(), cwd=tmp_path, cpu="waitpgk")
    assert (done.returncode, done.stdout) == (64, "")
    assert errors(done) == [f"spinbed: {BAD}"]
    assert [each.name for each in tmp_path.iterdir()] == ["good.toml"]


def test_every_process_whose_environment_makes_no_sense_is_named_and_nothing_runs(
    tmp_path: Path,
) -> None:
    write(tmp_path, "a", GOOD)  # it would run first
    write(tmp_path, "b", WITH_ENV.replace("VALUE", "waitpgk"))
    write(tmp_path, "c", WITH_ENV.replace("VALUE", "tsc_hz"))
    done = spinbed("run", ".", cwd=tmp_path, cpu="none")
    assert (done.returncode, done.stdout) == (64, "")
    assert errors(done) == [
        f"b.toml: reader.env: {BAD}",
        "c.toml: reader.env: SPINBED_CPU='tsc_hz': 'tsc_hz' needs a number: 'tsc_hz=64'",
    ]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_run_whose_override_makes_sense_runs(tmp_path: Path) -> None:
    write(tmp_path, "good", WITH_ENV.replace("VALUE", "none,tsc_hz=2500000000"))
    done = spinbed("run", ".", cwd=tmp_path, cpu="none")
    assert done.returncode == 0, done.stderr


def test_doctor_says_what_is_overridden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)  # few interpreters to ask
    done = spinbed("doctor", cwd=tmp_path, cpu="none,tsc_hz=2500000000")
    facts = dict(line.split(None, 1) for line in done.stdout.splitlines() if " " in line)
    assert facts["SPINBED_CPU"] == "none,tsc_hz=2500000000"
    assert facts["tsc"].endswith("2500.00 MHz (override)")


def test_under_pytest_it_is_an_error_of_the_collection(
    run_pytest: RunPytest, tmp_path: Path
) -> None:
    write(tmp_path, "a", WITH_ENV.replace("VALUE", "waitpgk"))
    done = run_pytest(".", cwd=tmp_path)
    assert f"a.toml: reader.env: {BAD}" in done.stdout
    assert "1 error" in done.stdout and "Traceback" not in done.stdout


def test_the_variable_of_the_runner_and_of_a_process_are_checked_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "none")
    assert features_here().override == "none"
    assert features_here(override="").override == ""
    write(tmp_path, "a", WITH_ENV.replace("VALUE", "quux"))
    plans = story.plan_all(load_all([str(tmp_path / "a.toml")]), 0)
    with pytest.raises(ScenarioError) as refused:
        check_environments([*plans, *plans])  # a sweep of many runs says it once
    [problem] = refused.value.problems
    assert (problem.key, problem.file) == ("reader.env", str(tmp_path / "a.toml"))
    monkeypatch.setenv(VARIABLE, "quux")
    with pytest.raises(ScenarioError, match="^spinbed: SPINBED_CPU='quux'"):
        check_environments([])
