"""What a ring of flags shows by itself: which slots are full, and who has not read.

It knows no owners. A slot is written again when all have read it: where every slot waits for a
reader, its writer can go no further, and where fewer processes have it mapped than it has ends, one
of those that should read is gone.
"""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

from sim.hang.classes import Hang
from sim.hang.observed import INFERRED
from sim.history.hang_class import HangClass
from sim.history.stall_kind import StallKind

SLOTS_SHOWN = 8


def tell(region: Mapping[str, Any], stopped: Sequence[int]) -> Union[Hang, StallKind]:
    """`region`: as sim.live.foreign_evidence has it; `stopped`: those of its holders that are."""
    if region["moved"]:
        return StallKind.PEER_SLOW
    state = region["region"]
    behind = unread(state)
    asleep = _of_those_asleep(region, behind, stopped)
    if asleep is not None:
        return asleep
    if not behind or not is_full(state):
        return StallKind.IDLE
    ranks = " and ".join(f"reader[{rank}]" for rank, _ in behind)
    needed, holders = 1 + state["readers"], region["holders"]
    writer = "the writer: every slot is full and waits for " + ranks
    on = tuple(f"reader[{rank}]" for rank, _ in behind)
    if len(holders) < needed and region["are_holders_complete"]:
        there = ", ".join(map(str, holders))
        why = f"{writer}; 1 writer and {state['readers']} readers would be {needed} processes, "
        why += f"and only {len(holders)} have it mapped: {there}"
        return Hang(HangClass.PEER_DEAD, ("the writer",), on, why, INFERRED)
    if stopped:
        which = ", ".join(f"process {pid}" for pid in stopped)
        why = f"{writer}; of those who have it mapped {which} is stopped"
        return Hang(HangClass.PEER_STOPPED, ("the writer",), on, why, INFERRED)
    return StallKind.COMPUTING


def _of_those_asleep(
    region: Mapping[str, Any],
    behind: Sequence[Tuple[int, Sequence[int]]],
    stopped: Sequence[int],
) -> Optional[Hang]:
    """Which side somebody is of shows where it sleeps on a word of the ring; one without a header
    has none. None: it shows nothing of its own."""
    state, writers = region["region"], region["asleep"]["writer"]
    readers = region["asleep"]["reader"]
    if writers and not behind:
        why = f"the writer, process {writers[0]}, sleeps until a slot is free, and all are"
        return Hang(HangClass.LOST_WAKEUP, ("the writer",), (), why, INFERRED)
    if len(readers) < state["readers"]:
        return None
    who = tuple(f"process {pid}" for pid in readers)
    if behind:
        ranks = " and ".join(f"reader[{rank}]" for rank, _ in behind)
        why = f"all readers sleep until something is written, and {ranks} has not read what is"
        return Hang(HangClass.LOST_WAKEUP, who, (), why, INFERRED)
    others = [pid for pid in region["holders"] if pid not in readers]
    why = "all readers sleep until something is written, "
    if not others and region["are_holders_complete"]:
        is_begun = any(any(flags) for flags in state["slot_flags"])
        kind = HangClass.PEER_DEAD if is_begun else HangClass.STARTUP_NEVER
        end = "nobody else has it mapped any more" if is_begun else "nobody ever came to write"
        return Hang(kind, who, ("writer",), f"{why}and {end}", INFERRED)
    if others and set(others) <= set(stopped):
        which = " and ".join(f"process {pid}" for pid in others)
        why += f"and who would write, {which}, is stopped"
        return Hang(HangClass.PEER_STOPPED, who, ("writer",), why, INFERRED)
    return None


def unread(state: Mapping[str, Any]) -> Sequence[Tuple[int, Sequence[int]]]:
    """The ranks that have not read what is written, each with the slots."""
    found: List[Tuple[int, Sequence[int]]] = []
    for rank in range(state.get("readers", 0)):
        rows = enumerate(state["slot_flags"])
        slots = [slot for slot, flags in rows if flags[0] and not flags[1 + rank]]
        if slots:
            found.append((rank, slots))
    return found


def is_full(state: Mapping[str, Any]) -> bool:
    return all(flags[0] and not all(flags[1:]) for flags in state["slot_flags"])


def lines(state: Mapping[str, Any]) -> Sequence[str]:
    """For people."""
    rows = enumerate(state["slot_flags"])
    full = [slot for slot, flags in rows if flags[0] and not all(flags[1:])]
    if not full:
        return ["no slot waits for a reader"]
    found = [f"{len(full)} of {state['slots']} slots wait for readers: {_listed(full)}"]
    for rank, slots in unread(state):
        found.append(f"reader[{rank}] has not read slot {_listed(slots)}")
    return found


def _listed(slots: Sequence[int]) -> str:
    more = ", ..." if len(slots) > SLOTS_SHOWN else ""
    return ", ".join(map(str, slots[:SLOTS_SHOWN])) + more
