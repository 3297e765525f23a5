"""What processes share, as far as the system shows it: regions by name, and the locks in them that
somebody waits for.

Nothing says who has a semaphore. A mutex of pthreads holds the thread that has it, and the kernel
knows who has locked a file.
"""

from __future__ import annotations

import os
import platform
import re
import struct
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from sim.live import procfs
from sim.live.foreign_regions import DELETED, SHM, mappings, opened
from sim.live.foreign_regions import Mapping as Mapped

FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
PRIVATE, COMMAND = 128, 127
WAITS = (0, 9)  # FUTEX_WAIT, FUTEX_WAIT_BITSET, see futex(2)
# As glibc lays out pthread_mutex_t (sysdeps/nptl/bits/struct_mutex.h): lock, count, owner, nusers,
# kind; of a lock with waiters the first is 2.
MUTEX = struct.Struct("=iIiIi")
TAKEN_AND_AWAITED, OF_PROCESSES = 2, 128
SEMAPHORE = "sem."  # how sem_open(3) calls its files
LOCK_LINE = re.compile(r"(\d+): (->)?\s*(\w+)\s+\w+\s+\w+\s+(-?\d+) (\S+) ")

Threads = Mapping[int, Mapping[int, procfs.Thread]]  # by process


def collect(pids: Sequence[int], now: Threads) -> Dict[str, Any]:
    """`now`: the threads of these processes."""
    mapped = {pid: _mapped(pid) for pid in pids}
    return {
        "regions": _regions(mapped),
        "locks": [*_futexes(mapped, now), *_file_locks(pids)],
        "dead": _uncollected(pids),
    }


def _mapped(pid: int) -> Sequence[Mapped]:
    try:
        return mappings(pid)
    except OSError:  # it has ended, or is not for us to see
        return ()


def _regions(mapped: Mapping[int, Sequence[Mapped]]) -> List[Dict[str, Any]]:
    """By name and inode, who has it mapped."""
    found: Dict[Tuple[str, int], Dict[str, Any]] = {}
    for pid, regions in mapped.items():
        for each in regions:
            name = each.path.replace(DELETED, "")
            if name.startswith(SHM):
                seen = found.setdefault((name, each.inode[1]), {"name": name, "mapped_by": []})
                seen.update(inode=each.inode[1], has_name=not each.path.endswith(DELETED))
                seen["mapped_by"] = sorted({*seen["mapped_by"], pid})
    return list(found.values())


class _Word(NamedTuple):
    inode: Tuple[int, int]
    offset: int


def _futexes(
    mapped: Mapping[int, Sequence[Mapped]], now: Threads
) -> Iterator[Mapping[str, Any]]:
    """The words in shared memory that threads sleep on without a time-out."""
    found: Dict[_Word, Dict[str, Any]] = {}
    for pid, threads in now.items():
        for thread in threads.values():
            address = _awaited(thread.system_call)
            for each in mapped.get(pid, ()):
                if address is not None and each.start <= address < each.end:
                    word = _Word(each.inode, address - each.start + each.offset)
                    seen = found.setdefault(word, _described(pid, each, word))
                    seen["waiters"].append(pid)
    for word, seen in found.items():
        at = sorted((pid, place) for pid, all in mapped.items() for place in _places(word, all))
        holders = sorted({pid for pid, _ in at})
        yield {**seen, "waiters": sorted(set(seen["waiters"])), "mapped_by": holders, "at": at}


def _places(word: _Word, mapped: Sequence[Mapped]) -> Iterator[int]:
    """Where it lies in the memory of a process."""
    for each in mapped:
        if each.inode == word.inode and 0 <= word.offset - each.offset < each.end - each.start:
            yield each.start + word.offset - each.offset


def _awaited(system_call: str) -> Optional[int]:
    words = system_call.split()
    if len(words) < 5 or not words[0].isdigit() or int(words[0]) != FUTEX:
        return None
    address, command, _, timeout = (int(word, 16) for word in words[1:5])
    return address if command & COMMAND in WAITS and not command & PRIVATE and not timeout else None


def _described(pid: int, mapping: Mapped, word: _Word) -> Dict[str, Any]:
    name = os.path.basename(mapping.path.replace(DELETED, ""))
    seen: Dict[str, Any] = {"kind": "word", "name": name, "owner": None, "waiters": []}
    if name.startswith(SEMAPHORE):
        return {**seen, "kind": "semaphore"}
    read = opened(pid, mapping)
    if read is None:
        return seen
    try:
        content = os.pread(read, MUTEX.size, word.offset)
    finally:
        os.close(read)
    if len(content) == MUTEX.size:
        lock, _, owner, _, kind = MUTEX.unpack(content)
        if lock == TAKEN_AND_AWAITED and owner > 0 and kind & OF_PROCESSES:
            seen.update(kind="mutex", owner=owner, is_owner_alive=_is_alive(owner))
    return seen


def _file_locks(pids: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    """That these wait for, see proc_locks(5). Of another pid namespace nobody is known."""
    owners: Dict[str, Tuple[int, str]] = {}
    for line in procfs.read_all("locks").decode("utf-8", "replace").splitlines():
        match = LOCK_LINE.match(line)
        if match is None:
            continue
        number, arrow, kind, pid, file = match.groups()
        if arrow is None:
            owners[number] = (int(pid), file)
        elif int(pid) in pids and number in owners:
            owner, file = owners[number]
            seen: Dict[str, Any] = {"kind": f"file lock ({kind.lower()})", "name": file}
            seen.update(waiters=[int(pid)], mapped_by=[], owner=owner if owner > 0 else None)
            yield {**seen, "is_owner_alive": owner <= 0 or _is_alive(owner)}


def _is_alive(tid: int) -> bool:
    found = procfs.stat(tid)
    return found is not None and found.state not in "ZX"


def _uncollected(pids: Sequence[int]) -> List[Mapping[str, Any]]:
    """Children of theirs that have ended, and how: nobody has waited for them."""
    found: List[Mapping[str, Any]] = []
    for entry in os.listdir("/proc"):
        seen = procfs.stat(int(entry)) if entry.isdigit() else None
        if seen is not None and seen.state == "Z" and seen.parent in pids:
            found.append({"pid": int(entry), "parent": seen.parent, "status": seen.exit_code})
    return found
