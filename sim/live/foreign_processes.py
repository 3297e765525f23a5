"""Processes that nobody here has started: which may be looked at, and what /proc says of them.

They are only looked at: nothing is written to them, and no signal is sent.
"""

from __future__ import annotations

import os
import re
import signal
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from sim.inside import starting
from sim.live import cgroup, procfs
from sim.live.two_looks import told

INIT = 1
FROZEN = {"do_freezer_trap", "__refrigerator"}  # kernel functions in which a frozen thread sleeps
# Signals with which programs are told to go on or to end: who catches one may wait for it.
WAITED_FOR = (1, 10, 12, 15)
INSIDE, STACKS = starting.VARIABLE.encode() + b"=", b'"stacks": true'
_TGID = re.compile(rb"^Tgid:\s*(\d+)", re.MULTILINE)
_NAME = re.compile(rb"^Name:\s*(.*)", re.MULTILINE)

Threads = Mapping[int, procfs.Thread]


class NotAttachable(ValueError):
    """Says why, and which pid may have been meant."""

    def __init__(self, message: str, nearest: Optional[str] = None) -> None:
        super().__init__(message)
        self.nearest = nearest


def checked_pid(word: str) -> int:
    """Raises NotAttachable."""
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise NotAttachable(f"{word!r} is no pid: a whole number", _called(word))
    pid = int(word)
    status = procfs.read(pid, "status")
    thread_of = _TGID.search(status)
    if pid == 0 or thread_of is None:
        raise NotAttachable(f"there is no process {pid}")
    if int(thread_of[1]) != pid:
        owner = thread_of[1].decode()
        raise NotAttachable(f"{pid} is a thread of process {owner}", owner)
    if pid == INIT:
        raise NotAttachable(f"process {pid} is the init of this host, and no program of yours")
    stat = procfs.stat(pid)
    if stat is None:
        raise NotAttachable(f"there is no process {pid}")
    if stat.state in "ZX":
        why = f"its parent, process {stat.parent}, has not collected it"
        raise NotAttachable(f"process {pid} has ended; {why}", str(stat.parent))
    if b"VmSize:" not in status:
        raise NotAttachable(f"process {pid} is a thread of the OS, and has no memory of its own")
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:
            file.read(1)
    except PermissionError:
        user = os.stat(f"/proc/{pid}").st_uid
        why = f"it belongs to user {user}; only that user and root may look at it"
        raise NotAttachable(f"process {pid} may not be read: {why}") from None
    except OSError:
        raise NotAttachable(f"there is no process {pid} any more") from None
    return pid


def _called(word: str) -> Optional[str]:
    """The process of that name, where it is the only one."""
    wanted = word.encode()[:15]
    found = []
    for pid in everybody():
        name = _NAME.search(procfs.read(pid, "status"))
        if name is not None and name[1] == wanted:
            found.append(str(pid))
    return found[0] if len(found) == 1 else None


def everybody() -> Sequence[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def with_children(pids: Sequence[int]) -> Sequence[int]:
    """And theirs."""
    found: Set[int] = set(pids)
    for pid in pids:
        found.update(procfs.descendants(pid))
    return sorted(found - {os.getpid()})


def state_of(pid: int, threads: Threads) -> str:
    """As sim.abc.World.state has it."""
    stat = procfs.stat(pid)
    if stat is None:
        return "ended"
    if stat.state in "ZX":
        return "ended:not collected by its parent"
    if stat.state in "Tt":
        return "stopped"
    is_seen_frozen = threads and all(each.wait_channel in FROZEN for each in threads.values())
    if is_seen_frozen or cgroup.is_frozen(pid):
        return "frozen"
    return "running"


def seen(pid: int, now: Threads, before: Threads) -> Optional[Dict[str, Any]]:
    """As sim.hang.programs takes it, but without stacks: to be asked for them would be a signal.
    None: it has ended."""
    stat = procfs.stat(pid)
    if stat is None:
        return None
    found: Dict[str, Any] = {"pid": pid, "parent": stat.parent, "command": procfs.command(pid)}
    found.update(state=stat.state, is_fork=stat.is_fork, name=None, stacks=[], locks=[])
    found.update(answers=True)  # a question would be a signal
    found["is_frozen"] = cgroup.is_frozen(pid)
    found["threads"] = told(now, before)
    found["signals"] = procfs.signals(pid)._asdict()
    found["catches"] = _catches(pid)
    return found


def _catches(pid: int) -> List[int]:
    """In a run of the bed's, one of them has the stacks printed, and lets nobody go on."""
    status, variables = procfs.read(pid, "status"), procfs.read(pid, "environ")
    has_stacks = any(each.startswith(INSIDE) and STACKS in each for each in variables.split(b"\0"))
    own = {int(signal.SIGUSR1)} if has_stacks else set()
    return [
        number
        for number in WAITED_FOR
        if number not in own and procfs.has_signal(status, b"SigCgt:", number)
    ]
