"""Who could end the wait of a thread, as far as /proc tells: whose memory holds the word that it
sleeps on, whose children it waits for, who has another end of the pipe or local socket it reads.

A wait that ends by itself after a while, and one that somebody unknown may end (of another host, at
a terminal, by a signal, a timer), have no answer here.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import struct
from typing import Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from sim.live import procfs
from sim.live.foreign_processes import everybody
from sim.live.unix_peers import peer_of


class Numbers(NamedTuple):
    """Of system calls; -1: this machine has none of that name."""

    read: int
    poll: int
    ppoll: int
    wait4: int
    waitid: int
    futex: int


NUMBERS = {
    "x86_64": Numbers(read=0, poll=7, ppoll=271, wait4=61, waitid=247, futex=202),
    "aarch64": Numbers(read=63, poll=-1, ppoll=73, wait4=260, waitid=95, futex=98),
}
NOWHERE = Numbers(-1, -1, -1, -1, -1, -1)
WAITS = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET, see futex(2)
COMMAND = 127
PRIVATE = 128
PIPE, SOCKET = "pipe:[", "socket:["
POLL_FD = struct.Struct("=ihh")
POLLED_MAX = 64
# Signals that come by themselves; those of profiling come of processor time alone.
OF_TIMERS = (signal.SIGALRM, signal.SIGIO)
MAPS_LINE = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) ...(.) [0-9a-f]+ ([0-9a-f:]+) (\d+)")
SHARED_LINE = re.compile(rb"^[0-9a-f]+-[0-9a-f]+ ...s [0-9a-f]+ ([0-9a-f:]+) (\d+)", re.MULTILINE)

Memory = Tuple[bytes, bytes]  # device and number of what several processes may have mapped
PRIVATE_MEMORY: Memory = (b"", b"")


def is_woken_by_timers(pid: int) -> bool:
    """A handler of its may run some day though nobody does anything."""
    status = procfs.read(pid, "status")
    catches = any(procfs.has_signal(status, b"SigCgt:", number) for number in OF_TIMERS)
    return catches or bool(procfs.read(pid, "timers"))


class Wakers:
    """One look: who has which pipe and memory is found once, where it is asked for."""

    def __init__(self) -> None:
        self._numbers = NUMBERS.get(platform.machine(), NOWHERE)
        self._of_ends: Optional[Dict[str, Set[int]]] = None
        self._of_memory: Optional[Dict[Memory, Set[int]]] = None
        self._children: Optional[Dict[int, List[int]]] = None

    def of(self, pid: int, thread: procfs.Thread) -> Optional[Sequence[int]]:
        """Processes, its own among them where its other threads may do it; None: not known."""
        words = thread.system_call.split()
        if len(words) < 7 or thread.state != "S":
            return None
        number, arguments = int(words[0]), [int(word, 16) for word in words[1:7]]
        if number == self._numbers.futex:
            return self._of_futex(pid, arguments)
        if number in (self._numbers.wait4, self._numbers.waitid):
            if self._children is None:
                self._children = _children()
            return [pid, *self._children.get(pid, ())]
        if number == self._numbers.read:
            return self._of_fds(pid, [arguments[0]])
        is_poll = number == self._numbers.poll and arguments[2] & 0x80000000  # less than 0
        if is_poll or (number == self._numbers.ppoll and not arguments[2]):
            return self._of_fds(pid, _polled(pid, *arguments[:2]))
        return None

    def _of_futex(self, pid: int, arguments: Sequence[int]) -> Optional[Sequence[int]]:
        address, command, timeout = arguments[0], arguments[1], arguments[3]
        if command & COMMAND not in WAITS or timeout:
            return None
        if command & PRIVATE:
            return [pid]
        place = _memory_at(pid, address)
        if place is None or place is PRIVATE_MEMORY:  # that of a thread which is joined, for one
            return None if place is None else [pid]
        if self._of_memory is None:
            self._of_memory = _holders()
        return sorted(self._of_memory.get(place, ()))

    def _of_fds(self, pid: int, fds: Sequence[int]) -> Optional[Sequence[int]]:
        """Who has them open, for whatever: an end to read from is often one of a fork's."""
        if self._of_ends is None:
            self._of_ends = _ends()
        found: Set[int] = set()
        for fd in fds:
            link = _link(pid, str(fd))
            holders = self._of_ends.get(link)
            if holders is None:
                return None
            found |= holders
            if link.startswith(SOCKET):
                peer = peer_of(int(link[len(SOCKET) : -1]))
                if peer is None:
                    return None
                found |= self._of_ends.get(f"{SOCKET}{peer}]", set())
        return sorted(found) if fds else None


def _children() -> Dict[int, List[int]]:
    """Of everybody; who has ended is none any more."""
    found: Dict[int, List[int]] = {}
    for pid in everybody():
        seen = procfs.stat(pid)
        if seen is not None and seen.state not in "ZX":
            found.setdefault(seen.parent, []).append(pid)
    return found


def _polled(pid: int, address: int, count: int) -> Sequence[int]:
    """Nothing where that cannot be read."""
    if not 0 < count <= POLLED_MAX:
        return ()
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
            words = os.pread(file.fileno(), count * POLL_FD.size, address)
    except OSError:
        return ()
    whole = words[: len(words) // POLL_FD.size * POLL_FD.size]
    return [fd for fd, _, _ in POLL_FD.iter_unpack(whole) if fd >= 0]


def _ends() -> Dict[str, Set[int]]:
    found: Dict[str, Set[int]] = {}
    for pid in everybody():
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            link = _link(pid, name)
            if link.startswith((PIPE, SOCKET)):
                found.setdefault(link, set()).add(pid)
    return found


def _link(pid: int, fd: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def _memory_at(pid: int, address: int) -> Optional[Memory]:
    """None: nothing is mapped there, or that is not to be known."""
    for match in MAPS_LINE.finditer(procfs.read(pid, "maps")):
        if int(match[1], 16) <= address < int(match[2], 16):
            return (match[4], match[5]) if match[3] == b"s" else PRIVATE_MEMORY
    return None


def _holders() -> Dict[Memory, Set[int]]:
    """Of all shared memory."""
    found: Dict[Memory, Set[int]] = {}
    for pid in everybody():
        for device, number in SHARED_LINE.findall(procfs.read(pid, "maps")):
            found.setdefault((device, number), set()).add(pid)
    return found
