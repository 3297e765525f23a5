"""liveness: every operation ended in time, and everybody got to the end.

What is not a defect: an operation that waited while its own process was stopped by a fault;
one that was open when its process died; peers of a process that died for good, which go on
trying until the run ends, as long as each of their operations ends by its deadline.
"""

from __future__ import annotations

from typing import ClassVar, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from sim.abc import VALID, Result
from sim.checkers.finding import Finding, judged, overflowed
from sim.history.history import Header, History
from sim.history.op import EXIT, HANG, HEAL, INJECT, INVOKE, OK, RECEIVE, SEND, SPAWN, Op

STOPPING = ("stall", "freeze", "stop_at_step")  # faults whose target can do nothing until the heal
_NEVER = 1 << 63  # later than every clock


class _Waited(NamedTuple):
    """One operation, from its invoke to whatever ended it."""

    began: int  # index of the invoke
    ended: Optional[int]  # index of the line that closed it; None: still open


class _Stop(NamedTuple):
    process: str
    from_ns: int
    to_ns: int


class Liveness:
    alias: ClassVar[str] = "liveness"
    doc: ClassVar[str] = (
        "every operation ends by its deadline, everybody exits, and things move again after a heal"
    )

    def check(self, history: History) -> Result:
        header = history.header
        died = _died(history)
        if not header.knows_owner and (died or _fatal_fault_fired(history)):
            why = f"not applicable after a death: {header.transport} knows no owner"
            return Result(alias=self.alias, result=VALID, why=why)
        unknown = overflowed(self.alias, history)
        if unknown is not None:
            return unknown
        waited = _waited(history.ops)
        stops = _stops(history)
        if _ends_as_expected(history):  # what is open or missing then is what the hang holds up
            ended = [each for each in waited if each.ended is not None]
            return judged(self.alias, list(_overdue(history, ended, stops)))
        findings = [
            *_hangs(history),
            *_overdue(history, waited, stops),
            *_unfinished(history, waited, stops, died),
            *_standstill(history, waited, stops),
        ]
        return judged(self.alias, findings)


def _died(history: History) -> Dict[Tuple[str, int], int]:
    """(process, incarnation) -> index of the line that says it died, rather than left."""
    return {
        (op.process, op.incarnation): index
        for index, op in enumerate(history.ops)
        if op.f == EXIT and op.outcome != "0" and not (op.detail or {}).get("ended_by")
    }


def _fatal_fault_fired(history: History) -> bool:
    fatal = {fault.index for fault in history.header.faults if fault.fatal}
    return any(
        op.f == INJECT
        and (op.detail or {}).get("fired")
        and (op.detail or {}).get("injection") in fatal
        for op in history.ops
    )


def _waited(ops: Sequence[Op]) -> Sequence[_Waited]:
    open_: Dict[Tuple[str, int], int] = {}
    waited: List[_Waited] = []
    for index, op in enumerate(ops):
        if op.f != SEND and op.f != RECEIVE:
            continue
        key = (op.process, op.incarnation)
        if op.type == INVOKE:
            if key in open_:
                waited.append(_Waited(open_[key], None))
            open_[key] = index
        elif key in open_:
            waited.append(_Waited(open_.pop(key), index))
    waited.extend(_Waited(index, None) for index in open_.values())
    return waited


def _stops(history: History) -> Sequence[_Stop]:
    """When processes were stopped by a fault; one that was never healed has no end."""
    began: Dict[object, Tuple[str, int]] = {}
    stops: List[_Stop] = []
    for op in history.ops:
        detail = op.detail or {}
        if op.f == INJECT and detail.get("alias") in STOPPING:
            began[detail.get("injection")] = (str(detail.get("target")), op.time_ns)
        elif op.f == HEAL and detail.get("injection") in began:
            if detail.get("healed", True):
                process, from_ns = began.pop(detail.get("injection"))
                stops.append(_Stop(process, from_ns, op.time_ns))
    stops.extend(_Stop(process, from_ns, _NEVER) for process, from_ns in began.values())
    return stops


def _stopped_ns(process: str, from_ns: int, to_ns: int, stops: Sequence[_Stop]) -> int:
    return sum(
        max(0, min(to_ns, stop.to_ns) - max(from_ns, stop.from_ns))
        for stop in stops
        if stop.process == process
    )


def _ends_as_expected(history: History) -> bool:
    """In a hang of a class that the scenario names."""
    return any(op.f == HANG for op in history.ops) and not any(_hangs(history))


def _hangs(history: History) -> Iterable[Finding]:
    for index, op in enumerate(history.ops):
        if op.f != HANG:
            continue
        detail = op.detail or {}
        waiting = [str(name) for name in detail.get("waiting", ())]
        hang_class = str(detail.get("class", ""))
        if waiting and all(history.header.allows("hang", name, hang_class) for name in waiting):
            continue
        names = ", ".join(waiting) or "nobody in particular"
        if detail.get("why") == "deadline":
            limit = _seconds(history.header.deadline_ns)
            why = f"the run was not over by its deadline of {limit}; waiting: {names}"
        else:
            why = f"{names}: hung, nothing moved for {_seconds(detail.get('blocked_ns'))}"
        if hang_class:
            why += f"; {hang_class}: {detail.get('waits')}"
        yield Finding(why, (index,))


