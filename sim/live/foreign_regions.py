"""Shared memory that foreign processes have mapped: found by their maps, and read by copies.

It is opened for reading and read by pread: a mapping of our own would be a SIGBUS where its owner
cuts it, and would fill the holes of a file that nobody has touched.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import stat
import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from cy_kernels.choice import kernels
from cy_kernels.errors import RingMismatch
from cy_kernels.pure.layout import (
    CREATOR,
    HEADER_PAGE,
    KIND_CURSOR,
    KIND_FLAG,
    KIND_NAMES,
    LINE_BYTES,
    PID_NAMESPACE,
    READER_LINES_BYTES,
    READERS_MAX,
    REGION_MAGIC,
    SLOT_BYTES_MAX,
    SLOTS_MAX,
    WRITER_OWNER,
)
from sim.live.foreign_flags import (
    SLOTS_USUAL,
    Asked,
    Geometry,
    decoded,
    geometries,
    may_be_one,
)
from sim.live.foreign_processes import INIT, everybody

SHM, MEMFD, DELETED = "/dev/shm/", "/memfd:", " (deleted)"
NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # named from 3.12 on
# Of /proc/PID/maps, of files of these: start, end, offset, both halves of the device, inode, path.
SHARED_LINE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) ...s ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) +"
    rb"((?:/dev/shm/|/memfd:).*)$",
    re.MULTILINE,
)
MAGIC_WORD = struct.Struct("<Q4sI")  # magic, version, kind
SHAPE = struct.Struct("<QQI")  # slots, slot_bytes, readers
SHAPE_AT = 16
PATHS_SHOWN = 8

Inode = Tuple[int, int]  # device and number


class BadRegion(ValueError):
    """It says that it is a ring, and cannot be one; or it is not what was asked for."""


class Mapping(NamedTuple):
    start: int
    end: int
    offset: int  # into the region
    inode: Inode
    path: str


def mappings(pid: int) -> List[Mapping]:
    """Of shared memory. Raises OSError."""
    with open(f"/proc/{pid}/maps", "rb") as file:
        text = file.read()
    found = []
    for match in SHARED_LINE.finditer(text):
        start, end, offset, major, minor = (int(match[n], 16) for n in range(1, 6))
        inode = (os.makedev(major, minor), int(match[6]))
        found.append(Mapping(start, end, offset, inode, os.fsdecode(match[7])))
    return found


class Holders(NamedTuple):
    """Who has a region mapped, and where."""

    by_pid: Dict[int, List[Mapping]]
    is_complete: bool  # False: there are processes that we may not look at


class _Everybody:
    """All processes of this host, and what they have mapped."""

    def __init__(self) -> None:
        self._mapped: Dict[int, List[Mapping]] = {}
        self._hidden_users: Set[int] = set()
        for pid in everybody():
            try:
                self._mapped[pid] = mappings(pid)
            except PermissionError:
                self._hide(pid)
            except OSError:  # it has ended
                continue
        self._mapped.pop(os.getpid(), None)

    def _hide(self, pid: int) -> None:
        """Root may map everybody's, but its rights are hardly ever used for it; nor is init an
        end of a ring."""
        try:
            if pid != INIT:
                self._hidden_users.add(os.stat(f"/proc/{pid}").st_uid)
        except OSError:
            pass

    def holders(self, inode: Inode, user: int) -> Holders:
        by_pid: Dict[int, List[Mapping]] = {}
        for pid, mapped in self._mapped.items():
            here = [each for each in mapped if each.inode == inode]
            if here:
                by_pid[pid] = here
        return Holders(by_pid, user not in self._hidden_users)


class ForeignRegion:
    """One of them, open for reading."""

    def __init__(self, fd: int, path: str, holders: Holders) -> None:
        self._fd = fd
        self.path = path
        self.holders = holders
        self.geometry: Optional[Geometry] = None  # of one without a header

    @classmethod
    def open(cls, pid: int, mapping: Mapping, everyone: _Everybody) -> Optional[ForeignRegion]:
        """None: there is no way to it that we may go."""
        fd = opened(pid, mapping)
        if fd is None:
            return None
        holders = everyone.holders(mapping.inode, os.fstat(fd).st_uid)
        return cls(fd, _name_of(mapping), holders)

    @property
    def size_bytes(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Shorter where it ends before."""
        return os.pread(self._fd, size_bytes, offset) if size_bytes > 0 else b""

    def close(self) -> None:
        os.close(self._fd)

    def has_magic(self) -> bool:
        return self.read(0, 8) == REGION_MAGIC.to_bytes(8, "little")

    def describe(self) -> Optional[Dict[str, Any]]:
        """Decoded; None: it is no ring that we know. Raises BadRegion."""
        if self.has_magic():
            return self._with_header()
        if self.geometry is None:
            return None
        found = decoded(self.geometry, self.read(self.geometry.flags_at, self.geometry.flag_bytes))
        if found is None and self.size_bytes < self.geometry.flags_at + self.geometry.flag_bytes:
            raise BadRegion(f"{self.path} has been cut to {self.size_bytes} bytes")
        return found

    def _with_header(self) -> Dict[str, Any]:
        try:
            return self._decoded()
        except RingMismatch as error:
            raise BadRegion(f"{self.path} begins as a ring of spinbed, but {error}") from None

    def _decoded(self) -> Dict[str, Any]:
        header = self.read(0, HEADER_PAGE + READER_LINES_BYTES)
        kind = MAGIC_WORD.unpack_from(header.ljust(HEADER_PAGE, b"\0"))[2]
        ring = kernels().ring
        if kind == KIND_CURSOR:
            found: Dict[str, Any] = ring.cursor_describe(self._copy(header))
            found["writer"]["word"] = _word(header, 8 * WRITER_OWNER)
            for rank, place in enumerate(found["reader"]):
                place["word"] = _word(header, HEADER_PAGE + rank * LINE_BYTES + 8)
        elif kind == KIND_FLAG:
            found = ring.flag_describe(self._copy(header, has_flags=True))
        else:
            known = ", ".join(KIND_NAMES.values())
            raise BadRegion(f"{self.path}: a ring of kind {kind} is none of {known}")
        found.update(has_header=True, creator_word=_word(header, 8 * CREATOR))
        return {**found, "pid_namespace": _word(header, 8 * PID_NAMESPACE)}

    def _copy(self, header: bytes, *, has_flags: bool = False) -> memoryview:
        """As long as the region, and empty but for what is decoded: pages that nobody touches are
        no memory."""
        size_bytes = self.size_bytes
        if len(header) < HEADER_PAGE:
            raise RingMismatch(f"it has {size_bytes} bytes, a header alone has {HEADER_PAGE}")
        try:
            copy = mmap.mmap(-1, size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
        except (OSError, ValueError, OverflowError) as error:
            raise BadRegion(f"{self.path} of {size_bytes} bytes: {error}") from None
        copy[: len(header)] = header
        if has_flags:
            slots, slot_bytes, readers = SHAPE.unpack_from(header, SHAPE_AT)
            if slots <= SLOTS_MAX and slot_bytes <= SLOT_BYTES_MAX and readers <= READERS_MAX:
                at = HEADER_PAGE + slots * slot_bytes
                flags = self.read(at, slots * (1 + readers))
                copy[at : at + len(flags)] = flags
        return memoryview(copy)


def opened(pid: int, mapping: Mapping) -> Optional[int]:
    """For reading; None: there is no way to it that we may go."""
    for path in _ways(pid, mapping):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) == mapping.inode:
            return fd
        os.close(fd)
    return None


