"""Model of sim.subjects.fork_with_held_lock."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict

from sim.virtual.lifecycle.interpreter import Handler, Interpreter
from sim.virtual.lifecycle.locks import Event, Lock
from sim.virtual.lifecycle.models.packages import FOLDER as PACKAGES
from sim.virtual.lifecycle.modules import Module, Source, importing
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import Steps

SUBJECT = "sim.subjects.fork_with_held_lock"
VALUE = 42

_imports = importing("importlib", "json", "logging", "multiprocessing", "threading")


def body(py: Interpreter, module: Module) -> Steps[None]:
    """Its globals: a fork copies them, a spawned process makes its own."""
    yield from _imports(py, module)
    handler = Handler()
    py.logging.handlers.append(handler)
    module.names.update(lock=Lock("the lock of the program"), handler=handler)
    module.names.update(is_held=Event("that the lock is held"))
    module.names.update(is_started=Event("that the process is started"))


def _held_module(py: Interpreter, module: Module) -> Steps[None]:
    if py.thread.name == "holder":
        yield from _hold(py)
    yield None
    module.names["VALUE"] = VALUE


FILES = {f"{PACKAGES}/held_module.py": Source(f"{PACKAGES}/held_module.py", _held_module)}


def before(py: Interpreter) -> Steps[None]:
    yield from _run(py, "before", "fork")


def after(py: Interpreter) -> Steps[None]:
    yield from _run(py, "after", "spawn")


def _names(py: Interpreter) -> Dict[str, Any]:
    return py.imports.modules[SUBJECT].names


def _run(py: Interpreter, variant: str, method: str) -> Steps[None]:
    lock = py.environ.get("SUBJECT_LOCK", "plain")
    py.start_thread(HOLDERS[lock](py), "holder", daemon=True)
    yield from _names(py)["is_held"].wait(py)
    queue = py.mp.queue(py, method)
    process = yield from start(py, _use, queue, lock, method=method)
    _names(py)["is_started"].set()
    yield from py.probe("started", pid=process.pid)
    yield from process.join()
    value = yield from queue.get(py)
    result = {"variant": variant, "lock": lock, "status": process.exitcode, "value": value}
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


def _hold(py: Interpreter) -> Steps[None]:
    _names(py)["is_held"].set()
    yield from _names(py)["is_started"].wait(py)


def _hold_plain(py: Interpreter) -> Steps[None]:
    lock = _names(py)["lock"]
    yield from lock.acquire(py)
    yield from _hold(py)
    lock.release()


def _hold_logging(py: Interpreter) -> Steps[None]:
    lock = _names(py)["handler"].lock
    yield from lock.acquire(py)
    yield from _hold(py)
    lock.release()


def _import_held(py: Interpreter) -> Steps[None]:
    if PACKAGES not in py.path:
        py.path.insert(0, PACKAGES)
    yield from py.imports.import_module(py, "held_module")


def _use_plain(py: Interpreter) -> Steps[None]:
    lock = _names(py)["lock"]
    yield from lock.acquire(py)
    lock.release()


def _use_logging(py: Interpreter) -> Steps[None]:
    handler = _names(py)["handler"]
    yield from handler.lock.acquire(py)
    handler.emit(py, "logged")
    handler.lock.release()


def _use(py: Interpreter, queue: Any, lock: str) -> Steps[None]:
    yield from USERS[lock](py)
    yield from queue.put(py, VALUE)


HOLDERS: Dict[str, Callable[[Interpreter], Steps[None]]] = {
    "plain": _hold_plain,
    "logging": _hold_logging,
    "import": _import_held,
}
USERS: Dict[str, Callable[[Interpreter], Steps[None]]] = {
    "plain": _use_plain,
    "logging": _use_logging,
    "import": _import_held,
}
VARIANTS = {"before": before, "after": after}
