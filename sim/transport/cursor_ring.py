"""cursor_ring as a transport: our ring, which survives deaths."""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Optional, Sequence

from cy_kernels.choice import kernels
from sim.abc import ReaderEnd, Regions, TransportSpec, WriterEnd

REGION = "ring"


class CursorRing:
    alias: ClassVar[str] = "cursor_ring"
    doc: ClassVar[str] = "positions in shared memory, takeover after proven death, eviction"
    knows_owner: ClassVar[bool] = True
    message_overhead_bytes: ClassVar[int] = 0
    mutants: ClassVar[Sequence[str]] = ()
    orders: ClassVar[Sequence[str]] = ("fenced",)

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        geometry = spec.geometry
        ring = kernels().ring
        size_bytes = ring.cursor_region_bytes(**geometry)
        buffer = regions.create(REGION, size_bytes, reserve=spec.reserve)
        ring.cursor_format(buffer, **geometry)

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        buffer = regions.attach(REGION)
        return kernels().ring.CursorWriter(
            buffer, wait=wait, recorder=recorder, evict_dead=spec.evict_dead, **spec.geometry
        )

    def reader(
        self,
        spec: TransportSpec,
        regions: Regions,
        rank: int,
        *,
        wait: str,
        recorder: Optional[memoryview],
    ) -> ReaderEnd:
        buffer = regions.attach(REGION)
        return kernels().ring.CursorReader(
            buffer, rank=rank, wait=wait, recorder=recorder, **spec.geometry
        )

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        return kernels().ring.cursor_describe(regions.attach(REGION))
