"""Control groups that one process is put into, to be frozen or to get little CPU time.

Both versions of cgroups: of version 1 the controllers freezer and cpu, of version 2 cgroup.freeze,
which every group has, and cpu.max where the controller is handed down. See cgroups(7).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Mapping, Optional

CGROUP = "/sys/fs/cgroup"
FREEZER, CPU = "freezer", "cpu"
FROZEN, THAWED = "FROZEN", "THAWED"


@dataclass(frozen=True)
class Tree:
    """Where groups of one kind can be made."""

    folder: str
    version: int


def find_tree(controller: str) -> Optional[Tree]:
    """None: this host offers none, or not to us."""
    own = groups_of("self")
    if controller in own:
        tree = Tree(f"{CGROUP}/{controller}{own[controller]}".rstrip("/"), 1)
        if _is_ours(tree.folder):
            return tree
    for mount in (CGROUP, f"{CGROUP}/unified"):
        if os.path.isfile(f"{mount}/cgroup.controllers"):
            tree = Tree(f"{mount}{own.get('', '/')}".rstrip("/"), 2)
            if _is_ours(tree.folder) and (controller == FREEZER or _hands_down_cpu(tree.folder)):
                return tree
    return None


def lack(controller: str) -> Optional[str]:
    """Why there is no such tree; None where there is."""
    if find_tree(controller) is not None:
        return None
    return f"no cgroup with the controller {controller} below {CGROUP} can be written"


def _is_ours(folder: str) -> bool:
    return os.access(folder, os.W_OK) and os.access(f"{folder}/cgroup.procs", os.W_OK)


def _hands_down_cpu(folder: str) -> bool:
    try:
        return CPU in read(f"{folder}/cgroup.subtree_control").split()
    except OSError:
        return False


def groups_of(process: str) -> Mapping[str, str]:
    """The path by controller; "" is version 2. Raises OSError."""
    paths: Dict[str, str] = {}
    with open(f"/proc/{process}/cgroup", encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            for controller in controllers.split(","):
                paths[controller] = path
    return paths


def is_frozen(pid: int) -> bool:
    """By its group, which everybody may ask; False where that is not to be found from here."""
    try:
        groups = groups_of(str(pid))
        state = f"{CGROUP}/{FREEZER}{groups.get(FREEZER, '')}/freezer.state"
        if os.path.isfile(state) and read(state).strip() == FROZEN:
            return True
        for mount in (CGROUP, f"{CGROUP}/unified"):
            events = f"{mount}{groups.get('', '/')}/cgroup.events"
            if os.path.isfile(events):
                return "frozen 1" in read(events).split("\n")
    except OSError:
        pass  # one of them has just gone
    return False


class Group:
    """One group below `tree`. Its maker registers it with the watcher first."""

    def __init__(self, tree: Tree, name: str) -> None:
        self._tree = tree
        self.path = f"{tree.folder}/{name}"

    def make(self, pid: int) -> None:
        """With the process in it. Raises OSError."""
        os.mkdir(self.path)
        write(f"{self.path}/cgroup.procs", str(pid))

    def remove(self) -> None:
        """The process goes back to where we are. Raises OSError."""
        for pid in read(f"{self.path}/cgroup.procs").split():
            try:
                write(f"{self._tree.folder}/cgroup.procs", pid)
            except ProcessLookupError:
                pass  # it has just ended
        os.rmdir(self.path)

    def freeze(self) -> None:
        if self._tree.version == 1:
            write(f"{self.path}/freezer.state", FROZEN)
        else:
            write(f"{self.path}/cgroup.freeze", "1")

    def thaw(self) -> None:
        if self._tree.version == 1:
            write(f"{self.path}/freezer.state", THAWED)
        else:
            write(f"{self.path}/cgroup.freeze", "0")

    def freezer_state(self) -> str:
        """FROZEN, FREEZING or THAWED."""
        if self._tree.version == 1:
            return read(f"{self.path}/freezer.state").strip()
        events = read(f"{self.path}/cgroup.events").split()
        return FROZEN if events[events.index("frozen") + 1] == "1" else THAWED

    def limit_cpu(self, run_us: int, of_us: int) -> None:
        if self._tree.version == 1:
            write(f"{self.path}/cpu.cfs_period_us", str(of_us))
            write(f"{self.path}/cpu.cfs_quota_us", str(run_us))
        else:
            write(f"{self.path}/cpu.max", f"{run_us} {of_us}")

    def cpu_limit_us(self) -> tuple[int, int]:
        if self._tree.version == 1:
            return (
                int(read(f"{self.path}/cpu.cfs_quota_us")),
                int(read(f"{self.path}/cpu.cfs_period_us")),
            )
        run_us, of_us = read(f"{self.path}/cpu.max").split()
        return int(run_us), int(of_us)

    def times_throttled(self) -> int:
        words = read(f"{self.path}/cpu.stat").split()
        return int(words[words.index("nr_throttled") + 1])

    def has(self, pid: int) -> bool:
        return str(pid) in read(f"{self.path}/cgroup.procs").split()


def read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
