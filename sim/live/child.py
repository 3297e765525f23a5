"""A participant from its first instruction to its last, whatever started it."""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
import traceback
from typing import Any, Sequence

from cy_kernels import features
from cy_kernels.choice import VARIABLE
from sim.live import emulation, mounts
from sim.live.death import die_with_parent
from sim.live.memory import ProcessMemory
from sim.live.orders import LogToRunner, Orders
from sim.live.region import LiveRegions
from sim.live.steps import BEFORE_ATTACH, BEFORE_DETACH, Gate
from sim.live.task import Task
from sim.live.workload import read, through, write
from sim.scenario.plan import ReaderWorkload, WriterWorkload
from sim.transport import find_transport

STDERR = 2


def main(control: int, memory: int, stderr: int, foreign: Sequence[int]) -> int:
    """The exit status. `foreign` are descriptors that came along and are not ours to keep."""
    for fd in foreign:
        os.close(fd)
    os.dup2(stderr, 1)
    os.dup2(stderr, STDERR)
    os.close(stderr)
    die_with_parent()
    faulthandler.enable(STDERR)
    faulthandler.register(signal.SIGUSR1, STDERR)
    try:
        _participate(socket.socket(fileno=control), ProcessMemory(memory))
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
    return 0


def _participate(control: socket.socket, memory: ProcessMemory) -> None:
    task = memory.task()
    mounts.enter(task.namespaces)
    os.environ.update(task.process.env)
    os.environ[VARIABLE] = task.kernels
    if task.emulates:
        emulation.begin(memory.trap, forced=features.VARIABLE not in task.process.env)
    gate = Gate(task.arming, memory.gate)
    orders = Orders(control, memory.words, task.stops, gate)
    logging.getLogger().addHandler(LogToRunner(orders))
    gate.come_to(BEFORE_ATTACH, task.ops_before)
    end = _open_end(task, memory)
    orders.say(
        {
            "ready": {
                "pid": os.getpid(),
                "python": sys.version.split()[0],
                "executable": sys.executable,
                "kernels": end.kernels,
                "wait": end.wait,
                "wait_asked_for": task.process.wait,
                "start": task.process.start,
            }
        }
    )
    orders.await_start()
    work = task.process.workload
    if isinstance(work, WriterWorkload):
        done = write(end, work, orders, memory.words, task.ops_before)
    else:
        assert isinstance(work, ReaderWorkload)
        done = read(end, work, orders, memory.words, task.ops_before)
    gate.come_to(BEFORE_DETACH, done)
    through(end.close, orders)


def _open_end(task: Task, memory: ProcessMemory) -> Any:
    transport = find_transport(task.spec.kind)
    regions = LiveRegions(task.name_prefix)
    wait, queue = task.process.wait, task.spec.remote_queue
    if task.process.role == "writer":
        end = transport.writer(task.spec, regions, wait=wait, recorder=memory.recorder)
        return end if task.remote is None else _leg_ends().Publisher(end, task.remote, queue)
    if task.remote is not None:
        return _leg_ends().RemoteReader(task.remote, queue, memory.recorder)
    rank = task.process.rank
    assert rank is not None
    return transport.reader(task.spec, regions, rank, wait=wait, recorder=memory.recorder)


def _leg_ends() -> Any:
    """Imported where it is needed: it needs pyzmq."""
    return importlib.import_module("sim.live.remote_leg")
