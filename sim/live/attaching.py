"""An unrelated interpreter attaches to shared memory by its name, and exits.

Up to 3.13 its resource tracker takes whatever it attached to for its own, and unlinks it once it is
gone (multiprocessing.shared_memory; from 3.13 on `track=False` prevents that).
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import List, Mapping, NamedTuple, Sequence, Set

from sim.errors import WorldError
from sim.live.procfs import descendants

SHM = "/dev/shm/"
DELETED = " (deleted)"
ATTACH = "import sys; from multiprocessing import shared_memory as m; m.SharedMemory(sys.argv[1])"
DEADLINE_S = 60.0  # a cold start of two interpreters


class Attached(NamedTuple):
    is_there: bool  # the name, once all is over
    said: str  # by the interpreter and its tracker


def mapped_names(pid: int) -> List[str]:
    """Regions of /dev/shm that the process, or one below it, has mapped and that have a name."""
    found: Set[str] = set()
    for each in (pid, *descendants(pid)):
        try:
            with open(f"/proc/{each}/maps", encoding="utf-8", errors="replace") as file:
                paths = [line.rstrip("\n").split(maxsplit=5)[5:] for line in file]
        except OSError:  # it has ended
            continue
        found.update(path[0][len(SHM) :] for path in paths if path and path[0].startswith(SHM))
    return sorted(name for name in found if not name.endswith(DELETED) and is_there(name))


def is_there(name: str) -> bool:
    return os.path.exists(SHM + name)


def attach_and_exit(python: str, name: str, env: Mapping[str, str]) -> Attached:
    """Returns when the interpreter and its resource tracker have ended: both hold its stderr.
    Raises WorldError where they do not, or there is no such interpreter."""
    try:
        # -I: it is nobody's; what is on the path of the program is not for it.
        done = subprocess.run(
            [python, "-I", "-c", ATTACH, name],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise WorldError("attach", detail=f"{name}: {error}") from error
    return Attached(is_there(name), done.stderr.decode("utf-8", "replace").strip())


def interpreter_of(argv: Sequence[str], otherwise: str) -> str:
    """The first word of a command line that is one."""
    found = (word for word in argv if re.fullmatch(r"python[0-9.]*", os.path.basename(word)))
    return next(found, otherwise)
