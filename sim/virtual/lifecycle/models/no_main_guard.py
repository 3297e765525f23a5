"""Model of sim.subjects.no_main_guard, and of its two scripts."""

from __future__ import annotations

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.models.packages import FOLDER as PACKAGES
from sim.virtual.lifecycle.modules import Module, Source, importing
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import Steps

SUBJECT = "sim.subjects.no_main_guard"
UNGUARDED = f"{PACKAGES}/unguarded.py"
GUARDED = f"{PACKAGES}/guarded.py"

body = importing()


def _work(py: Interpreter) -> Steps[None]:
    yield None


def _unguarded(py: Interpreter, module: Module) -> Steps[None]:
    yield from py.imports.import_statement(py, "multiprocessing")
    process = yield from start(py, _work, method="spawn")
    yield from process.join()
    raise SystemExit(process.exitcode)


def _guarded(py: Interpreter, module: Module) -> Steps[None]:
    yield from py.imports.import_statement(py, "multiprocessing")
    if module.name == "__main__":
        process = yield from start(py, _work, method="spawn")
        yield from process.join()
        raise SystemExit(process.exitcode)


FILES = {
    UNGUARDED: Source(UNGUARDED, _unguarded),
    GUARDED: Source(GUARDED, _guarded),
}


def before(py: Interpreter) -> Steps[None]:
    yield from py.run_path(UNGUARDED, "__main__")


def after(py: Interpreter) -> Steps[None]:
    yield from py.run_path(GUARDED, "__main__")


VARIANTS = {"before": before, "after": after}
