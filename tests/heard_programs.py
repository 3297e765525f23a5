"""Starts programs in interpreters of their own, as a runner would, and hears what they say."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from sim.inside import channel
from sim.live import inside_folder

WATCHDOG_S = 90
DATAGRAMS_END = b"end"


class Ended(NamedTuple):
    status: int
    out: str
    err: str
    said: List[Dict[str, Any]]

    def events(self, hook: str, module: Optional[str] = None) -> List[str]:
        """Of the hooks of that kind, in the order in which they were told."""
        return [each["event"] for each in self.of(hook, module)]

    def of(self, hook: str, module: Optional[str] = None) -> List[Dict[str, Any]]:
        meant = [each for each in self.said if each.get("hook") == hook]
        return [each for each in meant if module in (None, each.get("module"))]

    def last_line(self) -> str:
        return self.err.strip().rpartition("\n")[2]


class Hearing:
    """Takes all that is said as it comes: who speaks blocks when ten datagrams lie unread."""

    def __init__(self, answer: Callable[[Dict[str, Any]], bool]) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = f"spinbed-heard-{uuid.uuid4().hex}"
        self.socket.bind("\0" + self.address)
        self.said: List[Dict[str, Any]] = []
        self.answer = answer
        self.thread = threading.Thread(target=self.hear, daemon=True)
        self.thread.start()

    def hear(self) -> None:
        while True:
            datagram, sender = self.socket.recvfrom(channel.MESSAGE_BYTES_MAX)
            if datagram == DATAGRAMS_END:
                return
            message = json.loads(datagram)
            self.said.append(message)
            if message.get("ask") and self.answer(message):
                self.socket.sendto(b"go", sender)

    def end(self) -> List[Dict[str, Any]]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as closing:
            closing.sendto(DATAGRAMS_END, "\0" + self.address)
        self.thread.join(WATCHDOG_S)
        self.socket.close()
        return self.said


def run_heard(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Optional[Path] = None,
    python: str = sys.executable,
    answer: Callable[[Dict[str, Any]], bool] = lambda message: True,
    watchdog_s: float = WATCHDOG_S,
) -> Ended:
    """`python arguments`, until it has ended. What outlasts the watchdog is killed, with whatever
    it started, and TimeoutExpired is raised.
    """
    hearing = Hearing(answer)
    process = subprocess.Popen(
        [python, *arguments],
        env={**variables, channel.ADDRESS: hearing.address},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=watchdog_s)
    finally:
        end_group(process)
        said = hearing.end()
    return Ended(process.returncode, out, err, said)


def end_group(process: subprocess.Popen[str]) -> None:
    """Kills what is left of the session that the process led, and reaps it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nobody is left
    process.wait(WATCHDOG_S)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def plain_environment(**more: str) -> Dict[str, str]:
    """Without what would change how an interpreter starts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, **more}


def run_inside(
    folder: Path,
    spec: Mapping[str, Any],
    arguments: Sequence[str],
    base: Optional[Mapping[str, str]] = None,
    **how: Any,
) -> Ended:
    """With the folder in front of the program, laid out in `folder` if it is not yet."""
    if not (folder / inside_folder.PACKAGE).exists():
        inside_folder.lay_out(folder)
    before = plain_environment() if base is None else base
    return run_heard(arguments, inside_folder.environment(folder, spec, before), **how)
