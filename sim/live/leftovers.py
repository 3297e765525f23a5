"""What runs have left on this host, whose it is, and the removal of what belongs to the dead.

A watcher removes everything of its run. What is found here outlived the watcher too: somebody
killed both, or the host went down in between.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from dataclasses import dataclass
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence

from cy_kernels.owner import pid_namespace
from sim.live.litter import CGROUPS, SHM, end_cgroup, remove_file
from sim.live.procfs import stat
from sim.live.region import RegionName, parse_name
from sim.live.watcher import OWNER

SHARED_MEMORY, TEMPORARY, CGROUP, PROCESS = "shared memory", "temporary file", "cgroup", "process"
END_DEADLINE_S = 20.0  # a process in uninterruptible sleep dies late
WATCHER = b"sim.live.watcher"


@dataclass(frozen=True)
class Leftover:
    """Something of some run. Only what belongs to a run proven dead may be reaped."""

    kind: str
    path: str
    owner_pid: int
    is_owner_dead: Optional[bool]  # None: it lives or died in another pid namespace
    size_bytes: Optional[int]  # None: of this kind it says nothing

    @property
    def name(self) -> str:
        """What people call it: "/spinbed....", a path, "process 123"."""
        if self.kind == SHARED_MEMORY:
            return self.path[len(SHM) :]
        return f"process {self.pid}" if self.kind == PROCESS else self.path

    @property
    def pid(self) -> int:
        assert self.kind == PROCESS
        return int(os.path.basename(self.path))


def leftovers(folders: Sequence[str] = ()) -> Sequence[Leftover]:
    """Of live and dead runs; `folders` are where journals are kept."""
    here = pid_namespace()
    found = list(_files(SHARED_MEMORY, SHM, here))
    for folder in folders:
        found += _files(TEMPORARY, folder, here)
    return [*found, *_cgroups(here), *_processes(here)]


class Reaped(NamedTuple):
    names: Sequence[str]
    failures: Sequence[str]


def reap_dead(folders: Sequence[str] = ()) -> Reaped:
    """Remove what dead runs of this pid namespace left. Groups first: the frozen cannot die."""
    names: List[str] = []
    failures: List[str] = []
    order = (CGROUP, PROCESS, SHARED_MEMORY, TEMPORARY)
    dead = [each for each in leftovers(folders) if each.is_owner_dead]
    for leftover in sorted(dead, key=lambda each: (order.index(each.kind), each.path)):
        try:
            _remove(leftover)
            names.append(leftover.name)
        except OSError as error:  # another user's: /dev/shm is sticky
            failures.append(f"{leftover.name}: {error.strerror}")
    return Reaped(names, failures)


def _remove(leftover: Leftover) -> None:
    if leftover.kind == CGROUP:
        end_cgroup(leftover.path)
    elif leftover.kind == PROCESS:
        _end(leftover.pid)
    else:
        remove_file(leftover.path)


def _end(pid: int) -> None:
    """Returns when it has ended."""
    try:
        death = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(death, signal.SIGKILL)
        if not select.select([death], [], [], END_DEADLINE_S)[0]:
            raise TimeoutError(errno.ETIMEDOUT, "it was killed, and does not end")
    except ProcessLookupError:
        pass
    finally:
        os.close(death)


def _files(kind: str, folder: str, here: int) -> Iterator[Leftover]:
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return
    for entry in entries:
        name = parse_name(entry)
        if name is None:
            continue
        path = os.path.join(folder, entry)
        try:
            size_bytes = os.stat(path).st_size
        except FileNotFoundError:
            continue
        yield Leftover(kind, path, name.owner_pid, _is_dead(name, here), size_bytes)


def _cgroups(here: int) -> Iterator[Leftover]:
    for folder, names, _ in os.walk(CGROUPS):
        for entry in sorted(names):
            name = parse_name(entry)
            if name is not None:
                path = os.path.join(folder, entry)
                yield Leftover(CGROUP, path, name.owner_pid, _is_dead(name, here), None)


def _processes(here: int) -> Iterator[Leftover]:
    """By their environment. Not those of whom a watcher still lives: it is at work."""
    by_owner: Dict[str, List[int]] = {}
    watched = set()
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        owner = _owner(pid)
        if owner is not None:
            by_owner.setdefault(owner, []).append(pid)
            if WATCHER in _read(f"/proc/{pid}/cmdline"):
                watched.add(owner)
    for owner, pids in by_owner.items():
        name = parse_name(owner)
        if name is None or owner in watched:
            continue
        for pid in pids:
            if pid != os.getpid():
                is_dead = _is_dead(name, here)
                yield Leftover(PROCESS, f"/proc/{pid}", name.owner_pid, is_dead, None)


def _owner(pid: int) -> Optional[str]:
    start = f"{OWNER}=".encode()
    for entry in _read(f"/proc/{pid}/environ").split(b"\0"):
        if entry.startswith(start):
            return entry[len(start) :].decode(errors="replace")
    return None


def _read(path: str) -> bytes:
    """Nothing where the process has ended, or is another user's."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def _is_dead(name: RegionName, here: int) -> Optional[bool]:
    if name.namespace != here:
        return None
    owner = stat(name.owner_pid)
    return owner is None or owner.start_ticks != name.owner_start_ticks
