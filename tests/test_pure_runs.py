"""Runs where nothing is compiled: they go on, degraded, say why once, and skip what they must."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from json_reports import skipped
from live_plans import injection, plan
from ring_regions import ALL_KERNELS

import cy_kernels
from cy_kernels.choice import COMPILED, PURE, VARIABLE
from sim.errors import ScenarioError
from sim.faults.kill import Kill
from sim.faults.restart import Restart
from sim.live.kernels import default_kernels, kernels_of, lack_of_kernels
from sim.scenario.plan import AfterOps

WATCHDOG_S = 120  # only against a hang: the runs take a second together

SCENARIO = """
schema = 1
name = "{name}"
[transport]
kind = "cursor_ring"
slots = 4
slot_bytes = 256
{transport}
[[process]]
name = "writer"
role = "writer"
workload = {{ messages = 50, deadline = "5s" }}
{writer}
[[process]]
name = "reader"
role = "reader"
start = "spawn"
workload = {{ deadline = "5s" }}
{rest}
"""
RESTART = """
[[fault]]
kind = "restart"
target = "reader"
at = { process = "reader", after_ops = 20 }
"""
FILES: Dict[str, Dict[str, str]] = {
    "plain": {},
    "asks": {"writer": 'kernels = "compiled"'},
    "evicts": {"transport": "evict_dead = true"},
    "restarts": {"rest": RESTART},
    "mutant": {"transport": 'kind = "flag_ring"\nmutant = "flag-before-data"'},
    "virtual": {},
}


@pytest.fixture(scope="module")
def without_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path on which the packages are, without anything compiled."""
    place = tmp_path_factory.mktemp("pure")
    # What is byte-compiled need not be once more; but for what is being written by somebody else.
    ignored = shutil.ignore_patterns("*.so", "*.pyc.*", "_build_note.txt")
    for name in ("sim", "cy_kernels"):
        module = sys.modules[name].__file__
        assert module is not None
        shutil.copytree(Path(module).parent, place / name, ignore=ignored)
    return place


