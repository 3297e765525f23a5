"""Plans for live tests, made without a scenario file, and what one asks of their histories."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Mapping, Optional, Sequence, Union

from sim.abc import TransportSpec
from sim.history.history import History
from sim.history.op import EXIT, HEAL, INJECT, INVOKE, OK, Op
from sim.scenario.plan import AfterOps, AtTime, Injection, Plan, ReaderWorkload, WriterWorkload
from sim.testing.literal_plan import SECOND, literal_plan


def plan(
    *,
    kind: str = "cursor_ring",
    messages: int = 100,
    readers: int = 2,
    slots: int = 8,
    start: str = "template",
    interval_ns: int = 0,
    deadline_ns: Optional[int] = 5 * SECOND,
    on_timeout: str = "retry",
    injections: Sequence[Injection] = (),
    stall_threshold_ns: int = 20 * SECOND,
    run_deadline_ns: int = 60 * SECOND,
    env: Optional[Mapping[str, str]] = None,
) -> Plan:
    spec = TransportSpec(kind=kind, readers=readers, slots=slots, slot_bytes=256)
    write = WriterWorkload(messages, [64], interval_ns, deadline_ns, on_timeout, payload_seed=7)
    read = ReaderWorkload(0, deadline_ns, on_timeout)
    return literal_plan(
        "literal",
        spec,
        write,
        read,
        start=start,
        env=env,
        injections=injections,
        stall_threshold_ns=stall_threshold_ns,
        deadline_ns=run_deadline_ns,
    )


def injection(
    fault: Any,
    trigger: Union[AtTime, AfterOps],
    *,
    heal_after_ns: Optional[int] = None,
    index: int = 0,
) -> Injection:
    return Injection(index, f"fault[{index}]", fault, trigger, heal_after_ns)


def with_wait(made: Plan, wait: str) -> Plan:
    processes = [dataclasses.replace(process, wait=wait) for process in made.processes]
    return dataclasses.replace(made, processes=processes)


def positions(history: History, process: str, *, type: str = OK) -> List[Optional[int]]:
    return [op.position for op in history.of(process) if op.type == type]


def closed(history: History, process: str, incarnation: int = 0) -> List[Op]:
    """What the process completed, ok or fail."""
    ops = [op for op in history.of(process) if op.f in ("send", "receive")]
    return [op for op in ops if op.type != INVOKE and op.incarnation == incarnation]


def exits(history: History) -> Mapping[str, List[Optional[str]]]:
    found: dict = {}
    for op in history.where(EXIT):
        found.setdefault(op.process, []).append(op.outcome)
    return found


def injected(history: History) -> List[Mapping[str, Any]]:
    return [op.detail for op in history.where(INJECT) if op.detail is not None]


def healed(history: History) -> List[Mapping[str, Any]]:
    return [op.detail for op in history.where(HEAL) if op.detail is not None]
