"""Why the programs of a run do not end: by their rings, by what else they share, each by itself."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Mapping, Optional

from sim.hang import attached, programs, shared
from sim.hang.across import circle
from sim.hang.classes import Hang, as_detail
from sim.hang.standstill import nobody_can_move
from sim.history.hang_class import HangClass

Evidence = Mapping[str, Any]  # as sim.live.program_evidence collects it


def tell_apart(evidence: Evidence) -> Optional[Mapping[str, Any]]:
    """For the detail of a history's hang. None: the run's time is not over, and it may be none."""
    told = tell(evidence)
    if not evidence["is_over"]:
        if told.kind is HangClass.UNKNOWN or not nobody_can_move(evidence):
            return None
    return as_detail(told)


def tell(evidence: Evidence) -> Hang:
    """What the system records of who waits for whom comes first."""
    alone = programs.tell(evidence)
    told = _of_rings(evidence) or shared.tell_of_locks(evidence)
    if told is None and alone.kind is HangClass.UNKNOWN:
        told = shared.tell_of_regions(evidence)
    if told is None:
        return alone
    return dataclasses.replace(told, waits=told.waits or alone.waits)


def _of_rings(evidence: Evidence) -> Optional[Hang]:
    names = {each["pid"]: each["name"] for each in evidence["processes"] if each["name"]}
    for region in evidence["rings"]:
        told = attached.of_ring(region, evidence).told
        if isinstance(told, Hang):
            return _named(told, region, names)
    through = circle(evidence["rings"], names)
    return through[1] if through is not None else None


def _named(hang: Hang, region: Mapping[str, Any], names: Mapping[int, str]) -> Hang:
    """With the programs' names, where a ring has those of its places."""
    by_place: Dict[str, str] = {
        each["name"]: names.get(each["pid"], f"process {each['pid']}")
        for each in region["processes"]
        if each.get("pid") is not None
    }
    who, on = (
        tuple(by_place.get(each, each) for each in places) for places in (hang.who, hang.waits_for)
    )
    places = ", ".join(f"{place} is {name}" for place, name in by_place.items())
    why = f"{region['name']}: {hang.why}; {places}"
    return dataclasses.replace(hang, who=who, waits_for=on, why=why)
