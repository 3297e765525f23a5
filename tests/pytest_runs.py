"""Runs of pytest with the plugin, in a project of somebody else's, and the scenarios in it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Dict, Iterator, List

from scenario_texts import GOOD

from sim.live.procfs import stat

WATCHDOG_S = 180  # only against a hang
LOOK_S = 0.04  # between two looks: one at the processes of a machine takes milliseconds
# A run within a test: no cache beside its files, and no second spent in each of its processes on
# a plugin that it has no use for.
WITHOUT_HYPOTHESIS = ("-p", "no:hypothesispytest")
LEAN = ("-p", "no:cacheprovider", *WITHOUT_HYPOTHESIS)

# Says of a healthy run that a bug is found in it.
UNMET = GOOD + '[[expect]]\nverdict = "invalid"\nchecker = "fifo"\n'
SWEPT = GOOD + '[sweep.product]\n"transport.slots" = [4, 44]\n'
ENDLESS = GOOD.replace("messages = 20", "messages = 100, rate_hz = 1")
# What the kernels that it asks for cannot do.
ELSEWHERE = GOOD.replace("slots = 4", "slots = 4\nevict_dead = true").replace(
    'role = "writer"', 'role = "writer"\nkernels = "pure"'
)


def project(folder: Path) -> Path:
    """Its own configuration, and a TOML file that is no scenario."""
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "-ra"\n')
    (folder / "settings.toml").write_text('schema = 3\n[database]\nname = "a"\n')
    return folder


def write(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.toml").write_text(text.replace("NAME", name), encoding="utf-8")
    return f"{name}.toml"


COLOURS = ("NO_COLOR", "FORCE_COLOR", "PY_COLORS")


def environment() -> Dict[str, str]:
    """Without what of the caller's would change what is written."""
    theirs = os.environ.items()
    kept = {k: v for k, v in theirs if not k.startswith("PYTEST_") and k not in COLOURS}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "COLUMNS": "200",
        "PYTEST_ADDOPTS": shlex.join(WITHOUT_HYPOTHESIS),
    }


# As the script does it: `-m` would put the working directory on the path.
COMMAND = (sys.executable, "-c", "import sys, pytest; del sys.path[0]; sys.exit(pytest.main())")


def counts(done: subprocess.CompletedProcess[str]) -> Dict[str, int]:
    """Of the last line: {"passed": 2, "failed": 1}."""
    found = re.findall(r"(\d+) (\w+)", done.stdout.splitlines()[-1].split(" in ")[0])
    return {what.rstrip("s") if what == "errors" else what: int(count) for count, what in found}


@contextlib.contextmanager
def started(*words: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """pytest with its output in `output`, in a process group of its own as a shell's job is."""

    def default_signals() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it

    with (cwd / "output").open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "-p", "spinbed", "-v", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=environment(),
            preexec_fn=default_signals,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WATCHDOG_S)


def poll(condition: Callable[[], object], what: str) -> None:
    """Nothing tells of a name in /dev/shm, or of an orphan's end, but looking."""
    deadline_s = time.monotonic() + WATCHDOG_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        select.select([], [], [], LOOK_S)


def regions_of(pid: int) -> List[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"spinbed.{pid}.")]


def is_alive(pid: int) -> bool:
    """Whoever adopts the orphans of this host may leave them zombies."""
    found = stat(pid)
    return found is not None and found.state not in "ZX"


def await_nothing_left(runner: int, below: List[int]) -> None:
    poll(lambda: not any(map(is_alive, below)), "a process is left")
    poll(lambda: not regions_of(runner), "a name in /dev/shm is left")
