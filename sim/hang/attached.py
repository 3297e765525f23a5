"""Why processes that nobody here has started stand still: of each ring, and of the programs.

Nothing is known of what they are for. So whatever moves, computes, or may be woken by somebody who
is not looked at, is no hang: rather none is told than one that is none.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Union

from sim.hang import flags, observed, programs, shared
from sim.hang.across import circle
from sim.hang.classes import Hang
from sim.history.hang_class import HangClass
from sim.history.stall_kind import StallKind

Evidence = Mapping[str, Any]  # as sim.live.foreign_evidence collects it
DELETED = " (deleted)"  # as the kernel marks a mapping whose name is gone
PROGRAMS = "the programs"
LOCKED = (HangClass.DEADLOCK, HangClass.IMPORT_DEADLOCK, HangClass.FORK_INHERITED_LOCK)
STAYS = (HangClass.PEER_DEAD, HangClass.PEER_STOPPED)
ENDS_BY_ITSELF: Mapping[StallKind, str] = {
    StallKind.IDLE: "nobody waits for anybody here",
    StallKind.PEER_SLOW: "it moves",
    StallKind.STARVED: "who is waited for would run, and gets no core",
    StallKind.COMPUTING: "who is waited for is there, and between two operations",
    StallKind.DEBUGGED: "a debugger has stopped who is waited for",
}


@dataclass(frozen=True)
class Finding:
    """What one ring shows, or the programs."""

    where: str
    told: Union[Hang, StallKind]
    waiting: Sequence[str] = ()  # who is in an operation, where that is no hang

    @property
    def hang(self) -> Optional[Hang]:
        return self.told if isinstance(self.told, Hang) else None

    @property
    def is_of_segment(self) -> bool:
        return self.name == HangClass.SEGMENT_GONE.value

    @property
    def name(self) -> str:
        return self.told.kind.value if isinstance(self.told, Hang) else self.told.value

    @property
    def why(self) -> str:
        return self.told.why if isinstance(self.told, Hang) else ENDS_BY_ITSELF[self.told]


def tell(evidence: Evidence) -> Sequence[Finding]:
    """Hangs first. The programs are asked where no ring explains the standstill."""
    found = [of_ring(each, evidence) for each in evidence["regions"]]
    found += _apart(evidence["regions"], found)
    if not any(each.hang for each in found):
        through = circle(evidence["regions"])
        if through is not None:
            found.append(Finding(*through))
    if not any(each.hang for each in found):
        told = _of_locks(evidence) or _of_programs(evidence)
        if isinstance(told, Hang) or not found:
            found.append(Finding(PROGRAMS, told))
    return sorted(found, key=lambda each: (each.hang is None, not each.is_of_segment))


def _apart(
    regions: Sequence[Mapping[str, Any]], found: Sequence[Finding]
) -> Sequence[Finding]:
    """Rings of one name, each with ends of its own: one would explain what hangs in the other."""
    by_name: Dict[str, List[Mapping[str, Any]]] = {}
    for region in regions:
        by_name.setdefault(region["name"].replace(DELETED, ""), []).append(region)
    hung = {each.where for each in found if each.hang is not None}
    for name, rings in by_name.items():
        ends = [set(each["holders"]) for each in rings]
        is_shared = any(one & other for one, other in itertools.combinations(ends, 2))
        if len(rings) > 1 and not is_shared and hung & {each["name"] for each in rings}:
            who = " and ".join(", ".join(map(str, sorted(each))) for each in ends)
            why = f"there are {len(rings)} regions of the name {name}, mapped by {who}"
            gone = Hang(HangClass.SEGMENT_GONE, (), (), why, observed.INFERRED)
            return [Finding(name, gone)]
    return []


def _of_locks(evidence: Evidence) -> Optional[Hang]:
    """But for semaphores of somebody whom the handler of a signal may let go on."""
    catching = {each["pid"] for each in evidence["processes"] if each["catches"]}
    locks = [
        each
        for each in evidence["shared"]["locks"]
        if each["owner"] is not None or not catching & set(each["mapped_by"])
    ]
    return shared.tell_of_locks({**evidence, "shared": {**evidence["shared"], "locks": locks}})


def of_ring(region: Mapping[str, Any], evidence: Evidence) -> Finding:
    name = region["name"]
    waiters = _waiters(region)
    waiting = [
        f"{each['name']} (pid {each['pid']}): {each['op']['f']} of message {each['position']}"
        for each in waiters
    ]
    if "error" in region["region"]:
        gone = HangClass.SEGMENT_GONE
        return Finding(name, Hang(gone, (), (), region["region"]["error"], observed.INFERRED))
    if "slot_flags" in region["region"]:
        stopped = [
            each["pid"]
            for each in evidence["processes"]
            if each["pid"] in region["holders"] and each["state"] in "Tt"
        ]
        return Finding(name, flags.tell(region, stopped))
    if region["moved"]:
        return Finding(name, StallKind.PEER_SLOW)
    if not waiters or region["region"].get("shutdown") == "closed":
        return Finding(name, StallKind.IDLE)
    return Finding(name, _with_its_name(_walked(region), name), waiting)


def _with_its_name(told: Union[Hang, StallKind], name: str) -> Union[Hang, StallKind]:
    """Who has not come to a region whose name is gone will not, whatever it does."""
    if not (isinstance(told, Hang) and told.kind is HangClass.STARTUP_NEVER):
        return told
    if not name.endswith(DELETED):
        return told
    why = f"{told.why}; and the region's name is gone, so nobody can"
    return dataclasses.replace(told, kind=HangClass.SEGMENT_GONE, why=why)


def _walked(region: Mapping[str, Any]) -> Union[Hang, StallKind]:
    """While a run goes on, one at work explains a wait until it is over. Here nobody looks again,
    and a dead one that is in the way, too, stays so."""
    told = observed.tell(region)
    if told in (StallKind.COMPUTING, StallKind.STARVED):
        others = [
            each
            for each in region["processes"]
            if each["op"] is not None or each["state"] != "running"
        ]
        without = observed.tell({**region, "processes": others})
        if isinstance(without, Hang) and without.kind in STAYS:
            return without
    return told


def _waiters(region: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [each for each in region["processes"] if each["op"] is not None]


def _of_programs(evidence: Evidence) -> Union[Hang, StallKind]:
    in_rings: Set[int] = set()
    for region in evidence["regions"]:
        in_rings.update(each["pid"] for each in _waiters(region))
    asked: List[Mapping[str, Any]] = []
    is_computing = False
    for process in evidence["processes"]:
        is_at_work = any(
            each["cpu_ns"] > observed.RAN * evidence["window_ns"] for each in process["threads"]
        )
        is_computing = is_computing or is_at_work
        if process["pid"] not in in_rings and not is_at_work and _may_be_told(process, evidence):
            asked.append(process)
    seen: Dict[str, Any] = {**evidence, "processes": asked, "last_probes": {}}
    told = programs.tell(seen)
    if told.kind is HangClass.UNKNOWN:
        return StallKind.COMPUTING if is_computing else StallKind.IDLE
    return told


def _may_be_told(process: Mapping[str, Any], evidence: Evidence) -> bool:
    """Who waits for a lock of its own may wait for the handler of a signal to let it go."""
    kind = programs.kind_of(process, {**evidence, "last_probes": {}})
    if kind is HangClass.GIL_HELD:
        # A poller of 10 ms can be taken for one that asks for the interpreter lock, and one who
        # sleeps with it keeps nobody from anything where nobody asks.
        is_asked_for = programs.keeps_interpreter_lock(process["threads"], evidence["window_ns"])
        return is_asked_for and programs.is_in_native_code(process)
    is_known = kind is not HangClass.STARTUP_NEVER  # that needs probes
    return is_known and not (kind in LOCKED and process["catches"])
