"""What can be seen of a run's region: its words, its name, and who has it mapped."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from cy_kernels.pure.layout import DATA_EVENT_AT, SPACE_EVENT_AT
from sim.abc import Transport
from sim.live.futex import wake
from sim.live.machine import LiveMachine
from sim.live.region import LiveRegions
from sim.scenario.plan import Plan

CUT = "pages of the region are gone: it cannot be read"
UNSEEN = "pages of the region may be gone: it is not read"


class RegionLook:
    def __init__(
        self,
        transport: Transport,
        plan: Plan,
        regions: LiveRegions,
        machine: LiveMachine,
    ) -> None:
        self._transport = transport
        self._spec = plan.transport
        self._ranks = {process.name: process.rank for process in plan.processes}
        self._regions = regions
        self._machine = machine

    def describe(self) -> Mapping[str, Any]:
        """Decoded; with an "error" where it cannot be."""
        if not self._regions.is_whole():
            return {"error": CUT}
        if not self._machine.can_read_all:
            return {"error": UNSEEN}
        try:
            return self._transport.describe(self._spec, self._regions)
        except Exception as error:  # damage that somebody did to the region is evidence too
            return {"error": f"{type(error).__name__}: {error}"}

    def is_cut(self) -> bool:
        return not self._regions.is_whole()

    def has_name(self) -> bool:
        """A newcomer would find one, this or another."""
        return self._regions.main_size_by_name() is not None

    def is_held_by(self, pid: int) -> Optional[bool]:
        """False: what it has mapped under that name is another one. None: it has none, or it is not
        for us to see."""
        return self._regions.is_held_by(pid)

    def rank_of(self, process: str) -> Optional[int]:
        """Of a reader; None: it is none."""
        return self._ranks[process]

    @property
    def can_be_taken_over(self) -> bool:
        """A writer that is proven dead may have a successor."""
        return self._transport.knows_owner and self._spec.mutant is None

    def wake_all(self) -> int:
        """Both sides; how many slept."""
        if self.is_cut() or not self._machine.can_read_all:
            return 0
        try:
            memory = self._regions.main()
            return sum(wake(memory, offset) for offset in (DATA_EVENT_AT, SPACE_EVENT_AT))
        except ValueError:  # another transport's, and too small
            return 0
