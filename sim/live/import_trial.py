"""An import in a process of its own, as damage demands that no exception tells of: what it does.

Any interpreter can be asked. What it must not be asked is to import into our own process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from sim.errors import WorldError

DEADLINE_S = 60.0  # a cold start of an interpreter on a loaded machine
MARK = "spinbed-import "  # before our line: a module may print while it is imported

# What the asked interpreter runs, from 3.9 on. A process that dies leaves no core file behind.
SCRIPT = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
module, mark, flags = sys.argv[1:]
if flags != "":
    sys.setdlopenflags(int(flags))
said = [None, "", None]
try:
    __import__(module)
except BaseException as error:
    cause = error.__cause__
    said = [type(error).__name__, str(error), cause and f"{type(cause).__name__}: {cause}"]
print(mark + json.dumps(said), flush=True)
"""


@dataclass(frozen=True)
class Trial:
    """How it ended: imported (all None), by an exception, by a signal, or by a status."""

    exception: Optional[str] = None
    text: str = ""
    cause: Optional[str] = None  # of the exception: its __cause__, as a traceback's last line
    signal: Optional[signal.Signals] = None
    status: Optional[int] = None  # of a process that ended itself, otherwise than by an exception
    stderr: str = ""

    @property
    def is_imported(self) -> bool:
        return self.exception is None and self.signal is None and self.status is None

    def __str__(self) -> str:
        if self.signal is not None:
            return self.signal.name
        if self.status is not None:
            return f"status {self.status}: {self.stderr.strip()}"
        return f"{self.exception}: {self.text}" if self.exception else "imported"


def try_import(
    module: str,
    *,
    python: Sequence[str],
    path: Sequence[Path],
    launch: Sequence[str] = (),
    environment: Optional[Mapping[str, str]] = None,
    dlopen_flags: Optional[int] = None,
) -> Trial:
    """Imports `module` under the interpreter `python` with `path` first on its PYTHONPATH.

    `launch` comes before the command line (`damage.launcher`); `dlopen_flags` are those of
    sys.setdlopenflags. Raises WorldError where the interpreter does not start, or says nothing for
    DEADLINE_S seconds.
    """
    flags = "" if dlopen_flags is None else str(dlopen_flags)
    command: List[str] = [*launch, *python, "-c", SCRIPT, module, MARK, flags]
    given = {**os.environ, **(environment or {})}
    first = [str(each) for each in path]
    given["PYTHONPATH"] = os.pathsep.join([*first, *filter(None, [given.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            command,
            env=given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorldError("import", detail=f"{module} under {python[0]}: {error}") from error
    if done.returncode < 0:
        return Trial(signal=signal.Signals(-done.returncode), stderr=done.stderr)
    said = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode != 0 or not said:
        return Trial(status=done.returncode, stderr=done.stderr)
    exception, text, cause = json.loads(said[-1][len(MARK) :])
    return Trial(exception, text, cause, stderr=done.stderr)
