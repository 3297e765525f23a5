"""What each life of a run did, by its journal: that alone, without looking at anybody else.

A life is spawned, gets ready, and does one operation after the other until it ends. Lines that no
life can have written in this order are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence

from sim.history.history import History
from sim.history.op import (
    CLOSED,
    ENDED,
    EVICTED,
    EXIT,
    FAIL,
    FENCED,
    INFO,
    INVOKE,
    OK,
    OVERFLOW,
    RAISED,
    READY,
    RECEIVE,
    SEND,
    SPAWN,
    TIMEOUT,
    Op,
)

NEVER = 2**63 - 1
LAST_OUTCOMES = (ENDED, CLOSED, EVICTED, FENCED)  # with which a life's operations are over
OUTCOMES = {
    SEND: (TIMEOUT, CLOSED, FENCED),
    RECEIVE: (TIMEOUT, CLOSED, ENDED, EVICTED, RAISED),
}


class Impossible(Exception):
    """No execution has this op, an index into the history's."""

    def __init__(self, op: int, why: str) -> None:
        super().__init__(why)
        self.op = op
        self.why = why


class NotTold(Exception):
    """It cannot be said whether it is one; says why."""


@dataclass
class Operation:
    """A send or a receive. `ended` is None where the life ended in it."""

    f: str
    position: int
    began: int  # indices into the history's ops
    ended: Optional[int]
    began_ns: int
    ended_ns: int
    since_ns: int  # of what the life did before: its deadline was set later than that
    type: str = INVOKE
    outcome: Optional[str] = None
    size_bytes: Optional[int] = None
    checksum: Optional[int] = None

    @property
    def line(self) -> int:
        return self.began if self.ended is None else self.ended


@dataclass
class Life:
    process: str
    role: str
    incarnation: int
    spawned: int
    spawned_ns: int
    ready_ns: int = NEVER
    ended: Optional[int] = None
    ended_ns: int = NEVER  # known to be over
    is_killed: bool = False  # by a signal; else it left, or was ended by the end of the run
    is_ended_by_run: bool = False
    has_sent_all: bool = False  # of a writer: it comes to its end
    operations: List[Operation] = field(default_factory=list)

    @property
    def latest_ns(self) -> int:
        """When it wrote what it wrote last."""
        if not self.operations:
            return self.ready_ns
        last = self.operations[-1]
        return last.began_ns if last.ended is None else last.ended_ns


def lives_of(history: History) -> Dict[str, List[Life]]:
    """By process, in order. Raises Impossible and NotTold."""
    found: Dict[str, List[Life]] = {each.name: [] for each in history.header.processes}
    roles = {each.name: each.role for each in history.header.processes}
    latest_ns = 0
    for index, op in enumerate(history.ops):
        if op.time_ns < latest_ns:
            raise Impossible(index, "is earlier than the line before it")
        latest_ns = op.time_ns
        if op.f == OVERFLOW:
            raise NotTold(f"the flight recorder of {op.process} was too small")
        if op.process not in found:
            if op.f in (SEND, RECEIVE, SPAWN, READY, EXIT):
                raise Impossible(index, f"there is no process {op.process}")
            continue
        lives = found[op.process]
        if op.f == SPAWN:
            _spawned(lives, roles[op.process], index, op)
        elif op.f in (SEND, RECEIVE, READY, EXIT):
            _befell(_life_of(lives, index, op), index, op)
    return found


def _spawned(lives: List[Life], role: str, index: int, op: Op) -> None:
    if op.incarnation != len(lives):
        raise Impossible(index, f"{op.process} had {len(lives)} lives so far")
    if lives and lives[-1].ended is None:
        raise Impossible(index, f"{op.process} is not dead yet")
    lives.append(Life(op.process, role, op.incarnation, index, op.time_ns))


def _life_of(lives: Sequence[Life], index: int, op: Op) -> Life:
    if not lives or op.incarnation != lives[-1].incarnation:
        raise Impossible(index, f"{op.process} has no incarnation {op.incarnation} then")
    if lives[-1].ended is not None:
        raise Impossible(index, f"incarnation {op.incarnation} of {op.process} is over")
    return lives[-1]


def _befell(life: Life, index: int, op: Op) -> None:
    if op.f == READY:
        if life.ready_ns != NEVER:
            raise Impossible(index, f"{life.process} was ready before")
        life.ready_ns = op.time_ns
    elif op.f == EXIT:
        _check_leaves(life, index, op)
        life.ended, life.ended_ns = index, op.time_ns
        life.is_killed = (op.outcome or "").startswith("SIG")
        life.is_ended_by_run = (op.detail or {}).get("ended_by") == "run"
    elif life.ready_ns == NEVER:
        raise Impossible(index, f"{life.process} is not ready yet")
    elif op.f != (SEND if life.role == "writer" else RECEIVE):
        raise Impossible(index, f"{life.process} is a {life.role}")
    elif op.type == INVOKE:
        _begin(life, index, op)
    else:
        _end(life, index, op)


def _check_leaves(life: Life, index: int, op: Op) -> None:
    """Who leaves as planned has ended its operations, and a reader was told to leave."""
    last = life.operations[-1] if life.operations else None
    if op.outcome != "0" or (op.detail or {}).get("ended_by") or life.ready_ns == NEVER:
        return
    if last is not None and last.ended is None:
        raise Impossible(index, f"{life.process} leaves in the middle of an operation")
    is_told = last is not None and last.outcome in (*LAST_OUTCOMES, TIMEOUT)
    if life.role == "reader" and not is_told:
        raise Impossible(index, f"{life.process} leaves though nobody told it to")


def _begin(life: Life, index: int, op: Op) -> None:
    last = life.operations[-1] if life.operations else None
    if last is not None and last.ended is None:
        raise Impossible(index, f"{life.process} is in an operation already")
    if last is not None and last.outcome in LAST_OUTCOMES:
        raise Impossible(index, f"{life.process} was told {last.outcome}: that was its last")
    if op.position is None or op.outcome is not None:
        raise Impossible(index, "no operation begins like that")
    made = Operation(op.f, op.position, index, None, op.time_ns, NEVER, life.latest_ns)
    made.size_bytes, made.checksum = op.size_bytes, op.checksum
    life.operations.append(made)


def _end(life: Life, index: int, op: Op) -> None:
    last = life.operations[-1] if life.operations else None
    if last is None or last.ended is not None:
        raise Impossible(index, f"{life.process} is in no operation")
    if op.position != last.position:
        raise Impossible(index, f"the operation began at position {last.position}")
    is_known = op.outcome in OUTCOMES[op.f] if op.type == FAIL else op.outcome is None
    if op.outcome is not None and op.outcome.startswith("error"):
        raise NotTold(f"{life.process} raised out of an operation: that is not simulated")
    if op.type == INFO or not is_known:
        raise Impossible(index, f"no {op.f} ends so")
    content = (op.size_bytes, op.checksum)
    if op.f == SEND and content != (last.size_bytes, last.checksum):
        raise Impossible(index, "what was sent is not what the send began with")
    if op.f == RECEIVE and (op.type == OK or op.outcome == RAISED) != (op.size_bytes is not None):
        raise Impossible(index, "only what was received has a size")
    last.size_bytes, last.checksum = content
    last.type, last.outcome = op.type, op.outcome
    last.ended, last.ended_ns = index, op.time_ns
