"""What is on this host that was not there before. Knows /proc, /sys and file names, nothing else.

    litter_check.py before.json --marker NAME=VALUE --folder DIR ...          looks, and writes it
    litter_check.py before.json ... --compare PID ...      status 1: something is left of these runs

It imports nothing of what it checks. A process counts if the marker is in its environment, which
everything inherits that the marked command starts; a cgroup, if a marked process is in it or its
name tells the pid of a command, for other programs make groups all the time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

SHARED_MEMORY = Path("/dev/shm")
CGROUPS = Path("/sys/fs/cgroup")
PRODUCTS = (".jsonl", "/.spinbed", "/journals", "/.gitignore")
SYSTEM_V = ("shm", "sem", "msg")

Snapshot = Dict[str, List[str]]


def snapshot(marker: str, folders: Sequence[Path]) -> Snapshot:
    return {
        "process": sorted(f"{pid} {command_line(pid)}" for pid in marked(marker)),
        "/dev/shm": sorted(entry.name for entry in SHARED_MEMORY.iterdir()),
        "cgroup": sorted(folder for folder, _, _ in os.walk(CGROUPS)),
        "mount": sorted(Path("/proc/self/mountinfo").read_text().splitlines()),
        "system v": sorted(system_v()),
        "file": sorted(str(path) for folder in folders for path in folder.rglob("*")),
    }


def left(before: Snapshot, after: Snapshot, marker: str, pids: Sequence[int]) -> List[str]:
    """One line for each thing. A journal that is whole is what a run is for, no litter."""
    lines = []
    mine = marked(marker)
    for kind, now in after.items():
        for thing in sorted(set(now) - set(before[kind])):
            is_product = kind == "file" and thing.endswith(PRODUCTS)
            is_foreign = kind == "cgroup" and not is_of(thing, pids, mine)
            if not is_product and not is_foreign:
                lines.append(f"{kind}: {thing}")
    return lines


def marked(marker: str) -> List[int]:
    """Living processes, but ourselves; of a zombie nothing is left but its status."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended, or is another user's
            continue
        if marker.encode() in environment and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def command_line(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "(it has ended)"
    return raw.replace(b"\0", b" ").decode(errors="replace")[:200]


def is_of(group: str, pids: Sequence[int], mine: Sequence[int]) -> bool:
    if set(map(str, pids)) & set(os.path.basename(group).split(".")):
        return True
    try:
        inside = Path(group, "cgroup.procs").read_text().split()
    except OSError:
        return False
    return any(int(each) in mine for each in inside)


def system_v() -> Iterator[str]:
    for kind in SYSTEM_V:
        path = Path("/proc/sysvipc", kind)
        if path.exists():
            yield from (f"{kind} {line.split()[1]}" for line in path.read_text().splitlines()[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--marker", required=True)
    parser.add_argument("--folder", type=Path, action="append", default=[])
    parser.add_argument("--compare", type=int, nargs="+", metavar="PID")
    given = parser.parse_args()
    now = snapshot(given.marker, given.folder)
    if given.compare is None:
        given.file.write_text(json.dumps(now), encoding="utf-8")
        return 0
    before = json.loads(given.file.read_text(encoding="utf-8"))
    lines = left(before, now, given.marker, given.compare)
    print("\n".join(lines) if lines else "nothing is left")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
