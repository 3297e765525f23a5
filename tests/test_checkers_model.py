"""All safety checkers over random correct runs of a tiny model ring, and over the same runs with
one delivery damaged: the first are valid, the second are caught by exactly the checker to blame.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from literal_history import TWO_READERS, exited, header, op, waits

from sim.abc import INVALID, VALID
from sim.checkers import CHECKERS
from sim.history.history import History
from sim.history.op import ENDED, FAIL, INVOKE, OK, RAISED, RECEIVE, SEND, TIMEOUT, Op

SAFETY = ("no_loss", "no_duplicates", "fifo", "no_tearing")
READERS = ("reader[0]", "reader[1]")
SLOTS = 3
STEPS = ("send", "send", "send", "kill_writer") + 2 * READERS
READER_STEPS = ("receive", "receive", "receive", "receive", "raise", "die_holding", "die_waiting")


class ModelRing:
    """What a correct ring does, one step at a time: positions, not bytes, and no concurrency."""

    def __init__(self, *, contents: int, sizes: int, owned: bool, on_timeout: str) -> None:
        self.ops: List[Op] = []
        self._contents, self._sizes, self._owned = contents, sizes, owned
        self._on_timeout = on_timeout
        self._committed: List[int] = []  # content by position
        self._next_content = 0
        self._read = {reader: 0 for reader in READERS}
        self._lives: Dict[str, int] = {"writer": 0, **{reader: 0 for reader in READERS}}

    def _say(self, process: str, type: str, f: str, position: int, content: int, **rest) -> None:
        content %= self._contents
        size = content % self._sizes
        line = op(process, type, f, position, content=content, size=size, **rest)
        self.ops.append(line._replace(incarnation=self._lives[process]))

    def send(self) -> None:
        position, content = len(self._committed), self._next_content
        self._say("writer", INVOKE, SEND, position, content)
        if position - min(self._read.values()) >= SLOTS:
            self._say("writer", FAIL, SEND, position, content, outcome=TIMEOUT)
            self._next_content += self._on_timeout == "drop"
            return
        self._commit()
        self._say("writer", OK, SEND, position, content)

    def _commit(self) -> None:
        self._committed.append(self._next_content)
        self._next_content += 1

    def kill_writer(self, *, committed: bool) -> None:
        position = len(self._committed)
        self._say("writer", INVOKE, SEND, position, self._next_content)
        if committed and position - min(self._read.values()) < SLOTS:
            self._commit()
        self.die("writer")

    def die(self, process: str) -> None:
        self.ops.append(exited(process, "SIGKILL", life=self._lives[process]))
        self._lives[process] += 1

    def step(self, reader: str, kind: str) -> None:
        position = self._read[reader]
        self.ops.append(waits(reader, position, life=self._lives[reader]))
        if kind == "die_waiting" and self._owned:
            self.die(reader)
        elif position == len(self._committed):
            self._say(reader, FAIL, RECEIVE, position, 0, outcome=TIMEOUT)
        elif kind == "raise":
            self._say(reader, FAIL, RECEIVE, position, 0, outcome=RAISED)
            self._read[reader] += 1
        else:
            self._say(reader, OK, RECEIVE, position, self._committed[position])
            if kind == "die_holding" and self._owned:
                self.die(reader)
            else:
                self._read[reader] += 1

    def end(self) -> None:
        for reader in READERS:
            while self._read[reader] < len(self._committed):
                self.step(reader, "receive")
            position = self._read[reader]
            self.ops.append(waits(reader, position, life=self._lives[reader]))
            self._say(reader, FAIL, RECEIVE, position, 0, outcome=ENDED)
            self.ops.append(exited(reader, life=self._lives[reader]))


@st.composite
def runs(draw, *, distinct: bool = False) -> History:
    """With `distinct`, every message has bytes of its own, as from 8 bytes on they do."""
    owned = draw(st.booleans())
    ring = ModelRing(
        contents=1_000_000 if distinct else draw(st.sampled_from([1, 2, 5, 1_000_000])),
        sizes=1 if distinct else draw(st.sampled_from([1, 3])),
        owned=owned,
        on_timeout=draw(st.sampled_from(["retry", "drop"])),
    )
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=4, max_size=40)):
        if step == "send":
            ring.send()
        elif step == "kill_writer":
            if owned:
                ring.kill_writer(committed=draw(st.booleans()))
        else:
            ring.step(step, draw(st.sampled_from(READER_STEPS)))
    ring.end()
    return stamped(ring.ops, owned)


def stamped(ops: List[Op], owned: bool) -> History:
    transport = "cursor_ring" if owned else "flag_ring"
    return History(
        header=header(readers=2, processes=TWO_READERS, knows_owner=owned, transport=transport),
        ops=tuple(each._replace(time_ns=index) for index, each in enumerate(ops)),
    )


def damaged(run: History, ops: List[Op]) -> History:
    return stamped(ops, run.header.knows_owner)


def invalid(run: History) -> List[str]:
    return [alias for alias in SAFETY if CHECKERS[alias].check(run).result == INVALID]


def deliveries(run: History) -> List[int]:
    """Indices of ok receives whose invoke is the line before: all, in the model."""
    return [i for i, each in enumerate(run.ops) if each.f == RECEIVE and each.type == OK]


def pick(draw, run: History) -> int:
    found = deliveries(run)
    assume(found)
    return draw(st.sampled_from(found))


@settings(max_examples=300, deadline=None)
@given(runs())
def test_a_correct_run_is_valid(run):
    assume(deliveries(run))
    assert {alias: CHECKERS[alias].check(run).result for alias in SAFETY} == dict.fromkeys(
        SAFETY, VALID
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_deleted_delivery_is_a_loss(data):
    run = data.draw(runs(distinct=True))
    index = pick(data.draw, run)
    gone = run.ops[index]
    same = [i for i in deliveries(run) if run.ops[i].process == gone.process]
    assume([run.ops[i].checksum for i in same].count(gone.checksum) == 1)
    dropped = [each for each in run.ops if each.outcome == RAISED and each.process == gone.process]
    assume(gone.position not in [each.position for each in dropped])  # in its next life
    ops = list(run.ops)
    del ops[index - 1 : index + 1]
    # Left in doubt by its writer and seen by nobody else, it may as well never have been sent.
    assume(any(each.type == OK and each.checksum == gone.checksum for each in ops))
    assume(deliveries(damaged(run, ops)))  # nothing received at all is unknown, not a loss
    assert invalid(damaged(run, ops)) == ["no_loss"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_doubled_delivery_is_a_duplicate(data):
    run = data.draw(runs(distinct=True))
    index = pick(data.draw, run)
    ops = list(run.ops)
    ops[index + 1 : index + 1] = ops[index - 1 : index + 1]
    assert invalid(damaged(run, ops)) == ["no_duplicates"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_two_deliveries_swapped_are_out_of_order(data):
    run = data.draw(runs(distinct=True))
    pairs = list(neighbours(run))
    assume(pairs)
    first, second = data.draw(st.sampled_from(pairs))
    ops = list(run.ops)
    for here, there in ((first, second), (second, first)):
        what = run.ops[there]
        ops[here] = ops[here]._replace(size_bytes=what.size_bytes, checksum=what.checksum)
    found = invalid(damaged(run, ops))
    assert "fifo" in found
    # A swap across a death is a repeat as well; and where a reader counts for itself, it hides
    # which message the reader held when it raised.
    own_count = not run.header.knows_owner
    raised = any(each.outcome == RAISED for each in run.ops)
    if not any(each.incarnation for each in run.ops) and not (own_count and raised):
        assert found == ["fifo"]


def neighbours(run: History) -> List[Tuple[int, int]]:
    """Successive deliveries of one life of a reader, of two different messages."""
    last: Dict[Tuple[str, int], int] = {}
    pairs = []
    for index in deliveries(run):
        life = (run.ops[index].process, run.ops[index].incarnation)
        if life in last and run.ops[last[life]].checksum != run.ops[index].checksum:
            pairs.append((last[life], index))
        last[life] = index
    return pairs


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_corrupted_delivery_is_torn(data):
    run = data.draw(runs(distinct=True))
    index = pick(data.draw, run)
    ops = list(run.ops)
    ops[index] = ops[index]._replace(checksum=data.draw(st.sampled_from([0, 1, 2**64 - 1])))
    assert invalid(damaged(run, ops)) == ["no_tearing"]


@pytest.mark.parametrize("alias", SAFETY)
def test_checkers_are_pure(alias):
    ring = ModelRing(contents=10, sizes=1, owned=True, on_timeout="retry")
    ring.send()
    ring.end()
    run = stamped(ring.ops, True)
    before = tuple(run.ops)
    assert CHECKERS[alias].check(run) == CHECKERS[alias].check(run)
    assert CHECKERS[alias].check(stamped(ring.ops, True)) == CHECKERS[alias].check(run)
    assert run.ops == before
