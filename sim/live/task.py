"""What one incarnation of a participant is told to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from sim.abc import TransportSpec
from sim.scenario.plan import ProcessPlan


@dataclass(frozen=True)
class Task:
    """Travels pickled, so that it reaches a process of any start method."""

    process: ProcessPlan
    spec: TransportSpec
    name_prefix: str  # of the run's regions
    incarnation: int
    ops_before: int  # completed by earlier incarnations
    kernels: str  # "compiled" | "pure": what the scenario leaves open, the runner has decided
    stops: Sequence[int]  # counts of completed ops at which to stop and report, ascending
