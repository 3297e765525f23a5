"""What a watching process has for all its waits: the page, its monitor and the way to it."""

from __future__ import annotations

import fcntl
import itertools
import os
import socket
import sys
import threading
from typing import List, Optional, Tuple

from sim.live.watcher import boot
from sim.watch import monitor
from sim.watch.answering import watchable
from sim.watch.page import DUE, IS_ASLEEP, SLOT_WORDS, SLOTS, WAITS_MAX, Page

START_S = 60.0  # an interpreter takes 20 ms, on a host that is not overloaded
SPARE_FD = 16  # above those that the monitor gets
STDERR = 2

_owner: Optional[Owner] = None
_lock = threading.Lock()
# What a child of fork has of its parent's: the page is where it makes progress. To collect it would
# close descriptors by numbers that may have become somebody else's.
_inherited: List[Owner] = []


def owner() -> Owner:
    """This process's; the first call starts the monitor."""
    global _owner
    with _lock:
        if _owner is None:
            watchable()
            _owner = Owner()
        return _owner


def _begin_anew() -> None:
    global _owner, _lock
    _lock = threading.Lock()  # another thread may have held it
    if _owner is not None:
        _inherited.append(_owner)
    _owner = None


os.register_at_fork(after_in_child=_begin_anew)


class Owner:
    def __init__(self) -> None:
        fd = Page.make()
        try:
            self.page = Page(fd)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours, theirs:
                self.monitor = _start(fd, ours, theirs)
                ours.setblocking(False)
                # Without an object, which would complain of its end with the program's.
                self._channel = ours.detach()
        finally:
            os.close(fd)
        self._free = list(range(SLOTS - 1, 0, -1))
        self._entrances = itertools.count(1)
        self._stderr: Optional[Tuple[int, int]] = None

    def claim(self) -> int:
        """A slot. Raises RuntimeError where there is none left."""
        try:
            return self._free.pop()
        except IndexError:
            raise RuntimeError(f"more than {WAITS_MAX} waits of one process at once") from None

    def release(self, slot: int) -> None:
        self._free.append(slot)

    def enter(self, slot: int) -> None:
        """From now on it is due."""
        self.page.words[slot * SLOT_WORDS + DUE] = next(self._entrances)
        if self.page.words[IS_ASLEEP]:
            try:
                os.write(self._channel, monitor.WAKE)
            except OSError:
                pass  # as many as that have been sent already, or nobody is there any more

    def leave(self, slot: int) -> None:
        self.page.words[slot * SLOT_WORDS + DUE] = 0

    def send(self, key: int, fd: int) -> None:
        """Reports of `key` go to `fd` from now on; see monitor. OSError where nobody takes it."""
        with socket.socket(fileno=os.dup(self._channel)) as channel:
            socket.send_fds(channel, [str(key).encode()], [fd])

    def send_stderr(self) -> None:
        """Where it is another one than before: who runs tests may turn it around for each."""
        try:
            found = os.fstat(STDERR)
        except OSError:
            return  # closed
        if self._stderr != (found.st_dev, found.st_ino):
            self.send(monitor.STDERR, STDERR)
            self._stderr = found.st_dev, found.st_ino


def _start(page: int, ours: socket.socket, theirs: socket.socket) -> int:
    """Its pid. It is not our child: the one that we start forks it, and ends."""
    command = boot("sim.watch.monitor", "\n".join(sys.path), [os.getpid()])
    command.insert(1, "-S")  # nothing of the program's own start
    # Under the bed a program must not be taken for still there because of its monitor.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SPINBED_")}
    ends = (page, theirs.fileno())
    spares = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SPARE_FD) for fd in ends]
    try:
        pid = os.posix_spawn(
            sys.executable,
            command,
            environ,
            file_actions=[
                *((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)),
                (os.POSIX_SPAWN_DUP2, spares[0], monitor.PAGE_FD),
                (os.POSIX_SPAWN_DUP2, spares[1], monitor.CHANNEL_FD),
            ],
            setsigmask=(),
        )
    finally:
        for spare in spares:
            os.close(spare)
    theirs.close()  # so that an end is seen as one
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # the program reaps whatever ends
    ours.settimeout(START_S)
    said = ours.recv(monitor.MESSAGE_BYTES_MAX)
    if not said:
        raise RuntimeError(f"no monitor could be started with {sys.executable}")
    return int(said)