def command(path: Path, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    words = ("run", str(folder), "--report", "json", "--jobs", "2")
    return spinbed(path, folder, *words, **environ)


def spinbed(
    path: Path, folder: Path, *words: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in (VARIABLE, cy_kernels.REQUIRE)}
    return subprocess.run(
        [sys.executable, "-m", "sim.cli", *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(path), **environ},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
    )


def test_an_installation_without_kernels_runs_and_says_once_why(
    without_kernels: Path, tmp_path: Path
) -> None:
    for name, parts in FILES.items():
        filled = {"transport": "", "writer": "", "rest": "", **parts}
        text = SCENARIO.format(name=name, **filled)
        if name == "mutant":
            text = text.replace('kind = "cursor_ring"\n', "")
        if name == "virtual":
            text = text.replace("[transport]", 'worlds = ["virtual"]\n[transport]')
        (tmp_path / f"{name}.toml").write_text(text)
    done = command(without_kernels, tmp_path)
    assert done.returncode == 0, done.stderr
    [warning] = done.stderr.splitlines()
    assert warning.startswith("cy_kernels: the compiled kernels could not be loaded, running pure:")
    assert "no compiled kernel is installed" in warning
    runs: Dict[str, Any] = {run["name"]: run for run in json.loads(done.stdout)["scenarios"]}
    assert (runs["plain"]["verdict"], runs["plain"]["as_expected"]) == ("valid", True)
    ran = {p["name"]: (p["kernels"], p["wait"]) for p in runs.pop("plain")["processes"]}
    assert ran == {"writer": ("pure", "backoff"), "reader": ("pure", "backoff")}
    reasons = skipped(runs.values())
    assert reasons.pop("asks").startswith("writer asks for compiled kernels: ModuleNotFoundError")
    swap = "(no compare-and-swap)"
    assert reasons == {
        "evicts": f"pure kernels cannot evict {swap}, and writer runs them",
        "restarts": f"pure kernels cannot take the place of a dead process over {swap},"
        " and reader runs them",
        "mutant": "pure kernels have no mutants, and writer runs them",
        "virtual": "the virtual world needs compiled kernels: there are none",
    }


BROKEN = """
schema = 1
name = "broken"
[[process]]
name = "app"
program = "sim.subjects.kernel_loader:before"
[[fault]]
kind = "break_extension"
target = "app"
how = "empty"
"""


def test_a_kernel_that_is_not_compiled_cannot_be_broken(
    without_kernels: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.toml").write_text(BROKEN)
    done = command(without_kernels, tmp_path)
    assert done.returncode == 0, done.stderr
    reason = skipped(json.loads(done.stdout)["scenarios"])["broken"]
    said = "there is no compiled file of cy_kernels.spinloop to be broken: ModuleNotFoundError"
    assert reason.startswith(said)


@pytest.mark.parametrize("words", ["explore x", "replay x", "shrink x", "diff x y"])
def test_what_needs_the_simulated_machine_is_refused_and_says_why(
    without_kernels: Path, tmp_path: Path, words: str
) -> None:
    done = spinbed(without_kernels, tmp_path, *words.split())
    assert (done.returncode, done.stdout) == (64, "")
    said = "spinbed: the virtual world needs compiled kernels: "
    assert done.stderr.splitlines()[-1].startswith(said), done.stderr
    assert "Traceback" not in done.stderr and list(tmp_path.iterdir()) == []


def test_who_asks_for_pure_kernels_is_not_warned(tmp_path: Path) -> None:
    text = SCENARIO.format(name="plain", transport="", writer="", rest="")
    (tmp_path / "plain.toml").write_text(text)
    path = Path(cy_kernels.__file__).parents[1]
    done = command(path, tmp_path, **{VARIABLE: PURE})
    assert (done.returncode, done.stderr) == (0, "")
    [run] = json.loads(done.stdout)["scenarios"]
    assert {process["kernels"] for process in run["processes"]} == {PURE}


def test_kernels_of_no_kind_are_bad_input(tmp_path: Path) -> None:
    text = SCENARIO.format(name="plain", transport="", writer="", rest="")
    (tmp_path / "plain.toml").write_text(text)
    done = command(Path(cy_kernels.__file__).parents[1], tmp_path, **{VARIABLE: "fast"})
    assert done.returncode == 64
    assert done.stderr == "spinbed: SPINBED_KERNELS='fast' is not one of compiled, pure\n"
    (tmp_path / "plain.toml").write_text(text.replace('start = "spawn"', 'kernels = "pur"'))
    done = command(Path(cy_kernels.__file__).parents[1], tmp_path)
    assert done.returncode == 64
    assert "unknown kind of kernels 'pur'; one of compiled, pure" in done.stderr


def test_a_key_beats_the_environment_of_the_process_and_that_the_runners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [writer, *_] = plan(env={VARIABLE: PURE}).processes
    monkeypatch.setenv(VARIABLE, COMPILED)
    assert default_kernels() == COMPILED
    assert kernels_of(writer) == PURE
    [writer, *_] = plan().processes
    assert kernels_of(writer) == COMPILED
    [writer, *_] = plan(env={VARIABLE: "fast"}).processes
    with pytest.raises(ScenarioError, match="'fast' are not one of compiled, pure"):
        kernels_of(writer)


@pytest.mark.skipif(COMPILED not in ALL_KERNELS, reason="mixes pure with compiled kernels")
def test_only_the_target_of_a_fault_must_be_able_to_do_what_it_takes() -> None:
    restart = injection(Restart("reader[0]"), AfterOps("reader[0]", 5))
    in_pure = plan(env={VARIABLE: PURE}, injections=[restart])
    assert lack_of_kernels(in_pure) is not None
    assert lack_of_kernels(plan(injections=[restart])) is None
    killed = injection(Kill("reader[0]"), AfterOps("reader[0]", 5))
    assert lack_of_kernels(plan(env={VARIABLE: PURE}, injections=[killed])) is None
