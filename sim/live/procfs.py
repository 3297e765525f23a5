"""What /proc says of a process: its state, its parent, when it started."""

from __future__ import annotations

import os
from typing import Iterator, NamedTuple, Optional


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
