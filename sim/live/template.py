"""The clean, single-threaded interpreter that participants are started from.

One fork of it takes 1 to 2 ms, because all imports are done. Death signals follow the thread that
forked, hence one thread, and one process that does nothing else.

Messages, JSON in packets (descriptors travel beside):
    to the template   {"spawn": key, "start": method, "prefix": of all names}
                      and beside it: control, memory, stderr; for the method "exec", which becomes
                      a program of anybody's, what sim/live/exec_child.py takes;
                      "interpreter" executes the one that the task in memory names
    to the runner     {"up": pid}, {"spawned": key, "pid": ...}  a pidfd
                      {"exit": key, "code": exit status, or -signal}
"""

from __future__ import annotations

import faulthandler
import gc
import json
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.process
import multiprocessing.reduction
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import resource
import selectors
import socket
import sys
import tempfile
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from cy_kernels import choice
from sim.live import child, exec_child
from sim.live.death import die_with_parent
from sim.live.litter import SHM
from sim.live.memory import ProcessMemory
from sim.live.workload import Payloads

START_METHODS = ("template", "fork", "spawn", "forkserver")
PACKET_BYTES_MAX = 65536
FDS = 3  # control, memory, stderr
EXEC = "exec"
INTERPRETER = "interpreter"  # a participant in one that is not the template's
FDS_MAX = max(FDS, exec_child.FDS)


class _Spawned(NamedTuple):
    key: int
    pid: int
    process: Optional[multiprocessing.process.BaseProcess]  # None: forked by ourselves


def main(commands: int, watcher: int) -> None:
    die_with_parent()
    if os.getppid() != watcher:
        os._exit(1)  # it died before we asked to die with it
    faulthandler.enable()
    # A crash that was asked for should not fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    template = Template(socket.socket(fileno=commands))
    _warm_up()
    gc.collect()
    gc.freeze()  # or the first collection in each child copies every page that holds an object
    template.serve()
    os._exit(0)


def _warm_up() -> None:
    """What every participant would do for itself: loading the kernels alone costs it 4 ms."""
    choice.preload()
    Payloads(0, 1).payload(0, 1)


class Template:
    """Starts what it is told to start, and reports every end."""

    def __init__(self, commands: socket.socket) -> None:
        self._commands = commands
        self._selector = selectors.DefaultSelector()
        self._selector.register(commands, selectors.EVENT_READ, None)
        self._own: Dict[int, int] = {}  # descriptors of ours that a fork inherits

    def serve(self) -> None:
        """Returns when the runner is gone."""
        self._say({"up": os.getpid()})
        while True:
            for event, _ in self._selector.select():
                if event.data is not None:
                    self._reap(event.fd, event.data)
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        try:
            packet, fds, _, _ = socket.recv_fds(
                self._commands, PACKET_BYTES_MAX, FDS_MAX
            )
        except ConnectionResetError:  # the runner went with something of ours unread
            return False
        if not packet:
            return False
        for fd in fds:
            os.set_inheritable(fd, False)  # recv_fds forgets its flags (CPython 3.9 to 3.13)
        message = json.loads(packet)
        wanted = exec_child.FDS if message["start"] == EXEC else FDS
        assert len(fds) == wanted, f"{len(fds)} descriptors came with {message}"
        self._spawn(message["spawn"], message["start"], message["prefix"], fds)
        for fd in fds:
            os.close(fd)
        return True

    def _spawn(self, key: int, start: str, prefix: str, fds: List[int]) -> None:
        own = [self._commands.fileno(), self._selector.fileno(), *self._own]
        process: Any = None
        if start == EXEC:
            pid = _execute(lambda: exec_child.main(fds, own))
        elif start == INTERPRETER:
            pid = _execute(lambda: exec_child.become_participant(fds, own))
        elif start == "template":
            pid = os.fork()
            if pid == 0:
                _become_participant(fds, own)
        else:
            if start == "forkserver":
                _keep_sockets_in(SHM + prefix)
            process = _start(start, fds, own)
            pid = process.pid
        death = os.pidfd_open(pid)
        # A fork server is the parent of what it starts: only its pipe knows the exit status.
        watched = process.sentinel if start == "forkserver" else death
        self._say({"spawned": key, "pid": pid}, [death])
        if watched != death:
            os.close(death)
        self._own[watched] = key
        self._selector.register(watched, selectors.EVENT_READ, _Spawned(key, pid, process))

    def _reap(self, watched: int, spawned: _Spawned) -> None:
        self._selector.unregister(watched)
        del self._own[watched]
        if spawned.process is None:
            _, status = os.waitpid(spawned.pid, 0)
            code = os.waitstatus_to_exitcode(status)
            os.close(watched)
        else:
            spawned.process.join()
            exit_code = spawned.process.exitcode
            assert exit_code is not None
            code = exit_code
            if watched != spawned.process.sentinel:
                os.close(watched)
            spawned.process.close()
        self._say({"exit": spawned.key, "code": code})

    def _say(self, message: Dict[str, Any], fds: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._commands, [json.dumps(message).encode()], fds)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)  # the runner is gone: everybody goes


def _become_participant(fds: List[int], own: Sequence[int]) -> None:
    """In the child, which must never return into the template's loop."""
    code = 1
    try:
        code = child.main(fds[0], fds[1], fds[2], own)
    finally:
        os._exit(code)


def _execute(become: Callable[[], int]) -> int:
    """Returns once the child is another program, or has failed to become it: exec closes the pipe.
    Until then /proc would tell of the template."""
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = become()
        finally:
            os._exit(code)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return pid


def _keep_sockets_in(folder: str) -> None:
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


def _start(start: str, fds: List[int], own: Sequence[int]) -> Any:
    context: Any = multiprocessing.get_context(start)
    foreign = own if start == "fork" else ()
    passed = [_Passed(fd) for fd in fds]
    process = context.Process(target=_in_multiprocessing, args=(passed, foreign))
    environ = dict(os.environ)
    memory = ProcessMemory(os.dup(fds[1]))
    stderr = os.dup(child.STDERR)
    try:
        if start == "spawn":  # an interpreter that fails before a line of ours says so there
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
