"""References that an extension takes away are an invalid run before the program dies of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from broken_extensions import compiled, may_be_mended, started

from sim.history.op import EXIT
from sim.live.execution import run_plan
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan
from sim.verdict import RunResult, judge

NEWER = "3.12"  # its headers borrow under the limited API of 3.11
IS_IMMORTAL = sys.version_info >= (3, 12)
PROGRAM = """
from constants import say_true
from spinbed_inside.refcounts import drift
drift(say_true, name="say_true")
"""
LOST = "app: say_true lost 20 references to True in 20 calls; "


def judged(built_with: str, factory: pytest.TempPathFactory, supervisor: Supervisor) -> RunResult:
    folder: Path = compiled(built_with, factory, limited_api=True).parent
    path = json.dumps(os.pathsep.join([str(folder), *filter(None, sys.path)]))
    argv = json.dumps([sys.executable, "-c", PROGRAM])
    text = 'schema = 1\nname = "constants"\n[[process]]\nname = "app"\n'
    text += f"argv = {argv}\nenv = {{ PYTHONPATH = {path} }}\n"
    text += '[[check]]\nalias = "refcounts"\n'
    (scenario,) = load_text(text, "test.toml")
    plan = make_plan(scenario, 0)
    history, duration_ns = run_plan(plan, supervisor)
    (end,) = history.where(EXIT)
    assert end.outcome == "0", end.detail  # it lives: what was lost was given back
    return judge(plan, history, duration_ns=duration_ns, reproduce="again")


def test_a_borrowed_constant_is_invalid_while_the_program_lives(
    supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert not may_be_mended(started(NEWER))
    result = judged(NEWER, tmp_path_factory, supervisor)
    (answer,) = result.checkers
    if IS_IMMORTAL:
        assert (answer.result, result.verdict) == ("unknown", "unknown")
        assert "immortal" in answer.why
    else:
        assert (answer.alias, answer.result) == ("refcounts", "invalid")
        assert answer.why.startswith(LOST)


def test_built_with_the_headers_of_its_limited_api_it_is_flat(
    supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    result = judged("3.11", tmp_path_factory, supervisor)
    assert result.verdict == ("unknown" if IS_IMMORTAL else "valid")