def _overdue(
    history: History, waited: Sequence[_Waited], stops: Sequence[_Stop]
) -> Iterable[Finding]:
    header = history.header
    deadlines = {process.name: process.deadline_ns for process in header.processes}
    exits = _exits(history)
    for began, ended in waited:
        op = history.ops[began]
        deadline_ns = deadlines.get(op.process)
        if deadline_ns is None:
            continue
        if ended is None:  # a death ends it, and so does the end of the history
            ended = exits.get((op.process, op.incarnation), len(history.ops) - 1)
        took_ns = history.ops[ended].time_ns - op.time_ns
        if took_ns <= deadline_ns + header.grace_ns:
            continue
        took_ns -= _stopped_ns(op.process, op.time_ns, history.ops[ended].time_ns, stops)
        if took_ns > deadline_ns + header.grace_ns:
            why = (
                f"{op.process}: {op.f} at position {op.position} took {_seconds(took_ns)}; "
                f"its deadline was {_seconds(deadline_ns)}"
            )
            yield Finding(why, (began, ended))


def _exits(history: History) -> Dict[Tuple[str, int], int]:
    return {
        (op.process, op.incarnation): index for index, op in enumerate(history.ops) if op.f == EXIT
    }


def _unfinished(
    history: History,
    waited: Sequence[_Waited],
    stops: Sequence[_Stop],
    died: Dict[Tuple[str, int], int],
) -> Iterable[Finding]:
    exits = _exits(history)
    still_open = {_life(history, w.began): w.began for w in waited if w.ended is None}
    spawned = {
        (op.process, op.incarnation): index for index, op in enumerate(history.ops) if op.f == SPAWN
    }
    stopped = {stop.process for stop in stops if stop.to_ns == _NEVER}
    last = {name: max(n for p, n in spawned if p == name) for name, _ in spawned}
    peer_gone = any(last.get(process, incarnation) == incarnation for process, incarnation in died)
    for life in {**spawned, **still_open}:
        if life in died or life[0] in stopped:
            continue
        exit_ = exits.get(life)
        began = still_open.get(life)
        doing = _doing(history.ops[began]) if began is not None else "was between operations"
        ops = tuple(i for i in (began, exit_, spawned.get(life)) if i is not None)
        name, incarnation = life
        if exit_ is None:
            yield Finding(f"{name}: incarnation {incarnation} never exited: {doing}", ops)
        elif not (history.ops[exit_].detail or {}).get("ended_by"):
            if began is not None:
                yield Finding(f"{name}: incarnation {incarnation} exited although it {doing}", ops)
        elif not peer_gone or (began is not None and _waits_for_ever(history.header, name)):
            yield Finding(f"{name}: had not finished when the run was over: {doing}", ops)


def _life(history: History, index: int) -> Tuple[str, int]:
    return history.ops[index].process, history.ops[index].incarnation


def _doing(op: Op) -> str:
    return f"waited in {op.f} at position {op.position}"


def _waits_for_ever(header: Header, name: str) -> bool:
    process = header.process(name)
    return process is not None and process.deadline_ns is None


def _standstill(
    history: History, waited: Sequence[_Waited], stops: Sequence[_Stop]
) -> Iterable[Finding]:
    """After the last heal: with an operation due, something completes within the threshold.

    A send is due while it is open: either it goes through or a reader has something to read. A
    receive is due only once its message was sent, since an idle writer is no fault.
    """
    healed = max((i for i, op in enumerate(history.ops) if op.f == HEAL), default=None)
    if healed is None or any(stop.to_ns == _NEVER for stop in stops):
        return
    healed_ns = history.ops[healed].time_ns
    exits = _exits(history)
    sent_ns = {op.position: op.time_ns for op in history.ops if op.f == SEND and op.type == OK}
    due: List[Tuple[int, int]] = []
    completed_ns: List[int] = []
    for began, ended in waited:
        op = history.ops[began]
        if ended is not None and history.ops[ended].time_ns < healed_ns:
            continue
        if ended is not None:
            completed_ns.append(history.ops[ended].time_ns)
        if ended is None and (op.process, op.incarnation) in exits:
            continue  # died or left in the middle: judged above
        since_ns = max(healed_ns, op.time_ns)
        if op.f == RECEIVE:
            if op.position not in sent_ns:
                continue
            since_ns = max(since_ns, sent_ns[op.position])
        due.append((since_ns, began))
    if not due:
        return
    since_ns, began = min(due)
    bound_ns = history.header.stall_threshold_ns + history.header.grace_ns
    until_ns = min((t for t in completed_ns if t >= since_ns), default=history.ops[-1].time_ns)
    if until_ns - since_ns > bound_ns:
        op = history.ops[began]
        why = (
            f"{op.process}: {op.f} at position {op.position} was due, but nothing completed for "
            f"{_seconds(until_ns - since_ns)} after the last heal; expected {_seconds(bound_ns)}"
        )
        yield Finding(why, (began, healed))


def _seconds(ns: object) -> str:
    return f"{ns / 1e9:.3g} s" if isinstance(ns, int) else "an unknown time"
