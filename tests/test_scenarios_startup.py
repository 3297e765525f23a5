"""Programs whose start-up goes wrong: no file is as expected without what it plants.

That each is as expected with it, `spinbed run scenarios/startup scenarios/regressions` shows,
a stage of .ci/run as are the other scenarios; of every way to break an extension, test_damage.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Set

import pytest

from sim.errors import ExitStatus
from sim.faults.break_extension import KINDS, BreakExtension
from sim.live import damage
from sim.scenario.loader import load
from sim.scenario.scenario import Scenario

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
STARTUP, REGRESSIONS = SCENARIOS / "startup", SCENARIOS / "regressions"
COMMAND_WATCHDOG_S = 1200  # only against a hang: each command takes some 20 s of two cores

FAULT = re.compile(r"^\[\[fault\]\]\n(?:[^\[\n].*\n)*\n?", re.MULTILINE)
EXPECT = re.compile(r"^\[\[expect\]\]\n(?:[^\[\n].*\n)*\n?", re.MULTILINE)
NAME_AND_STORY = re.compile(r"^(?:name|story) = .*\n", re.MULTILINE)
SWEEP = re.compile(r"^\[sweep\.\w+\]\n(?:.*\n)*", re.MULTILINE)
BEFORE = re.compile(r'(?<=:)(\w*)before(?="$)', re.MULTILINE)
# What these faults do is waited out, or nobody hears of it: the program does the same without. Of
# the gated one it may do the same, if its threads happen to meet in the wrong order.
UNSEEN = {
    "background_import_avoided",
    "background_import_fails_unheard",
    "background_import_gated",
    "fork_while_logging",
    "kernel_import_slow",
    "loader_stalled",
    "preload_broken_unheard",
}
WITH_FAULTS = [
    path
    for path in sorted(STARTUP.glob("*.toml"))
    if FAULT.search(path.read_text(encoding="utf-8")) and path.stem not in UNSEEN
]
PAIRS = sorted(path for path in REGRESSIONS.iterdir() if path.is_dir())


def run(paths: Sequence[Path], tmp_path: Path, *statuses: ExitStatus) -> List[Mapping[str, Any]]:
    """The first run of each file."""
    names = [load(str(path))[0].name for path in paths]
    swept = [name for name in names if "[" in name]
    command = [sys.executable, "-m", "sim.cli", "run", *map(str, paths), "--jobs", "2"]
    done = subprocess.run(
        [*command, "-k", " or ".join(["not [", *swept]), "--report", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=COMMAND_WATCHDOG_S,
    )
    assert done.returncode in statuses, done.stdout + done.stderr
    runs: List[Mapping[str, Any]] = json.loads(done.stdout)["scenarios"]
    assert [each["name"] for each in runs] == names
    return runs


def scenarios(folder: Path) -> List[Scenario]:
    return [scenario for path in sorted(folder.rglob("*.toml")) for scenario in load(str(path))]


def ways(scenario: Scenario) -> Set[str]:
    """In which it breaks extension files."""
    broken = [table for table in scenario.faults if table.kind is BreakExtension]
    return {damage.parsed(table.parameters["how"])[0] for table in broken}


def without_faults(text: str) -> str:
    without, count = FAULT.subn("", text)
    assert count >= 1
    return SWEEP.sub("", without) if "fault[" in without else without


def test_every_way_to_break_an_extension_has_a_scenario() -> None:
    assert set().union(*map(ways, scenarios(STARTUP))) == set(KINDS) == set(damage.KINDS)


def test_there_are_at_least_50_runs_of_at_least_25_files() -> None:
    assert len(scenarios(STARTUP)) >= 50
    assert len(list(STARTUP.glob("*.toml"))) >= 25


def test_no_scenario_of_a_fault_is_as_expected_without_it(tmp_path: Path) -> None:
    """Files that are the same program but for their fault are one run, with what each expects."""
    sound = tmp_path / "sound"
    sound.mkdir()
    expected: Dict[str, Dict[str, List[str]]] = defaultdict(dict)  # program -> file -> tables
    for path in WITH_FAULTS:
        text = without_faults(path.read_text(encoding="utf-8"))
        head, tables, rest = EXPECT.sub("", text).partition("[[")
        program = NAME_AND_STORY.sub("", head) + tables + rest
        expected[program][path.stem] = EXPECT.findall(text)
    for program, files in expected.items():
        name = next(iter(files))
        tables = "\n".join(table for each in files.values() for table in each)
        text = f'name = "{name}"\n{program}\n{tables}'
        (sound / f"{name}.toml").write_text(text, encoding="utf-8")
    failures = (ExitStatus.SAFETY, ExitStatus.CRASH, ExitStatus.LIVENESS)
    for each in run(sorted(sound.iterdir()), tmp_path, *failures):
        (files,) = (it for it in expected.values() if Path(each["path"]).stem in it)
        asked = sum(map(len, files.values()))
        told = each["expectations"]
        assert asked <= len(told) <= asked + 1
        told = told[-asked:]  # ahead of the tables: the verdict that every run is asked for
        for stem, tables in files.items():
            of_the_file, told = told[: len(tables)], told[len(tables) :]
            assert not all(expectation["met"] for expectation in of_the_file), stem


@pytest.mark.parametrize("pair", PAIRS, ids=lambda path: path.name)
def test_every_regression_has_its_story_and_both_sides(pair: Path) -> None:
    assert {each.name for each in pair.iterdir()} == {"README.md", "before.toml", "after.toml"}
    for side in ("before", "after"):
        for scenario in load(str(pair / f"{side}.toml")):
            assert scenario.name.partition("[")[0] == f"{pair.name}_{side}".replace("_", "-")
    text = (pair / "before.toml").read_text(encoding="utf-8")
    links = re.findall(r"https://github\.com/\S+?(?=\")", text)
    story = (pair / "README.md").read_text(encoding="utf-8")
    assert links and all(link in story for link in links)


def test_no_regression_is_seen_in_a_program_that_is_mended(tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    mended.mkdir()
    for pair in PAIRS:
        text, count = BEFORE.subn(r"\1after", (pair / "before.toml").read_text(encoding="utf-8"))
        assert count >= 1
        (mended / f"{pair.name}.toml").write_text(text, encoding="utf-8")
    runs = run(sorted(mended.iterdir()), tmp_path, ExitStatus.SAFETY, ExitStatus.CRASH)
    assert [each["name"] for each in runs if each["as_expected"]] == []
    assert len(runs) >= len(PAIRS)


def test_no_mended_program_is_what_the_broken_one_is(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for pair in PAIRS:
        text = (pair / "after.toml").read_text(encoding="utf-8")
        text, count = re.subn(r'(?<=:)(\w*)after(?="\n)', r"\1before", text)
        assert count >= 1
        (broken / f"{pair.name}.toml").write_text(text, encoding="utf-8")
    runs = run(sorted(broken.iterdir()), tmp_path, ExitStatus.SAFETY, ExitStatus.CRASH)
    assert [each["name"] for each in runs if each["as_expected"]] == []
