"""What goes wrong as programs start is caught by the checker that its file names.

The bug of a file in scenarios/startup/negative is the variant of its subject: `after` is the same
program without it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, List, Mapping

import pytest
from warm_command import Spinbed

from sim.checkers import ASKED_FOR
from sim.errors import ExitStatus
from sim.scenario.loader import load

STARTUP = Path(__file__).resolve().parents[1] / "scenarios" / "startup"
NEGATIVE = sorted(STARTUP.joinpath("negative").glob("*.toml"))
# Caught where an extension can be compiled with other headers: tests/test_refcounts_checked.py.
BUILT = {"refcounts"}

VARIANT = re.compile(r'^(program = "sim\.subjects\.\w+):(?:before|merged)"$', re.MULTILINE)
OF_THE_BUG = re.compile(r'^\[\[expect\]\]\n(?:verdict = "invalid"\n.*|.*\nexit = .*)\n\n?', re.M)


def run(spinbed: Spinbed, folder: Path, tmp_path: Path) -> List[Mapping[str, Any]]:
    done = spinbed("run", folder, "--report", "json", cwd=tmp_path)
    assert done.returncode == ExitStatus.OK, done.stdout + done.stderr
    runs: List[Mapping[str, Any]] = json.loads(done.stdout)["scenarios"]
    return runs


def without_its_bug(text: str) -> str:
    sound, variants = VARIANT.subn(r'\1:after"', text)
    assert variants == 1
    sound = OF_THE_BUG.sub("", sound)
    assert "invalid" not in sound and "exit" not in sound
    return sound


def caught_by(path: Path) -> List[str]:
    (scenario,) = load(str(path))
    return [each.checker for each in scenario.expectations if each.checker is not None]


def test_every_checker_that_is_asked_for_has_a_file_that_it_must_catch() -> None:
    assert {alias for path in NEGATIVE for alias in caught_by(path)} | BUILT == set(ASKED_FOR)


def test_every_bug_is_caught_by_the_checker_that_its_file_names(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    runs = {each["name"]: each for each in run(spinbed, STARTUP / "negative", tmp_path)}
    assert len(runs) == len(NEGATIVE)
    for path in NEGATIVE:
        answers = runs[path.stem.replace("_", "-")]["checkers"]
        invalid = [each["alias"] for each in answers if each["result"] == "invalid"]
        assert invalid == caught_by(path), path


@pytest.mark.parametrize("path", NEGATIVE, ids=lambda path: path.stem)
def test_without_its_bug_it_is_valid_by_the_same_checker(
    spinbed: Spinbed, path: Path, tmp_path: Path
) -> None:
    log = '[[expect]]\nprocess = "damaged"\nlog = '
    text = without_its_bug(path.read_text(encoding="utf-8"))
    assert (log in text) == ("degradation" in caught_by(path))
    tmp_path.joinpath(path.name).write_text(text, encoding="utf-8")
    (done,) = run(spinbed, tmp_path / path.name, tmp_path)
    assert done["verdict"] == "valid", done
    assert [each["alias"] for each in done["checkers"]] == caught_by(path)


def test_a_kernel_broken_in_any_way_degrades_as_it_promises(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    runs = run(spinbed, STARTUP / "degraded_kernel.toml", tmp_path)
    assert len(runs) >= 5
    for each in runs:
        assert (each["verdict"], each["as_expected"]) == ("valid", True), each
        assert "degradation" in [checker["alias"] for checker in each["checkers"]]
        assert [fault["fired"] for fault in each["faults"]] == [True]


TOOK_NO_PATH = "degradation: damaged: took no weaker path: it ended by "


@pytest.mark.parametrize(
    ("variant", "how", "end"),
    [("before", "text", "1"), ("after", "init_raises", "1"), ("after", "sigsegv", "SIGSEGV")],
)
def test_a_guard_that_does_not_hold_is_caught(
    spinbed: Spinbed, variant: str, how: str, end: str, tmp_path: Path
) -> None:
    text = STARTUP.joinpath("degraded_kernel.toml").read_text(encoding="utf-8")
    text = text[: text.index("[sweep.product]")]
    text = text.replace("after_plus", variant, 1).replace('"missing"', f'"{how}"')
    path = tmp_path / "unguarded.toml"
    path.write_text(text, encoding="utf-8")
    done = spinbed("run", path, "--report", "json", cwd=tmp_path)
    (told,) = json.loads(done.stdout)["scenarios"]
    answers = {each["alias"]: each for each in told["checkers"]}
    assert answers["degradation"]["result"] == "invalid"
    assert f"degradation: {answers['degradation']['why']}" == TOOK_NO_PATH + end
