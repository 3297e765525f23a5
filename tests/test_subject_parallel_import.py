"""A package imported in the background, and what the main thread is left with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from heard_programs import Ended, plain_environment, run_inside
from subject_runs import Run, is_of_the_interpreter, subject, surroundings

# Later ones look into sys.modules again after the wait.
KEEPS_THE_OLD_MODULE = sys.version_info[:3] < (3, 13, 13)
REPETITIONS = 5
GOOD = {"program": "serve", "max_length": 20, "module": "LazyModule"}
FROM = "ImportError: cannot import name 'GenerationConfig' from 'modelkit' ("
ATTRIBUTE = "AttributeError: module 'modelkit' has no attribute 'GenerationConfig'"
BED = [
    {"kind": "watch", "modules": ["modelkit"]},
    {"kind": "gated", "module": "modelkit", "at": -2, "until": "main_waits"},
    {"kind": "gated", "module": "console", "until": "held:modelkit"},
]


def run(variant: str, **settings: object) -> Run:
    environment = {f"SUBJECT_{name.upper()}": str(value) for name, value in settings.items()}
    return subject("parallel_import", variant, **environment)


def in_the_bed(folder: Path, variant: str, specs: List[Dict[str, Any]]) -> Ended:
    code = f"from sim.subjects.parallel_import import {variant}; {variant}()"
    base = {**plain_environment(**surroundings()), "SUBJECT_ORDER": "none"}
    return run_inside(folder, {"imports": specs}, ["-c", code], base=base)


def fails_as_reported(done: Run, complaint: str) -> bool:
    """Fails itself where it neither fails so nor, in a later interpreter, works."""
    if KEEPS_THE_OLD_MODULE:
        assert done.error.startswith(complaint)
    else:
        assert done.result == {"variant": "before", **GOOD}
    return KEEPS_THE_OLD_MODULE


def test_the_main_thread_never_finds_the_name_when_its_package_is_on_the_way() -> None:
    for _ in range(REPETITIONS):
        done = run("before")
        if fails_as_reported(done, FROM):
            assert "partially initialized" not in done.err  # not the circular import's hint
            assert done.error.endswith("modelkit/__init__.py)")


def test_an_attribute_of_the_package_is_missing_likewise() -> None:
    fails_as_reported(run("before", statement="attribute"), ATTRIBUTE)


def test_import_module_looks_again_after_the_wait() -> None:
    done = run("before", statement="import_module")
    assert done.result == {"variant": "before", **GOOD}


@pytest.mark.parametrize("variant", ["after", "after_joined"])
@pytest.mark.parametrize("statement", ["from", "attribute", "import_module"])
def test_without_a_background_import_or_after_its_end_all_is_found(
    variant: str, statement: str
) -> None:
    assert run(variant, statement=statement).result == {"variant": variant, **GOOD}


def test_the_bed_orders_two_threads_that_race(tmp_path: Path) -> None:
    for _ in range(REPETITIONS):
        done = in_the_bed(tmp_path / "inside", "before", BED)
        assert done.events("gated", "modelkit") == ["held", "released"]
        assert done.events("gated", "console") == ["held", "released"]
        obtained = done.of("watch", "modelkit")[-1]
        assert (obtained["event"], obtained["is_main"]) == ("obtained", True)
        assert obtained["replaced"] and not obtained["partial"]
        if KEEPS_THE_OLD_MODULE:
            assert (done.status, done.last_line().startswith(FROM)) == (1, True)


def test_the_same_gates_find_nothing_to_hold_after_the_fix(tmp_path: Path) -> None:
    done = in_the_bed(tmp_path / "inside", "after", BED[:2])
    assert (done.status, done.events("gated")) == (0, ["impossible"])
    assert done.events("watch") == ["began", "ended"]


@pytest.mark.parametrize("variant", ["before", "after"])
def test_a_background_import_that_fails_is_hidden_by_who_suppresses_it(
    tmp_path: Path, variant: str
) -> None:
    failing = {"kind": "failing", "module": "modelkit", "exception": "OSError", "times": 1}
    gate = {"kind": "gated", "module": "console", "until": "raised:modelkit"}
    specs = [failing, gate] if variant == "before" else [failing]
    done = in_the_bed(tmp_path / "inside", variant, specs)
    # Before: the failure is the background's, nobody hears of it, and the next import works.
    assert done.events("failing") == ["raised"]
    assert (done.status, "OSError" in done.err) == (
        (0, False) if variant == "before" else (1, True)
    )


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [("moved", "No such file or directory: "), ("garbled", "Expecting ',' delimiter")],
)
def test_a_prefetch_that_fails_is_silent_before_and_reported_after(
    tmp_path: Path, weights: str, complaint: str
) -> None:
    silent = run("prefetch_before", weights=weights, folder=tmp_path)
    reported = run("prefetch_after", weights=weights, folder=tmp_path)
    assert silent.err == ""
    [line] = reported.err.splitlines()
    assert line.startswith("the weights are not read ahead: ") and complaint in line
    for done in (silent, reported):
        assert (done.result["weights"], done.result["prefetched"]) == (12288, 0)


@pytest.mark.parametrize("variant", ["prefetch_before", "prefetch_after"])
def test_weights_that_are_there_are_read_ahead_without_a_word(tmp_path: Path, variant: str) -> None:
    done = run(variant, folder=tmp_path)
    assert done.err == ""
    assert done.result == {"variant": variant, "weights": 12288, "prefetched": 12288}


def test_a_fork_server_is_warmed_up_and_then_the_start_method_is_set_once_more() -> None:
    done = subject("prewarm", "before")
    assert done.error == "RuntimeError: context has already been set"
    assert is_of_the_interpreter(done.innermost)


def test_a_prewarm_that_comes_second_fails_and_nobody_hears_of_it() -> None:
    done = subject("prewarm", "before", SUBJECT_FIRST="main")
    assert (done.result["warm"], done.result["preloaded"], done.err) == (False, False, "")


def test_what_one_thread_warms_up_is_warm() -> None:
    done = subject("prewarm", "after")
    expected = {"variant": "after", "method": "forkserver", "warm": True, "preloaded": True}
    assert (done.result, done.err) == (expected, "")
