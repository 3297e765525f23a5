"""Which candidate executions a memory model allows, by its axioms: the simulator's judge.

Nothing here runs a program or knows a buffer or a view. A candidate gives program order (po) and
reads-from (rf); this module tries every modification order (mo) of each location and keeps the
executions whose relations the model's axioms accept. fr, from-reads, leads from a read to the
writes that come after the one it read.

sc    acyclic(po | rf | mo | fr)                                       Lamport 1979; herding cats
tso   SC per location; acyclic(ppo | rfe | mo | fr), where ppo is po without the pairs from a write
      to a read                              Owens, Sarkar, Sewell, "A better x86 memory model"
pso   the same, and without the pairs from a write to a write of another location. A release
      fence, and a release store just before itself, is SPARC's stbar: writes stay on their side
                                             The SPARC Architecture Manual 8, appendix K
      On both, a seq_cst fence and a locked instruction keep their place among all others.
ra    RC11 (Lahav et al., "Repairing sequential consistency in C/C++11") with acyclic(po | rf):
      irreflexive(hb; eco?), read-modify-writes next to what they read, acyclic(psc) over the
      seq_cst fences. Two accesses that conflict, one of them non-atomic, and that hb leaves
      unordered: the outcome is a race, and nothing else.

Atomic accesses that are seq_cst count as acquire loads and release stores on every model, and
read-modify-writes as acq_rel unless they say more or less; both allow more than C11 does.

Two points where published models differ are arguments of `outcomes`:

* `fences_in_order` demands acyclic(psc | po | rf) instead of acyclic(psc). A simulator executes
  fences one after the other in an order that po and rf agree with, so it realises this.
* `own_stores_continue`: the release sequence of C++11 and RC11 goes on through later stores of the
  same thread; that of C++20 only through read-modify-writes.
"""

from __future__ import annotations

import itertools
from typing import Iterator, NamedTuple, Optional

from litmus_graphs import FIRST, Candidate, Instruction, candidates

MODELS = ("sc", "tso", "pso", "ra")
RELEASES = ("release", "acq_rel", "seq_cst")
ACQUIRES = ("acquire", "acq_rel", "seq_cst")


class Outcome(NamedTuple):
    """What an execution came to. After a race it has neither registers nor memory."""

    end: str  # "ended", "stuck" or "race"
    registers: tuple[tuple[int, ...], ...] = ()  # of each thread
    memory: tuple[int, ...] = ()  # the last value of each location


def outcomes(
    threads: list[list[Instruction]],
    model: str,
    *,
    registers: int = 4,
    locations: int = 4,
    fences_in_order: bool = True,
    own_stores_continue: bool = False,
) -> set[Outcome]:
    if model not in MODELS:
        raise ValueError(f"{model}: not one of {', '.join(MODELS)}")
    found: set[Outcome] = set()
    for candidate in candidates(threads, registers):
        graph = Graph(candidate)
        if model == "ra":
            ordered = graph.happens_before(own_stores_continue)
            if ordered is None:
                continue
            has_race = graph.has_race(ordered)
        else:
            ordered, has_race = graph.po, False
        for orders in graph.modification_orders(ordered):
            outcome = graph.outcome(orders, locations, has_race)
            if outcome is None or outcome in found:
                continue
            places = graph.places(orders)
            if model == "ra":
                allowed = graph.fences_agree(ordered, places, fences_in_order)
            else:
                allowed = graph.is_globally_ordered(places, model)
            if allowed:
                found.add(outcome)
    return found


Relation = list[int]  # for each event, the bits of those that come after it


class Places(NamedTuple):
    """Where an event reads and writes in its location's modification order; None: it does not."""

    reads: list[Optional[int]]
    writes: list[Optional[int]]


