"""Model of sim.subjects.lazy_backend."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Dict, List, Optional, Tuple

from sim.virtual.lifecycle.interpreter import Handler, Interpreter
from sim.virtual.lifecycle.models import backends
from sim.virtual.lifecycle.models.backends import MODULES as MODULES
from sim.virtual.lifecycle.models.backends import VARIABLE
from sim.virtual.lifecycle.modules import Module, importing
from sim.virtual.lifecycle.multiprocess import Connection, pipe
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import Steps

SUBJECT = "sim.subjects.lazy_backend"
BACKENDS = ("present", "absent", "broken", "later", "imported")

body = importing("importlib", "json", "logging", "multiprocessing", "threading")
FILES = backends.installed(backends.INSTALLED)


def before(py: Interpreter) -> Steps[None]:
    yield from _run(py, "before", backends.EAGER)


def after(py: Interpreter) -> Steps[None]:
    yield from _run(py, "after", backends.LAZY)


def _backend(py: Interpreter) -> str:
    return py.environ.get("SUBJECT_BACKEND", "present")


def _kind(py: Interpreter) -> str:
    return py.environ.get("SUBJECT_WORKER_KIND", "process")


def _run(py: Interpreter, variant: str, module: str) -> Steps[None]:
    if _backend(py) not in BACKENDS or _kind(py) not in ("process", "thread"):
        raise SystemExit(f"{_backend(py)!r} is none of {BACKENDS}, or {_kind(py)!r} no kind")
    _provide(py)
    said = _listen(py)
    workers: List[Any] = []
    ends: List[Connection] = []
    for number in range(int(py.environ.get("SUBJECT_WORKERS", "1"))):
        worker, end = yield from _start(py, module, number)
        workers.append(worker)
        ends.append(end)
    records = yield from _converse(py, ends)
    for worker in workers:
        yield from (py.join(worker) if _kind(py) == "thread" else worker.join())
    if records is None:
        raise SystemExit("a worker has ended before its time")
    lines = Counter(said)
    for record in records:
        lines.update(record.pop("said"))
    result = {
        "variant": variant,
        "backend": _backend(py),
        "lines": dict(lines),
        "workers": records,
    }
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


def _converse(py: Interpreter, ends: List[Connection]) -> Steps[Optional[List[Dict[str, Any]]]]:
    """What the workers found out; None: one of them is gone, and the others were told to go."""
    try:
        for end in ends:
            yield from end.receive(py)
        if _backend(py) == "later":
            _install(py)
        for end in ends:
            yield from end.send(py, True)
        records = []
        for end in ends:
            record = yield from end.receive(py)
            records.append(record)
        return records
    except (EOFError, OSError):
        for end in ends:
            try:
                yield from end.send(py, False)
            except OSError:
                pass
        return None


def _start(py: Interpreter, module: str, number: int) -> Steps[Tuple[Any, Connection]]:
    here, there = pipe(py)
    if _kind(py) == "thread":
        thread = py.start_thread(_work(py, module, number, there), f"work {number}", daemon=True)
        return thread, here
    method = py.environ.get("SUBJECT_START_METHOD", "spawn")
    process = yield from start(py, _work, module, number, there, method=method)
    there.close(py)
    return process, here


def _work(py: Interpreter, module: str, number: int, end: Connection) -> Steps[None]:
    said = _listen(py) if _kind(py) == "process" else []
    if _backend(py) == "imported":
        yield from py.imports.import_module(py, "xfer._api")
    provider = yield from py.imports.import_module(py, module)
    record: Dict[str, Any] = {
        "is_loaded_at_import": "xfer" in py.imports.modules,
        "variable_at_import": py.environ.get(VARIABLE),
    }
    yield from py.probe("imported", **record)
    is_user = number < int(py.environ.get("SUBJECT_USERS", "1"))
    if is_user:
        record["first"] = yield from _use(py, provider)
    yield from end.send(py, None)
    is_to_go_on = yield from end.receive(py)
    if is_to_go_on:
        if is_user:
            record["second"] = yield from _use(py, provider)
            api = py.imports.modules.get("xfer._api")
            original = None if api is None else api.names.get("Agent")
            agent = yield from provider.lookup(py, "Agent")
            record["is_the_original"] = agent is original
        record.update(variable_at_end=py.environ.get(VARIABLE), said=said)
        yield from end.send(py, record)
    end.close(py)


def _use(py: Interpreter, provider: Module) -> Steps[Dict[str, Any]]:
    agent = yield from provider.lookup(py, "Agent")
    try:
        yield from provider.lookup(py, "Agent")
        has = True
    except AttributeError:
        has = False
    again = yield from provider.lookup(py, "Agent")
    return {
        "agent": agent and agent.name,
        "cache_max": agent and agent.cache_max,
        "has": has,
        "is_the_same": agent is again,
    }


def _listen(py: Interpreter) -> List[str]:
    """Everything that backends say in this process from now on, which also goes to stderr."""
    said: List[str] = []
    py.logging.level = "INFO"
    py.logging.handlers += [Handler(), Handler(said)]
    return said


def _provide(py: Interpreter) -> None:
    folder = py.expanded("SUBJECT_FOLDER")
    backend = _backend(py)
    if backend in ("broken", "later") and folder is None:
        raise SystemExit(f"SUBJECT_BACKEND={backend} needs a SUBJECT_FOLDER to install into")
    if backend == "absent":
        return
    py.path.insert(0, folder or backends.INSTALLED)
    if folder is not None and backend != "later":
        _install(py)
    if folder is not None and backend == "broken":
        py.machine.files[f"{folder}/xfer/{backends.LIBRARY}"] = "A text that is long enough.\n"


def _install(py: Interpreter) -> None:
    folder = py.expanded("SUBJECT_FOLDER")
    assert folder is not None
    for path, source in backends.installed(folder).items():
        py.machine.files.setdefault(path, source)


VARIANTS = {"before": before, "after": after}
