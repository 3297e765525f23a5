"""Asks processes for their Python stacks, one after another, and says who could not be asked."""

from __future__ import annotations

import os
import signal
import time
from typing import NamedTuple, Optional, Sequence

from sim.live.procfs import command, has_signal, read, stat, statuses
from sim.watch.answering import registered
from sim.watch.family import Family

PROCESSES_MAX = 64  # in one report
TEXT_BYTES_MAX = 1 << 20  # of one process: faulthandler stops after 100 threads
ANSWER_NS = 3_000_000_000  # a process that runs answers in a few milliseconds
POLL_S = 0.002
HANDLING = (b"SigPnd:", b"ShdPnd:", b"SigBlk:")


class Seen(NamedTuple):
    pid: int
    command: str
    state: str  # one letter, proc(5)
    waits_in: str  # the OS's function; empty where it runs, or is not told
    stacks: str
    lack: str  # why there are no stacks


def ask_all(family: Family) -> Sequence[Seen]:
    seen = [_ask(pid) for pid in [family.root, *family.below()][:PROCESSES_MAX]]
    return [each for each in seen if each is not None]


def _ask(pid: int) -> Optional[Seen]:
    """None: it has ended."""
    found = stat(pid)
    if found is None:
        return None
    where = read(pid, "wchan").decode("ascii", "replace")
    said = Seen(pid, command(pid), found.state, where if where != "0" else "", "", "")
    try:
        stacks = _stacks(pid, found.state)
    except OSError as error:
        return said._replace(lack=f"it cannot be asked: {error.strerror}")
    except _NotAsked as why:
        return said._replace(lack=str(why))
    return said._replace(stacks=stacks)


class _NotAsked(Exception):
    pass


def _stacks(pid: int, state: str) -> str:
    """What its faulthandler writes. Raises _NotAsked, and OSError."""
    if state in "ZX":
        raise _NotAsked("it has ended, and nobody has waited for it")
    process = os.pidfd_open(pid)  # whom it names gets the signal, or nobody
    try:
        ready = registered(pid)
        if ready is None:
            raise _NotAsked("it has not made itself watchable")
        if state in "Tt":
            raise _NotAsked("it is stopped")
        if not has_signal(read(pid, "status"), b"SigCgt:", ready.signal):
            raise _NotAsked(f"it no longer catches signal {ready.signal}")
        memory = os.open(f"/proc/{pid}/fd/{ready.descriptor}", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(memory, 0)
            signal.pidfd_send_signal(process, ready.signal)
            return _answer(pid, ready.signal, memory)
        finally:
            os.close(memory)
    finally:
        os.close(process)


def _answer(pid: int, number: int, memory: int) -> str:
    """All of it: while faulthandler writes, the signal is blocked in that thread."""
    deadline_ns = time.monotonic_ns() + ANSWER_NS
    while time.monotonic_ns() < deadline_ns:
        time.sleep(POLL_S)
        is_at_it = any(has_signal(s, field, number) for s in statuses(pid) for field in HANDLING)
        if os.fstat(memory).st_size and not is_at_it:
            break
    text = os.pread(memory, TEXT_BYTES_MAX, 0).decode("utf-8", "replace").strip()
    if not text:
        raise _NotAsked("it was asked and did not answer")
    return text
