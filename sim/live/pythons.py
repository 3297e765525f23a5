"""The interpreter that a program is started in, and why there may be none.

A version names one that the bed has an environment of, with its own kernels built for it; a path
names an interpreter as it stands, with whatever its owner has installed.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Optional, Union

import cy_kernels
from cy_kernels import choice, features
from sim.errors import WorldError
from sim.faults.foreign_abi import ABI3, ForeignAbi
from sim.live import rungs
from sim.live.environments import (
    ABI3_BUILDER,
    Environment,
    environment_for,
    stable_kernels,
)
from sim.live.interpreters import Interpreter, Lack, find
from sim.scenario.plan import Plan

ASK_DEADLINE_S = 60.0  # a cold start of an interpreter, and its kernels

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Python:
    executable: str
    facts: Mapping[str, str] = field(compare=False)  # of the report: its version, and its kernels
    is_ours: bool


def lack_of_interpreters(plan: Plan) -> Optional[str]:
    """Why a program of the plan cannot be started here. Builds nothing."""
    for process in plan.processes:
        if process.python is not None:
            found = _found(process.python)
            if isinstance(found, Lack):
                return f"{process.name}: {found}"
    for injection in plan.injections:
        fault = injection.fault
        if isinstance(fault, ForeignAbi):
            reason = _lack_of_builder(fault.built_by)
            if reason is not None:
                return f"{fault.alias} on {fault.target}: {reason}"
    return None


def _lack_of_builder(built_by: str) -> Optional[str]:
    if "/" in built_by:
        return None if Path(built_by).expanduser().is_file() else f"there is no file {built_by}"
    found = _found(ABI3_BUILDER if built_by == ABI3 else built_by)
    if isinstance(found, Lack):
        return str(found)
    if built_by == ABI3 and not found.has_headers:
        return f"{found} has no headers to build kernels of the stable ABI with"
    return None


def python_for(spec: Optional[str]) -> Python:
    """Builds the kernels for it where that has not been done, and says so before it begins. Raises
    WorldError where there is none."""
    if spec is None:
        facts = {"python": platform.python_version(), "kernels": cy_kernels.status().kind}
        return Python(sys.executable, facts, is_ours=True)
    found = _found(spec)
    if isinstance(found, Interpreter) and "/" in spec:
        return Python(found.executable, {"python": found.version}, is_ours=False)
    made = found if isinstance(found, Lack) else _environment(found)
    if isinstance(made, Lack):
        raise WorldError("find", detail=str(made))
    facts = {"python": made.interpreter.version, "kernels": made.kernels}
    return Python(made.python, facts, is_ours=made.python == sys.executable)


def stable_kernels_here() -> Path:
    """Where kernels of the stable ABI are, built where that has not been done. Raises WorldError
    where they cannot be."""
    made = _stable_kernels()
    if isinstance(made, Lack):
        raise WorldError("find", detail=str(made))
    return made


@functools.lru_cache(maxsize=1)
def _stable_kernels() -> Union[Path, Lack]:
    return stable_kernels(tell=lambda line: logger.warning("%s", line))


def build_for(plan: Plan) -> None:
    """What its processes need of other interpreters: a run that had to wait for it would be taken
    for one that does not end. What cannot be built, the run tells."""
    specs = [process.python for process in plan.processes]
    faults = [injection.fault for injection in plan.injections]
    specs += [fault.built_by for fault in faults if isinstance(fault, ForeignAbi)]
    for spec in dict.fromkeys(specs):
        with contextlib.suppress(WorldError):
            if spec == ABI3:
                stable_kernels_here()
            elif spec is not None and "/" not in spec:
                python_for(spec)


def facts_in(python: Python, env: Mapping[str, str]) -> Mapping[str, str]:
    """Of a program that is started with these variables: `rung` is what `best` comes to there, ""
    where nothing tells."""
    if "kernels" not in python.facts:  # who knows what its owner has there
        return python.facts
    kind = env.get(choice.VARIABLE, "")
    rung = _rung(python, kind, env.get(features.VARIABLE, ""))
    kernels = choice.PURE if kind == choice.PURE else python.facts["kernels"]
    return {**python.facts, "kernels": kernels, "rung": rung}


@functools.lru_cache(maxsize=64)
def _rung(python: Python, kind: str, override: str) -> str:
    if python.is_ours:
        try:
            return rungs.best_rung(kind or cy_kernels.status().kind, override)
        except (ValueError, ImportError):  # for the program to meet, if it asks
            return ""
    variables = {choice.VARIABLE: kind, features.VARIABLE: override}
    env = {**os.environ, **variables}
    env.pop("PYTHONPATH", None)  # what it leads to is for our own interpreter
    script = Path(rungs.__file__).read_text(encoding="utf-8") + "\nprint(best_rung())\n"
    try:
        done = subprocess.run(
            [python.executable, "-c", script],
            cwd="/",
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_DEADLINE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


@functools.lru_cache(maxsize=64)  # an interpreter takes some 50 ms to say what it is
def _found(spec: str) -> Union[Interpreter, Lack]:
    return find(spec)


@functools.lru_cache(maxsize=64)
def _environment(interpreter: Interpreter) -> Union[Environment, Lack]:
    return environment_for(interpreter, tell=lambda line: logger.warning("%s", line))
