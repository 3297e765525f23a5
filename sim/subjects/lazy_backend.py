"""Workers that make a backend available, most of which never use it: eagerly, and lazily.

    before  a module that imports the backend with itself (backends/eager.py)
    after   one that imports it at the first use of its names (backends/lazy.py, with its traps)

    SUBJECT_BACKEND       present (default), absent, broken: its native library is a text;
                          later: installed between a worker's first and second use; imported:
                          directly, before the module is
    SUBJECT_FOLDER        where the package is copied to, unless it is there already, and found;
                          broken and later need it. $VARIABLES are expanded. Unset: found where
                          it was installed with this
    SUBJECT_WORKERS       how many import the module; 1
    SUBJECT_USERS         how many of them use the backend; 1
    SUBJECT_WORKER_KIND   process (default) or thread
    SUBJECT_START_METHOD  of the processes: spawn (default), fork, forkserver

Probes: imported (a worker's), result. A worker that ends by an exception ends the program by
status 1.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import multiprocessing
import os
import shutil
import sys
import threading
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

import spinbed

BACKEND = os.environ.get("SUBJECT_BACKEND", "present")
FOLDER = os.path.expandvars(os.environ.get("SUBJECT_FOLDER", "")) or None
WORKERS = int(os.environ.get("SUBJECT_WORKERS", "1"))
USERS = int(os.environ.get("SUBJECT_USERS", "1"))
WORKER_KIND = os.environ.get("SUBJECT_WORKER_KIND", "process")
START_METHOD = os.environ.get("SUBJECT_START_METHOD", "spawn")

BACKENDS = ("present", "absent", "broken", "later", "imported")
INSTALLED = Path(__file__).parent / "backends" / "installed"
VARIABLE = "XFER_CACHE_MAX"
BROKEN = "A text that is longer than the header of a shared object, where one should be.\n"

Worker = Union[multiprocessing.process.BaseProcess, threading.Thread]


def before() -> None:
    _run("before", "sim.subjects.backends.eager")


def after() -> None:
    _run("after", "sim.subjects.backends.lazy")


def _run(variant: str, module: str) -> None:
    if BACKEND not in BACKENDS or WORKER_KIND not in ("process", "thread"):
        sys.exit(f"{BACKEND!r} is none of {BACKENDS}, or {WORKER_KIND!r} no kind of worker")
    _provide()
    said = _listen()  # what threads say; each process listens to itself
    workers: List[Worker] = []
    ends: List[Connection] = []
    for number in range(WORKERS):
        worker, end = _start(module, number)
        workers.append(worker)
        ends.append(end)
    records = _converse(ends)
    for worker in workers:
        worker.join()
    if records is None:
        sys.exit("a worker has ended before its time")
    lines = Counter(said)
    for record in records:
        lines.update(record.pop("said"))
    result = {"variant": variant, "backend": BACKEND, "lines": lines, "workers": records}
    spinbed.probe("result", **result)
    print(json.dumps(result))


def _converse(ends: List[Connection]) -> Optional[List[Dict[str, Any]]]:
    """What the workers found out; None: one of them is gone, and the others were told to go."""
    try:
        for end in ends:
            end.recv()  # it has used the backend once, or will not
        if BACKEND == "later":
            _install()
        for end in ends:
            end.send(True)
        return [end.recv() for end in ends]
    except (EOFError, OSError):
        for end in ends:
            with contextlib.suppress(OSError):
                end.send(False)
        return None


def _start(module: str, number: int) -> tuple[Worker, Connection]:
    here, there = multiprocessing.Pipe()
    if WORKER_KIND == "thread":
        thread = threading.Thread(target=_work, args=(module, number, there), daemon=True)
        thread.start()
        return thread, here
    context: Any = multiprocessing.get_context(START_METHOD)
    process = context.Process(target=_work, args=(module, number, there))
    process.start()
    there.close()  # its only copy is the worker's: when it dies, we know
    return process, here


def _work(module: str, number: int, end: Connection) -> None:
    said = _listen() if WORKER_KIND == "process" else []
    with end:
        if BACKEND == "imported":
            importlib.import_module("xfer._api")
        provider: Any = importlib.import_module(module)
        record: Dict[str, Any] = {
            "is_loaded_at_import": "xfer" in sys.modules,
            "variable_at_import": os.environ.get(VARIABLE),
        }
        spinbed.probe("imported", **record)
        if number < USERS:
            record["first"] = _use(provider)
        end.send(None)
        if not end.recv():
            return
        if number < USERS:
            importlib.invalidate_caches()
            record["second"] = _use(provider)
            api: Optional[Any] = sys.modules.get("xfer._api")
            record["is_the_original"] = provider.Agent is getattr(api, "Agent", None)
        end.send({**record, "variable_at_end": os.environ.get(VARIABLE), "said": said})


def _use(provider: Any) -> Dict[str, Any]:
    agent = provider.Agent
    return {
        "agent": agent and agent.__name__,
        "cache_max": agent and agent.cache_max,
        "has": hasattr(provider, "Agent"),
        "is_the_same": agent is provider.Agent,
    }


def _listen() -> List[str]:
    """Everything that backends say in this process from now on, which also goes to stderr."""
    said: List[str] = []
    logger = logging.getLogger("sim.subjects.backends")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler())
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(listener)
    return said


def _provide() -> None:
    if BACKEND in ("broken", "later") and FOLDER is None:
        sys.exit(f"SUBJECT_BACKEND={BACKEND} needs a SUBJECT_FOLDER to install into")
    if BACKEND == "absent":
        return
    sys.path.insert(0, FOLDER or str(INSTALLED))
    if FOLDER is not None and BACKEND != "later":
        _install()
    if FOLDER is not None and BACKEND == "broken":
        Path(FOLDER, "xfer", "libxfer.so").write_text(BROKEN)


def _install() -> None:
    assert FOLDER is not None
    if not Path(FOLDER, "xfer").exists():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(INSTALLED / "xfer", Path(FOLDER, "xfer"), ignore=ignored)
