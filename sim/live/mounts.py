"""A /dev/shm of a run's own: a small tmpfs in a private mount namespace.

A short-lived process makes the namespace and hands out descriptors of it; it is gone with the last
of them, so there is nothing to clean up. Without CAP_SYS_ADMIN it is made inside a user namespace.
The runner stays outside and reaches the tmpfs by descriptor; participants enter. See
mount_namespaces(7), user_namespaces(7) and setns(2).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from typing import List, Optional, Sequence

from sim.errors import WorldError
from sim.live.death import die_with_parent
from sim.live.litter import SHM
from sim.live.watcher import OWNER, boot

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 0x4000, 0x40000
MAKE_DEADLINE_S = 60.0  # a cold start of an interpreter on a loaded machine
ANSWER_BYTES_MAX = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class SmallShm:
    """The runner's view: regions are made in `folder`, participants enter `namespaces`."""

    def __init__(self, size_bytes: int, owner: str) -> None:
        """Raises WorldError where this host or user may not."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = "\n".join(os.path.abspath(entry) for entry in sys.path)
        with ours:
            with theirs:
                maker = subprocess.Popen(
                    boot("sim.live.mounts", path, [theirs.fileno(), size_bytes]),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # a Ctrl-C in the terminal is the runner's alone
                    env={**os.environ, OWNER: owner},
                )
            ours.settimeout(MAKE_DEADLINE_S)
            try:
                packet, fds, _, _ = socket.recv_fds(ours, ANSWER_BYTES_MAX, 3)
            except OSError as error:
                maker.kill()
                raise WorldError("mount", pid=maker.pid, detail=str(error)) from error
            finally:
                maker.wait()
        if not fds:
            said = json.loads(packet or b"{}")
            raise WorldError("unshare or mount", errno=said.get("errno"), detail=f"{SHM}: {said}")
        self.folder = fds[0]
        self._fds = fds
        self.namespaces = [f"/proc/{os.getpid()}/fd/{fd}" for fd in fds[1:]]

    def open(self, name: str, *, is_new: bool) -> int:
        """A descriptor, as shm_open(3) makes them."""
        flags = os.O_CREAT | os.O_EXCL if is_new else 0
        flags |= os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name.lstrip("/"), flags, 0o600, dir_fd=self.folder)

    def unlink(self, name: str) -> None:
        os.unlink(name.lstrip("/"), dir_fd=self.folder)

    def names_with(self, prefix: str) -> List[str]:
        starts = tuple(lead + prefix.lstrip("/") for lead in ("", "sem."))
        return sorted(f"/{name}" for name in os.listdir(self.folder) if name.startswith(starts))

    def size_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_blocks * found.f_frsize

    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Idempotent. Who is inside keeps it alive."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []


def enter(namespaces: Sequence[str]) -> None:
    """Of a process with one thread: its /dev/shm is another one from now on."""
    if not namespaces:
        return
    here = os.getcwd()
    fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in namespaces]
    for fd in fds:
        _check(_libc.setns(fd, 0), "setns")
        os.close(fd)
    try:
        os.chdir(here)
    except OSError:
        pass  # the new namespace's root will do
    die_with_parent()  # other rights may have cleared it: prctl(2), PR_SET_PDEATHSIG


def main(control: int, size_bytes: int) -> None:
    """Make it, hand it out, end."""
    die_with_parent()
    answer = socket.socket(fileno=control)
    try:
        namespaces = _make_namespaces()
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
        options = f"size={size_bytes},mode=1777".encode()
        shm = SHM.encode()
        made = _libc.mount(b"spinbed", shm, b"tmpfs", MS_NOSUID | MS_NODEV, options)
        _check(made, f"mount {SHM}")
        fds = [os.open(path, os.O_RDONLY) for path in (SHM, *namespaces)]
    except OSError as error:
        answer.send(json.dumps({"errno": error.errno, "what": str(error)}).encode())
        return
    socket.send_fds(answer, [b"{}"], fds)


def _make_namespaces() -> Sequence[str]:
    """Their paths, in the order in which they must be entered."""
    mount = "/proc/self/ns/mnt"
    uid, gid = os.geteuid(), os.getegid()
    try:
        _check(_libc.unshare(CLONE_NEWNS), "unshare")
        return (mount,)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
    _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare in a user namespace")
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as written:
            written.write(text)
    return ("/proc/self/ns/user", mount)


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def lack() -> Optional[str]:
    """Why no such namespace can be made here; None where it can. Tried, not guessed."""
    try:
        SmallShm(1 << 20, "spinbed.trial").close()
    except WorldError as error:
        return str(error)
    return None
