"""What /proc says of a process: its state, its parent, when it started, what its threads do."""

from __future__ import annotations

import os
from typing import Dict, Iterator, NamedTuple, Optional, Sequence

COMMAND_CHARACTERS_MAX = 200


class Stat(NamedTuple):
    state: str  # one letter: R, S, D, T, t, Z, X (proc(5))
    parent: int
    start_ticks: int  # since boot; with the pid it names one process for ever


def stat(pid: int) -> Optional[Stat]:
    """None: no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command's name in parentheses and may hold anything, ")" included.
    fields = text[text.rindex(b")") + 2 :].split()
    return Stat(fields[0].decode(), int(fields[1]), int(fields[19]))


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


def threads(pid: int) -> Dict[int, Thread]:
    """By thread id; those that end meanwhile are left out, and of a dead process there is none."""
    found: Dict[int, Thread] = {}
    try:
        names = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return found
    for name in names:
        folder = f"/proc/{pid}/task/{name}"
        text = _read(f"{folder}/stat")
        times = _read(f"{folder}/schedstat").split()
        if text and len(times) >= 2:
            state = text[text.rindex(")") + 2]
            channel = _read(f"{folder}/wchan").strip("0 ")
            found[int(name)] = Thread(state, int(times[0]), int(times[1]), channel)
    return found


def system_call(pid: int) -> str:
    """Number and arguments of the main thread's, or "running"; "" where nobody may know: one needs
    the right to trace it (proc(5))."""
    return _read(f"/proc/{pid}/syscall").strip()


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096).decode("utf-8", "replace")
    except OSError:
        return ""


def read(pid: int, name: str) -> bytes:
    """A file of its; empty where that or the process is gone, or not for us."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def command(pid: int) -> str:
    """Its command line, as far as one line can show it."""
    words = read(pid, "cmdline").split(b"\0")
    return b" ".join(words).decode("utf-8", "replace").strip()[:COMMAND_CHARACTERS_MAX]


def statuses(pid: int) -> Sequence[bytes]:
    """Of its threads."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return ()
    return [read(pid, f"task/{thread}/status") for thread in threads]


def has_signal(status: bytes, field: bytes, number: int) -> bool:
    """`field` is b"SigCgt:" or another mask: see "status" in proc(5)."""
    for line in status.splitlines():
        if line.startswith(field):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
