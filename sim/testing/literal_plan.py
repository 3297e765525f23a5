"""A plan made without a scenario file: one writer, the ring's readers, and what befalls them."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence

from sim.abc import Capability, TransportSpec
from sim.history.history import Allowance, FaultHeader, Header, ProcessHeader
from sim.scenario.plan import Injection, Plan, ProcessPlan, ReaderWorkload, WriterWorkload
from sim.transport import find_transport

MS = 1_000_000
SECOND = 1_000 * MS
SEED = 7


def literal_plan(
    name: str,
    transport: TransportSpec,
    writes: WriterWorkload,
    reads: ReaderWorkload,
    *,
    start: str = "template",
    wait: str = "park",
    env: Optional[Mapping[str, str]] = None,
    injections: Sequence[Injection] = (),
    faults: Sequence[FaultHeader] = (),
    allowances: Sequence[Allowance] = (),
    requires: frozenset[Capability] = frozenset(),
    stall_threshold_ns: int = 20 * SECOND,
    deadline_ns: int = 60 * SECOND,
) -> Plan:
    """Raises KeyError for an unknown transport; ImportError or AttributeError as a plug-in does."""
    env = env or {}
    processes = [ProcessPlan("writer", "writer", None, wait, start, env, writes)]
    processes += [
        ProcessPlan(f"reader[{rank}]", "reader", rank, wait, start, env, reads)
        for rank in range(transport.readers)
    ]
    header = Header(
        name=name,
        path=f"{name}.toml",
        world="live",
        seed=SEED,
        transport=transport.kind,
        readers=transport.readers,
        slots=transport.slots,
        slot_bytes=transport.slot_bytes,
        mutant=transport.mutant,
        knows_owner=find_transport(transport.kind).knows_owner,
        processes=[
            ProcessHeader(name, role, rank, getattr(workload, "deadline_ns", None))
            for name, role, rank, workload in (
                (each.name, each.role, each.rank, each.workload) for each in processes
            )
        ],
        faults=faults,
        allowances=allowances,
        stall_threshold_ns=stall_threshold_ns,
        deadline_ns=deadline_ns,
        grace_ns=SECOND,
    )
    return Plan(
        name=name,
        story="",
        path=header.path,
        seed=SEED,
        worlds=(header.world,),
        world=header.world,
        requires=requires,
        deadline_ns=deadline_ns,
        stall_threshold_ns=stall_threshold_ns,
        transport=transport,
        processes=processes,
        injections=injections,
        checkers=(),
        expectations=(),
        header=header,
    )
