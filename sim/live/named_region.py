"""A ring's region under a POSIX shared-memory name that its user chose: made, found, and removed.

A name appears with its region whole: the region is made without a name, formatted, and then linked
to one (O_TMPFILE, open(2)), so nobody finds it half made, and a maker that dies leaves nothing.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import time
from typing import Callable, Optional, Union

import posix_ipc

from cy_kernels.errors import RingBusy, RingTimeout
from sim.live.litter import SHM

NAME_BYTES_MAX = 250
MODE = 0o600
NAP_MIN_S, NAP_MAX_S = 0.0005, 0.02  # between two looks for a name that is not there yet
CREATIONS_MAX = 100  # of others, between our look at a name and our link to it
CREATION_NAP_S = 0.005  # while another one is at it
POPULATE = getattr(mmap, "MAP_POPULATE", 0x8000)  # named from 3.10 on; the first lap is fast, too
NOT_THERE = (posix_ipc.ExistentialError, FileNotFoundError)

Stale = Callable[[memoryview], None]  # raises where the region under a name may not be replaced


def checked_name(name: str) -> str:
    """With its slash. Raises TypeError, ValueError."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    bare = name[1:] if name.startswith("/") else name
    size = len(bare.encode("utf-8", "surrogateescape"))
    if bare in ("", ".", "..") or "/" in bare or "\0" in bare or size > NAME_BYTES_MAX:
        raise ValueError(
            f"{name!r} names no shared memory: 1 to {NAME_BYTES_MAX} bytes without a slash or NUL, "
            "behind one slash or none"
        )
    return "/" + bare


class NamedRegion:
    """One mapping of a region, and the name by which it was made or found."""

    def __init__(self, name: str, fd: int, size_bytes: int) -> None:
        self.name = name
        self._fd: Union[int, None] = fd
        self._map = mmap.mmap(fd, size_bytes, flags=mmap.MAP_SHARED | POPULATE)
        self.view = memoryview(self._map)

    @classmethod
    def make(cls, name: str, size_bytes: int) -> NamedRegion:
        """Zeros, which `publish` gives the name. Raises OSError."""
        fd = os.open(SHM, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, MODE)
        try:
            os.posix_fallocate(fd, 0, size_bytes)  # else a full /dev/shm is a SIGBUS some day
            return cls(name, fd, size_bytes)
        except OSError as error:
            os.close(fd)
            free = os.statvfs(SHM)
            what = f"a ring of {size_bytes} bytes; {SHM} has {free.f_bavail * free.f_frsize} free"
            raise OSError(error.errno, f"{error.strerror}: {what}") from None

    @classmethod
    def find(cls, name: str, deadline_s: float, timeout_s: Optional[float]) -> NamedRegion:
        """Wait for the name. `deadline_s` is of time.monotonic(). Raises RingTimeout, OSError."""
        nap_s = NAP_MIN_S
        while True:
            found = cls.open(name)
            if found is not None:
                return found
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise RingTimeout(f"no ring is called {name}; nobody made it in {timeout_s} s")
            time.sleep(min(nap_s, left_s))
            nap_s = min(2 * nap_s, NAP_MAX_S)

    @classmethod
    def open(cls, name: str) -> Optional[NamedRegion]:
        """None: there is no such name. Raises OSError."""
        try:
            fd: int = posix_ipc.SharedMemory(name).fd
        except NOT_THERE:
            return None
        except posix_ipc.PermissionsError:
            raise PermissionError(
                errno.EACCES, f"{name} belongs to user {os.stat(SHM + name).st_uid}"
            ) from None
        try:
            return cls(name, fd, os.fstat(fd).st_size)
        except ValueError:  # of 0 bytes, which cannot be mapped
            os.close(fd)
            raise RingBusy(f"{name} is shared memory of 0 bytes, and not a ring") from None
        except OSError:
            os.close(fd)
            raise

    def publish(self, may_replace: Stale) -> None:
        """Give the region its name. Where something has the name, `may_replace` raises, or it is
        unlinked. Raises OSError, RingBusy."""
        assert self._fd is not None
        folder = os.open(SHM, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for _ in range(CREATIONS_MAX):
                try:
                    # With a folder's descriptor this is linkat(2), which follows the link in /proc.
                    os.link(f"/proc/self/fd/{self._fd}", self.name[1:], dst_dir_fd=folder)
                    return
                except FileExistsError:
                    if not _clear(self.name, may_replace):
                        time.sleep(CREATION_NAP_S)
        finally:
            os.close(folder)
        raise RingBusy(f"others are making {self.name}")

    def has_name(self) -> bool:
        """Whether the name still is this region's: another one may have it by now."""
        try:
            named = os.stat(SHM + self.name)
        except FileNotFoundError:
            return False
        assert self._fd is not None
        mine = os.fstat(self._fd)
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)

    def unlink(self) -> None:
        """Take the name away, if it is still ours. Who has the region mapped keeps it."""
        if self.has_name():
            unlink(self.name)

    def lock(self) -> bool:
        """False: another process has it. It goes with `close`."""
        assert self._fd is not None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Unmap, now or with the last view of the memory; the name stays. Idempotent."""
        if self._fd is None:
            return
        os.close(self._fd)
        self._fd = None
        try:
            self.view.release()
            self._map.close()
        except BufferError:
            pass  # somebody still looks at a message


def unlink(name: str) -> bool:
    """Remove a name, whoever's it is; False: it was not there. Raises PermissionError."""
    try:
        posix_ipc.unlink_shared_memory(checked_name(name))
    except NOT_THERE:
        return False
    except posix_ipc.PermissionsError:
        raise PermissionError(errno.EACCES, f"{name} is not ours to remove") from None
    return True


def _clear(name: str, may_replace: Stale) -> bool:
    """Under a lock of the old region, so that of two who replace it one unlinks it, and the other
    then finds the new one. False: another process has the lock."""
    old = NamedRegion.open(name)
    if old is None:
        return True
    try:
        if not old.lock():
            return False
        if old.has_name():
            may_replace(old.view)
            old.unlink()
        return True
    finally:
        old.close()
