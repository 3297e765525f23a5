"""Each planted bug is caught by the checker that its file names; without the bug all is well."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Set

import pytest
from json_reports import skipped
from warm_command import Spinbed

from cy_kernels.choice import PURE, kernels
from sim.abc import Capability
from sim.checkers import ASKED_FOR, CHECKERS, OF_CLUSTERS
from sim.errors import ExitStatus
from sim.faults.disturb_wakes import DisturbWakes
from sim.live.kernels import PURE_CANNOT
from sim.live.rights import lack_of_rights
from sim.scenario.loader import load

NEGATIVE = Path(__file__).resolve().parents[1] / "scenarios" / "negative"
FILES = sorted(NEGATIVE.glob("*.toml"))

MUTANT_LINE = re.compile(r'^mutant = ".*"\n', re.MULTILINE)
PLANTED_KIND = re.compile(r'^kind = "sim\.testing\.planted:\w+"$', re.MULTILINE)
INVALID_EXPECTED = re.compile(r'^\[\[expect\]\]\nverdict = "invalid"\n(?:checker = ".*"\n)?', re.M)


def run(spinbed: Spinbed, folder: Path, tmp_path: Path) -> List[Mapping[str, Any]]:
    done = spinbed("run", folder, "--jobs", "2", "--report", "json", cwd=tmp_path)
    assert done.returncode == ExitStatus.OK, done.stdout + done.stderr
    runs = json.loads(done.stdout)["scenarios"]
    assert len(runs) >= 1
    return runs


def without_its_bug(text: str) -> str:
    sound, mutants = MUTANT_LINE.subn("", text)
    sound, plugins = PLANTED_KIND.subn('kind = "cursor_ring"', sound)
    sound, verdicts = INVALID_EXPECTED.subn("", sound)
    assert (mutants + plugins, verdicts) == (1, 1)
    return sound


def expected_checkers() -> Dict[str, Set[str]]:
    """Checker -> names of the scenarios that must be caught by it."""
    named = defaultdict(set)
    for path in FILES:
        for scenario in load(str(path)):
            for expectation in scenario.expectations:
                if expectation.checker is not None:
                    named[expectation.checker].add(scenario.name)
    return named


def mutants() -> Dict[str, str]:
    """What pure kernels cannot run, and why."""
    why = "pure kernels have no mutants, and writer runs them"
    runs = [scenario for path in FILES for scenario in load(str(path))]
    return {scenario.name: why for scenario in runs if scenario.transport.mutant is not None}


def disturbed() -> Dict[str, str]:
    """What cannot be emulated here, and why: not by pure kernels, nor by another machine."""
    lack = lack_of_rights(frozenset({Capability.DISTURB_WAKES}))
    if kernels().kind == PURE:
        lack = f"pure kernels cannot {PURE_CANNOT[Capability.DISTURB_WAKES]}, and reader runs them"
    runs = [scenario for path in FILES for scenario in load(str(path))]
    names = [s.name for s in runs if any(f.kind is DisturbWakes for f in s.faults)]
    return {name: lack for name in names if lack is not None}


def test_every_checker_has_a_file_that_must_be_caught_by_it() -> None:
    """Those of programs have theirs in test_startup_scenarios.py."""
    assert set(expected_checkers()) == set(CHECKERS) - {*ASKED_FOR, *OF_CLUSTERS}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_plants_exactly_one_bug(path: Path) -> None:
    assert without_its_bug(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")


def test_every_planted_bug_is_caught_by_the_checker_that_its_file_names(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    runs = run(spinbed, NEGATIVE, tmp_path)
    caught = defaultdict(set)
    left_out = skipped(runs)
    assert left_out == {**disturbed(), **(mutants() if kernels().kind == PURE else {})}
    for each in runs:
        if each["name"] in left_out:
            continue
        assert each["verdict"] == "invalid", each
        for checker in each["checkers"]:
            if checker["result"] == "invalid":
                caught[checker["alias"]].add(each["name"])
    for alias, names in expected_checkers().items():
        assert names - left_out.keys() <= caught[alias], alias


def test_the_same_files_without_their_bug_are_valid_and_as_expected(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    for path in FILES:
        text = without_its_bug(path.read_text(encoding="utf-8"))
        (sound / path.name).write_text(text, encoding="utf-8")
    runs = run(spinbed, sound, tmp_path)
    assert len(runs) >= len(FILES)
    assert skipped(runs) == disturbed()
    verdicts = {each["name"]: each["verdict"] for each in runs if each["name"] not in disturbed()}
    assert set(verdicts.values()) == {"valid"}, verdicts
