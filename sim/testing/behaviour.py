"""A run under faults in a few words: what became of its messages, operations and processes."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, List, Sequence, Set

from sim.abc import INVALID
from sim.checkers import ASKED_FOR, CHECKERS, OF_CLUSTERS
from sim.checkers.deliveries import DELIVERED, PHANTOM, TORN, traffic
from sim.history.history import History
from sim.history.op import EXIT, FAIL, HANG, INJECT, INVOKE, OK, RECEIVE, SEND, TIMEOUT, Op

SECOND = 1_000_000_000
NOT_FIRED = "the fault did not strike"


def behaviour(history: History) -> str:
    """ "lossless", or what was lost, repeated, torn; then who was refused, late, blocked, resumed.

    Counted are the messages of readers that came to their end by themselves, all of them together.
    """
    fired = [(op.detail or {}).get("fired") for op in history.where(INJECT)]
    if not fired or not all(fired):
        return NOT_FIRED
    hung = next((index for index, op in enumerate(history.ops) if op.f == HANG), None)
    before = history.ops[:hung]  # later, whoever hangs is helped, to prove what it waits for
    said = (_of_messages(history), _of_operations(history, before), _of_processes(history, before))
    return "; ".join(each for part in said for each in part)


def objections(history: History) -> List[str]:
    """The checkers that call the run invalid."""
    return [
        alias
        for alias, checker in CHECKERS.items()
        if alias not in (*ASKED_FOR, *OF_CLUSTERS)
        if checker.check(history).result == INVALID
    ]


def _of_messages(history: History) -> Iterator[str]:
    seen = traffic(history)
    there = _survivors(history)
    counts: Counter[str] = Counter()
    for reader, lives in seen.lives.items():
        taken = [each for life in lives for each in life.taken]
        got = [each.number for each in taken if each.kind == DELIVERED]
        counts["torn"] += sum(each.kind == TORN for each in taken)
        counts["repeated"] += len(got) - len(set(got))
        counts["received though the send had failed"] += sum(e.kind == PHANTOM for e in taken)
        if reader in there:
            counts["lost"] += len(set(seen.sent.ok) - set(got))
    if not counts["lost"] and not counts["torn"] and not counts["repeated"]:
        yield "lossless"
    for what in ("lost", "repeated", "torn", "received though the send had failed"):
        if counts[what]:
            yield f"{what} {counts[what]}" if " " not in what else f"{counts[what]} {what}"


def _survivors(history: History) -> Set[str]:
    """Whose last life ended by itself, with 0."""
    last = {op.process: op for op in history.where(EXIT)}
    return {
        name
        for name, op in last.items()
        if op.outcome == "0" and not (op.detail or {}).get("ended_by")
    }


def _of_operations(history: History, before: Sequence[Op]) -> Iterator[str]:
    began: Dict[str, Op] = {}
    refused: Dict[str, int] = {}
    late: Dict[str, str] = {}
    for op in before:
        if op.f not in (SEND, RECEIVE):
            continue
        if op.type == INVOKE:
            began[op.process] = op
            continue
        took_ns = op.time_ns - began.pop(op.process).time_ns
        role = "writer" if op.f == SEND else "reader"
        if op.type == FAIL and op.outcome == TIMEOUT:
            refused.setdefault(role, took_ns)
        process = history.header.process(op.process)
        limit_ns = process.deadline_ns if process is not None else None
        if limit_ns is not None and took_ns > limit_ns + history.header.grace_ns:
            late[role] = f"a {op.f} took {_seconds(took_ns)}, its deadline was {_seconds(limit_ns)}"
    for role, took_ns in sorted(refused.items()):
        yield f"{role} got a time-out after {_seconds(took_ns)}"
    yield from late.values()


def _of_processes(history: History, before: Sequence[Op]) -> Iterator[str]:
    for op in history.where(HANG):
        waiting = (op.detail or {}).get("waiting", ())
        yield f"blocked for ever: {', '.join(waiting) or 'a process that was to end'}"
    lives = {op.process for op in before if op.incarnation}
    did = {op.process for op in before if op.incarnation and op.type == OK}
    for name in sorted(lives):
        yield f"{name} {'resumed' if name in did else 'did not resume'} after its restart"
    fatal = {fault.target for fault in history.header.faults if fault.fatal}
    for op in history.where(EXIT):
        detail = op.detail or {}
        if op.outcome == "0" or detail.get("ended_by"):
            continue
        if op.process not in fatal or op.outcome != "SIGKILL":
            lines = str(detail.get("stderr", "")).strip().splitlines()
            yield f"{op.process} died of {lines[-1].strip() if lines else op.outcome}"


def _seconds(ns: int) -> str:
    return f"{ns / SECOND:.1f} s"
