"""Compiled modules that another interpreter was built for, in real programs: what comes of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable, Optional, Tuple

import pytest
from broken_extensions import OWN, compiled, may_be_mended, started

from cy_kernels.choice import PURE, kernels
from sim.errors import ScenarioError
from sim.history.op import EXIT
from sim.live import environments, pythons
from sim.live.execution import run_plan
from sim.live.interpreters import Interpreter, Lack, find
from sim.live.supervisor import Supervisor
from sim.run import lacks
from sim.running import crew_for
from sim.scenario.loader import load_text
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.verdict import FaultResult, judge

PROGRAM = """
def calls():
    import constants
    for _ in range(20000):
        assert constants.say_true() is True
    print("worked")

def imports():
    import cy_kernels.clock
    print("worked")
"""
CALLED = "constants"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
IS_IMMORTAL = sys.version_info >= (3, 12)  # True is

Ran = Tuple[Optional[str], str, FaultResult]  # how it ended, what it printed, and the fault
Run = Callable[..., Ran]


def planned(folder: Path, function: str, **keys: Any) -> Plan:
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    text = 'schema = 1\nname = "abi"\ndeadline = "60s"\n[[process]]\nname = "app"\n'
    text += f'program = "app:{function}"\nenv = {{ PYTHONPATH = {json.dumps(path)} }}\n'
    text += '[[fault]]\nkind = "foreign_abi"\ntarget = "app"\n'
    text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    (scenario,) = load_text(text, "test.toml")
    return make_plan(scenario, 0)


@pytest.fixture
def run(supervisor: Supervisor, tmp_path: Path) -> Run:
    (tmp_path / "app.py").write_text(PROGRAM, encoding="utf-8")

    def run(function: str, **keys: Any) -> Ran:
        plan = planned(tmp_path, function, **keys)
        assert lacks(plan) is None
        history, duration_ns = run_plan(plan, supervisor)
        result = judge(plan, history, duration_ns=duration_ns, reproduce="again")
        (end,) = [op for op in history.where(EXIT) if op.process == "app"]
        (fault,) = result.faults
        detail = end.detail or {}
        return end.outcome, f"{detail['stdout']}{detail['stderr']}", fault

    return run


def own(folder: Path, factory: pytest.TempPathFactory) -> Path:
    """The program's module as its own interpreter has it."""
    made = folder / f"{CALLED}{SUFFIX}"
    shutil.copyfile(compiled(OWN, factory), made)
    return made


def test_a_file_for_the_stable_abi_of_newer_headers_kills_or_not_as_the_table_says(
    run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    intact = own(tmp_path, tmp_path_factory).read_bytes()
    assert not may_be_mended(started("3.12"))
    foreign = compiled("3.12", tmp_path_factory, limited_api=True)
    exit, said, fault = run("calls", module=CALLED, built_by=str(foreign))
    # On 3.12 both can be the same file, byte by byte, and nothing is then wrong with it.
    assert fault.fired is (foreign.read_bytes() != intact)
    assert fault.fired or IS_IMMORTAL
    assert exit == ("0" if IS_IMMORTAL else "SIGABRT"), said
    assert ("worked" in said) is IS_IMMORTAL
    assert (tmp_path / f"{CALLED}{SUFFIX}").read_bytes() == intact  # nobody's but the copy


def test_a_file_for_the_stable_abi_of_its_own_headers_works(
    run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own(tmp_path, tmp_path_factory)
    foreign = compiled("3.11", tmp_path_factory, limited_api=True)
    exit, said, fault = run("calls", module=CALLED, built_by=str(foreign))
    assert (exit, said) == ("0", "worked\n")
    # Headers up to 3.11 give the same file, byte by byte, and nothing is then wrong with it.
    assert fault.fired is IS_IMMORTAL


def test_the_programs_own_file_is_no_foreign_one(
    run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    same = own(tmp_path, tmp_path_factory)
    exit, _, fault = run("calls", module=CALLED, built_by=str(same))
    assert exit == "0" and not fault.fired


def test_kernels_of_another_interpreters_environment_lack_symbols_here(run: Run) -> None:
    if kernels().kind == PURE:
        pytest.skip("needs compiled kernels")
    if os.environ.get("CI") != "true":
        pytest.skip("builds kernels where CI=true")
    other = "3.9" if OWN == "3.13" else "3.13"
    started(other)
    exit, said, fault = run("imports", module="cy_kernels.clock", built_by=other)
    assert exit == "1" and "ImportError: " in said and "undefined symbol: " in said
    evidence = fault.evidence[0]["evidence"]
    assert fault.fired and f"built by {other}" in evidence["what"]
    assert SUFFIX in evidence["what"]


def test_abi3_is_the_kernel_of_the_stable_abi_and_takes_no_path(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is a stand-in: what the real one does is told by `make abi3` and scenarios/slow."""
    if kernels().kind == PURE:
        pytest.skip("needs compiled kernels")
    if isinstance(find("3.11"), Lack):
        pytest.skip("this host has no Python 3.11")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pythons._stable_kernels.cache_clear()
    built = environments.cache_folder() / environments.key() / abi3_name()
    (built / "cy_kernels").mkdir(parents=True)
    (built / environments.FACTS).write_text("{}")
    (built / "cy_kernels/clock.abi3.so").write_bytes(b"no library")
    try:
        exit, said, fault = run("imports", module="cy_kernels.clock", built_by="abi3")
    finally:
        pythons._stable_kernels.cache_clear()
    assert exit == "1" and "ImportError: " in said and "file too short" in said
    evidence = fault.evidence[0]["evidence"]
    assert fault.fired and "is clock.abi3.so, built by abi3" in evidence["what"]


def test_what_has_to_be_built_is_built_before_a_run_has_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it cannot be: that is then for the run to tell."""
    asked = []

    def build(interpreter: Interpreter, *, tell: Callable[[str], None]) -> Lack:
        asked.append(interpreter.version)
        return Lack("no compiler today")

    monkeypatch.setattr(pythons, "environment_for", build)
    pythons._environment.cache_clear()
    plan = planned(tmp_path, "calls", module=CALLED, built_by=OWN)
    try:
        words = {"journals": tmp_path, "jobs": 1, "again": lambda plan: "again"}
        crew_for([plan, plan], **words)
    finally:
        pythons._environment.cache_clear()
    assert [version.rpartition(".")[0] for version in asked] == [OWN]


def abi3_name() -> str:
    found = find(environments.ABI3_BUILDER)
    assert isinstance(found, Interpreter)
    return f"abi3-{environments.tag(found)}"


def test_without_the_builder_of_the_stable_abi_the_run_is_skipped_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, "calls", module=CALLED, built_by="abi3")
    monkeypatch.setattr(pythons, "ABI3_BUILDER", "3.77")
    assert "foreign_abi on app: no Python 3.77" in str(lacks(plan))


@pytest.mark.parametrize(
    ("built_by", "why"),
    [
        ("3.77", "foreign_abi on app: no Python 3.77"),
        ("/none.so", "foreign_abi on app: there is no file /none.so"),
    ],
)
def test_without_its_builder_the_run_is_skipped_and_says_why(
    tmp_path: Path, built_by: str, why: str
) -> None:
    assert why in str(lacks(planned(tmp_path, "calls", module=CALLED, built_by=built_by)))


def test_what_can_have_built_nothing_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="neither a version"):
        planned(tmp_path, "calls", module=CALLED, built_by="abi4")
