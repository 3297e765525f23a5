"""A program that shares memory with a process that it starts later.

    before  by the name of a region of multiprocessing.shared_memory. Up to 3.13 a program that has
            nothing to do with this one takes the name away if it only attaches, and exits
    after   by the descriptor of memory that has no name

The process reads a byte. Probes: made (the region), result.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import sys
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import spinbed

SIZE_BYTES = 64
VALUE = 42
CONTEXT = multiprocessing.get_context("spawn")


def before() -> None:
    region = SharedMemory(create=True, size=SIZE_BYTES)
    buffer: Any = region.buf
    buffer[0] = VALUE
    spinbed.probe("made", region=region.name)
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_read_by_name, args=(there, region.name))
    process.start()
    process.join()
    del buffer
    region.close()
    region.unlink()
    _say("before", process.exitcode, here)


def after() -> None:
    descriptor = os.memfd_create("region")
    os.ftruncate(descriptor, SIZE_BYTES)
    os.pwrite(descriptor, bytes([VALUE]), 0)
    spinbed.probe("made")
    here, there = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_read_by_descriptor, args=(there,))
    process.start()
    reduction.send_handle(here, descriptor, process.pid)
    process.join()
    _say("after", process.exitcode, here)


def _read_by_name(end: Connection, name: str) -> None:
    region = SharedMemory(name)
    buffer: Any = region.buf
    end.send(buffer[0])
    del buffer
    region.close()


def _read_by_descriptor(end: Connection) -> None:
    with mmap.mmap(reduction.recv_handle(end), SIZE_BYTES) as memory:
        end.send(memory[0])


def _say(variant: str, status: object, end: Connection) -> None:
    if status != 0:
        sys.exit(f"the process ended with status {status}")
    result = {"variant": variant, "value": end.recv()}
    spinbed.probe("result", **result)
    print(json.dumps(result))
