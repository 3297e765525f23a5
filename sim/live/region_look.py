"""What can be seen of a run's region: its words, its name, and who has it mapped."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from sim.abc import Transport, TransportSpec
from sim.live.machine import LiveMachine
from sim.live.region import LiveRegions

CUT = "pages of the region are gone: it cannot be read"
UNSEEN = "pages of the region may be gone: it is not read"


class RegionLook:
    def __init__(
        self,
        transport: Transport,
        spec: TransportSpec,
        regions: LiveRegions,
        machine: LiveMachine,
    ) -> None:
        self._transport = transport
        self._spec = spec
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
