"""One whole measurement: every turn of the plan, each between two looks at the machine."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from sim.bench import machine, plan
from sim.bench.hosting import Host
from sim.bench.limits import Limits
from sim.bench.peers import Entry
from sim.bench.plan import Cell, Extent, Turn
from sim.bench.steps import Described, Done, Failed
from sim.live.litter import SHM, remove_file
from sim.live.region import owner_prefix

HANGS_MAX = 2  # cells in which a peer hung, before it is given up: each costs its deadline
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Repetition:
    """What one turn gave. `line_ns` is the cache line's round trip before and after it."""

    turn: Turn
    figures: Mapping[str, Any]
    line_ns: Tuple[Optional[float], Optional[float]]
    others_cpu_percent: Optional[float]  # of a core, by everything that is not the peer's own
    note: str = ""


@dataclass
class Series:
    """All that a measurement has found."""

    machine: Dict[str, Any]
    cores: Tuple[int, ...]
    extent: Extent
    workloads: Sequence[str]
    entries: Sequence[Entry]
    peers: List[Described] = field(default_factory=list)
    absent: Dict[str, str] = field(default_factory=dict)  # alias: why it is not measured
    failures: Dict[Tuple[str, Cell], str] = field(default_factory=dict)
    given_up: Set[str] = field(default_factory=set)
    repetitions: List[Repetition] = field(default_factory=list)
    limits: Dict[str, Any] = field(default_factory=dict)
    no_limits: Optional[str] = None
    left_out: str = ""  # what the time was too short for
    seconds: float = 0.0
    load_after: float = 0.0


def measure(
    entries: Sequence[Entry],
    workloads: Sequence[str],
    extent: Extent,
    *,
    budget_s: float,
    patience_s: float,
    progress: Progress,
) -> Series:
    """Raises WorldError, before anything is started, where the machine is too small."""
    cores = machine.cores()
    machine.check_room(plan.ROOM_BYTES)
    began_s = time.monotonic()
    found = Series(machine.described(), cores, extent, workloads, entries)
    prefix = owner_prefix()
    with ExitStack() as stack:
        hosts = {}
        for index, entry in enumerate(entries):
            progress(f"{entry.alias} is started")
            hosts[entry.alias] = stack.enter_context(Host(entry, f"{prefix}.p{index}"))
            told = hosts[entry.alias].describe()
            if isinstance(told, Described):
                found.peers.append(told)
            else:
                found.absent[entry.alias] = _absence(entry, told)
                hosts[entry.alias].stop()
        progress("the physical limits")
        folder = Path(SHM) / f"{prefix.lstrip('/')}.limits"
        stack.callback(remove_file, str(folder))
        folder.mkdir(mode=0o700)
        limits = Limits(folder, cores)
        found.no_limits = limits.why_not
        found.limits = limits.measured(is_brief=extent.messages is not None)
        _take_turns(found, hosts, limits, began_s + budget_s, patience_s, progress)
    found.seconds = time.monotonic() - began_s
    found.load_after = round(machine.described()["load_average"][0], 2)
    return found


def _absence(entry: Entry, told: object) -> str:
    why = told.why if isinstance(told, Failed) else str(told)
    if "No module named" in why and entry.distribution:
        return f"not installed (pip install {entry.distribution})"
    return re.sub(r"^'[^']*' cannot be (imported|made without arguments): ", "", why)


def _take_turns(
    found: Series,
    hosts: Mapping[str, Host],
    limits: Limits,
    until_s: float,
    patience_s: float,
    progress: Progress,
) -> None:
    cells = plan.cells(found.workloads, found.extent)
    due = list(plan.turns(cells, found.peers, found.extent))
    lossy = {peer.alias for peer in found.peers if peer.is_lossy}
    line_ns = limits.line_ns()
    for number, turn in enumerate(due):
        if time.monotonic() > until_s:
            found.left_out = f"{len(due) - number} of {len(due)} turns, from {turn.cell.name} on"
            return
        if turn.alias in found.given_up or (turn.alias, turn.cell) in found.failures:
            continue
        progress(f"{100 * number // len(due):3} %  round {turn.round + 1}: {_what(turn)}")
        job = plan.job(turn.cell, found.extent, found.cores, patience_s)
        busy_s, from_s = machine.busy_s(), time.monotonic()
        answer = hosts[turn.alias].run(job)
        took_s = time.monotonic() - from_s
        after_s = machine.busy_s()
        line_after_ns = limits.line_ns()
        if isinstance(answer, Done):
            figures = dict(answer.figures[-1])
            for each in answer.figures[:-1]:
                figures.update({key: each[key] for key in ("half_us", "trips") if key in each})
            note = answer.note or _loss(figures, turn.alias in lossy)
            others = None
            if busy_s is not None and after_s is not None:
                others = max(0.0, 100 * (after_s - busy_s - answer.cpu_s) / took_s)
            lines = (line_ns, line_after_ns)
            found.repetitions.append(Repetition(turn, figures, lines, others, note))
        else:
            assert isinstance(answer, Failed)
            found.failures[turn.alias, turn.cell] = answer.why
            if _hangs(found, turn.alias) >= HANGS_MAX:
                found.given_up.add(turn.alias)
        line_ns = line_after_ns


def _hangs(found: Series, of: str) -> int:
    return sum(
        alias == of and why.startswith("hangs") for (alias, _), why in found.failures.items()
    )


def _what(turn: Turn) -> str:
    return f"{turn.cell.name}, {turn.alias}"


def _loss(figures: Mapping[str, Any], is_lossy: bool) -> str:
    if figures.get("wrong"):
        return f"{figures['wrong']} messages had other bytes"
    if figures.get("lost") and not is_lossy:
        return f"{figures['lost']} messages were lost"
    return ""
