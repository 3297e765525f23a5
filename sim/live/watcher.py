"""The process that outlives a killed runner, and leaves nothing behind of it.

It knows nothing of scenarios. The runner holds the only other end of the lifeline: when that
closes, however the runner ended, everything below the watcher is killed and everything that was
registered is removed. It imports next to nothing: little can break it.

Lifeline, one line a message, paths escaped; each is sent before the thing is made:
    register <prefix>              ->  registered <prefix>         names in /dev/shm
    register-files <path prefix>   ->  registered-files <...>      temporary files elsewhere
    register-cgroup <path>         ->  registered-cgroup <path>
                                       template-died <wait status>
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import ExitStack
from typing import List, Sequence, Tuple

from sim.live.death import adopt_orphans
from sim.live.litter import end_cgroup, lift, remove_files, shm_starts
from sim.live.procfs import descendants, is_resource_tracker

# Inherited by everything below: tells doctor whose a process is.
OWNER = "SPINBED_OWNER"
IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE)
# A process in uninterruptible sleep dies late; past this nothing more can be done for the names.
KILL_DEADLINE_S = 60.0
UNLINKING_S = 5.0  # for resource trackers
KILL_POLL_S = 0.002

# Runs a module of ours with the runner's own sys.path: `-m` would put the user's working directory
# ahead, and a user may well have a folder named sim.
BOOT = (
    "import sys; sys.path[:] = sys.argv[2].split(chr(10)); "
    "from importlib import import_module; import_module(sys.argv[1]).main(*map(int, sys.argv[3:]))"
)


def boot(module: str, path: str, fds: Sequence[int]) -> List[str]:
    """The command line of a fresh interpreter that calls `module`.main(*fds)."""
    return [sys.executable, "-c", BOOT, module, path, *map(str, fds)]


def main(lifeline: int, commands: int) -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    registered = Registered()
    ends, tells = os.pipe()
    os.set_blocking(tells, False)
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # one that is ignored or unset wakes nobody
    try:
        adopt_orphans()
        os.set_inheritable(lifeline, False)
        template = os.posix_spawn(
            sys.executable,
            boot("sim.live.template", "\n".join(sys.path), [commands, os.getpid()]),
            os.environ,
            setsigdef=IGNORED,
        )
        os.close(commands)
        _watch(lifeline, ends, template, registered)
    finally:
        registered.remove()
        os._exit(0)


class Registered:
    """What there may be to remove."""

    def __init__(self) -> None:
        self.files: List[str] = []  # how paths begin
        self.cgroups: List[str] = []

    def add(self, line: bytes) -> str:
        """What to answer to a message."""
        verb, _, rest = line.decode("ascii").partition(" ")
        what = unescaped(rest)
        assert os.path.basename(what).startswith("spinbed."), line
        if verb == "register":
            self.files += shm_starts(what)
        elif verb == "register-files":
            self.files.append(what)
        else:
            assert verb == "register-cgroup", line
            self.cgroups.append(what)
        return f"{verb.replace('register', 'registered')} {rest}"

    def remove(self) -> None:
        """Everything, and all of it is tried: what fails does not keep the rest."""
        with ExitStack() as last_first:
            last_first.callback(remove_files, self.files)
            for cgroup in self.cgroups:
                last_first.callback(end_cgroup, cgroup)
            last_first.callback(kill_everything_below, self.cgroups)


def escaped(path: str) -> str:
    """One line of ASCII, whatever bytes a path is made of."""
    return path.encode("unicode_escape").decode("ascii")


def unescaped(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")


def _watch(lifeline: int, ends: int, template: int, registered: Registered) -> None:
    """Returns when the runner is gone. `ends` is readable once a child has ended."""
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.register(ends, select.POLLIN)
    pending = b""
    while True:
        for fd, _ in poll.poll():
            received = os.read(fd, 65536)
            if fd == ends:
                # An orphan whom nobody awaits would stay a zombie until the last run is over.
                for pid, status in _reap()[0]:
                    if pid == template:
                        kill_everything_below(registered.cgroups)
                        _say(lifeline, f"template-died {status}")
                continue
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                _say(lifeline, registered.add(line))


def _reap() -> Tuple[Sequence[Tuple[int, int]], bool]:
    """The children that have ended, with their wait statuses; whether any is left."""
    ended: List[Tuple[int, int]] = []
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return ended, True
            ended.append((pid, status))
    except ChildProcessError:
        return ended, False


def _say(lifeline: int, line: str) -> None:
    try:
        os.write(lifeline, line.encode() + b"\n")
    except OSError:
        pass  # the runner is gone; the read that follows says so


def kill_everything_below(cgroups: Sequence[str]) -> None:
    """Until the kernel says that we have no child left. Orphans become our children as they lose
    their parents, so what forked while it was being killed is met in a later round. Who is frozen
    in one of these cgroups cannot die, and is thawed first. Resource trackers come last: they end
    by themselves when they have unlinked what the others can no longer."""
    began_s = time.monotonic()
    while time.monotonic() < began_s + KILL_DEADLINE_S:
        for cgroup in cgroups:
            lift(cgroup)
        for pid in descendants(os.getpid()):
            is_spared = time.monotonic() < began_s + UNLINKING_S and is_resource_tracker(pid)
            try:
                os.kill(pid, signal.SIGCONT if is_spared else signal.SIGKILL)
            except ProcessLookupError:
                pass
        _, is_any_left = _reap()
        if not is_any_left:
            return
        time.sleep(KILL_POLL_S)
