"""Positions and contents: each end counts its positions, and each message is one that the plan has.

Which message lies at a position is what its writer says; two lives of a writer may differ there
only in that the first died before it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Tuple

from cy_kernels.recorder import checksum
from sim.history.op import OK, RAISED, TIMEOUT
from sim.inclusion.account import INVOKE, Impossible, Life, NotTold, Operation
from sim.live.workload import Payloads
from sim.scenario.plan import Plan, WriterWorkload
from sim.virtual.program import writer_of

Content = Tuple[int, int]  # size in bytes, checksum


@dataclass
class Sent:
    """What came to be in the ring. `in_doubt` are sends that their writer died in, committed where
    somebody has seen them; by position."""

    committed: Dict[int, Operation] = field(default_factory=dict)
    in_doubt: Dict[int, Operation] = field(default_factory=dict)


class Contents:
    """Of the messages that a plan's writer sends, by number."""

    def __init__(self, work: WriterWorkload) -> None:
        sizes = list(work.sizes_bytes)
        self._sizes = sizes * work.messages if len(sizes) == 1 else sizes
        self._payloads = Payloads(work.payload_seed, max(self._sizes, default=0))
        self._known: Dict[int, Content] = {}

    def of(self, number: int) -> Content:
        found = self._known.get(number)
        if found is None:
            size_bytes = self._sizes[number]
            made = checksum(self._payloads.payload(number, size_bytes))
            found = self._known[number] = (size_bytes, made)
        return found


def sent_by(lives: Sequence[Life], plan: Plan) -> Sent:
    """Raises Impossible where a writer's positions or contents are not those of the plan."""
    work = writer_of(plan)
    contents = Contents(work)
    sent = Sent()
    position = 0
    for life in lives:
        position = _start(life, position, sent)
        number = position
        for op in life.operations:
            if op.position != position:
                raise Impossible(op.began, f"the writer is at position {position}")
            if number >= work.messages:
                raise Impossible(op.began, f"the plan has {work.messages} messages")
            if (op.size_bytes, op.checksum) != contents.of(number):
                raise Impossible(op.line, f"that is not message {number} of the plan")
            if op.type == OK:
                sent.committed[position] = op
                position += 1
                number += 1
            elif op.type == INVOKE:
                sent.in_doubt[position] = op
            elif op.outcome == TIMEOUT and work.on_timeout == "drop":
                number += 1
        life.has_sent_all = number >= work.messages
        _check_rest(life, work, number)
    return sent


def _start(life: Life, position: int, sent: Sent) -> int:
    """Where a later life of the writer goes on: behind what the last one sent, or may have."""
    if not life.operations:
        return position
    start = life.operations[0].position
    doubtful = sent.in_doubt.get(position)
    if start == position + 1 and doubtful is not None:
        sent.committed[position] = doubtful
    if doubtful is not None:
        del sent.in_doubt[position]
    return start if position in sent.committed else position


def _check_rest(life: Life, work: WriterWorkload, number: int) -> None:
    """Who stops by itself has sent all, or was told to stop."""
    last = life.operations[-1] if life.operations else None
    is_told = (
        last is not None
        and last.type == "fail"
        and (last.outcome != TIMEOUT or work.on_timeout == "stop")
    )
    has_left = life.ended is not None and not (life.is_killed or life.is_ended_by_run)
    if has_left and number < work.messages and not is_told:
        raise Impossible(int(life.ended or 0), f"the writer had sent {number} of {work.messages}")
    _check_time_outs(life, work.on_timeout)


def _check_time_outs(life: Life, on_timeout: str) -> None:
    """A time-out is the last thing of who stops at it, and of nobody else."""
    late = [op for op in life.operations if op.outcome == TIMEOUT]
    if on_timeout == "stop" and any(op is not life.operations[-1] for op in late):
        raise Impossible(late[0].line, f"{life.process} stops at a time-out")
    has_left = life.ended is not None and not (life.is_killed or life.is_ended_by_run)
    if on_timeout == "retry" and has_left and late and late[-1] is life.operations[-1]:
        raise Impossible(int(life.ended or 0), f"{life.process} tries again after a time-out")


@dataclass
class Read:
    """The operation of a reader that used a message up."""

    op: Operation
    life: Life
    is_released: bool = True  # False: a successor has read it again
    is_resumed_behind: bool = False  # a successor went on behind it


def read_by(lives: Sequence[Life], sent: Sent, on_timeout: str) -> List[Read]:
    """In order. Decides what of a dead writer was sent. Raises Impossible where positions are not
    consecutive, or a content is not that of its position."""
    found: List[Read] = []
    position = 0
    for life in lives:
        _check_time_outs(life, on_timeout)
        position = _resume(life, position, found)
        for op in life.operations:
            if op.position != position:
                raise Impossible(op.began, f"{life.process} is at position {position}")
            if op.type == OK or op.outcome == RAISED:
                _check_content(op, sent)
                found.append(Read(op, life))
                position += 1
    return found


def _resume(life: Life, position: int, found: List[Read]) -> int:
    """Where a successor goes on: what was read and not released is read again."""
    if not life.operations or not found or life is found[-1].life:
        return position
    start = life.operations[0].position
    last = found[-1]
    is_last_of_its_life = last.life.operations[-1] is last.op
    if is_last_of_its_life and last.life.is_killed and start == position - 1:
        last.is_released = False
        return start
    last.is_resumed_behind = True
    return position


def _check_content(op: Operation, sent: Sent) -> None:
    message = sent.committed.get(op.position)
    if message is None and op.position in sent.in_doubt:
        message = sent.committed[op.position] = sent.in_doubt.pop(op.position)
    if message is None:
        raise Impossible(op.line, f"nothing was sent at position {op.position}")
    if (op.size_bytes, op.checksum) != (message.size_bytes, message.checksum):
        raise Impossible(op.line, f"that is not the message of position {op.position}")


def check_plan(plan: Plan) -> None:
    """Raises NotTold for what changes memory from outside, or is no ring of ours."""
    if plan.transport.kind not in ("cursor_ring", "flag_ring"):
        raise NotTold(f"{plan.transport.kind} is no ring that is simulated")
    for injection in plan.injections:
        if injection.fault.alias in ("corrupt_word", "truncate_region"):
            raise NotTold(f"{injection.key}: {injection.fault.alias} changes the ring from outside")
