"""A function compiled ahead of time that misses the builtins, its patches, and their guards."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from packaging.version import Version
from subject_runs import Run, program, subject

from sim.subjects.aot import framework as frameworks
from sim.subjects.aot import versions

VARIANTS = ("before", "merged", "released", "after")
PLAIN = [[10.5, 14.0, 116.20000000000002], 17, 3]  # round() gives ones
TENS = [*PLAIN[:1], 20, *PLAIN[2:]]  # the user's own does not
MISSING = "KeyError: 'type'"
ABSENT = "AttributeError: module 'framework' has no attribute 'Capture'"


def run(variant: str, **settings: object) -> Run:
    environment = {f"SUBJECT_{name.upper()}": str(value) for name, value in settings.items()}
    return subject("aot_builtins", variant, **environment)


def test_an_artefact_without_its_builtins_fails_when_it_is_loaded() -> None:
    done = run("before")
    assert done.error == MISSING
    # Out of C: the innermost line of Python is a look-up, and raises nothing itself.
    frames = done.err[done.err.rindex('  File "') :].splitlines()
    assert "framework.py" in frames[0] and "in load" in frames[0]
    assert frames[1].strip() == "values = operator.itemgetter(*refs)(used)"


@pytest.mark.parametrize("variant", ["merged", "released", "after"])
def test_a_patched_framework_saves_what_it_loads(variant: str) -> None:
    result = run(variant).result
    assert result["live"] == result["loaded"] == PLAIN and result["layers"] == 1


@pytest.mark.parametrize("variant", ["merged", "released"])
def test_a_user_s_function_with_the_name_of_a_builtin_is_silently_replaced_by_it(
    variant: str,
) -> None:
    done = run(variant, shadow=1)
    assert (done.result["live"], done.result["loaded"]) == (TENS, PLAIN)
    assert done.err == ""


def test_names_are_looked_up_as_the_interpreter_does() -> None:
    result = run("after", shadow=1).result
    assert result["live"] == result["loaded"] == TENS


def test_a_mended_framework_has_the_user_s_own_names_too() -> None:
    for variant in VARIANTS:
        result = run(variant, version="2.12.0", shadow=1).result
        assert result["live"] == result["loaded"] == TENS and result["layers"] == 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_builtins_that_do_not_pickle_are_left_out_and_counted(count: int) -> None:
    silent, told = (run(variant, unpicklable=count) for variant in ("merged", "after"))
    assert silent.result["dropped"] == told.result["dropped"] == count
    assert silent.err == ""
    lines = told.err.splitlines()
    assert len(lines) == (1 if count else 0)
    if count:
        assert lines[0].startswith(f"{count} of ") and "do not pickle" in lines[0]
        assert lines[0].endswith(", ".join(f"unpicklable_{number}" for number in range(count)))
    assert told.result["loaded"] == PLAIN


def test_a_mended_framework_drops_nothing() -> None:
    result = run("before", version="2.12.0", unpicklable=3).result
    assert result["dropped"] == 0 and result["loaded"] == PLAIN


@pytest.mark.parametrize(("variant", "loaded"), [("merged", PLAIN), ("after", TENS)])
def test_an_artefact_is_loaded_by_another_process(
    variant: str, loaded: List[Any], tmp_path: Path
) -> None:
    saved = run(variant, stage="save", folder=tmp_path, shadow=1).result
    assert "loaded" not in saved and (tmp_path / "artefact.pickle").stat().st_size > 0
    # Whoever loads it need not be patched, nor of the same version.
    result = run("before", stage="load", folder=tmp_path, shadow=1, version="2.10.0").result
    assert result["loaded"] == loaded


def test_an_artefact_that_misses_its_builtins_is_saved_without_a_word(tmp_path: Path) -> None:
    assert run("before", stage="save", folder=tmp_path).status == 0
    assert run("after", stage="load", folder=tmp_path).error == MISSING
    assert "needs the SUBJECT_FOLDER" in run("after", stage="load").error


# Of each version, patched n times: how many patches lie on it, and what comes of it. What a mended
# framework is given is a second cure, and harmless here.
Outcome = Tuple[Any, str]
N = "n"
DEFECTIVE = ("2.10.0a0+git", "2.10.0", "2.11", "2.12.0a0+git")
MENDED = ("2.12.0.dev1", "2.12.0rc1", "2.12.0", "2.12.0+cu")
RIGHT = "right"
GUARDS: Dict[str, Dict[str, Outcome]] = {
    "before": {
        "2.9": (0, "not compiled"),
        **dict.fromkeys(DEFECTIVE, (0, "KeyError")),
        **dict.fromkeys(MENDED, (0, RIGHT)),
    },
    "merged": {
        "2.9": (N, "AttributeError"),
        **dict.fromkeys(DEFECTIVE, (N, RIGHT)),
        "2.12.0.dev1": (N, RIGHT),
        "2.12.0rc1": (N, RIGHT),
        "2.12.0": (0, RIGHT),
        "2.12.0+cu": (0, RIGHT),
    },
    "released": {
        "2.9": (0, "not compiled"),
        "2.10.0a0+git": (0, "KeyError"),
        "2.10.0": (N, RIGHT),
        "2.11": (N, RIGHT),
        "2.12.0a0+git": (0, "KeyError"),
        **dict.fromkeys(MENDED, (0, RIGHT)),
    },
    "after": {
        "2.9": (0, "not compiled"),
        **dict.fromkeys(DEFECTIVE, (1, RIGHT)),
        **dict.fromkeys(MENDED, (0, RIGHT)),
    },
}
# One process for a variant: a module that is loaded again is the framework as it was installed.
MATRIX = """
import importlib, json, os, sys
from sim.subjects import aot_builtins
from sim.subjects.aot import framework

