"""The proof of a hang's class: do what the class says is missing, and see who gets on by it.

Only in runs that are ours, once nothing of the run counts any more: whoever is stopped goes on, who
sleeps though what it waits for is there is interrupted, a dead reader's slots are given back.
"""

from __future__ import annotations

import time
from typing import Any, Callable, List, Mapping, Sequence

from sim.history.hang_class import HangClass
from sim.live.machine import LiveMachine
from sim.live.process import LiveProcess
from sim.live.supervisor import Supervisor

WITHIN_NS = 1_000_000_000  # from the intervention to the first operation that ends by it
POLL_NS = 5_000_000


def prove(
    told: Mapping[str, Any],
    resume: Callable[[str], None],
    machine: LiveMachine,
    newest: Callable[[str], LiveProcess],
    supervisor: Supervisor,
) -> str:
    """What became of it, in words. Those that were told to hang are watched, `told["who"]`."""
    waiters = [newest(name) for name in told["who"]]
    before = [life.ops_ok() for life in waiters]
    done = _intervene(told, resume, machine, newest)
    if not done:
        return "inferred: nothing that could be done would show it"
    # Who goes on wakes the others by itself: a signal of ours would prove nothing of it.
    is_to_wake = HangClass(told["class"]) is not HangClass.PEER_STOPPED
    deadline_ns = time.monotonic_ns() + WITHIN_NS
    while True:
        now_ns = time.monotonic_ns()
        ahead = [life.name for life, ok in zip(waiters, before) if life.ops_ok() > ok]
        if ahead:
            return f"proven: {', '.join(done)}, and {', '.join(ahead)} got on"
        if now_ns >= deadline_ns:
            return f"inferred: {', '.join(done)}, and nobody got on"
        for life in waiters if is_to_wake else ():
            life.remind()  # who sleeps is not told of words that are written from outside
        supervisor.pump(min(deadline_ns, now_ns + POLL_NS))


def _intervene(
    told: Mapping[str, Any],
    resume: Callable[[str], None],
    machine: LiveMachine,
    newest: Callable[[str], LiveProcess],
) -> Sequence[str]:
    """What was done, in words."""
    done: List[str] = []
    kind = HangClass(told["class"])
    for name in told["on"]:
        if kind is HangClass.PEER_STOPPED:
            machine.thaw(name)
            resume(name)
            done.append(f"{name} went on")
        elif kind is HangClass.PEER_DEAD and machine.give_up(newest(name).task.process.rank):
            done.append(f"{name} was given up on")
    if kind is HangClass.LOST_WAKEUP:
        done.append("all who wait were interrupted")
    return done
