"""The program that a fault is checked on: it does a little of all that a fault can spoil."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import threading
from multiprocessing.shared_memory import SharedMemory
from typing import Any

from sim.inside.probing import probe
from sim.live.strays import RUN

TURNS = 20
MODULE = "colorsys"  # of the standard library, and of no use to anybody here
POLL_S = 0.001
EXTENSION = "cy_kernels.clock"
LOCK = threading.Lock()


def main() -> None:
    """What goes wrong with its imports, it survives; some damage kills it."""
    region = SharedMemory(f"{os.environ[RUN]}.kit", create=True, size=64)  # a name of the run
    for _ in range(TURNS):
        probe("turn")
    region.close()
    try:
        region.unlink()
    except FileNotFoundError as error:
        probe("raised", exception=repr(error))
    beside = threading.Thread(target=load, args=(MODULE,))
    beside.start()
    turn = threading.Event()
    while MODULE not in sys.modules and beside.is_alive():
        turn.wait(POLL_S)
    load(MODULE)
    beside.join()
    fork()
    start_by_a_fork_server()
    load(EXTENSION)


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def start_by_a_fork_server() -> None:
    """The process runs our main module again: this one, as of the real one nobody knows a file."""
    context: Any = multiprocessing.get_context("forkserver")
    process = context.Process(target=int)
    sys.modules["__main__"] = sys.modules[__name__]
    try:
        process.start()
        process.join()
    except (EOFError, OSError) as error:  # what becomes of it if the server dies
        probe("raised", exception=repr(error))


def load(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        probe("raised", exception=repr(error))
