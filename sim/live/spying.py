"""Stacks that py-spy reads out of a process's memory, where it is installed and allowed to.

It shows what faulthandler cannot: which thread has the interpreter lock, and the frames of native
code. The first it reads without stopping anybody (`--nonblocking`), so that it may be had of any
process, a stopped one too. For the second it stops the process for some milliseconds by ptrace:
that is for running processes of our own runs only. pystack is not used: it always stops.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from sim.live import cgroup, procfs

TOOL = "py-spy"
WITHIN_NS = 1_500_000_000  # for all processes of a hang
ONE_NS = 1_000_000_000
SAID_MAX = 120  # characters of what it says instead


@dataclass(frozen=True)
class Spied:
    """`threads`: of each its tid, name, and frames, the innermost first. `gil`: the tid of the
    thread that had the interpreter lock, and whether that slept throughout; None: nobody had it,
    or it is not known. `lack`: why nothing was read."""

    threads: Sequence[Mapping[str, Any]] = ()
    gil: Optional[Mapping[str, Any]] = None
    lack: str = ""


def tool() -> Optional[str]:
    """On the PATH, or beside our interpreter."""
    beside = Path(sys.executable).with_name(TOOL)
    return shutil.which(TOOL) or (str(beside) if os.access(beside, os.X_OK) else None)


class Spy:
    """For the processes of one hang, which share its time."""

    def __init__(self) -> None:
        self._tool = tool()
        self._left_ns = WITHIN_NS

    def look(self, pid: int) -> Spied:
        """Nobody is stopped."""
        before = procfs.threads(pid)
        said = self._ask(pid, "--nonblocking")
        after = procfs.threads(pid)
        if isinstance(said, str):
            return Spied(lack=said)
        holders = [each["os_thread_id"] for each in said if each.get("owns_gil")]
        gil = None
        if len(holders) == 1 and holders[0] in after:
            (tid,) = holders
            is_asleep = after[tid].state == "S" and before.get(tid) == after[tid]
            gil = {"tid": tid, "is_asleep": is_asleep}
        return Spied(_threads(said), gil)

    def look_natively(self, pid: int) -> Spied:
        """Of a process of our own: it is stopped for a moment, if it is running."""
        if procfs.is_stopped(pid) or cgroup.is_frozen(pid):
            return self.look(pid)
        said = self._ask(pid, "--native")
        if isinstance(said, str):
            if procfs.is_stopped(pid):  # it was ended while it had stopped the process
                os.kill(pid, signal.SIGCONT)
            return Spied(lack=said)
        return Spied(_threads(said))

    def _ask(self, pid: int, how: str) -> Any:
        """Its document; a text says why there is none."""
        if self._tool is None:
            return f"{TOOL} is not installed"
        if self._left_ns <= 0:
            return f"{TOOL} was not asked: the time for it was over"
        command = [self._tool, "dump", "--json", "--full-filenames", how, "--pid", str(pid)]
        began_ns = time.monotonic_ns()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=min(ONE_NS, self._left_ns) / 1e9,
            )
        except subprocess.TimeoutExpired:
            return f"{TOOL} said nothing in time"
        except OSError as error:
            return f"{TOOL} does not start: {error.strerror}"
        finally:
            self._left_ns -= time.monotonic_ns() - began_ns
        return _document(done)


def add_native(processes: Sequence[Dict[str, Any]], spy: Spy) -> None:
    """To each of them, which are our own, all stacks as py-spy reads them, or why it does not."""
    for seen in processes:
        spied = spy.look_natively(seen["pid"])
        seen["native"] = {"threads": spied.threads, "lack": spied.lack}


def _document(done: subprocess.CompletedProcess[str]) -> Any:
    try:
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        found = None
    if isinstance(found, list) and found and all(map(_is_thread, found)):
        return found
    lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
    return f"{TOOL} read nothing: {lines[0][:SAID_MAX]}"


def _is_thread(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("frames"), list)


def _threads(said: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    found: List[Dict[str, Any]] = []
    for each in said:
        frames = [
            {
                "file": str(frame.get("filename")),
                "line": int(frame.get("line") or 0),
                "function": str(frame.get("name")),
            }
            for frame in each["frames"]
        ]
        found.append(
            {
                "tid": each.get("os_thread_id"),
                "name": str(each.get("thread_name") or ""),
                "frames": frames,
            }
        )
    return found
