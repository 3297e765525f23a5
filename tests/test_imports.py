"""Every module of the product can be imported: what a language or a library lacks shows there."""

from __future__ import annotations

import importlib
import multiprocessing
import pkgutil
from typing import List

import cy_kernels.pure
import sim

DEADLINE_S = 120
OF_PROCESSES = ("sim.inside.", "sim.subjects.")  # test_inside_*.py, test_subject_*.py
OF_OTHERS = ("sim.bench.peers.", "sim.transport.peers.")  # may need what pip has not installed
OURS = {"sim", "cy_kernels", "spinbed"}


def modules() -> List[str]:
    """Less the compiled ones, which may be missing, and what only a started process imports."""
    packages = [(sim.__path__, "sim."), (cy_kernels.pure.__path__, "cy_kernels.pure.")]
    found = [each.name for path, prefix in packages for each in pkgutil.walk_packages(path, prefix)]
    return ["spinbed", *(name for name in found if not name.startswith(OF_PROCESSES))]


def import_all(names: List[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            assert name.startswith(OF_OTHERS) and str(error.name).split(".")[0] not in OURS, name


def test_every_module_is_imported_into_a_fresh_process():
    names = modules()
    assert {"sim.live.watcher", "sim.report", "sim.cli", "cy_kernels.pure.ring"} < {*names}
    process = multiprocessing.get_context("spawn").Process(target=import_all, args=(names,))
    process.start()
    process.join(DEADLINE_S)
    assert process.exitcode == 0
