"""no_loss: no reader was passed over by a message that was sent."""

from __future__ import annotations

from typing import ClassVar, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from sim.abc import Result
from sim.checkers.deliveries import Life, Traffic, traffic
from sim.checkers.finding import Finding, judged, overflowed
from sim.history.history import History
from sim.history.op import ENDED, EVICTED, EXIT, FAIL, OK, RECEIVE

_NO_END = 1 << 63  # above every position


class NoLoss:
    """A message counts once its send was ok or anybody received it; one in doubt may go either way.

    A reader is owed every message below the highest one it received, and all of them if it left
    because the writer had ended. It is not owed what its own workload dropped by raising, what
    it lost by an eviction, or what it never lived to ask for.
    """

    alias: ClassVar[str] = "no_loss"
    doc: ClassVar[str] = "every reader receives every message that was sent"

    def check(self, history: History) -> Result:
        unknown = overflowed(self.alias, history) or _restarted_without_owner(self.alias, history)
        if unknown is not None:
            return unknown
        seen = traffic(history)
        if not any(op.f == RECEIVE and op.type == OK for op in history.ops):
            if _had_nothing_to_say(history, seen):
                return judged(self.alias, ())
            return judged(self.alias, (), [Finding("nothing was received by anybody")])
        sent = sorted(seen.delivered().union(seen.sent.ok))
        exits = _clean_exits(history)
        findings: List[Finding] = []
        for reader, lives in seen.lives.items():
            findings.extend(_lost(reader, lives, sent, seen, exits))
        return judged(self.alias, findings)


def _had_nothing_to_say(history: History, seen: Traffic) -> bool:
    """The plan is a writer without messages, and every reader was really told so."""
    writers = [each for each in history.header.processes if each.role == "writer"]
    return bool(writers and seen.lives) and (
        all(writer.messages == 0 for writer in writers)
        and all(
            lives and lives[-1].taken and lives[-1].taken[-1].kind == ENDED
            for lives in seen.lives.values()
        )
    )


def _restarted_without_owner(alias: str, history: History) -> Optional[Result]:
    if history.header.knows_owner:
        return None
    for index, op in enumerate(history.ops):
        if op.incarnation > 0:
            why = (
                f"{op.process}: restarted, but {history.header.transport} keeps positions in each "
                "process: which message is which is not known"
            )
            return judged(alias, (), [Finding(why, (index,))])
    return None


def _clean_exits(history: History) -> Mapping[Tuple[str, int], int]:
    """(process, incarnation) -> index of the line that says it left with 0 by itself."""
    return {
        (op.process, op.incarnation): index
        for index, op in enumerate(history.ops)
        if op.f == EXIT and op.outcome == "0" and not (op.detail or {}).get("ended_by")
    }


def _lost(
    reader: str,
    lives: Sequence[Life],
    sent: Sequence[int],
    seen: Traffic,
    exits: Mapping[Tuple[str, int], int],
) -> Iterable[Finding]:
    taken: Set[int] = set()
    excused: List[Tuple[int, int]] = []  # lost by an eviction: [from, to)
    evicted_from = None
    owed_below = 0
    last = None
    for event in (event for life in lives for event in life.taken):
        if event.kind == EVICTED:
            evicted_from = owed_below if evicted_from is None else evicted_from
        elif event.kind != ENDED:
            if evicted_from is not None:
                excused.append((evicted_from, event.number))
                evicted_from = None
            taken.add(event.number)
            if event.number >= owed_below:
                owed_below, last = event.number + 1, event
    why = ""
    blamed: Tuple[int, ...] = (last.op,) if last else ()
    if last is not None:
        why = f"but received message {last.number}"
    left = _left(reader, lives, exits)
    if left is not None and evicted_from is None:
        owed_below = _NO_END
        why, blamed = left
    elif evicted_from is not None:
        owed_below = min(owed_below, evicted_from)
    for number in sent:
        if number >= owed_below:
            break
        if number in taken or any(start <= number < end for start, end in excused):
            continue
        ops = (*blamed, seen.sent.ok[number]) if number in seen.sent.ok else blamed
        how = "whose send was ok" if number in seen.sent.ok else "which another reader received"
        yield Finding(f"{reader}: never received message {number}, {how}, {why}", ops)


def _left(
    reader: str, lives: Sequence[Life], exits: Mapping[Tuple[str, int], int]
) -> Optional[Tuple[str, Tuple[int, ...]]]:
    """Why the reader is owed everything: it left after the last message, or says it did."""
    incarnation = max((key[1] for key in exits if key[0] == reader), default=None)
    if lives:
        life = lives[-1]
        if life.taken and life.taken[-1].kind == ENDED:
            return "but was told that the writer had ended", (life.taken[-1].op,)
        if life.last is not None and life.last.type == FAIL:
            return None  # it gave up, for a reason that others judge
        if incarnation is not None and incarnation < life.incarnation:
            return None
    if incarnation is None:
        return None
    return "but exited with 0", (exits[reader, incarnation],)
