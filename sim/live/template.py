"""The clean, single-threaded interpreter that participants are started from.

One fork of it takes 1 to 2 ms, because all imports are done: what programs need at its own start,
what participants need before the first of these. Death signals follow the thread that forked, hence
one thread, and one process that does nothing else.

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
import importlib
import json
import os
import resource
import selectors
import socket
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from sim.live import exec_child
from sim.live.death import die_with_parent
from sim.live.litter import SHM

if TYPE_CHECKING:
    import multiprocessing.process

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
    _freeze()
    template.serve()
    os._exit(0)


def _freeze() -> None:
    """Or the first collection in each child copies every page that holds an object."""
    gc.collect()
    gc.freeze()


class Template:
    """Starts what it is told to start, and reports every end."""

    def __init__(self, commands: socket.socket) -> None:
        self._commands = commands
        self._selector = selectors.DefaultSelector()
        self._selector.register(commands, selectors.EVENT_READ, None)
        self._own: Dict[int, int] = {}  # descriptors of ours that a fork inherits
        self._participants: Any = None  # the module, once there is one to start

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
        if start != EXEC and self._participants is None:
            self._participants = importlib.import_module("sim.live.participants")
            self._participants.warm_up()
            _freeze()
        if start == EXEC:
            pid = _execute(lambda: exec_child.main(fds, own))
        elif start == INTERPRETER:
            pid = _execute(lambda: exec_child.become_participant(fds, own))
        elif start == "template":
            pid = os.fork()
            if pid == 0:
                self._participants.become(fds, own)
        else:
            if start == "forkserver":
                self._participants.keep_sockets_in(SHM + prefix)
            process = self._participants.start(start, fds, own)
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
