"""A transport whose processes nobody but root may look into, to show what is told of them then."""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Optional, Sequence

from sim.abc import ReaderEnd, Regions, TransportSpec, WriterEnd
from sim.subjects.hiding import hide
from sim.transport.flag_ring import FlagRing

SOUND = FlagRing()


class HiddenRing:
    alias: ClassVar[str] = f"{__name__}:HiddenRing"
    doc: ClassVar[str] = "flag_ring whose processes have PR_SET_DUMPABLE 0"
    knows_owner: ClassVar[bool] = SOUND.knows_owner
    message_overhead_bytes: ClassVar[int] = SOUND.message_overhead_bytes
    mutants: ClassVar[Sequence[str]] = SOUND.mutants
    orders: ClassVar[Sequence[str]] = SOUND.orders

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        SOUND.create(spec, regions)

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        hide()
        return SOUND.writer(spec, regions, wait=wait, recorder=recorder)

    def reader(
        self,
        spec: TransportSpec,
        regions: Regions,
        rank: int,
        *,
        wait: str,
        recorder: Optional[memoryview],
    ) -> ReaderEnd:
        hide()
        return SOUND.reader(spec, regions, rank, wait=wait, recorder=recorder)

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        return SOUND.describe(spec, regions)
