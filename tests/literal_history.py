"""A small language for histories in tests: each line a function, times stamped in order."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Optional, Union

from sim.history.history import Allowance, FaultHeader, Header, History, ProcessHeader
from sim.history.op import (
    EXIT,
    FAIL,
    HEAL,
    HOOK,
    INFO,
    INJECT,
    INVOKE,
    LOG,
    OK,
    PROBE,
    READY,
    RECEIVE,
    SEND,
    SPAWN,
    Op,
)

MS = 1_000_000
START_NS = 5_000 * MS
UNSTAMPED = -1

HEADER = Header(
    name="literal",
    path="scenarios/literal.toml",
    world="live",
    seed=7,
    transport="cursor_ring",
    readers=1,
    slots=4,
    slot_bytes=256,
    mutant=None,
    knows_owner=True,
    processes=(
        ProcessHeader("writer", "writer", None, 300 * MS, messages=3),
        ProcessHeader("reader", "reader", 0, 300 * MS),
    ),
    faults=(),
    allowances=(),
    stall_threshold_ns=1_000 * MS,
    deadline_ns=20_000 * MS,
    grace_ns=100 * MS,
)
TWO_READERS = (
    ProcessHeader("writer", "writer", None, 300 * MS, messages=3),
    ProcessHeader("reader[0]", "reader", 0, 300 * MS),
    ProcessHeader("reader[1]", "reader", 1, 300 * MS),
)
STALL = FaultHeader(0, "stall", "reader", heals=True, fatal=False)
KILL = FaultHeader(0, "kill", "reader", heals=False, fatal=True)

Line = Union[Op, List[Any]]  # of lines


def header(**changes: Any) -> Header:
    return dataclasses.replace(HEADER, **changes)


def history(*lines: Line, **changes: Any) -> History:
    """Ops without a time come 1 ms after the one before them."""
    ops: List[Op] = []
    now_ns = START_NS
    for op in flat(lines):
        now_ns = now_ns + MS if op.time_ns == UNSTAMPED else op.time_ns
        ops.append(op._replace(time_ns=now_ns))
    return History(header=header(**changes), ops=tuple(ops))


def flat(lines: Iterable[Line]) -> Iterable[Op]:
    for line in lines:
        if isinstance(line, Op):
            yield line
        else:
            yield from flat(line)


def at_ms(ms: int, line: Line) -> List[Op]:
    """The last op of the line happens so long after the start, those before it unstamped."""
    ops = list(flat([line]))
    return [*ops[:-1], ops[-1]._replace(time_ns=START_NS + ms * MS)]


def checksum_of(number: int) -> int:
    return 0xABC000 + number


def op(
    process: str,
    type: str,
    f: str,
    position: Optional[int] = None,
    *,
    content: Optional[int] = None,
    size: int = 64,
    outcome: Optional[str] = None,
    life: int = 0,
    detail: Optional[Dict[str, Any]] = None,
) -> Op:
    """`content` is the number whose bytes these are; without it, the position's own."""
    if position is None:
        return Op(UNSTAMPED, process, life, type, f, outcome=outcome, detail=detail)
    checksum = checksum_of(position if content is None else content)
    return Op(UNSTAMPED, process, life, type, f, position, size, checksum, outcome, detail)


def sends(position: int, *, content: Optional[int] = None, life: int = 0, size: int = 64) -> Op:
    return op("writer", INVOKE, SEND, position, content=content, life=life, size=size)


def sent(*positions: int, content: Optional[int] = None, life: int = 0, size: int = 64) -> List[Op]:
    lines = []
    for n in positions:
        invoke = sends(n, content=content, life=life, size=size)
        lines += [invoke, invoke._replace(type=OK)]
    return lines


def send_fails(
    position: int, outcome: str = "timeout", *, content: Optional[int] = None, life: int = 0
) -> List[Op]:
    invoke = sends(position, content=content, life=life)
    return [invoke, invoke._replace(type=FAIL, outcome=outcome)]


def waits(reader: str, position: int, *, life: int = 0) -> Op:
    return Op(UNSTAMPED, reader, life, INVOKE, RECEIVE, position)


def received(
    reader: str, *positions: int, content: Optional[int] = None, life: int = 0, size: int = 64
) -> List[Op]:
    lines = []
    for n in positions:
        lines.append(waits(reader, n, life=life))
        lines.append(op(reader, OK, RECEIVE, n, content=content, life=life, size=size))
    return lines


def receive_fails(reader: str, position: int, outcome: str, *, life: int = 0) -> List[Op]:
    invoke = waits(reader, position, life=life)
    return [invoke, invoke._replace(type=FAIL, outcome=outcome)]


def spawned(*processes: str, life: int = 0) -> List[Op]:
    detail = {"pid": 4711, "python": "3.11.7", "kernels": "compiled", "wait": "park"}
    return [op(p, INFO, f, life=life, detail=detail) for p in processes for f in (SPAWN, READY)]


def exited(process: str, outcome: str = "0", *, life: int = 0, **detail: Any) -> Op:
    return op(process, INFO, EXIT, outcome=outcome, life=life, detail=detail or None)


def injected(
    alias: str, target: str, *, injection: int = 0, fired: bool = True, **evidence: Any
) -> Op:
    detail = {"injection": injection, "alias": alias, "target": target, "fired": fired}
    seen = {"what": "state: seen", **evidence}
    return op("nemesis", INFO, INJECT, detail={**detail, "evidence": seen})


def healed(alias: str, target: str, *, injection: int = 0, healed: bool = True) -> Op:
    detail = {"injection": injection, "alias": alias, "target": target, "healed": healed}
    return op("nemesis", INFO, HEAL, detail={**detail, "evidence": {"what": "state: seen"}})


def logged(
    process: str, level: str, message: str, *, logger: str = "cy_kernels", **more: Any
) -> Op:
    detail = {"logger": logger, "level": level, "message": message, **more}
    return op(process, INFO, LOG, detail=detail)


def probed(process: str, name: str, *, pid: Optional[int] = 1, **detail: Any) -> Op:
    return op(process, INFO, PROBE, detail={"probe": name, "detail": detail, "pid": pid})


def hook(process: str, kind: str, *, pid: int = 1, **detail: Any) -> Op:
    """What a hook of that kind said inside a program."""
    return op(process, INFO, HOOK, detail={"hook": kind, "pid": pid, **detail})


def started_with(process: str, *kinds: str) -> Op:
    """An interpreter began, with hooks of these kinds."""
    return hook(process, "start", event="ended", python="3.11.7", imports=list(kinds))


def allows(kind: str, process: str, **rest: Any) -> Dict[str, Any]:
    return {"allowances": (Allowance(kind, process, **rest),)}
