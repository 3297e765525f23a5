"""What a dead run can leave on a host, and how each kind is removed.

Files of a name prefix (shared memory, semaphores, temporaries of journals, the folder of a fork
server's socket) and cgroups. The watcher imports this, so this imports next to nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import List, Sequence

SHM = "/dev/shm"
CGROUPS = "/sys/fs/cgroup"
# A group is empty some time after its processes were reaped, and can be removed only then.
CGROUP_DEADLINE_S = 10.0
CGROUP_POLL_S = 0.002
# What lets a group run again: a frozen or starved process cannot die. Versions 1 and 2.
LIFTS = (
    ("freezer.state", b"THAWED"),
    ("cgroup.freeze", b"0"),
    ("cpu.cfs_quota_us", b"-1"),
    ("cpu.max", b"max"),
)


def shm_starts(prefix: str) -> List[str]:
    """How paths of this run begin; posix_ipc and glibc put semaphores under sem.<name>."""
    return [f"{SHM}/{lead}{prefix.lstrip('/')}" for lead in ("", "sem.")]


def files_with(starts: Sequence[str]) -> List[str]:
    """Every path that begins with one of these. A folder that is gone has none."""
    found = []
    for start in starts:
        folder, name = os.path.split(start)
        assert name.startswith(("spinbed.", "sem.spinbed.")), start
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        found += [os.path.join(folder, entry) for entry in entries if entry.startswith(name)]
    return sorted(found)


def remove_file(path: str) -> None:
    """A folder with all that is in it. A no-op where it is gone."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass


def remove_files(starts: Sequence[str]) -> None:
    """Raises the first OSError, when it has tried all."""
    errors: List[OSError] = []
    for path in files_with(starts):
        try:
            remove_file(path)
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def lift(cgroup: str) -> None:
    """Thaw it and give it all CPU time that there is, as far as it exists and has such files."""
    for name, value in LIFTS:
        try:
            fd = os.open(f"{cgroup}/{name}", os.O_WRONLY)
        except OSError:
            continue
        try:
            os.write(fd, value)
        except OSError:
            pass  # it went away meanwhile, or never was limited
        finally:
            os.close(fd)


def members(cgroup: str) -> List[int]:
    try:
        with open(f"{cgroup}/cgroup.procs", encoding="ascii") as file:
            # 0 stands for a process of a foreign pid namespace, and kill(0) would hit ourselves.
            return [pid for pid in map(int, file.read().split()) if pid > 0]
    except OSError:
        return []


def end_cgroup(cgroup: str) -> None:
    """Kill what is in it and remove it. Raises OSError where that does not work in time."""
    deadline_s = time.monotonic() + CGROUP_DEADLINE_S
    while True:
        lift(cgroup)
        for pid in members(cgroup):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            os.rmdir(cgroup)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(CGROUP_POLL_S)
        else:
            return
