"""Where each participant of a ring runs: in our interpreter, or in another one."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from cy_kernels.choice import COMPILED, PURE, VARIABLE
from sim.errors import WorldError
from sim.live.environments import ASK, lay_out_product
from sim.live.kernels import kernels_of
from sim.live.litter import remove_files
from sim.live.pythons import Python, python_for
from sim.live.supervisor import Supervisor
from sim.scenario.plan import ProcessPlan

ASK_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Place:
    """What a task says of it."""

    kernels: str  # "compiled" | "pure"
    interpreter: Optional[str] = None  # None: our own
    path: str = ""  # PYTHONPATH of another one


class Places:
    """Of one run. Close it."""

    def __init__(self, supervisor: Supervisor, prefix: str) -> None:
        self._supervisor = supervisor
        self._prefix = prefix
        self._product: Optional[str] = None

    def of(self, process: ProcessPlan) -> Place:
        """Raises WorldError where it cannot run as its plan says."""
        if process.python is None:
            return Place(kernels_of(process))
        python = python_for(process.python)
        if python.is_ours:
            return Place(kernels_of(process))
        has = _kernels_of(python)
        wanted = process.kernels or process.env.get(VARIABLE) or has
        if wanted == COMPILED and has == PURE:
            detail = f"{process.name}: {python.executable} has no compiled kernels"
            raise WorldError("start", detail=detail)
        return Place(wanted, python.executable, self._path())

    def _path(self) -> str:
        if self._product is None:
            folder = self._supervisor.folder_of(self._prefix)
            Path(folder).mkdir()
            lay_out_product(Path(folder))
            self._product = folder
        return self._product

    def close(self) -> None:
        if self._product is not None:
            remove_files([self._product])
            self._product = None


def _kernels_of(python: Python) -> str:
    """What an interpreter has that somebody else has set up: asked of it."""
    said = python.facts.get("kernels")
    if said is None:
        try:
            done = subprocess.run(
                [python.executable, "-c", ASK],
                cwd="/",
                capture_output=True,
                text=True,
                timeout=ASK_DEADLINE_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise WorldError("start", detail=f"{python.executable}: {error}") from error
        if done.returncode:
            why = done.stderr.strip().rpartition("\n")[2]
            raise WorldError("start", detail=f"{python.executable} lacks what a ring needs: {why}")
        said = str(json.loads(done.stdout))
    return COMPILED if said == COMPILED else PURE
