"""Programs that watch themselves, each in a file, and what is seen of them from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Iterator, List

from pytest_runs import WATCHDOG_S, environment, poll

from sim.live.procfs import read, stat

HEAD = """\
import contextlib, ctypes, multiprocessing, os, signal, subprocess, sys, threading, time
import spinbed

def stuck(said):
    said.send(os.getpid())
    threading.Event().wait()

def parent_of_stuck(method, said):
    child = multiprocessing.get_context(method).Process(target=stuck, args=(said,))
    child.start()
    child.join()

def stuck_in_c():
    mutex = ctypes.create_string_buffer(64)
    lock = ctypes.PyDLL(None).pthread_mutex_lock  # with the GIL; nothing interrupts it
    lock(mutex)
    lock(mutex)

def await_stalls(watched, count):
    while watched.stalls < count:
        time.sleep(0.01)

"""


def write(folder: Path, body: str) -> Path:
    """`body` runs in the main module, and not in what it spawns."""
    path = folder / "program.py"
    main = 'if __name__ == "__main__":\n' + textwrap.indent(textwrap.dedent(body), "    ")
    path.write_text(HEAD + main)
    return path


def run(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(write(folder, body))],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        env=environment(),
    )


@contextlib.contextmanager
def started(folder: Path, body: str) -> Iterator[subprocess.Popen[str]]:
    """With its stderr in the file `stderr`; whatever it started is ended with it."""
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-u", str(write(folder, body))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment(),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WATCHDOG_S)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def monitors(owner: int) -> List[int]:
    """The monitor of a process says in its command line whose it is."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        words = read(pid, "cmdline").split(b"\0")
        if b"sim.watch.monitor" in words and words[-2] == str(owner).encode():
            found.append(pid)
    return found


def await_no_monitor(owner: int) -> None:
    poll(lambda: not any(map(stat, monitors(owner))), "its monitor is left")
