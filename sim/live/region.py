"""POSIX shared memory whose names say whose it is: made, attached, found again, and removed.

    /spinbed.<runner pid>.<its start time>.<its pid namespace>.<16 hex digits>.r<run>.<what>

The hex digits make the name unguessable, mode 0600 makes it private, and pid with start time and
namespace tell whether the owner still lives: a pid alone is soon somebody else's.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import secrets
import sys
from dataclasses import dataclass
from typing import Dict, NamedTuple, Optional, Protocol, Sequence, Tuple

import posix_ipc

from cy_kernels.owner import pid_namespace
from sim.errors import WorldError
from sim.live.litter import SHM, files_with, remove_files, shm_starts
from sim.live.procfs import read, stat

DELETED = b" (deleted)"  # as the kernel marks a mapping whose name is gone
NAME = re.compile(r"/?(?:sem\.)?spinbed\.(\d+)\.(\d+)\.(\d+)\.([0-9a-f]{16})(?:\.(.*))?", re.DOTALL)


def owner_prefix() -> str:
    """A fresh prefix for everything that this process will make."""
    mine = stat(os.getpid())
    assert mine is not None
    random = secrets.token_hex(8)
    return f"/spinbed.{os.getpid()}.{mine.start_ticks}.{pid_namespace()}.{random}"


class _Mapping(NamedTuple):
    fd: int
    map: mmap.mmap
    view: memoryview


class Shm(Protocol):
    """Where names of shared memory are looked up. Raises posix_ipc.Error or OSError."""

    def open(self, name: str, *, is_new: bool) -> int: ...

    def unlink(self, name: str) -> None: ...

    def free_bytes(self) -> int: ...


class OurShm:
    """As every process of this host sees it, unless it is in a mount namespace of its own."""

    def open(self, name: str, *, is_new: bool) -> int:
        flags = posix_ipc.O_CREX if is_new else 0
        fd: int = posix_ipc.SharedMemory(name, flags, mode=0o600, size=0).fd
        return fd

    def unlink(self, name: str) -> None:
        posix_ipc.unlink_shared_memory(name)

    def free_bytes(self) -> int:
        found = os.statvfs(SHM)
        return found.f_bavail * found.f_frsize


NOT_THERE = (posix_ipc.ExistentialError, FileNotFoundError)


class LiveRegions:
    """The regions of one run, as one process sees them. Satisfies sim.abc.Regions."""

    def __init__(self, name_prefix: str) -> None:
        self._prefix = name_prefix
        self._shm: Shm = OurShm()
        self._mapped: Dict[str, _Mapping] = {}  # by full name, in the order of creation
        self._places: Dict[str, Optional[int]] = {}  # by path; a pipe's own descriptor beside it

    def move_to(self, shm: Shm) -> None:
        assert not self._mapped, "only before anything is made"
        self._shm = shm

    def create(self, name: str, size_bytes: int, *, reserve: bool) -> memoryview:
        full = self._prefix + name
        try:
            fd = self._shm.open(full, is_new=True)
        except (posix_ipc.Error, OSError, ValueError) as error:
            raise WorldError("shm_open", detail=f"{full}: {error}") from error
        try:
            os.ftruncate(fd, size_bytes)
            if reserve:
                os.posix_fallocate(fd, 0, size_bytes)
            return self._map(full, fd, size_bytes)
        except OSError as error:
            self._shm.unlink(full)
            os.close(fd)
            call = "posix_fallocate" if error.errno == errno.ENOSPC else "ftruncate or mmap"
            detail = f"{full} of {size_bytes} bytes; {SHM} has {self._shm.free_bytes()} bytes free"
            raise WorldError(call, errno=error.errno, detail=detail) from error

    def attach(self, name: str) -> memoryview:
        full = self._prefix + name
        known = self._mapped.get(full)
        if known is not None:
            return known.view
        try:
            fd = self._shm.open(full, is_new=False)
        except (posix_ipc.Error, OSError) as error:
            raise WorldError("shm_open", detail=f"{full}: {error}") from error
        size_bytes = os.fstat(fd).st_size
        if size_bytes == 0:
            os.close(fd)
            raise WorldError("mmap", detail=f"{full} has 0 bytes")
        return self._map(full, fd, size_bytes)

    def place(self, name: str) -> str:
        path = SHM + self._prefix + name
        self._places.setdefault(path, None)
        return path

    def pipe(self, name: str) -> int:
        path = self.place(name)
        try:
            if self._places[path] is None:  # or what is in it is lost once nobody has it open
                if not os.path.exists(path):
                    os.mkfifo(path, 0o600)
                self._places[path] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise WorldError("mkfifo or open", errno=error.errno, detail=path) from error

    def _map(self, full: str, fd: int, size_bytes: int) -> memoryview:
        mapped = mmap.mmap(fd, size_bytes)
        view = memoryview(mapped)
        self._mapped[full] = _Mapping(fd, mapped, view)
        return view

    def main(self) -> memoryview:
        return self._mapped[self.main_name()].view

    def main_name(self) -> str:
        """The transport's region: the one that it made first."""
        return next(iter(self._mapped))

    def unlink_main(self) -> str:
        name = self.main_name()
        try:
            self._shm.unlink(name)
        except NOT_THERE:
            pass
        return name

    def truncate_main(self, size_bytes: int) -> int:
        """The size before. Works on an unlinked region too: we hold it open."""
        mapping = self._mapped[self.main_name()]
        before_bytes = os.fstat(mapping.fd).st_size
        try:
            os.ftruncate(mapping.fd, size_bytes)
        except OSError as error:
            raise WorldError("ftruncate", errno=error.errno, detail=self.main_name()) from error
        return before_bytes

    def main_size_by_name(self) -> Optional[int]:
        """As a newcomer would find it; None: no such name."""
        try:
            fd = self._shm.open(self.main_name(), is_new=False)
        except NOT_THERE:
            return None
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read_main(self, offset: int, size_bytes: int) -> int:
        """An unsigned word. Not by our mapping: of a region that was cut that is a SIGBUS."""
        read = os.pread(self._mapped[self.main_name()].fd, size_bytes, offset)
        if len(read) < size_bytes:
            raise WorldError("pread", detail=f"{self.main_name()} ends before byte {offset}")
        return int.from_bytes(read, sys.byteorder)

    def write_main(self, offset: int, size_bytes: int, value: int) -> None:
        self.read_main(offset, size_bytes)  # writing past the end would make it longer
        written = _word(value, size_bytes)
        os.pwrite(self._mapped[self.main_name()].fd, written, offset)

    def replace_main(self, offset: int, size_bytes: int, value: int) -> Tuple[int, int]:
        """Another region of this name, the same but for one word; who has the old one mapped keeps
        it. The inodes of both."""
        name = self.unlink_main()
        old = self._mapped[name].fd
        fd = self._shm.open(name, is_new=True)
        try:
            written = bytearray(os.pread(old, os.fstat(old).st_size, 0))
            written[offset : offset + size_bytes] = _word(value, size_bytes)
            os.pwrite(fd, written, 0)
            return os.fstat(old).st_ino, os.fstat(fd).st_ino
        finally:
            os.close(fd)

    def is_held_by(self, pid: int) -> Optional[bool]:
        """Whether what this process has mapped under the main region's name is that region; None:
        it has none, or may not be looked at."""
        name = self.main_name()
        ours = os.fstat(self._mapped[name].fd).st_ino
        wanted = os.fsencode(name)
        found = []
        for line in read(pid, "maps").splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].replace(DELETED, b"").endswith(wanted):
                found.append(int(fields[4]) == ours)
        return any(found) if found else None

    def is_whole(self) -> bool:
        """False: a region was cut, and reading our mapping of it would be a SIGBUS."""
        return all(os.fstat(m.fd).st_size >= len(m.view) for m in self._mapped.values())

    def close(self) -> None:
        """Unmap; the names stay. Idempotent."""
        for mapping in self._mapped.values():
            mapping.view.release()
            mapping.map.close()
            os.close(mapping.fd)
        self._mapped.clear()
        for fd in self._places.values():
            if fd is not None:
                os.close(fd)
        self._places.clear()

    def unlink_own(self) -> None:
        """Every name that this object made or attached."""
        for path in self._places:
            remove_files(shm_starts(os.path.basename(path)))
        for name in self._mapped:
            try:
                self._shm.unlink(name)
            except NOT_THERE:
                pass


def _word(value: int, size_bytes: int) -> bytes:
    try:
        return value.to_bytes(size_bytes, sys.byteorder)
    except OverflowError:
        detail = f"{value} does not fit a word of {size_bytes} bytes"
        raise WorldError("pwrite", detail=detail) from None


def names_with(prefix: str) -> Sequence[str]:
    """What is in /dev/shm under this prefix, semaphores included."""
    return ["/" + os.path.basename(path) for path in files_with(shm_starts(prefix))]


def remove(prefix: str) -> None:
    remove_files(shm_starts(prefix))


@dataclass(frozen=True)
class RegionName:
    """A name taken apart."""

    owner_pid: int
    owner_start_ticks: int
    namespace: int
    random: str
    rest: str  # "r3.ring"


def parse_name(name: str) -> Optional[RegionName]:
    """None: not one of ours."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    pid, start, namespace, random, rest = found.groups()
    return RegionName(int(pid), int(start), int(namespace), random, rest or "")
