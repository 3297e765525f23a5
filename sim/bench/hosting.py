"""Our side of a host: the process that runs one peer is started, asked, waited for, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Optional

from sim.bench.peers import Entry
from sim.bench.steps import Answer, Described, Done, Failed, Job
from sim.live.litter import SHM, remove_file, remove_files, shm_starts
from sim.live.watcher import OWNER

START_S = 60.0  # large modules take long to import on a busy machine
GRACE_S = 10.0  # beyond a job's own deadline: then the host itself hangs
ROOT = Path(__file__).resolve().parents[2]


class Host:
    """Started when it is first asked, and again when it has died."""

    def __init__(self, entry: Entry, prefix: str) -> None:
        self.entry = entry
        self._prefix = prefix
        self._folder = Path(SHM) / prefix.lstrip("/")
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._control: Optional[Connection] = None
        self._log = Path(f"{self._folder}.log")

    def describe(self) -> Answer:
        """What the peer says of itself, or why it cannot be run."""
        self.stop()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        ours, theirs = socket.socketpair()
        paths = [str(ROOT), *(each for each in sys.path if each)]
        env = {
            **os.environ,
            OWNER: self._prefix,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONWARNINGS": "ignore::DeprecationWarning",  # of forks, by one thread of many
            "TMPDIR": str(self._folder),
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sim.bench.host", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        theirs.close()
        self._control = Connection(ours.detach())
        entry = self.entry
        told = (entry.home, entry.alias, entry.distribution, self._prefix, str(self._folder))
        return self._asked(told, START_S)

    def run(self, job: Job) -> Answer:
        if self._process is None:
            described = self.describe()
            if not isinstance(described, Described):
                return described
        answer = self._asked(job, job.deadline_s + GRACE_S)
        if not isinstance(answer, Done):
            self.stop()  # whatever is wrong in there does not last
        return answer

    def _asked(self, told: object, within_s: float) -> Answer:
        assert self._control is not None and self._process is not None
        try:
            self._control.send(told)
            if self._control.poll(within_s):
                answer: Answer = self._control.recv()
                return answer
            why = f"hangs: its process says nothing for {within_s:.0f} s"
        except (EOFError, OSError):
            self._process.wait(START_S)
            code = self._process.returncode
            how = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            why = f"its process {how}{self._last_words()}"
        self.stop()
        return Failed(why)

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def stop(self) -> None:
        """End it, and all that it has started; remove what they made."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._control is not None:
            self._control.close()
            self._control = None
        remove_files([f"{start}." for start in shm_starts(self._prefix)])
        remove_file(str(self._folder))

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()
