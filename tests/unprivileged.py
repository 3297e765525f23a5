"""Runs the tests as an unprivileged container would: not as root, with a /dev/shm of 64 MiB.

    unprivileged.py [arguments for pytest]
    unprivileged.py --run COMMAND [ARGUMENT ...]    the same for another command
    unprivileged.py --lack    prints what of this the host does not let us do, or nothing

Root becomes `nobody` in a mount namespace of its own, in which the folders that are needed can be
reached (a root's home is closed to others, and often its Python is there). Who isn't root stays
who he is, and gets the small /dev/shm where the host lets him.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Optional, Sequence

CHECKOUT = Path(__file__).resolve().parents[1]
NOBODY = 65534
SMALL_SHM = "mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm"
WITH_SMALL_SHM = ("unshare", "--mount", "sh", "-c", f'{SMALL_SHM} && exec "$@"', "sh")
BECOME_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
AS_NOBODY = (*WITH_SMALL_SHM, *BECOME_NOBODY)
# Root only as long as it takes to mount.
AS_OURSELVES = (
    *("unshare", "--user", "--map-root-user", *WITH_SMALL_SHM[1:]),
    *("unshare", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"),
)
# pytest itself is started by name, as `make test` does it: `-m` would put the checkout first.
PYTEST = Path(sys.executable).with_name("pytest")


def main() -> int:
    is_root = os.geteuid() == 0
    lack = lack_of(AS_NOBODY if is_root else AS_OURSELVES)
    if sys.argv[1:] == ["--lack"]:
        print(lack or "")
        return 0
    if lack is not None:
        if is_root:
            sys.exit(f"unprivileged.py: {lack}")
        print(f"/dev/shm stays as it is: {lack}", file=sys.stderr)
    scratch = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    try:
        for name in ("home", "tmp"):
            (scratch / name).mkdir()
        command = [str(PYTEST), "-p", "no:cacheprovider", *sys.argv[1:]]
        if sys.argv[1:2] == ["--run"]:
            command = sys.argv[2:]
        if is_root:
            command = as_nobody(command, scratch)
        elif lack is None:
            command = [*AS_OURSELVES, *command]
        return subprocess.run(command, cwd=CHECKOUT, env=environment(scratch)).returncode
    finally:
        shutil.rmtree(scratch)


def lack_of(wrapper: Sequence[str]) -> Optional[str]:
    """What keeps a command behind `wrapper` from running here."""
    try:
        tried = subprocess.run([*wrapper, "true"], capture_output=True, text=True)
    except FileNotFoundError as error:
        return f"no {error.filename} (Debian package util-linux)"
    if tried.returncode == 0:
        return None
    return "; ".join(tried.stderr.split("\n")).strip("; ") or f"status {tried.returncode}"


def environment(scratch: Path) -> Dict[str, str]:
    """Of somebody who owns nothing but two folders, and may read the checkout all the same."""
    return {
        **os.environ,
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "tmp" / "hypothesis"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def as_nobody(command: List[str], scratch: Path) -> List[str]:
    for path in (scratch, *scratch.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    script = " && ".join([*opened(scratch), 'exec "$@"'])
    return [*WITH_SMALL_SHM, "sh", "-c", script, "sh", *BECOME_NOBODY, *command]


def opened(scratch: Path) -> List[str]:
    """Shell commands: over each closed folder comes an open one, with only what is needed."""
    needed = {Path(sys.base_prefix), Path(sys.prefix), CHECKOUT}
    closed: Dict[Path, List[Path]] = {}
    for path in needed:
        for ancestor in path.parents:
            if not ancestor.stat().st_mode & 0o001:
                closed.setdefault(ancestor, []).append(path)
    commands = []
    for number, (folder, paths) in enumerate(sorted(closed.items())):
        kept = [(path, scratch / f"kept{number}.{at}") for at, path in enumerate(paths)]
        commands += [f"mkdir {keep} && mount --bind {quoted(path)} {keep}" for path, keep in kept]
        commands.append(f"mount -t tmpfs -o mode=755 tmpfs {quoted(folder)}")
        commands += [
            f"mkdir -p {quoted(path)} && mount --bind {keep} {quoted(path)}" for path, keep in kept
        ]
    return commands


def quoted(path: Path) -> str:
    return shlex.quote(str(path))


if __name__ == "__main__":
    sys.exit(main())
