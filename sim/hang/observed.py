"""Why participants of a ring do not get on, told from outside: evidence in, a class out.

From each that waits, the walk goes on to whoever has to do something first: a reader waits for the
writer, the writer for readers whose slot it needs. Where it ends is the class: at somebody dead,
stopped or never started, at one who sleeps though what it waits for is there, or where it began.
Plan and faults are not looked at.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from sim.hang.classes import Hang, Wait, as_detail
from sim.history.hang_class import MEANINGS, HangClass
from sim.history.stall_kind import StallKind

Evidence = Mapping[str, Any]  # as sim.live.evidence collects it
Process = Mapping[str, Any]

# Of the window: in the queue for a core, and on one. Who came to run for a moment has looked.
QUEUED, RAN = 0.5, 0.02
INFERRED = "inferred: nobody has intervened"
TRACED = "t"  # of a thread, see proc(5)
ALIVE = ("running", "stopped", "frozen", "absent")
NOT_ATTACHED = ("asked", "started")  # as sim.live.process calls how far a start came


def tell(evidence: Evidence) -> Union[Hang, StallKind]:
    """The hang; or why it is none, and nothing need be said."""
    if evidence["moved"]:
        return StallKind.PEER_SLOW
    if any(each.get("idle") for each in evidence["processes"]):
        return StallKind.IDLE
    scene = _Scene(evidence)
    ends: Dict[str, List[Process]] = {}
    for waiter in scene.waiters:
        ends[waiter["name"]] = scene.walk(waiter, ())
    reached = [each for found in ends.values() for each in found]
    for kind in ORDER:
        there = [each for each in reached if scene.kind_of(each) is kind]
        if isinstance(kind, StallKind) and there:
            return kind
        if isinstance(kind, HangClass) and there:
            waiters = [name for name, found in ends.items() if any(each in found for each in there)]
            lost = [each["name"] for each in there if scene.is_lost(each)]
            others = [name for name in waiters if name not in lost]
            return scene.hang(kind, others or waiters, there)
    return scene.hang(HangClass.UNKNOWN, list(ends), [])


def tell_apart(evidence: Evidence) -> Optional[Mapping[str, Any]]:
    """For the detail of a history's hang; None: no alarm."""
    told = tell(evidence)
    return None if isinstance(told, StallKind) else as_detail(told)


def waits_for(evidence: Evidence) -> Mapping[str, Sequence[str]]:
    """By each that waits: those who have to do something before it gets on."""
    scene = _Scene(evidence)
    return {each["name"]: [peer["name"] for peer in scene.peers_of(each)] for each in scene.waiters}


# A stall that will end by itself explains whatever waits for it; then what is surely not to end.
ORDER: Sequence[Union[HangClass, StallKind]] = (
    StallKind.STARVED,
    StallKind.COMPUTING,
    StallKind.DEBUGGED,
    HangClass.PEER_DEAD,
    HangClass.PEER_STOPPED,
    HangClass.STARTUP_NEVER,
    HangClass.SEGMENT_GONE,
    HangClass.LOST_WAKEUP,
    HangClass.LIVELOCK,
    HangClass.DEADLOCK,
)


