"""Who owns a place in a ring: pid and start time in one word, and the proof that it is dead.

A start time distinguishes a process from a later one with the same pid (proc_pid_stat(5), field 22,
clock ticks since boot). 22 bits hold every Linux pid (pid_max is at most 2^22), 42 bits hold 1,390
years of ticks.
"""

from __future__ import annotations

import os
from typing import Optional

PID_BITS = 22
_PID_MASK = (1 << PID_BITS) - 1


def _stat_fields(pid: int) -> Optional[list[str]]:
    """Fields 3 and up of /proc/<pid>/stat; None where it cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("ascii", "replace")
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()  # the name before it may hold anything


def start_ticks(pid: int) -> Optional[int]:
    """When the process started, in clock ticks since boot; None where nobody can say."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else None


def owner_word(pid: int) -> int:
    """The word that names a running process. Raises ProcessLookupError if it isn't there."""
    ticks = start_ticks(pid)
    if ticks is None:
        raise ProcessLookupError(f"no process {pid} to name in /proc")
    return pid | ticks << PID_BITS


def pid_of(word: int) -> int:
    return word & _PID_MASK


def pid_namespace() -> int:
    """The inode of our pid namespace: pids of another one name nobody here."""
    return os.stat("/proc/self/ns/pid").st_ino


def is_proven_dead(word: int) -> bool:
    """True only if the process that `word` names is surely gone (or a zombie, which never runs).

    A process that is merely stopped, slow or hidden from us is not proven dead.
    """
    pid = pid_of(word)
    if pid == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is there
    fields = _stat_fields(pid)
    if fields is None:
        return False
    return fields[0] in "ZX" or int(fields[19]) != word >> PID_BITS
