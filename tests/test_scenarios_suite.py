"""The scenario files of this repository: all of them load, and smoke runs green by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from json_reports import skipped
from ring_regions import ALL_KERNELS

from cy_kernels.choice import PURE, VARIABLE
from sim.scenario.loader import load

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
FILES = sorted(SCENARIOS.rglob("*.toml"))
# Runs of smoke that pure kernels cannot do, and the reason that is given.
PURE_SKIPS = {
    "killed-reader-evicted": "pure kernels cannot evict (no compare-and-swap), and writer runs them"
}
COMMAND_WATCHDOG_S = 300  # only against a hang: smoke takes a few seconds


def of(*folders: str) -> list[Path]:
    return [path for path in FILES if path.relative_to(SCENARIOS).parts[0] in folders]


def relative(path: Path) -> str:
    return str(path.relative_to(SCENARIOS))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_scenario_file_loads(path: Path) -> None:
    runs = load(str(path))
    assert len(runs) >= 1


def test_names_are_unique_over_all_files() -> None:
    names = Counter(run.name for path in FILES for run in load(str(path)))
    assert [name for name, count in names.items() if count > 1] == []


def test_there_are_at_least_25_files_and_some_of_each_cost() -> None:
    assert len(of("smoke", "fast", "slow", "negative")) >= 25
    for folder in ("smoke", "fast", "slow", "negative"):
        assert of(folder), folder


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_file_is_named_after_its_scenario(path: Path) -> None:
    """So that a name in a report leads to its file."""
    name = load(str(path))[0].name.split("[", 1)[0]
    stem = f"{path.parent.name}_{path.stem}" if "regressions" in relative(path) else path.stem
    assert stem == name.replace("-", "_")


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_file_tells_its_story_in_one_line(path: Path) -> None:
    story = load(str(path))[0].story
    assert len(story) > 20
    assert "\n" not in story


def test_the_read_me_shows_a_scenario_as_it_is() -> None:
    shown = (SCENARIOS / "fast" / "stalled_reader.toml").read_text(encoding="utf-8")
    assert f"```toml\n{shown}```" in (SCENARIOS.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("on", ALL_KERNELS)
def test_smoke_runs_green_and_leaves_nothing_in_dev_shm(tmp_path: Path, on: str) -> None:
    command = [sys.executable, "-m", "sim.cli", "run", str(SCENARIOS / "smoke")]
    with subprocess.Popen(
        [*command, "--report", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, VARIABLE: on},
    ) as process:
        out, err = process.communicate(timeout=COMMAND_WATCHDOG_S)
    assert process.returncode == 0, out + err
    runs = json.loads(out)["scenarios"]
    assert len(runs) == len(of("smoke"))
    left_out = skipped(runs)
    assert left_out == (PURE_SKIPS if on == PURE else {})
    for run in runs:
        if run["name"] in left_out:
            continue
        assert (run["verdict"], run["as_expected"]) == ("valid", True), run["name"]
        assert {process["kernels"] for process in run["processes"]} == {on}, run["name"]
        assert all(fault["fired"] for fault in run["faults"]), run["name"]
    of_that_process = f"spinbed.{process.pid}."
    assert [name for name in os.listdir("/dev/shm") if name.startswith(of_that_process)] == []
