"""Model of sim.subjects.prewarm."""

from __future__ import annotations

import json
from typing import Any

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.locks import Event
from sim.virtual.lifecycle.models import import_order
from sim.virtual.lifecycle.models.packages import FOLDER as PACKAGES
from sim.virtual.lifecycle.models.packages import console, modelkit
from sim.virtual.lifecycle.modules import importing
from sim.virtual.lifecycle.multiprocess import pipe
from sim.virtual.lifecycle.starting import ensure_running, start
from sim.virtual.lifecycle.steps import Steps, suppressed

SUBJECT = "sim.subjects.prewarm"
PRELOADED = "modelkit"

body = importing("json", "multiprocessing", "multiprocessing.forkserver", "threading")
FILES = {**console(), **modelkit(import_order.pass_through)}


def before(py: Interpreter) -> Steps[None]:
    _find_packages(py)
    is_set = Event("that the start method is set")
    is_main_first = py.environ.get("SUBJECT_FIRST", "background") == "main"

    def warm() -> Steps[None]:
        if is_main_first:
            yield from is_set.wait(py)
        try:
            yield from _warm_up(py)
        except Exception as error:
            suppressed(error)
        is_set.set()

    thread = py.start_thread(warm(), "prewarm", daemon=True)
    if not is_main_first:
        yield from is_set.wait(py)
    py.mp.set_start_method("forkserver")
    is_set.set()
    yield from py.join(thread)
    yield from _work(py, "before")


def after(py: Interpreter) -> Steps[None]:
    _find_packages(py)
    yield from _warm_up(py)
    yield from _work(py, "after")


def _warm_up(py: Interpreter) -> Steps[None]:
    py.mp.set_start_method("forkserver", force=False)
    py.mp.preload = [PRELOADED]
    yield from ensure_running(py)


def _find_packages(py: Interpreter) -> None:
    py.environ["PYTHONPATH"] = ":".join(filter(None, [py.environ.get("PYTHONPATH", ""), PACKAGES]))


def _work(py: Interpreter, variant: str) -> Steps[None]:
    is_warm = py.mp.server is not None
    here, there = pipe(py)
    process = yield from start(py, _worker, there)
    is_preloaded = yield from here.receive(py)
    yield from process.join()
    method = py.mp.get_start_method()
    yield from _say(py, variant=variant, method=method, warm=is_warm, preloaded=is_preloaded)


def _worker(py: Interpreter, end: Any) -> Steps[None]:
    yield from end.send(py, PRELOADED in py.imports.modules)


def _say(py: Interpreter, **result: Any) -> Steps[None]:
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


VARIANTS = {"before": before, "after": after}
