"""The program that a fault is checked on: it does a little of all that a fault can spoil."""

from __future__ import annotations

import importlib
import sys
import threading

from sim.inside.probing import probe

TURNS = 20
MODULE = "colorsys"  # of the standard library, and of no use to anybody here
POLL_S = 0.001
EXTENSION = "cy_kernels.clock"


def main() -> None:
    """What goes wrong with its imports, it survives; some damage kills it."""
    for _ in range(TURNS):
        probe("turn")
    beside = threading.Thread(target=load, args=(MODULE,))
    beside.start()
    turn = threading.Event()
    while MODULE not in sys.modules and beside.is_alive():
        turn.wait(POLL_S)
    load(MODULE)
    beside.join()
    load(EXTENSION)


def load(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        probe("raised", exception=repr(error))
