"""Who received which message: the reading of a history that the safety checkers share.

A message's number is the position at which the writer sent it. A reader counts positions too:
the ring's own in a transport that knows owners, a count of its own in one that does not. After
a bug the second kind is no longer the message's number, and after a torn read neither says what
was read. So the content, size and checksum, decides; the position only says what was expected.

Contents repeat: a retry sends the same bytes, tiny messages collide, an empty one equals every
other. Where a content fits several messages, the reading that keeps the order is taken: a
checker must not invent a bug out of two equal bytes. What this can hide is a bug among messages
that nobody could tell apart, which is why workloads number every message of 8 bytes and more.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from sim.history.history import History
from sim.history.op import (
    ENDED,
    EVICTED,
    FAIL,
    INVOKE,
    OK,
    RAISED,
    RECEIVE,
    SEND,
    TIMEOUT,
    Op,
)

DELIVERED = "delivered"
TORN = "torn"  # the bytes are of no message that was ever sent
PHANTOM = "phantom"  # the bytes are of a send that surely did not happen

Content = Tuple[Optional[int], Optional[int]]  # size in bytes, checksum


class Taken(NamedTuple):
    """The end of one receive that used up a message, or that ended a reader's claim to some."""

    kind: str  # DELIVERED | TORN | PHANTOM | RAISED | EVICTED | ENDED
    number: int  # of the message; where it has none, the number that was expected
    op: int  # index into history.ops


@dataclass
class Life:
    """One incarnation of a reader, as far as messages go."""

    reader: str
    incarnation: int
    taken: List[Taken] = field(default_factory=list)
    last: Optional[Op] = None  # its last receive line, of whatever type
    next_number: int = 0  # one past the highest so far
    numbers: Set[int] = field(default_factory=set)  # delivered in this life

    @property
    def unreleased(self) -> Optional[int]:
        """The message that was delivered last, if no later line proves that it was released."""
        if self.last is None or self.last.type != OK or not self.taken:
            return None
        return self.taken[-1].number


@dataclass
class Sent:
    """What the writer did, by number."""

    numbers: Dict[Content, List[int]] = field(default_factory=dict)  # ascending
    contents: Dict[int, List[Content]] = field(default_factory=dict)
    ok: Dict[int, int] = field(default_factory=dict)  # number -> index of the ok line
    failed: Dict[Content, int] = field(default_factory=dict)  # surely not sent -> its invoke line


@dataclass(frozen=True)
class Traffic:
    sent: Sent
    lives: Mapping[str, Sequence[Life]]  # per reader, in the order of incarnations

    def delivered(self) -> Set[int]:
        """Numbers that anybody received."""
        return {n for lives in self.lives.values() for life in lives for n in life.numbers}


# Four checkers ask for the traffic of the same history, one after the other. It is told by
# identity, through a weak reference: no copy is kept alive, no reused id is mistaken for it.
_latest: Optional[Tuple[weakref.ReferenceType[History], Traffic]] = None


def traffic(history: History) -> Traffic:
    """The caller must not change what it gets."""
    global _latest
    latest = _latest
    if latest is None or latest[0]() is not history:
        latest = _latest = (weakref.ref(history), _traffic(history))
    return latest[1]


def _traffic(history: History) -> Traffic:
    sent = _sent(history.ops)
    owned = history.header.knows_owner
    lives: Dict[str, List[Life]] = {
        process.name: [] for process in history.header.processes if process.role == "reader"
    }
    current: Dict[str, Life] = {}
    for index, op in enumerate(history.ops):
        if op.f != RECEIVE:
            continue
        life = current.get(op.process)
        if life is None or life.incarnation != op.incarnation:
            life = current[op.process] = Life(op.process, op.incarnation)
            lives.setdefault(op.process, []).append(life)
        life.last = op
        if op.type == OK:
            for each in _messages(op):
                _deliver(life, index, each, sent, owned)
        elif op.type == FAIL and op.outcome in (RAISED, EVICTED, ENDED):
            _end(life, index, op, owned)
    return Traffic(sent=sent, lives=lives)


def _messages(op: Op) -> Iterable[Op]:
    """A line of a cluster's reader stands for so many messages in a row, whose checksums are their
    numbers."""
    count = (op.detail or {}).get("messages")
    if count is None:
        return (op,)
    assert op.position is not None
    last = op.position + int(count)
    return (op._replace(position=n, checksum=n) for n in range(op.position, last))


def _sent(ops: Sequence[Op]) -> Sent:
    sent = Sent()
    pending: Dict[str, Tuple[int, Op]] = {}
    refused: List[Tuple[int, Op]] = []
    for index, op in enumerate(ops):
        if op.f != SEND:
            continue
        if op.type == INVOKE:
            if op.process in pending:  # its writer died in the middle: in doubt
                _may_arrive(sent, pending[op.process][1])
            pending[op.process] = (index, op)
            continue
        began = pending.pop(op.process, None)
        if began is None:
            continue
        if op.type == FAIL and op.outcome == TIMEOUT:
            refused.append(began)
            continue
        _may_arrive(sent, began[1])
        if op.type == OK and began[1].position is not None:
            sent.ok[began[1].position] = index
    for _, op in pending.values():
        _may_arrive(sent, op)
    for index, op in refused:
        sent.failed.setdefault((op.size_bytes, op.checksum), index)
    for numbers in sent.numbers.values():
        if len(numbers) > 1:
            numbers.sort()
    return sent


def _may_arrive(sent: Sent, op: Op) -> None:
    if op.position is None:
        return
    content = (op.size_bytes, op.checksum)
    contents = sent.contents.setdefault(op.position, [])
    if content not in contents:
        contents.append(content)
        sent.numbers.setdefault(content, []).append(op.position)


def _expected(life: Life, op: Op, owned: bool) -> int:
    if op.position is None:
        return life.next_number
    return op.position if owned else max(op.position, life.next_number)


def _deliver(life: Life, index: int, op: Op, sent: Sent, owned: bool) -> None:
    content = (op.size_bytes, op.checksum)
    expected = _expected(life, op, owned)
    numbers = sent.numbers.get(content)
    if numbers is None:
        kind, number = (PHANTOM if content in sent.failed else TORN), expected
    else:
        kind, number = DELIVERED, _number(op.position, expected, content, numbers, life, sent)
        life.numbers.add(number)
    life.taken.append(Taken(kind, number, index))
    life.next_number = max(number + 1, life.next_number)


def _number(
    position: Optional[int],
    expected: int,
    content: Content,
    numbers: Sequence[int],
    life: Life,
    sent: Sent,
) -> int:
    """Of the messages with this content, the one that is read here (see the module's essay)."""
    if position is not None and position >= expected and content in sent.contents.get(position, ()):
        return position
    start = bisect_left(numbers, expected)
    for number in numbers[start:]:
        if number not in life.numbers:
            return number
    for number in reversed(numbers[:start]):
        if number not in life.numbers:
            return number
    return numbers[start - 1] if start else numbers[0]


def _end(life: Life, index: int, op: Op, owned: bool) -> None:
    number = _expected(life, op, owned)
    life.taken.append(Taken(op.outcome or "", number, index))
    if op.outcome == RAISED:
        life.next_number = max(number + 1, life.next_number)
