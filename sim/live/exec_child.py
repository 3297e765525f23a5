"""The template's child that becomes a program of anybody's, from its fork to its exec."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from dataclasses import asdict, dataclass, field
from typing import Mapping, Optional, Sequence, Tuple

from sim.live.death import die_with_parent

FDS = 4  # probes, this order, stdout, stderr
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as shells say it


@dataclass(frozen=True)
class Order:
    """What to execute, and in what surroundings. Travels as JSON in a memfd."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Optional[str]
    limits: Sequence[Tuple[str, int]]  # RLIMIT_<name>, soft and hard
    probe_variable: str  # gets the number of the descriptor that probes are written to
    facts: Mapping[str, str] = field(default_factory=dict)  # for the report

    def memfd(self) -> int:
        fd = os.memfd_create("spinbed-order", os.MFD_CLOEXEC)
        os.write(fd, json.dumps(asdict(self)).encode("utf-8", "surrogateescape"))
        return fd


PARTICIPANT = """
import sys
if sys.path[0] == "":  # as -c has it: sources that lie there would hide what is installed
    del sys.path[0]
from sim.live.child import main
sys.exit(main(*map(int, sys.argv[1:]), ()))
"""


def become_participant(fds: Sequence[int], own: Sequence[int]) -> int:
    """Of a ring, in another interpreter; its task in memory has the command line of that. Returns
    only where that cannot be executed."""
    for fd in own:
        os.close(fd)
    from sim.live.memory import ProcessMemory  # which a program of anybody's does without

    control, memory, stderr = fds
    duplicate = os.dup(memory)
    opened = ProcessMemory(duplicate)
    task = opened.task()
    for fd in fds:
        os.set_inheritable(fd, True)
    assert task.interpreter is not None
    words = [task.interpreter, "-c", PARTICIPANT, str(control), str(memory), str(stderr)]
    env = {**os.environ, **task.process.env, "PYTHONPATH": task.path}
    try:
        os.execve(words[0], words, env)
    except OSError as error:
        os.write(stderr, f"spinbed: {words[0]}: {os.strerror(error.errno or 0)}\n".encode())
        return NOT_EXECUTABLE


def main(fds: Sequence[int], own: Sequence[int]) -> int:
    """Returns only where the program cannot be executed: the exit status that says so."""
    probes, order, stdout, stderr = fds
    for fd in own:
        os.close(fd)
    with open(order, "rb", closefd=False) as file:
        file.seek(0)
        said = json.loads(file.read().decode("utf-8", "surrogateescape"))
    null = os.open(os.devnull, os.O_RDONLY)
    for fd, number in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(fd, number)
    die_with_parent()
    os.setsid()  # a signal to its process group is none to ours, and no terminal is its own
    os.set_inheritable(probes, True)
    env = {**said["env"], said["probe_variable"]: str(probes)}
    for number in range(1, signal.NSIG):  # what is ignored here would be ignored there
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    what = said["argv"][0]
    try:
        if said["cwd"] is not None:
            what = said["cwd"]
            os.chdir(what)
            what = said["argv"][0]
        for name, limit in said["limits"]:
            what = f"RLIMIT_{name}"
            resource.setrlimit(getattr(resource, what), (limit, limit))
        what = said["argv"][0]
        os.execvpe(what, said["argv"], env)
    except (OSError, ValueError, OverflowError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        os.write(2, f"spinbed: {what}: {why}\n".encode("utf-8", "replace"))
        return NOT_FOUND if getattr(error, "errno", None) == errno.ENOENT else NOT_EXECUTABLE
    raise AssertionError("execvpe came back")
