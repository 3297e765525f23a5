"""How the template starts participants: by a fork of itself, or as multiprocessing would."""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.reduction
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import sys
import tempfile
from typing import Any, List, Sequence

from cy_kernels import choice
from sim.live import child
from sim.live.death import die_with_parent
from sim.live.memory import ProcessMemory
from sim.live.workload import Payloads


def warm_up() -> None:
    """What every participant would do for itself: loading the kernels alone costs it 4 ms."""
    choice.preload()
    Payloads(0, 1).payload(0, 1)


def become(fds: List[int], own: Sequence[int]) -> None:
    """In the child, which must never return into the template's loop."""
    code = 1
    try:
        code = child.main(fds[0], fds[1], fds[2], own)
    finally:
        os._exit(code)


def keep_sockets_in(folder: str) -> None:
    """multiprocessing puts the fork server's socket into a temporary folder of its own, which
    nobody removes after a process that ends as we do; under this name the watcher does. Longer
    than 64 bytes it must not be, or it is not taken."""
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
    before = tempfile.tempdir
    tempfile.tempdir = folder
    multiprocessing.util.get_temp_dir()  # makes it once, and stays with it
    tempfile.tempdir = before


class _Passed:
    """A descriptor as an argument of a multiprocessing.Process, whatever starts that."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __getstate__(self) -> Any:
        return multiprocessing.reduction.DupFd(self.fd)

    def __setstate__(self, duplicate: Any) -> None:
        self.fd = duplicate.detach()


def start(method: str, fds: List[int], own: Sequence[int]) -> Any:
    context: Any = multiprocessing.get_context(method)
    foreign = own if method == "fork" else ()
    passed = [_Passed(fd) for fd in fds]
    process = context.Process(target=_in_multiprocessing, args=(passed, foreign))
    environ = dict(os.environ)
    memory = ProcessMemory(os.dup(fds[1]))
    stderr = os.dup(child.STDERR)
    try:
        if method == "spawn":  # an interpreter that fails before a line of ours says so there
            multiprocessing.resource_tracker.ensure_running()  # not with a participant's stderr
            os.dup2(fds[2], child.STDERR)
        # What a fresh interpreter must see already at its start, such as PYTHONHASHSEED.
        os.environ.update(memory.task().process.env)
        process.start()
    finally:
        os.dup2(stderr, child.STDERR)
        os.close(stderr)
        memory.close()
        os.environ.clear()
        os.environ.update(environ)
    return process


def _in_multiprocessing(passed: Sequence[_Passed], foreign: Sequence[int]) -> None:
    die_with_parent()
    _let_the_fork_server_end()
    control, memory, stderr = (p.fd for p in passed)
    sys.exit(child.main(control, memory, stderr, foreign))


def _let_the_fork_server_end() -> None:
    """It lives as long as anybody has its pipe, which each process that it starts inherits: it and
    we would keep each other alive when the template has been killed."""
    server: Any = multiprocessing.forkserver._forkserver
    pipe = getattr(server, "_forkserver_alive_fd", None)
    if pipe is not None:
        os.close(pipe)
        server._forkserver_alive_fd = None
