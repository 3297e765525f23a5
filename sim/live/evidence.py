"""What can be seen from outside of participants of which none gets on: two looks, a moment apart.

Nothing of it is taken from the plan's faults: who was killed or stopped has to show by itself.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol, Sequence

from sim.live import procfs
from sim.live.process import DEAD, LiveProcess
from sim.live.progress import is_idle
from sim.live.supervisor import Supervisor
from sim.live.two_looks import WINDOW_NS, told, without_waiting


class Region(Protocol):
    """As sim.live.region_look has it."""

    def describe(self) -> Mapping[str, Any]: ...

    def is_cut(self) -> bool: ...

    def has_name(self) -> bool: ...

    def is_held_by(self, pid: int) -> Optional[bool]: ...


class Seats(Protocol):
    """Who takes part in the run, started or not."""

    @property
    def name(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def rank(self) -> Optional[int]: ...


def collect(
    seats: Sequence[Seats],
    newest: Callable[[str], Optional[LiveProcess]],
    state: Callable[[str], str],
    look: Region,
    supervisor: Supervisor,
) -> Dict[str, Any]:
    """`newest`: the current incarnation of a process, None where it was never started; `state` as
    sim.abc.World.state."""
    region, before = look.describe(), _threads_of_all(seats, newest)
    done = _completed(seats, newest)
    began_ns = time.monotonic_ns()
    until_ns = began_ns + WINDOW_NS
    while time.monotonic_ns() < until_ns:
        supervisor.pump(until_ns)
    processes = []
    for seat in seats:
        life = newest(seat.name)
        seen: Dict[str, Any] = {"name": seat.name, "role": seat.role, "rank": seat.rank}
        seen["state"] = state(seat.name)
        if life is not None:
            seen.update(_life(life), threads=told(_look(life), before.get(seat.name, {})))
            if _is_there(life) and life.pid is not None:
                seen["has_the_region"] = look.is_held_by(life.pid)
        processes.append(seen)
    now = look.describe()
    return {
        "window_ns": time.monotonic_ns() - began_ns,
        "moved": _completed(seats, newest) != done,
        "processes": processes,
        "time_ns": time.monotonic_ns(),  # heartbeats of the region are of this clock
        "region": now,
        "region_before": region,
        "is_changing": without_waiting(now) != without_waiting(region),
        "is_cut": look.is_cut(),
        "has_name": look.has_name(),
    }


def _life(life: LiveProcess) -> Dict[str, Any]:
    signals = procfs.signals(life.pid)._asdict() if life.pid is not None else None
    return {
        "signals": signals,
        "pid": life.pid,
        "incarnation": life.incarnation,
        "life": life.state,
        "came_to": life.came_to,
        "op": life.open_op(),
        "completed": life.ops_completed(),
        "idle": is_idle(life, time.monotonic_ns()),
    }


def _threads_of_all(
    seats: Sequence[Seats], newest: Callable[[str], Optional[LiveProcess]]
) -> Dict[str, Dict[int, procfs.Thread]]:
    lives = {seat.name: newest(seat.name) for seat in seats}
    return {name: _look(life) for name, life in lives.items() if life is not None}


def _look(life: LiveProcess) -> Dict[int, procfs.Thread]:
    return procfs.threads(life.pid) if _is_there(life) and life.pid is not None else {}


def _is_there(life: LiveProcess) -> bool:
    return life.pid is not None and life.state != DEAD


def _completed(
    seats: Sequence[Seats], newest: Callable[[str], Optional[LiveProcess]]
) -> List[int]:
    lives = [newest(seat.name) for seat in seats]
    return [life.ops_ok() for life in lives if life is not None]
