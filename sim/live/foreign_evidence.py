"""What can be seen of processes that nobody here has started: the rings that they have mapped, and
their threads, at the beginning and at the end of a while; and who waits in a ring by then.

Who waits is told by the word that it sleeps on, or by its heartbeat: both are words of the ring.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from cy_kernels.owner import is_proven_dead, pid_namespace, pid_of
from cy_kernels.pure.layout import DATA_EVENT_AT, SPACE_EVENT_AT
from sim.live import procfs, shared_evidence
from sim.live.foreign_flags import Asked
from sim.live.foreign_processes import seen, state_of, with_children
from sim.live.foreign_regions import SHM, BadRegion, ForeignRegion, find
from sim.live.foreign_regions import Mapping as Mapped
from sim.live.region import parse_name
from sim.live.spying import Spy
from sim.live.two_looks import WINDOW_NS, told, without_waiting
from sim.live.wakers import Wakers, is_woken_by_timers

CURSOR_RING = "cursor_ring"
ROLES = ("writer", "reader")
Threads = Dict[int, Dict[int, procfs.Thread]]  # by process


def collect(pids: Sequence[int], asked: Asked, stall_ns: int) -> Dict[str, Any]:
    """Of these processes, all below them, and whoever shares a ring with them. Raises BadRegion."""
    looked = _look(with_children(pids), asked, stall_ns)
    everybody = sorted(looked.now)
    looked_at = [seen(pid, looked.now[pid], looked.before[pid]) for pid in everybody]
    processes = [each for each in looked_at if each is not None]
    spy, wakers = Spy(), Wakers()
    for each in processes:
        of_threads = looked.now[each["pid"]]
        for thread in each["threads"]:
            thread["wakers"] = wakers.of(each["pid"], of_threads[thread["tid"]])
        each.update(timers=is_woken_by_timers(each["pid"]), shared_locks=None, gil=None)
        if each["state"] not in "ZX":
            spied = spy.look(each["pid"])
            each.update(gil=spied.gil, native={"threads": spied.threads, "lack": spied.lack})
    return {
        "window_ns": looked.window_ns,
        "time_ns": looked.began_ns + looked.window_ns,
        "asked_for": list(pids),
        "processes": processes,
        "regions": looked.rings,
        "shared": shared_evidence.collect(everybody, looked.now),
        "notes": looked.notes,
    }


def rings(pids: Sequence[int], stall_ns: int) -> Sequence[Mapping[str, Any]]:
    """That these processes have mapped. Raises BadRegion."""
    return _look(pids, Asked(), stall_ns).rings


class _Looked(NamedTuple):
    began_ns: int
    window_ns: int
    before: Threads
    now: Threads
    rings: List[Dict[str, Any]]
    notes: List[str]


def _look(family: Sequence[int], asked: Asked, stall_ns: int) -> _Looked:
    """Raises BadRegion."""
    found = find(family, asked)
    regions = found.rings
    try:
        first = [_described(region) for region in regions]
        everybody = {*family}
        for region, state in zip(regions, first):
            everybody |= {*region.holders.by_pid, *_owners(state)}
        before = {pid: procfs.threads(pid) for pid in everybody}
        began_ns = time.monotonic_ns()
        _wait_until(began_ns + stall_ns - WINDOW_NS)
        middle = [_described(region) for region in regions]
        _wait_until(began_ns + stall_ns)
        now = {pid: procfs.threads(pid) for pid in everybody}
        window_ns = time.monotonic_ns() - began_ns
        last = [_described(region) for region in regions]
        told_of = []
        for region, *states in zip(regions, first, middle, last):
            scene = _Scene(region, states, before, now)
            told_of.append({**scene.told(), "window_ns": window_ns})
        return _Looked(began_ns, window_ns, before, now, told_of, list(found.notes))
    finally:
        for region in regions:
            region.close()


def _wait_until(time_ns: int) -> None:
    while time.monotonic_ns() < time_ns:
        time.sleep(max(0, time_ns - time.monotonic_ns()) / 1e9)


def _described(region: ForeignRegion) -> Dict[str, Any]:
    """What was found to be a ring may be cut meanwhile."""
    try:
        return region.describe() or {"error": "its words are no ring's any more"}
    except BadRegion as error:
        return {"error": str(error)}


def _owners(state: Mapping[str, Any]) -> Sequence[int]:
    """Those that can be looked at."""
    if state.get("pid_namespace") != pid_namespace():
        return ()
    return [each["pid"] for each in _places(state) if each["pid"] and not _is_dead(each)]


def _places(state: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [state["writer"], *state["reader"]] if "writer" in state else []


def _is_dead(place: Mapping[str, Any]) -> bool:
    return is_proven_dead(place["word"])


class _Scene:
    """One region, and who has a place in it."""

    def __init__(
        self,
        region: ForeignRegion,
        states: Sequence[Dict[str, Any]],
        before: Threads,
        now: Threads,
    ) -> None:
        self._region = region
        self._first, self._middle, self._last = states
        self._before, self._now = before, now

    def told(self) -> Dict[str, Any]:
        """As sim.hang.observed takes it, and who has it mapped."""
        holders = self._region.holders
        bed = parse_name(self._region.path.replace(SHM, "/"))
        # The bed of a run has its region mapped to look at it, and is no end of a ring.
        ends = sorted(set(holders.by_pid) - ({bed.owner_pid} if bed is not None else set()))
        namespace = self._last.get("pid_namespace")
        is_ours = namespace is None or namespace == pid_namespace()
        found = {
            "name": self._region.path,
            "size_bytes": self._region.size_bytes,
            "holders": ends,
            "asleep": {role: [pid for pid in ends if self._sleeps_in(pid, role)] for role in ROLES},
            "are_holders_complete": holders.is_complete,
            "is_of_this_pid_namespace": is_ours,
            "moved": without_waiting(self._first) != without_waiting(self._last),
            "region": without_waiting(self._last),
            "region_before": without_waiting(self._middle),
            "is_changing": without_waiting(self._middle) != without_waiting(self._last),
            "described": self._last,
            "processes": [],
        }
        if self._last.get("kind") == CURSOR_RING and is_ours:
            found["processes"] = self._seats()
        return found

    def _seats(self) -> List[Dict[str, Any]]:
        last, middle = self._last, self._middle
        seats = [self._seat("writer", None, last["writer"], middle.get("writer", {}))]
        before = middle.get("reader", [{}] * last["readers"])
        for rank, place in enumerate(last["reader"]):
            seats.append(self._seat("reader", rank, place, before[rank]))
        return [each for each in seats if each["owner"] in ("process", "nobody")]

    def _seat(
        self, role: str, rank: Optional[int], place: Mapping[str, Any], before: Mapping[str, Any]
    ) -> Dict[str, Any]:
        name = role if rank is None else f"{role}[{rank}]"
        seat: Dict[str, Any] = {"name": name, "role": role, "rank": rank, "state": "absent"}
        seat.update(owner=place["owner"], position=place["position"], op=None, threads=[])
        if place["owner"] != "process":
            if place["position"]:
                seat["life"] = "its place, which is free for a successor"
            return seat
        pid = pid_of(place["word"])
        seat.update(pid=pid, state="ended", life="running")
        if _is_dead(place):
            return seat
        threads = self._now.get(pid, {})
        seat.update(state=state_of(pid, threads))
        seat["threads"] = told(threads, self._before.get(pid, {}))
        holders = self._region.holders
        if holders.is_complete and seat["state"] == "running":
            seat["has_the_region"] = pid in holders.by_pid
        is_beating = place["heartbeat_ns"] != before.get("heartbeat_ns")
        if seat["state"] == "running" and (is_beating or self._sleeps_in(pid, role)):
            f = "send" if role == "writer" else "receive"
            seat["op"] = {"f": f, "position": place["position"]}
        return seat

    def _sleeps_in(self, pid: int, role: str) -> bool:
        """On the word of the ring that wakes this role."""
        event_at = SPACE_EVENT_AT if role == "writer" else DATA_EVENT_AT
        mapped = self._region.holders.by_pid.get(pid, [])
        for thread in self._now.get(pid, {}).values():
            words = thread.system_call.split()
            if len(words) > 1 and _place_of(int(words[1], 16), mapped) == event_at:
                return True
            is_hidden = not words and thread.wait_channel.startswith("futex")
            parked = "writer_parked" if role == "writer" else "readers_parked"
            if is_hidden and self._last.get(parked):
                return True
        return False


def _place_of(address: int, mapped: Sequence[Mapped]) -> Optional[int]:
    """In the region; None: not there."""
    for each in mapped:
        if each.start <= address < each.end:
            return address - each.start + each.offset
    return None
