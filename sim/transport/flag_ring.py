"""flag_ring as a transport: the protocol that vLLM ships, with its orders and mutants."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar, Mapping, Optional, Sequence

from cy_kernels.choice import PURE, kernels
from sim.abc import ReaderEnd, Regions, TransportSpec, WriterEnd

REGION = "ring"


class FlagRing:
    alias: ClassVar[str] = "flag_ring"
    doc: ClassVar[str] = "one written flag and one read flag per reader: the queue vLLM ships"
    knows_owner: ClassVar[bool] = False
    message_overhead_bytes: ClassVar[int] = 7  # overflow byte, buffer count, length
    mutants: ClassVar[Sequence[str]] = (
        "flag-before-data",
        "reset-before-data",
        "flag-before-reset",
        "step-over-not-ready",
        "release-before-read",
        "no-release-on-raise",
        "no-data-fence",
        "event-after-parked",
        "no-recheck",
        "no-waiter-fence",
        "no-waker-fence",
        "bump-after-wake",
        "clear-after-bump",
        "no-monitor-recheck",
        "no-monitor-timer",
    )
    orders: ClassVar[Sequence[str]] = ("fenced", "as_shipped")

    def create(self, spec: TransportSpec, regions: Regions) -> None:
        geometry = spec.geometry
        ring = kernels().ring
        size_bytes = ring.flag_region_bytes(**geometry)
        buffer = regions.create(REGION, size_bytes, reserve=spec.reserve)
        ring.flag_format(buffer, **geometry)

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        buffer = regions.attach(REGION)
        return _kernels(spec).FlagWriter(buffer, wait=wait, recorder=recorder, **_options(spec))

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
        return _kernels(spec).FlagReader(
            buffer, rank=rank, wait=wait, recorder=recorder, **_options(spec)
        )

    def describe(self, spec: TransportSpec, regions: Regions) -> Mapping[str, Any]:
        return kernels().ring.flag_describe(regions.attach(REGION))


def _options(spec: TransportSpec) -> Mapping[str, Any]:
    return {**spec.geometry, "order": spec.order, "mutant": spec.mutant}


def _kernels(spec: TransportSpec) -> ModuleType:
    """The product's kernels know no mutants; those are a second extension of the same sources."""
    chosen = kernels()
    if spec.mutant is None or chosen.kind == PURE:  # whose ends refuse every mutant
        return chosen.ring
    from cy_kernels import mutants

    return mutants
