"""A program that has its fork server import a module in advance, which may not work.

    before  as the standard library does it: an ImportError there is ignored, everything else ends
            the server
    after   an interpreter of its own tries the import first; what fails there is left out, with one
            warning that has the cause

    SUBJECT_PRELOAD  preload_works (default), preload_lacks: it imports a module that there is not;
                     preload_raises: another error; preload_exits; or any other module
    SUBJECT_PATH     environment (default): the modules are found by PYTHONPATH; inserted: by what
                     this program puts into sys.path, of which a server learns from 3.14 on

Then a process of the fork server says whether it found the module imported. Probes: result.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Iterator

import spinbed

PRELOAD = os.environ.get("SUBJECT_PRELOAD", "preload_works")
PATH = os.environ.get("SUBJECT_PATH", "environment")

PACKAGES = str(Path(__file__).parent / "packages")
GATE = "SUBJECT_PRELOAD_GATE"  # a file: the server's import goes on once it is there
SECONDS_MAX = 60.0
LOOK_SECONDS = 0.001

log = logging.getLogger("sim.subjects.preload")


def before() -> None:
    _find_packages()
    multiprocessing.set_start_method("forkserver")
    multiprocessing.set_forkserver_preload([PRELOAD])
    _work("before")


def after() -> None:
    _find_packages()
    multiprocessing.set_start_method("forkserver")
    cause = _what_fails(PRELOAD)
    if cause is None:
        multiprocessing.set_forkserver_preload([PRELOAD])
    else:
        log.warning("%s is not preloaded: %s", PRELOAD, cause)
    _work("after")


def wait_for_gate() -> None:
    """In a module that ends the server: the program has sent its request by then, always."""
    gate = os.environ.get(GATE)
    deadline = time.monotonic() + SECONDS_MAX
    while gate and not os.path.exists(gate) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _find_packages() -> None:
    sys.path.append(PACKAGES)
    if PATH == "inserted":
        return
    # For the fork server: it is an interpreter of its own.
    path = [os.environ.get("PYTHONPATH", ""), PACKAGES]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))


def _what_fails(module: str) -> object:
    """None; else the last line of what a trial complained of, or how it ended."""
    code = f"import {module}"
    trial = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if trial.returncode == 0:
        return None
    return trial.stderr.strip().rpartition("\n")[2] or f"status {trial.returncode}"


def _work(variant: str) -> None:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_worker, args=(there,))
    with _gate_opened_by_the_wait():
        process.start()
    is_preloaded = here.recv()
    process.join()
    result = {"variant": variant, "preload": PRELOAD, "preloaded": is_preloaded}
    spinbed.probe("result", **result)
    print(json.dumps(result))


def _worker(end: Connection) -> None:
    end.send(PRELOAD in sys.modules)


@contextlib.contextmanager
def _gate_opened_by_the_wait() -> Iterator[None]:
    """Opens the gate once this thread waits for the server's answer: a server that died before the
    request would have it refused, by another error.
    """
    with tempfile.TemporaryDirectory() as folder:
        gate = os.path.join(folder, "open")
        os.environ[GATE] = gate
        is_over = threading.Event()
        waiter = threading.get_ident()

        def watch() -> None:
            while not is_over.wait(LOOK_SECONDS):
                frame = sys._current_frames()[waiter]
                if frame.f_code.co_name == "read_signed":
                    Path(gate).touch()
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