class _Scene:
    def __init__(self, evidence: Evidence) -> None:
        self.window_ns = evidence["window_ns"]
        self.processes: Sequence[Process] = evidence["processes"]
        self.region: Mapping[str, Any] = evidence["region"]
        # Whoever waits by an instruction is at work for all that the system knows: its time on a
        # core does not tell a sleeper from one that loops, what becomes of the memory does.
        self.is_changing = evidence["is_changing"]
        self.is_cut = evidence.get("is_cut", False)
        self.has_name = evidence.get("has_name", True)
        self.is_decoded = _is_decoded(self.region)
        self.waiters = [
            each
            for each in self.processes
            if each.get("op") is not None and each["state"] == "running"
        ]

    def walk(self, waiter: Process, path: Tuple[str, ...]) -> List[Process]:
        """Where the ways from one that waits end: with others, or with itself."""
        path = (*path, waiter["name"])
        peers = () if self.is_lost(waiter) else self.peers_of(waiter)
        if not peers:
            return [waiter]
        found: List[Process] = []
        for peer in peers:
            if peer["name"] in path:
                found.append(waiter)  # a circle
            elif peer in self.waiters:
                found += self.walk(peer, path)
            else:
                found.append(peer)
        return found

    def peers_of(self, waiter: Process) -> Sequence[Process]:
        """Who has to do something before this one gets on; nobody: it could, for all that shows."""
        position = waiter["op"]["position"]
        if not self.is_decoded:  # anybody of the other side
            return self._of_role("writer" if waiter["role"] == "reader" else "reader")
        if waiter["role"] == "reader":
            return [] if self._is_written(position, waiter["rank"]) else self._of_role("writer")
        held_by = self._readers_that_hold(position)
        return [each for each in self._of_role("reader") if each["rank"] in held_by]

    def _of_role(self, role: str) -> Sequence[Process]:
        return [each for each in self.processes if each["role"] == role]

    def _is_written(self, position: int, rank: int) -> bool:
        if "slot_flags" in self.region:
            flags = self.region["slot_flags"][position % self.region["slots"]]
            return bool(flags[0] and not flags[1 + rank])
        return bool(self.region.get("writer", {}).get("position", 0) > position)

    def _readers_that_hold(self, position: int) -> Sequence[int]:
        if "slot_flags" in self.region:
            flags = self.region["slot_flags"][position % self.region["slots"]]
            return [rank for rank, flag in enumerate(flags[1:]) if flags[0] and not flag]
        return [
            rank
            for rank, reader in enumerate(self.region.get("reader", ()))
            if reader["owner"] in ("process", "nobody")
            and position - reader["position"] >= self.region["slots"]
        ]

    def is_lost(self, process: Process) -> bool:
        """It is not in the region in which the others are: it has another one of that name, or came
        when there was none."""
        came_to = process.get("came_to")
        found_none = came_to in NOT_ATTACHED and process["state"] not in ALIVE
        return process.get("has_the_region") is False or (found_none and not self.has_name)

    def kind_of(self, process: Process) -> Union[HangClass, StallKind]:
        """Of the process at which a walk has ended."""
        state = process["state"]
        is_busy = state == "running" and process not in self.waiters
        if self.is_lost(process) or (self.is_cut and not is_busy):
            return HangClass.SEGMENT_GONE
        if state == "absent" or process.get("life") in ("asked", "started", "ready"):
            return HangClass.STARTUP_NEVER
        if state in ("stopped", "frozen"):
            is_traced = any(each["state"] == TRACED for each in process.get("threads", ()))
            return StallKind.DEBUGGED if is_traced else HangClass.PEER_STOPPED
        if state != "running":
            return HangClass.PEER_DEAD
        if process not in self.waiters:
            return StallKind.STARVED if self._is_starved(process) else StallKind.COMPUTING
        if self._is_starved(process):
            return StallKind.STARVED
        if "error" in self.region:
            return HangClass.SEGMENT_GONE
        if not self.is_decoded:
            return HangClass.UNKNOWN
        if self.peers_of(process):
            return HangClass.DEADLOCK
        return HangClass.LIVELOCK if self.is_changing else HangClass.LOST_WAKEUP

    def _is_starved(self, process: Process) -> bool:
        is_queued = self._share(process, "queued_ns") > QUEUED
        return is_queued and self._share(process, "cpu_ns") < RAN

    def _share(self, process: Process, what: str) -> float:
        return max((each[what] for each in process["threads"]), default=0) / self.window_ns

    def hang(self, kind: HangClass, who: Sequence[str], on: Sequence[Process]) -> Hang:
        names = tuple(dict.fromkeys(each["name"] for each in on if each["name"] not in who))
        waits = [self._wait(each) for each in self.waiters]
        why = MEANINGS[kind]
        if on:
            first, *others = who
            beside = f", and with it {', '.join(others)}" if others else ""
            why = f"{first} waits in {self._doing(self._named(first))}{beside}; " + "; ".join(
                f"{each['name']} {self._condition(each, kind)}" for each in _once(on)
            )
        return Hang(kind, tuple(who), names, why, INFERRED, tuple(waits))

    def _named(self, name: str) -> Process:
        return next(each for each in self.processes if each["name"] == name)

    def _doing(self, process: Process) -> str:
        op = process["op"]
        return f"{op['f']} of message {op['position']}"

    def _wait(self, process: Process) -> Wait:
        peers = tuple(each["name"] for each in self.peers_of(process))
        channels = {each["wait_channel"] for each in process["threads"]} - {""}
        at = self._doing(process)
        return Wait(process["name"], ", ".join(sorted(channels)) or "running", at, (), peers)

    def _condition(self, process: Process, kind: HangClass) -> str:
        if kind is HangClass.PEER_DEAD:
            pid, state = process.get("pid"), process["state"]
            return f"(pid {pid}) is dead: {state.partition(':')[2] or state}"
        if kind is HangClass.PEER_STOPPED:
            return f"(pid {process.get('pid')}) is {process['state']}"
        if kind is HangClass.STARTUP_NEVER:
            life: Optional[str] = process.get("life")
            return "was never started" if life is None else f"never got further than: {life}"
        if kind is HangClass.LOST_WAKEUP:
            return "has not noticed that what it waits for is there"
        if kind is HangClass.LIVELOCK:
            return "does not take what it waits for, and changes the memory"
        if kind is HangClass.SEGMENT_GONE:
            return self._what_is_gone(process)
        return "waits in a circle"

    def _what_is_gone(self, process: Process) -> str:
        if process.get("has_the_region") is False:
            return f"(pid {process.get('pid')}) has another region of that name"
        if self.is_lost(process):
            pid, state = process.get("pid"), process["state"]
            return f"(pid {pid}) found no region of that name when it came, and is dead: {state}"
        return f"is in a region of which {self.region.get('error')}"


def _is_decoded(region: Mapping[str, Any]) -> bool:
    """It says what a ring of ours says: another transport's may say anything, and so may damage."""
    slots, flags = region.get("slots"), region.get("slot_flags")
    if not isinstance(slots, int) or slots < 1:
        return False
    if flags is not None:
        return len(flags) == slots and all(len(each) == 1 + region["readers"] for each in flags)
    readers = region.get("reader", ())
    return "writer" in region and len(readers) == region.get("readers", -1)


def _once(processes: Sequence[Process]) -> Sequence[Process]:
    return list({each["name"]: each for each in processes}.values())
