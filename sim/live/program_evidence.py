"""What can be seen from outside of programs that do not end: two looks, a moment apart, and the
Python stacks of whoever prints them."""

from __future__ import annotations

import re
import time
from typing import Any, Dict, List, Mapping, Sequence

from sim.live import procfs
from sim.live.evidence import WINDOW_NS, told
from sim.live.program import LiveProgram
from sim.live.strays import ask_for_stack, prints_its_stack, strays
from sim.live.supervisor import Supervisor

STACK_NS = 1_000_000_000  # for one process to print its own
POLL_NS = 1_000_000
# As faulthandler writes them.
THREAD = re.compile(r"^(?:Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):$")
FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


def collect(
    run: str,
    lives: Sequence[LiveProgram],
    last_probes: Mapping[str, str],
    supervisor: Supervisor,
) -> Dict[str, Any]:
    """Of all processes of the run that are still there, whoever has started them. `last_probes`: by
    program, of those that have passed one. Asking for a stack disturbs, so it comes last."""
    before = {each.pid: procfs.threads(each.pid) for each in strays(run)}
    began_ns = time.monotonic_ns()
    until_ns = began_ns + WINDOW_NS
    while time.monotonic_ns() < until_ns:
        supervisor.pump(until_ns)
    names = {life.pid: life.name for life in lives}
    processes: List[Dict[str, Any]] = []
    for each in strays(run):
        stat = procfs.stat(each.pid)
        if stat is None:
            continue
        seen: Dict[str, Any] = {"pid": each.pid, "parent": stat.parent, "command": each.command}
        seen.update(state=stat.state, is_fork=stat.is_fork, name=names.get(each.pid))
        seen["threads"] = told(procfs.threads(each.pid), before.get(each.pid, {}))
        processes.append(seen)
    window_ns = time.monotonic_ns() - began_ns
    for seen in processes:
        seen["stacks"] = stacks(_printed(seen["pid"], lives, supervisor))
    return {"window_ns": window_ns, "processes": processes, "last_probes": dict(last_probes)}


def _printed(pid: int, lives: Sequence[LiveProgram], supervisor: Supervisor) -> str:
    """What comes on the standard error output of whichever program it belongs to."""
    sizes = [life.stderr.size_bytes for life in lives]
    if not ask_for_stack(pid):
        return ""
    deadline_ns = time.monotonic_ns() + STACK_NS
    while prints_its_stack(pid) and time.monotonic_ns() < deadline_ns:
        supervisor.pump(time.monotonic_ns() + POLL_NS)
    for life in lives:
        life.stderr.drain()
    return "".join(life.stderr.text_since(size) for life, size in zip(lives, sizes))


def stacks(text: str) -> List[List[Dict[str, Any]]]:
    """Of each thread, the main thread's last; the innermost frame of each first."""
    found: List[List[Dict[str, Any]]] = []
    for line in text.splitlines():
        if THREAD.match(line):
            found.append([])
        frame = FRAME.match(line)
        if frame is not None and found:
            file, number, function = frame.groups()
            found[-1].append({"file": file, "line": int(number), "function": function})
    return found