for version in framework.VERSIONS:
    for patches in range(3):
        os.environ.update(SUBJECT_VERSION=version, SUBJECT_PATCHES=str(patches))
        importlib.reload(framework)
        importlib.reload(aot_builtins)
        try:
            aot_builtins.VARIANT()
        except Exception as error:
            print(json.dumps({"error": type(error).__name__}))
"""


def outcome(told: Dict[str, Any]) -> str:
    if "error" in told:
        return str(told["error"])
    if "loaded" not in told:
        return "not compiled"
    return RIGHT if told["loaded"] == told["live"] == PLAIN else "wrong"


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_guard_lets_a_patch_through_to_the_versions_that_its_words_say(variant: str) -> None:
    done = program(MATRIX.replace("VARIANT", variant))
    assert done.status == 0, done.err
    lines = iter(json.loads(line) for line in done.out.splitlines())
    for version, (layers, result) in GUARDS[variant].items():
        for patches in range(3):
            told, where = next(lines), (version, patches)
            if patches == 0:
                result_here = GUARDS["before"][version][1]
            else:
                result_here = result
            assert outcome(told) == result_here, where
            if "error" not in told:
                wanted = patches if layers == N else min(layers, patches)
                assert told["layers"] == wanted, where
    assert next(lines, None) is None


def test_a_patch_of_what_is_not_there_ends_the_program() -> None:
    assert run("merged", version="2.9").error == ABSENT
    assert run("released", version="2.9").result["live"] == PLAIN


OTHERS = ["2.9", "2.10.0.dev", "2.12.0a0.dev3", "2.12", "2.12.1", "2.12.0b2", "2.12.0.dev", "3"]


def test_versions_have_the_order_that_pep_440_gives_them() -> None:
    known = [*frameworks.VERSIONS, *OTHERS]
    for one, other in itertools.product(known, repeat=2):
        by_packaging = Version(one) >= Version(other), Version(one) == Version(other)
        mine = versions.key(one) >= versions.key(other), versions.key(one) == versions.key(other)
        assert mine == by_packaging, (one, other)


@pytest.mark.parametrize("version", ["", "2.", "v2", "2.12.0-cu", "2.12.0c1"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        versions.key(version)
