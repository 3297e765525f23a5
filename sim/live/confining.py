"""Starts a program in surroundings where a file can be found, but not read, or not mapped to run.

    python -I confining.py WHAT FOLDER PROGRAM [ARGUMENT ...]

Run as a file of its own, before any program: it needs nothing of the product. It becomes the
program, so whoever started it has the program's own process.

noexec: in a mount namespace of its own, FOLDER is mounted over itself without the right to run code
        from it. Who isn't root gets the namespace in a user namespace, as the user he is.
unread: root may read what nobody may; the program is started without this one right of root's.

See mount_namespaces(7), user_namespaces(7), capabilities(7). Ends with status 125 and one line
where the host doesn't permit it, 127 where there is no such program, as env(1) does.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import List, Optional

NOEXEC, UNREAD = "noexec", "unread"
STATUS_REFUSED, STATUS_NO_PROGRAM = 125, 127

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 8, 0x20, 0x1000, 0x4000, 0x40000
MS_RELATIME = 1 << 21
ST_RELATIME = 4096
PR_CAPBSET_DROP = 24
TRIAL_DEADLINE_S = 60.0  # a cold start of two interpreters on a loaded machine
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def prefix(what: str, folder: str) -> List[str]:
    """What comes before a program's own command line."""
    return [sys.executable, "-I", os.path.abspath(__file__), what, folder]


def lack(what: str) -> Optional[str]:
    """Why this host or user may not; None where it may. Tried, not guessed."""
    if what == UNREAD and os.geteuid() != 0:
        return None
    trial = [*prefix(what, os.path.dirname(os.path.abspath(__file__))), sys.executable, "-IS", "-c"]
    tried = subprocess.run(
        [*trial, "pass"], capture_output=True, text=True, timeout=TRIAL_DEADLINE_S
    )
    return None if tried.returncode == 0 else tried.stderr.strip() or f"status {tried.returncode}"


def main(arguments: List[str]) -> Optional[str]:
    what, folder, *program = arguments
    try:
        {NOEXEC: mount_without_exec, UNREAD: give_up_reading}[what](folder)
    except OSError as error:
        sys.stderr.write(f"{what}: {error}\n")
        sys.exit(STATUS_REFUSED)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.stderr.write(f"{program[0]}: {error}\n")
        sys.exit(STATUS_NO_PROGRAM)


def mount_without_exec(folder: str) -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", CLONE_NEWNS)
    except PermissionError:
        _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    here = os.getcwd()
    where = os.fsencode(folder)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", where, where, None, MS_BIND | MS_REC, None)
    flags = os.statvfs(folder).f_flag  # in a user namespace none may be taken away
    kept = flags & ~ST_RELATIME | (MS_RELATIME if flags & ST_RELATIME else 0)
    _call("mount", None, where, None, MS_REMOUNT | MS_BIND | MS_NOEXEC | kept, None)
    os.chdir(here)  # it may be what is mounted over


def give_up_reading(folder: str) -> None:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        _call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
