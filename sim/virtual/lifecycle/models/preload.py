"""Model of sim.subjects.preload."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from sim.virtual.lifecycle.interpreter import Interpreter, report
from sim.virtual.lifecycle.models.packages import FOLDER as PACKAGES
from sim.virtual.lifecycle.modules import Module, Source, importing
from sim.virtual.lifecycle.multiprocess import pipe
from sim.virtual.lifecycle.starting import anew, await_request, start
from sim.virtual.lifecycle.steps import Exited, Steps, Wait, modelled

SUBJECT = "sim.subjects.preload"

body = importing("json", "logging", "multiprocessing", "threading")


def _works(py: Interpreter, module: Module) -> Steps[None]:
    yield None


def _lacks(py: Interpreter, module: Module) -> Steps[None]:
    yield from py.imports.import_statement(py, "not_installed_anywhere")


def _raises(py: Interpreter, module: Module) -> Steps[None]:
    yield from await_request(py)
    raise modelled(ValueError("invalid literal for int() with base 10: 'many'"))


def _exits(py: Interpreter, module: Module) -> Steps[None]:
    yield from await_request(py)
    raise Exited(3)


FILES: Dict[str, Source] = {
    f"{PACKAGES}/preload_{name}.py": Source(f"{PACKAGES}/preload_{name}.py", each)
    for name, each in (
        ("works", _works),
        ("lacks", _lacks),
        ("raises", _raises),
        ("exits", _exits),
    )
}


def before(py: Interpreter) -> Steps[None]:
    _find_packages(py)
    py.mp.set_start_method("forkserver")
    py.mp.preload = [_preload(py)]
    yield from _work(py, "before")


def after(py: Interpreter) -> Steps[None]:
    _find_packages(py)
    py.mp.set_start_method("forkserver")
    preload = _preload(py)
    cause = yield from _what_fails(py, preload)
    if cause is None:
        py.mp.preload = [preload]
    else:
        yield from py.log("WARNING", SUBJECT, f"{preload} is not preloaded: {cause}")
    yield from _work(py, "after")


def _preload(py: Interpreter) -> str:
    return py.environ.get("SUBJECT_PRELOAD", "preload_works")


def _find_packages(py: Interpreter) -> None:
    py.path.append(PACKAGES)
    if py.environ.get("SUBJECT_PATH", "environment") != "inserted":
        path = [py.environ.get("PYTHONPATH", ""), PACKAGES]
        py.environ["PYTHONPATH"] = ":".join(filter(None, path))


def _what_fails(py: Interpreter, module: str) -> Steps[Optional[str]]:
    """None; else the last line of what a trial complained of, or how it ended."""
    process = py.machine.start_process(py.process, py.process.program, f"python -c import {module}")
    trial = anew(py, process)
    said = []

    def main(them: Interpreter) -> Steps[None]:
        try:
            yield from them.imports.import_statement(them, module)
        except Exception as error:
            said.append(report(error).rpartition("\n")[2])
            raise SystemExit(1) from error

    py.machine.start_thread(process, trial.run(main))
    yield Wait(lambda: process.is_dead, process)
    if process.status == 0:
        return None
    return said[0] if said else f"status {process.status}"


def _work(py: Interpreter, variant: str) -> Steps[None]:
    preload = _preload(py)
    here, there = pipe(py)
    process = yield from start(py, _worker, there)
    is_preloaded = yield from here.receive(py)
    yield from process.join()
    yield from _say(py, variant=variant, preload=preload, preloaded=is_preloaded)


def _worker(py: Interpreter, end: Any) -> Steps[None]:
    yield from end.send(py, _preload(py) in py.imports.modules)


def _say(py: Interpreter, **result: Any) -> Steps[None]:
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


VARIANTS = {"before": before, "after": after}
