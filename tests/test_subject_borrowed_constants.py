"""A constant that is returned without a reference kills, and a loader that counts goes without."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from broken_extensions import OWN, compiled, may_be_mended, started
from subject_runs import Run, subject

NEWER = "3.12"
IS_IMMORTAL = sys.version_info >= (3, 12)


def run(variant: str, built_with: str, factory: pytest.TempPathFactory, **more: str) -> Run:
    folder: Path = compiled(built_with, factory, limited_api=True).parent
    return subject("borrowed_constants", variant, SUBJECT_FOLDER=str(folder), **more)


def worked(variant: str, *, is_used: bool, calls: int = 2000) -> Dict[str, Any]:
    told = {"variant": variant, "calls": calls, "heard": calls}
    return {**told, "extension_is_used": is_used}


def test_before_dies_where_constants_are_counted_and_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert not may_be_mended(started(NEWER))
    done = run("before", NEWER, tmp_path_factory)
    if IS_IMMORTAL:
        assert done.result == worked("before", is_used=True)
    else:
        assert done.status == -signal.SIGABRT and done.out == ""
        if OWN == "3.11":
            assert "Fatal Python error: bool_dealloc" in done.err


def test_after_few_calls_before_dies_at_its_end(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    done = run("before", NEWER, tmp_path_factory, SUBJECT_CALLS="20")
    assert json.loads(done.out) == worked("before", is_used=True, calls=20)
    if OWN != "3.9":  # which gives up fewer of its own
        assert done.status == (0 if IS_IMMORTAL else -signal.SIGABRT)


def test_after_refuses_what_takes_references_and_says_so_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    done = run("after", NEWER, tmp_path_factory)
    assert done.result == worked("after", is_used=IS_IMMORTAL)
    warning = "constants takes references to True away (20 in 20 calls), Python runs instead"
    assert done.err.splitlines() == ([] if IS_IMMORTAL else [warning])


@pytest.mark.parametrize("variant", ["before", "after"])
def test_what_was_built_with_the_headers_of_its_limited_api_is_used(
    variant: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = run(variant, "3.11", tmp_path_factory)
    assert done.result == worked(variant, is_used=True)
    assert done.err == ""


def test_without_the_extension_the_interpreter_says_so(tmp_path: Path) -> None:
    done = subject("borrowed_constants", "before", SUBJECT_FOLDER=str(tmp_path))
    assert done.error == "ModuleNotFoundError: No module named 'constants'"