class Graph:
    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.events = candidate.events
        number = {event.key: i for i, event in enumerate(self.events)}
        self.source = [None if e.source is None else number[e.source] for e in self.events]
        self.po = [
            bits(
                j
                for j, b in enumerate(self.events)
                if (a.thread == b.thread != FIRST and a.place < b.place)
                or a.thread == FIRST != b.thread
            )
            for a in self.events
        ]
        self.at: dict[int, list[int]] = {}  # location to the events there
        for i, event in enumerate(self.events):
            if not event.is_fence:
                self.at.setdefault(event.location, []).append(i)

    def modification_orders(self, ordered: Relation) -> Iterator[dict[int, list[int]]]:
        """Of all locations at once; `ordered` is what coherence must follow: po, or RA's hb."""
        each = []
        for location, numbers in self.at.items():
            orders = [
                order
                for order in self.orders_of(numbers)
                if self.is_coherent(numbers, self.places({location: order}), ordered)
            ]
            if not orders:
                return
            each.append(orders)
        for choice in itertools.product(*each):
            yield dict(zip(self.at, choice))

    def orders_of(self, numbers: list[int]) -> Iterator[list[int]]:
        """Total orders of the writes: first value first, read-modify-writes behind their source."""
        first, *rest = [i for i in numbers if self.events[i].writes]
        follower = {self.source[i]: i for i in rest if self.events[i].reads}

        def extend(order: list[int], left: frozenset[int]) -> Iterator[list[int]]:
            if not left:
                yield order
                return
            forced = follower.get(order[-1])
            for i in left if forced is None else {forced} & left:
                if forced is None and self.events[i].reads:
                    continue
                if not any(self.po[j] >> i & 1 for j in left):
                    yield from extend([*order, i], left - {i})

        yield from extend([first], frozenset(rest))

    def places(self, orders: dict[int, list[int]]) -> Places:
        reads: list[Optional[int]] = [None] * len(self.events)
        writes: list[Optional[int]] = [None] * len(self.events)
        for location, order in orders.items():
            for place, i in enumerate(order):
                writes[i] = place
            for i in self.at[location]:
                if self.source[i] is not None:
                    reads[i] = writes[self.source[i]]
        return Places(reads, writes)

    def is_coherent(self, numbers: list[int], places: Places, ordered: Relation) -> bool:
        """No event sees less of the location than one that is ordered before it."""
        for a in numbers:
            last = places.reads[a] if places.writes[a] is None else places.writes[a]
            for b in numbers:
                if ordered[a] >> b & 1:
                    if places.reads[b] is not None:
                        if places.reads[b] < last:
                            return False
                    elif places.writes[b] <= last:
                        return False
        return True

    def outcome(
        self, orders: dict[int, list[int]], locations: int, has_race: bool
    ) -> Optional[Outcome]:
        """None if a thread that this candidate leaves waiting would see its value come."""
        last = {location: self.events[order[-1]].put for location, order in orders.items()}
        if any(last[location] == value for location, value in self.candidate.waits_for):
            return None
        if has_race:
            return Outcome("race")
        end = "stuck" if self.candidate.is_stuck else "ended"
        memory = tuple(last.get(location, 0) for location in range(locations))
        return Outcome(end, self.candidate.registers, memory)

    # SC, TSO and PSO: one order of all that becomes visible.

    def is_globally_ordered(self, places: Places, model: str) -> bool:
        order = [0] * len(self.events)
        for a in range(len(self.events)):
            for b in members(self.po[a]):
                if self.is_kept(a, b, model):
                    order[a] |= 1 << b
        for numbers in self.at.values():
            for a in numbers:
                for b in numbers:
                    if a != b and self.is_seen_after(a, b, places, model):
                        order[a] |= 1 << b
        return is_acyclic(order)

    def is_kept(self, first: int, second: int, model: str) -> bool:
        """Is this pair of program order in the global one, by itself?"""
        a, b = self.events[first], self.events[second]
        if model == "sc" or a.thread == FIRST:
            return True
        for each in (a, b):
            if each.locked or (each.is_fence and each.order == "seq_cst"):
                return True
        if a.is_fence or b.is_fence:
            fence, other = (a, b) if a.is_fence else (b, a)
            return model == "pso" and fence.order in RELEASES and other.writes
        if a.reads:
            return True
        if b.reads:
            return False
        if model == "tso" or a.location == b.location or b.order in RELEASES:
            return True
        between = [i for i in members(self.po[first]) if self.po[i] >> second & 1]
        return any(self.events[i].writes and self.events[i].order in RELEASES for i in between)

    def is_seen_after(self, a: int, b: int, places: Places, model: str) -> bool:
        """mo, fr, and rf: on TSO and PSO only from another thread, as a thread reads its own
        writes before they are visible."""
        if self.source[b] == a:
            return model == "sc" or self.events[a].thread != self.events[b].thread
        if places.writes[b] is None:
            return False
        before = places.reads[a] if places.writes[a] is None else places.writes[a]
        return before < places.writes[b]

    # RA.

    def happens_before(self, own_stores_continue: bool) -> Optional[Relation]:
        hb = list(self.po)
        for reader, event in enumerate(self.events):
            if not event.reads or event.order == "none":
                continue
            sinks = [reader] if event.order in ACQUIRES else []
            sinks += [i for i in members(self.po[reader]) if self.is_fence_of(i, ACQUIRES)]
            for head in self.heads(self.source[reader], own_stores_continue):
                starts = [head] if self.events[head].order in RELEASES else []
                starts += [
                    i
                    for i in range(len(self.events))
                    if self.po[i] >> head & 1 and self.is_fence_of(i, RELEASES)
                ]
                for start in starts:
                    hb[start] |= bits(sinks)
        closed = closure(hb)
        return None if any(after >> i & 1 for i, after in enumerate(closed)) else closed

    def is_fence_of(self, i: int, orders: tuple[str, ...]) -> bool:
        return self.events[i].is_fence and self.events[i].order in orders

    def heads(self, write: Optional[int], own_stores_continue: bool) -> set[int]:
        """Of the release sequences that this write belongs to."""
        found = set()
        while write is not None and self.events[write].order != "none":
            found.add(write)
            if own_stores_continue:
                for i in self.at[self.events[write].location]:
                    is_write = self.events[i].writes and self.events[i].order != "none"
                    if is_write and self.events[i].thread != FIRST and self.po[i] >> write & 1:
                        found.add(i)
            write = self.source[write]
        return found

    def has_race(self, hb: Relation) -> bool:
        for numbers in self.at.values():
            for a, b in itertools.combinations(numbers, 2):
                one, other = self.events[a], self.events[b]
                if "none" in (one.order, other.order) and (one.writes or other.writes):
                    if not (hb[a] >> b & 1 or hb[b] >> a & 1):
                        return True
        return False

    def fences_agree(self, hb: Relation, places: Places, fences_in_order: bool) -> bool:
        fences = [i for i in range(len(self.events)) if self.is_fence_of(i, ("seq_cst",))]
        if not fences:
            return True
        hb_eco = [0] * len(self.events)  # hb; eco
        for i in fences:
            for a in members(hb[i]):
                if not self.events[a].is_fence:
                    for b in self.at[self.events[a].location]:
                        if a != b and is_eco(a, b, places):
                            hb_eco[i] |= 1 << b
        order = [0] * len(self.events)
        if fences_in_order:
            order = list(self.po)
            for reader, source in enumerate(self.source):
                if source is not None:
                    order[source] |= 1 << reader
        for f in fences:
            for g in fences:
                through = any(hb[b] >> g & 1 for b in members(hb_eco[f]))
                if through or hb[f] >> g & 1:
                    order[f] |= 1 << g
        return is_acyclic(order)


def is_eco(a: int, b: int, places: Places) -> bool:
    """(rf | mo | fr)+ between two events of a location."""
    if places.writes[b] is not None:
        before = places.reads[a] if places.writes[a] is None else places.writes[a]
        return before < places.writes[b]
    if places.writes[a] is not None:
        return places.writes[a] <= places.reads[b]
    return places.reads[a] < places.reads[b]


def bits(numbers: Iterator[int] | list[int]) -> int:
    return sum(1 << i for i in set(numbers))


def members(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def closure(relation: Relation) -> Relation:
    closed = list(relation)
    for middle in range(len(closed)):
        for i, after in enumerate(closed):
            if after >> middle & 1:
                closed[i] |= closed[middle]
    return closed


def is_acyclic(relation: Relation) -> bool:
    left = (1 << len(relation)) - 1
    while left:
        ends = [i for i in members(left) if not relation[i] & left]
        if not ends:
            return False
        left &= ~bits(ends)
    return True
