"""What /proc says of a process: state, parent, start, signals, what its threads do."""

from __future__ import annotations

import os
import re
import signal
from typing import Dict, Iterator, NamedTuple, Optional, Sequence

COMMAND_CHARACTERS_MAX = 200
SWITCHES = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
FORKED_NO_EXEC = 0x40  # of the flags, see PF_FORKNOEXEC in linux/sched.h


class Stat(NamedTuple):
    state: str  # one letter: R, S, D, T, t, Z, X (proc(5))
    parent: int
    start_ticks: int  # since boot; with the pid it names one process for ever
    is_fork: bool  # of another process, and has executed nothing since
    exit_code: int  # as waitpid has it; 0 while it lives, and where we may not know


def stat(pid: int) -> Optional[Stat]:
    """None: no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command's name in parentheses and may hold anything, ")" included.
    fields = text[text.rindex(b")") + 2 :].split()
    is_fork = bool(int(fields[6]) & FORKED_NO_EXEC)
    state, parent, start_ticks = fields[0].decode(), int(fields[1]), int(fields[19])
    return Stat(state, parent, start_ticks, is_fork, int(fields[49]))


def is_stopped(pid: int) -> bool:
    found = stat(pid)
    return found is not None and found.state in "Tt"


def descendants(root: int) -> Iterator[int]:
    """Every process below `root`, as far as one reading of /proc can tell."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            found = stat(int(entry))
            if found is not None:
                parents[int(entry)] = found.parent
    for pid in parents:
        ancestor = parents[pid]
        while ancestor in parents and ancestor != root:
            ancestor = parents[ancestor]
        if ancestor == root:
            yield pid


class Thread(NamedTuple):
    state: str  # as Stat's
    cpu_ns: int  # on a core so far
    queued_ns: int  # runnable so far, and on none
    wait_channel: str  # the kernel function in which it sleeps; "" where nobody may know
    # Number and arguments, or "running"; "" where nobody may know: one needs the right to trace it.
    system_call: str
    switches: int  # times that it gave up its core by itself


def threads(pid: int) -> Dict[int, Thread]:
    """By thread id; those that end meanwhile are left out, and of a dead process there is none."""
    found: Dict[int, Thread] = {}
    for name in thread_ids(pid):
        stat, schedstat, wchan, syscall, status = (
            read(pid, f"task/{name}/{file}").decode("utf-8", "replace").strip()
            for file in ("stat", "schedstat", "wchan", "syscall", "status")
        )
        times = schedstat.split()
        if stat and len(times) >= 2:
            state = stat[stat.rindex(")") + 2]
            channel = "" if wchan == "0" else wchan
            switches = SWITCHES.search(status)
            count = int(switches[1]) if switches else 0
            found[name] = Thread(state, int(times[0]), int(times[1]), channel, syscall, count)
    return found


def thread_ids(pid: int) -> Sequence[int]:
    """None of a process that is gone."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return ()


def read(pid: int, name: str) -> bytes:
    """A file of its; empty where that or the process is gone, or not for us."""
    return read_all(f"{pid}/{name}")


def read_all(path: str) -> bytes:
    """A file below /proc; empty where it is gone, or not for us."""
    try:
        with open(f"/proc/{path}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def command(pid: int) -> str:
    """Its command line, as far as one line can show it."""
    words = read(pid, "cmdline").split(b"\0")
    return b" ".join(words).decode("utf-8", "replace").strip()[:COMMAND_CHARACTERS_MAX]


def is_resource_tracker(pid: int) -> bool:
    """multiprocessing's: it outlives all processes of its program, unlinks the names in /dev/shm
    that they had made and left, and ends."""
    return "from multiprocessing.resource_tracker import" in command(pid)


def statuses(pid: int) -> Sequence[bytes]:
    """Of its threads."""
    return [read(pid, f"task/{tid}/status") for tid in thread_ids(pid)]


class Signals(NamedTuple):
    """Of a process, by their names."""

    pending: Sequence[str]  # for it, or for its first thread
    blocked: Sequence[str]  # in its first thread
    ignored: Sequence[str]
    caught: Sequence[str]


def signals(pid: int) -> Signals:
    masks = {b"SigPnd:": 0, b"ShdPnd:": 0, b"SigBlk:": 0, b"SigIgn:": 0, b"SigCgt:": 0}
    for line in read(pid, "status").splitlines():
        name, _, mask = line.partition(b"\t")
        if name in masks:
            masks[name] = int(mask, 16)
    to_process, to_thread, *others = masks.values()
    return Signals(*map(_names, (to_process | to_thread, *others)))


def _names(mask: int) -> Sequence[str]:
    numbers = [number for number in range(1, 65) if mask >> (number - 1) & 1]
    return [_name(number) for number in numbers]


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of real time; the first two are the C library's own
        return f"signal {number}"


def has_signal(status: bytes, field: bytes, number: int) -> bool:
    """`field` is b"SigCgt:" or another mask: see "status" in proc(5)."""
    for line in status.splitlines():
        if line.startswith(field):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
