"""A program that warms up a fork server in a background thread, so as to start sooner.

    before  the thread sets the start method, preloads and starts the server; what goes wrong there
            is suppressed. The main thread sets the start method by a bare call
    after   the main thread does it all, one after the other

    SUBJECT_FIRST  who sets the start method first in `before`: background (default), and the main
                   thread's call raises; or main, and nobody hears that nothing was warmed up

Preloaded is `modelkit`, which the server finds by PYTHONPATH. Probes: result.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import threading
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import spinbed

FIRST = os.environ.get("SUBJECT_FIRST", "background")

PACKAGES = str(Path(__file__).parent / "packages")
PRELOADED = "modelkit"


def before() -> None:
    _find_packages()
    is_set = threading.Event()

    def warm() -> None:
        if FIRST == "main":
            is_set.wait()
        with contextlib.suppress(Exception):
            _warm_up()
        is_set.set()

    thread = threading.Thread(target=warm, name="prewarm", daemon=True)
    thread.start()
    if FIRST == "background":
        is_set.wait()
    multiprocessing.set_start_method("forkserver")
    is_set.set()
    thread.join()
    _work("before")


def after() -> None:
    _find_packages()
    _warm_up()
    _work("after")


def _warm_up() -> None:
    multiprocessing.set_start_method("forkserver", force=False)
    multiprocessing.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


def _find_packages() -> None:
    """For the fork server: it is an interpreter of its own."""
    path = [os.environ.get("PYTHONPATH", ""), PACKAGES]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))


def _work(variant: str) -> None:
    server: Any = forkserver._forkserver
    is_warm = server._forkserver_pid is not None
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_worker, args=(there,))
    process.start()
    is_preloaded = here.recv()
    process.join()
    method = multiprocessing.get_start_method()
    result = {"variant": variant, "method": method, "warm": is_warm, "preloaded": is_preloaded}
    spinbed.probe("result", **result)
    print(json.dumps(result))


def _worker(end: Connection) -> None:
    end.send(PRELOADED in sys.modules)
