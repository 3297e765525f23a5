"""Two processes that share memory by its name, and each makes it where it finds none.

    unlinked_in_between   somebody unlinks it before the second comes: each has one of its own, and
                          waits for the other to write into it
    found                 nobody does: both have the same, and get on

The region's name begins as the run's, which removes it.

Probes: "hangs" or "works", when both wait. A hang has no end: whoever runs it kills it.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import spinbed
from sim.subjects.hiding import hide_if_asked

hide_if_asked()
SIZE_BYTES = 64
POLL_S = 0.01
CONTEXT: Any = multiprocessing.get_context("spawn")


def unlinked_in_between() -> None:
    _meet(is_unlinked=True)


def found() -> None:
    _meet(is_unlinked=False)


def _meet(*, is_unlinked: bool) -> None:
    name = f"{os.environ.get('SPINBED_RUN', 'psm')}.{os.getpid():x}"
    region = _made_or_found(name)
    if is_unlinked:
        region.unlink()
    here, there = CONTEXT.Pipe()  # a semaphore would leave a name
    peer = CONTEXT.Process(target=_peer, args=(name, there))
    peer.start()
    here.recv()
    spinbed.probe("hangs" if is_unlinked else "works")
    _say_and_hear(region, 0)
    peer.join()
    region.close()
    region.unlink()


def _peer(name: str, end: Any) -> None:
    region = _made_or_found(name)
    end.send("there")
    _say_and_hear(region, 1)
    region.close()


def _made_or_found(name: str) -> SharedMemory:
    try:
        return SharedMemory(name, create=True, size=SIZE_BYTES)
    except FileExistsError:
        return SharedMemory(name)


def _say_and_hear(region: SharedMemory, mine: int) -> None:
    buffer: Any = region.buf
    buffer[mine] = 1
    while not buffer[1 - mine]:
        time.sleep(POLL_S)
