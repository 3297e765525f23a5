"""When each operation can have had its effect, and one order of all effects that fits.

An effect lies between two times of the journal: a message is committed after its send began and
before it was recorded as sent; it is read before it is recorded as received, and its slot is
released after that, before the reader's next line. What follows from the protocol are edges: a
message is committed before it is read; a slot is released by every reader that the writer waits for
before the next message is committed into it; a receive that timed out was over before the message
was there. Windows and edges alone are a problem of difference constraints: taken as early as
possible in any topological order, every effect fits, or none does (Dechter, Meiri, Pearl, Temporal
constraint networks, AI 49, 1991). The one choice is for which reader a send that timed out waited:
the one that released last is taken, and where that does not fit though another might, nothing is
said.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from sim.history.op import CLOSED, ENDED, FENCED, OK, TIMEOUT
from sim.inclusion.account import INVOKE, NEVER, Impossible, Life, NotTold, Operation
from sim.inclusion.contents import Read, Sent
from sim.scenario.plan import Plan, ProgramWorkload
from sim.virtual.program import writer_of

# Stamps are a counter's, turned into ns at two moments of each process's life.
TOLERANCE_NS = 200_000

BEGIN = "begin"  # a life that begins after the others gets its place
COMMIT = "commit"
READ = "read"
RELEASE = "release"
TIME_OUT = "time out"
STOP = "stop"  # the last operation tells the process to stop
END = "end"  # the writer ends the ring or shuts it down
DIE = "die"


@dataclass
class Effect:
    kind: str
    life: Life
    op: Optional[Operation]
    after_ns: int
    before_ns: int
    line: int  # the index of the op that says so
    follows: List[Effect] = field(default_factory=list)
    is_last: bool = False  # of its operation, which is never recorded as over
    at_ns: int = 0

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        where = "" if self.op is None else f" of position {self.op.position}"
        return f"the {self.kind}{where} of {self.life.process}"


class Effects:
    """Of one run. Raises Impossible and NotTold."""

    def __init__(
        self, plan: Plan, lives: Mapping[str, Sequence[Life]], sent: Sent, slots: int
    ) -> None:
        self._plan = plan
        self._sent = sent
        self._slots = slots
        self.all: List[Effect] = []
        self._commits: Dict[int, Effect] = {}
        self._ends: List[Effect] = []
        self._choices: List[Tuple[Effect, Effect]] = []  # who follows whom
        self._shuts_down = writer_of(plan).finish == "shutdown"
        self._told_over_ns = min(
            (
                op.ended_ns
                for each in lives.values()
                for life in each
                for op in life.operations
                if op.outcome in (ENDED, CLOSED)
            ),
            default=NEVER,
        )
        self._first_ns = min(
            (op.began_ns for each in lives.values() for life in each for op in life.operations),
            default=NEVER,
        )
        self._deadlines: Dict[str, Optional[int]] = {}
        for process in plan.processes:
            assert not isinstance(process.workload, ProgramWorkload)
            self._deadlines[process.name] = process.workload.deadline_ns
        self._chains: Dict[str, List[Effect]] = {}
        self._reads: Dict[str, Dict[int, Effect]] = {}  # by reader, the last of each position
        self._releases: Dict[str, Dict[int, Effect]] = {}

    def add_writer(self, name: str, lives: Sequence[Life]) -> None:
        chain = self._chains[name] = []
        for life, following in zip(lives, [*lives[1:], None]):
            self._begin(life, chain)
            for op in life.operations:
                if op.type == OK or self._sent.committed.get(op.position) is op:
                    effect = Effect(COMMIT, life, op, op.began_ns, op.ended_ns, op.line)
                    effect.is_last = op.type == INVOKE
                    if effect.is_last:
                        effect.before_ns = life.ended_ns
                    self._commits[op.position] = effect
                    chain.append(effect)
                elif op.type != INVOKE:
                    chain.append(self._failed(life, op))
            if self._has_ended(life, following):
                end = Effect(END, life, None, life.latest_ns, life.ended_ns, life.spawned)
                self._ends.append(end)
                chain.append(end)
            self._die(life, chain)
        self._in_order(chain)

    def _has_ended(self, life: Life, following: Optional[Life]) -> bool:
        """Having sent all, or given up at a time-out, it ends the ring. Who died on the way there
        has done it where somebody was told so before anybody else can have."""
        last = life.operations[-1] if life.operations else None
        if life.ready_ns == NEVER or (last is not None and last.outcome in (CLOSED, FENCED)):
            return False
        if life.ended is not None and not (life.is_killed or life.is_ended_by_run):
            return True
        until_ns = NEVER if following is None else following.ready_ns
        return life.has_sent_all and self._told_over_ns < until_ns

    def add_reader(self, name: str, lives: Sequence[Life], reads: Sequence[Read]) -> None:
        chain = self._chains[name] = []
        of = {id(read.op): read for read in reads}
        at = self._reads[name] = {}
        released = self._releases[name] = {}
        for life in lives:
            self._begin(life, chain)
            for index, op in enumerate(life.operations):
                read = of.get(id(op))
                if read is not None:
                    begun = Effect(READ, life, op, op.began_ns, op.ended_ns, op.line)
                    chain.append(begun)
                    at[op.position] = begun
                    is_last = index + 1 == len(life.operations)
                    if not read.is_released or (is_last and not self._must_release(read)):
                        begun.is_last = True
                        continue
                    next_ns = life.ended_ns if is_last else life.operations[index + 1].began_ns
                    done = Effect(RELEASE, life, op, op.ended_ns, next_ns, op.line)
                    chain.append(done)
                    released[op.position] = done
                elif op.type != INVOKE:
                    chain.append(self._failed(life, op))
            self._die(life, chain)
        self._in_order(chain)

    def _must_release(self, read: Read) -> bool:
        """Who died, or stood still, behind its last read: the slot was used again, or a successor
        went on behind it. A dead one may have been given up instead."""
        again = self._commits.get(read.op.position + self._slots)
        if read.is_resumed_behind or again is None:
            return read.is_resumed_behind
        is_evicted = self._plan.transport.evict_dead and read.life.is_killed
        return not is_evicted or again.before_ns < read.life.ended_ns

    def _begin(self, life: Life, chain: List[Effect]) -> None:
        is_late = life.incarnation > 0 or life.ready_ns > self._first_ns
        if is_late and life.ready_ns != NEVER:
            made = Effect(BEGIN, life, None, life.spawned_ns, life.ready_ns, life.spawned)
            chain.append(made)

    def _die(self, life: Life, chain: List[Effect]) -> None:
        is_dead = life.is_killed and life.ended is not None and not life.is_ended_by_run
        if is_dead and life.ready_ns != NEVER:
            assert life.ended is not None
            chain.append(Effect(DIE, life, None, life.latest_ns, life.ended_ns, life.ended))

    def _failed(self, life: Life, op: Operation) -> Effect:
        kind = TIME_OUT if op.outcome == TIMEOUT else STOP
        after_ns = op.began_ns
        deadline_ns = self._deadlines[life.process]
        if kind == TIME_OUT and deadline_ns is None:
            raise Impossible(op.line, f"{life.process} has no deadline")
        if kind == TIME_OUT:
            after_ns = max(after_ns, op.since_ns + (deadline_ns or 0))
        return Effect(kind, life, op, after_ns, op.ended_ns, op.line)

    def _in_order(self, chain: Sequence[Effect]) -> None:
        for before, after in zip(chain, chain[1:]):
            after.follows.append(before)
        self.all += chain

    def connect(self) -> None:
        """The edges between processes."""
        end = self._ends[-1] if self._ends else None
        for position, commit in self._commits.items():
            if position >= self._slots:
                for name in self._releases:
                    self._await_slot(name, position - self._slots, commit)
        for name, chain in self._chains.items():
            for effect in chain:
                if effect.op is None:
                    continue
                if name not in self._releases:
                    if effect.kind == TIME_OUT:
                        self._full(effect)
                    continue
                if effect.kind in (READ, TIME_OUT) and self._shuts_down and self._ends:
                    self._ends[0].follows.append(effect)
                commit_or_none = self._commits.get(effect.op.position)
                if effect.kind == READ:
                    assert commit_or_none is not None
                    effect.follows.append(commit_or_none)
                elif effect.kind == TIME_OUT:
                    if commit_or_none is not None:
                        commit_or_none.follows.append(effect)
                    elif end is not None and effect.op.position >= len(self._commits):
                        end.follows.append(effect)
                elif effect.kind == STOP:
                    self._stopped(effect, end)

    def _await_slot(self, name: str, position: int, commit: Effect) -> None:
        """The writer comes to a slot again when its readers have released it, or have gone."""
        released = self._releases[name].get(position)
        if released is not None:
            commit.follows.append(released)
            return
        chain = self._chains[name]
        last = chain[-1] if chain else None
        kind = None if last is None or last.life.ended is None else last.kind
        is_evicted = kind == DIE and self._plan.transport.evict_dead
        if last is None or not (kind in (STOP, TIME_OUT) or is_evicted):
            raise Impossible(commit.line, f"{name} has not released position {position}")
        commit.follows.append(last)

    def _full(self, effect: Effect) -> None:
        """A send timed out: somebody had not released its slot."""
        assert effect.op is not None
        position = effect.op.position - self._slots
        if position < 0:
            raise Impossible(effect.line, "the ring was not full")
        late = []
        for released in self._releases.values():
            if position not in released:
                return  # for ever, or until it was given up
            late.append(released[position])
        if not late:
            raise Impossible(effect.line, "nobody reads")
        latest = max(late, key=lambda each: each.before_ns)
        if len(late) > 1:
            self._choices.append((effect, latest))
        else:
            latest.follows.append(effect)

    def _stopped(self, effect: Effect, end: Optional[Effect]) -> None:
        """A reader was told that it is over."""
        assert effect.op is not None
        if effect.op.outcome in (ENDED, CLOSED):
            if end is None:
                raise Impossible(effect.line, "the ring was not ended")
            first = self._ends[0]
            effect.follows.append(first if first.after_ns <= effect.before_ns else end)
            behind = max(self._commits, default=-1) + 1
            if effect.op.outcome == ENDED and effect.op.position != behind:
                raise Impossible(effect.line, f"{behind} messages were sent")

    def order(self) -> Sequence[Effect]:
        """One that fits every window. Raises Impossible, where none does."""
        found = self._ordered(())
        if self._choices:
            try:
                found = self._ordered(self._choices)
            except Impossible as why:
                chosen = f"for {len(self._choices)} time-outs of sends"
                raise NotTold(f"{why.why}, where it was chosen {chosen} who was late") from None
        return found

    def _ordered(self, choices: Sequence[Tuple[Effect, Effect]]) -> Sequence[Effect]:
        """With what is chosen: pairs of an effect and one that follows it."""
        before: Dict[Effect, List[Effect]] = {each: list(each.follows) for each in self.all}
        for effect, follower in choices:
            before[follower].append(effect)
        followers: Dict[Effect, List[Effect]] = {}
        for effect, earlier in before.items():
            for each in earlier:
                followers.setdefault(each, []).append(effect)
        missing = {effect: len(earlier) for effect, earlier in before.items()}
        numbers = {effect: number for number, effect in enumerate(self.all)}
        ready = [(e.after_ns, numbers[e], e) for e in self.all if not missing[e]]
        heapq.heapify(ready)
        done: List[Effect] = []
        while ready:
            effect_ns, _, effect = heapq.heappop(ready)
            effect.at_ns = effect_ns
            if effect_ns > effect.before_ns + TOLERANCE_NS:
                _refuse(effect, before[effect])
            done.append(effect)
            for follower in followers.get(effect, ()):
                missing[follower] -= 1
                if not missing[follower]:
                    earliest_ns = max([follower.after_ns, *(b.at_ns for b in before[follower])])
                    heapq.heappush(ready, (earliest_ns, numbers[follower], follower))
        if len(done) < len(self.all):
            stuck = next(effect for effect in self.all if missing[effect])
            _refuse(stuck, before[stuck])
        return done


def _refuse(effect: Effect, earlier: Sequence[Effect]) -> None:
    late = max(earlier, key=lambda each: each.at_ns, default=effect)
    raise Impossible(effect.line, f"{effect} has to come after {late}, which is too late")
