"""What can be seen from outside of programs that do not end: two looks, a moment apart; then what
they show when they are asked: Python stacks, and for which locks their threads wait."""

from __future__ import annotations

import re
import time
from typing import Any, Dict, List, Mapping, Sequence

from sim.live import cgroup, foreign_evidence, procfs, shared_evidence
from sim.live.answers import Answers
from sim.live.foreign_regions import BadRegion
from sim.live.program import LiveProgram
from sim.live.spying import Spy, add_native
from sim.live.strays import ask_for_stack, prints_its_stack, strays
from sim.live.supervisor import Supervisor
from sim.live.two_looks import WINDOW_NS, told
from sim.live.wakers import Wakers, is_woken_by_timers

STACK_NS = 1_000_000_000  # for one process to print its own
UNSEEN_NS = 200_000_000  # who has printed nothing by then prints elsewhere
RINGS_NS = 2 * WINDOW_NS  # to see whether they move
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
    program, of those that have passed one. This disturbs nobody; `add_answers` does."""
    before = {pid: procfs.threads(pid) for pid in _pids(run, lives)}
    began_ns = time.monotonic_ns()
    until_ns = began_ns + WINDOW_NS
    while time.monotonic_ns() < until_ns:
        supervisor.pump(until_ns)
    names = {life.pid: life.name for life in lives}
    wakers = Wakers()
    processes: List[Dict[str, Any]] = []
    now: Dict[int, Dict[int, procfs.Thread]] = {}
    for pid in _pids(run, lives):
        stat = procfs.stat(pid)
        if stat is None:
            continue
        seen: Dict[str, Any] = {"pid": pid, "parent": stat.parent, "command": procfs.command(pid)}
        seen.update(state=stat.state, is_fork=stat.is_fork, name=names.get(pid))
        threads = now[pid] = procfs.threads(pid)
        seen["threads"] = [
            {**each, "wakers": wakers.of(pid, threads[each["tid"]])}
            for each in told(threads, before.get(pid, {}))
        ]
        seen.update(is_frozen=cgroup.is_frozen(pid), signals=procfs.signals(pid)._asdict())
        seen["timers"] = is_woken_by_timers(pid)
        seen.update(stacks=[], locks=[], shared_locks=None, answers=True, gil=None)
        processes.append(seen)
    window_ns = time.monotonic_ns() - began_ns
    shared = shared_evidence.collect(list(now), now)
    found = {"window_ns": window_ns, "processes": processes, "last_probes": dict(last_probes)}
    return {**found, "shared": shared, "rings": _rings(list(now), shared)}


def _rings(pids: Sequence[int], shared: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """That they have mapped, as `spinbed attach` sees them."""
    if not shared["regions"]:
        return ()
    try:
        return foreign_evidence.rings(pids, RINGS_NS)
    except BadRegion:  # it looks like a ring, and is none
        return ()


def add_answers(
    evidence: Mapping[str, Any],
    lives: Sequence[LiveProgram],
    answers: Answers,
    supervisor: Supervisor,
) -> None:
    """To each of its processes who has the interpreter lock, as far as that is known; and what it
    shows when it is asked by a signal: the Python stacks, and for which locks its threads wait.
    Native stacks come last: for these it is stopped."""
    spy = Spy()
    for seen in evidence["processes"]:
        seen["gil"] = spy.look(seen["pid"]).gil
    for seen in evidence["processes"]:
        seen["stacks"] = stacks(_printed(seen["pid"], lives, supervisor))
    said = answers.of([seen["pid"] for seen in evidence["processes"]], supervisor)
    for seen in evidence["processes"]:
        if seen["pid"] in said:
            locks = said[seen["pid"]]
            seen.update(answers=locks is not None, locks=locks or [])
        seen["shared_locks"] = answers.shared.get(seen["pid"])
    add_native(evidence["processes"], spy)


def _pids(run: str, lives: Sequence[LiveProgram]) -> Sequence[int]:
    """By the run's name in their environment; where that is not ours to read (PR_SET_DUMPABLE), by
    who has started them."""
    own = [life.pid for life in lives if life.pid is not None]
    below = [pid for each in own for pid in procfs.descendants(each) if _is_alive(pid)]
    return list(dict.fromkeys([*own, *(each.pid for each in strays(run)), *below]))


def _is_alive(pid: int) -> bool:
    stat = procfs.stat(pid)
    return stat is not None and stat.state not in "ZX"


def _printed(pid: int, lives: Sequence[LiveProgram], supervisor: Supervisor) -> str:
    """What comes on the standard error output of whichever program it belongs to."""
    sizes = [life.stderr.size_bytes for life in lives]
    if procfs.is_stopped(pid) or cgroup.is_frozen(pid) or not ask_for_stack(pid):
        return ""
    began_ns = last_seen_ns = time.monotonic_ns()
    while True:
        now_ns = time.monotonic_ns()
        is_printing = prints_its_stack(pid)
        last_seen_ns = now_ns if is_printing else last_seen_ns
        has_begun = any(life.stderr.size_bytes > size for life, size in zip(lives, sizes))
        # Between a signal's delivery and its handler the process shows nothing of it for a moment.
        if not is_printing and (has_begun or now_ns - last_seen_ns > UNSEEN_NS):
            break
        if now_ns - began_ns > STACK_NS:
            break
        supervisor.pump(now_ns + POLL_NS)
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