def _word(header: bytes, offset: int) -> int:
    return int.from_bytes(header[offset : offset + 8], "little")


def _name_of(mapping: Mapping) -> str:
    """Who has linked a region to its name has it mapped by none, for all that the OS shows."""
    if mapping.path.endswith(DELETED):
        for name in os.listdir(SHM):
            with contextlib.suppress(OSError):
                there = os.stat(SHM + name)
                if (there.st_dev, there.st_ino) == mapping.inode:
                    return SHM + name
    return mapping.path


def _ways(pid: int, mapping: Mapping) -> Iterator[str]:
    yield f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}"  # for root alone
    if not mapping.path.startswith(MEMFD):
        yield f"/proc/{pid}/root{mapping.path}"
        yield _name_of(mapping)
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            found = os.stat(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == mapping.inode:
            yield f"/proc/{pid}/fd/{name}"


class Found(NamedTuple):
    rings: List[ForeignRegion]
    notes: List[str]  # of other shared memory, and of what could not be told


def find(pids: Sequence[int], asked: Asked) -> Found:
    """The rings that these processes have mapped. Raises BadRegion, with nothing left open."""
    mapped: Dict[Inode, Tuple[int, Mapping]] = {}
    for pid in pids:
        try:
            for mapping in mappings(pid):
                mapped.setdefault(mapping.inode, (pid, mapping))
        except OSError:  # it has ended, or is another user's child
            continue
    everyone = _Everybody()
    rings: List[ForeignRegion] = []
    notes: List[str] = []
    sizes: List[str] = []
    try:
        for pid, mapping in mapped.values():
            region = ForeignRegion.open(pid, mapping, everyone)
            if region is None:
                notes.append(f"{mapping.path}: it has no name any more, and may not be opened")
                continue
            sizes.append(f"{region.path} of {region.size_bytes}")
            why_not = _why_no_ring(region, asked)
            if why_not is None:
                rings.append(region)
            else:
                region.close()
                notes.append(f"{region.path}: {why_not}")
        if asked.is_any and not any(region.geometry for region in rings):
            there = ", ".join(sizes[:PATHS_SHOWN]) or "there is none"
            raise BadRegion(f"no mapped region without a header has such a size: {there}")
    except BadRegion:
        for region in rings:
            region.close()
        raise
    return Found(rings, notes)


def _why_no_ring(region: ForeignRegion, asked: Asked) -> Optional[str]:
    """None: it is one. Raises BadRegion."""
    size_bytes = region.size_bytes
    if region.has_magic():
        region.describe()
        return None
    if not may_be_one(region.path, size_bytes, asked):
        return f"{size_bytes} bytes, no ring"
    fits = []
    for geometry in geometries(size_bytes, asked):
        flags = region.read(geometry.flags_at, geometry.flag_bytes)
        if decoded(geometry, flags) is not None:
            fits.append(geometry)
    usual = [each for each in fits if each.slots == SLOTS_USUAL]
    if len(fits) > 1 and usual and usual[0].readers + 1 == len(region.holders.by_pid):
        fits = usual  # and one writer, and each reader a process of its own
    if len(fits) == 1:
        region.geometry = fits[0]
        return None
    if not fits:
        return f"{size_bytes} bytes, no ring"
    ways = "; or ".join(map(str, [*usual, *(each for each in fits if each not in usual)]))
    return f"{size_bytes} bytes may be a ring of flags: say of which geometry, {ways}"
