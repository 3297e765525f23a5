"""Who waits for whom in a stopped simulated execution, and how that is said.

A process waits for those that could change what it looks at: in a litmus program the one that wrote
it last if its program will write it again, or else all whose programs will; a ring's reader waits
for the writer, and the writer for the slowest readers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from cy_kernels.pure.layout import DATA_EVENT_AT, END_POSITION, SPACE_EVENT_AT
from sim.hang.classes import Wait
from sim.transport.words import HEADER

if TYPE_CHECKING:
    from cy_kernels.explore import Simulation

Evidence = Dict[str, Any]

LOCATION_BYTES = 64  # of a litmus program
FIRST_INSTRUCTION = 128  # the site of a program's first
LOOKED_AT_MAX = 4  # locations that are named
HEADER_WORDS = {
    **{offset: name for name, (offset, _size) in HEADER.items()},
    DATA_EVENT_AT: "data_event",
    SPACE_EVENT_AT: "space_event",
    8 * END_POSITION: "end_position",
}


class Namer:
    """Names for processes, places and locations."""

    def __init__(
        self, simulation: Simulation, names: Sequence[str], steps: Mapping[int, str]
    ) -> None:
        count = len(simulation.evidence())
        self.names = list(names) or [f"process {index}" for index in range(count)]
        self.steps = steps

    def all(self, processes: Iterable[int]) -> Tuple[str, ...]:
        return tuple(self.names[index] for index in processes)

    def listed(self, processes: Iterable[int]) -> str:
        *first, last = self.all(processes) or ("nobody",)
        return f"{', '.join(first)} and {last}" if first else last

    def step(self, one: Evidence) -> str:
        if one["role"] == "program":
            return f"instruction {one['position']}"
        return self.steps.get(one["site"], "its start")

    def location(self, one: Evidence, offset: int) -> str:
        if one["role"] == "program":
            return f"location {offset // LOCATION_BYTES}"
        return HEADER_WORDS.get(offset, f"offset {offset}")


def peers_of(evidence: List[Evidence], waiter: int) -> List[int]:
    """Those that could still change what the waiter looks at."""
    one = evidence[waiter]
    others = [each for each in evidence if each["process"] != waiter]
    if one["role"] == "reader":
        return [each["process"] for each in others if each["role"] == "writer" and is_left(each)]
    if one["role"] == "writer":
        readers = [each for each in others if each["role"] == "reader" and is_left(each)]
        slowest = min((each["position"] for each in readers), default=0)
        return [each["process"] for each in readers if each["position"] == slowest]
    looks_at = {offset: writer for offset, _value, writer in one["watches"]}
    able = [
        each["process"]
        for each in others
        if is_left(each) and not looks_at.keys().isdisjoint(each["stores_ahead"])
    ]
    return [index for index in able if index in looks_at.values()] or able


def is_left(one: Evidence) -> bool:
    return one["state"] not in ("absent", "done")


def circle(evidence: List[Evidence], waiters: Iterable[int]) -> List[int]:
    """Waiters that wait for each other in a circle, from one that is in it; or none."""
    waiting = set(waiters)
    for start in sorted(waiting):
        path = [start]
        while True:
            following = [peer for peer in peers_of(evidence, path[-1]) if peer in waiting]
            if not following:
                break
            if following[0] in path:
                return path[path.index(following[0]) :]
            path.append(following[0])
    return []


def waits_of(evidence: List[Evidence], waiters: Iterable[int], namer: Namer) -> List[Wait]:
    waits = []
    for index in sorted(waiters):
        one = evidence[index]
        looks_at = [
            f"{namer.location(one, offset)} = {value}" for offset, value, _writer in one["watches"]
        ]
        waits.append(
            Wait(
                namer.names[index],
                one["state"],
                namer.step(one),
                tuple(looks_at[:LOOKED_AT_MAX]),
                namer.all(peers_of(evidence, index)),
            )
        )
    return waits
