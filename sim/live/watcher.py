"""The process that outlives a killed runner, and leaves nothing behind of it.

It knows nothing of scenarios. The runner holds the only other end of the lifeline: when that
closes, however the runner ended, everything below the watcher is killed and every shared-memory
object with a registered prefix is unlinked. It imports next to nothing: little can break it.

Lifeline, one line a message:   register <prefix>  ->  registered <prefix>
                                                       template-died <wait status>
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import List, Sequence

from sim.live.death import adopt_orphans
from sim.live.procfs import descendants

SHM = "/dev/shm"
IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE)
# A process in uninterruptible sleep dies late; past this nothing more can be done for the names.
KILL_DEADLINE_S = 60.0
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
    prefixes: List[str] = []
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
        _watch(lifeline, template, prefixes)
    finally:
        kill_everything_below()
        unlink_all(prefixes)
        os._exit(0)


def _watch(lifeline: int, template: int, prefixes: List[str]) -> None:
    """Returns when the runner is gone."""
    death = os.pidfd_open(template)
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.register(death, select.POLLIN)
    pending = b""
    while True:
        for fd, _ in poll.poll():
            if fd == death:
                _, status = os.waitpid(template, 0)
                poll.unregister(death)
                kill_everything_below()
                _say(lifeline, f"template-died {status}")
                continue
            received = os.read(lifeline, 65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                verb, prefix = line.decode().split(" ", 1)
                assert verb == "register" and prefix.startswith("/spinbed."), line
                prefixes.append(prefix)
                _say(lifeline, f"registered {prefix}")


def _say(lifeline: int, line: str) -> None:
    try:
        os.write(lifeline, line.encode() + b"\n")
    except OSError:
        pass  # the runner is gone; the read that follows says so


def kill_everything_below() -> None:
    """Until the kernel says that we have no child left. Orphans become our children as they lose
    theirs, so what forked while it was being killed is met in a later round."""
    deadline_s = time.monotonic() + KILL_DEADLINE_S
    while time.monotonic() < deadline_s:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return
        time.sleep(KILL_POLL_S)


def unlink_all(prefixes: Sequence[str]) -> None:
    """Shared memory and semaphores; posix_ipc and glibc put the latter under sem.<name>."""
    starts = tuple(lead + prefix[1:] for prefix in prefixes for lead in ("", "sem."))
    if not starts:
        return
    for entry in os.listdir(SHM):
        if entry.startswith(starts):
            try:
                os.unlink(f"{SHM}/{entry}")
            except FileNotFoundError:
                pass
