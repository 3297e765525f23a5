"""Every candidate execution of a litmus program: who reads from whom, before any model judges.

A program is one list of instructions a thread, as `Simulation.set_program` takes them. Reads are
added one at a time and read from writes that are there already, which makes exactly the graphs
whose program order and reads-from have no cycle together. That loses nothing on SC, TSO and PSO
(there a read comes before all that follows it in its thread) and is RC11's axiom against
out-of-thin-air values.

Larger instructions fall apart into events:

* `put2` and `get2` are two words, one after the other.
* `until` is the one read that gives the value: reads before it that did not would only add
  constraints. A thread may also stay there for ever, if the location's last value is another.
* A futex has a queue, a location of its own that every wait and wake changes by a locked
  read-modify-write behind a full fence: the kernel's bucket lock. A wait joins the queue, reads
  the word, and goes on if the word is not what it saw; else it stays until the first wake that
  comes after it in the queue's order, and reads that wake. By assumption it is a barrier on both
  sides, so what it read is acquired; futex(2) promises no more than a total order of the
  operations on one word.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Union

Instruction = tuple[Union[str, int], ...]
Key = tuple[int, int]  # of an event: its thread and its place there; of a first value: -1, location

FIRST = -1  # the thread of the writes that make every location 0
NO_LOCATION = -1
SECOND_WORD = 100  # put2's and get2's, from the location's own number
QUEUE = 200  # a futex's
WAKE = 1000  # what a wake adds to the queue; a wait adds 1


class Event(NamedTuple):
    thread: int
    place: int
    reads: bool
    writes: bool
    location: int
    order: str  # "none" for a non-atomic access
    locked: bool  # a read-modify-write, or one that came to nothing
    got: int
    put: int
    source: Optional[Key]  # the write that it reads from

    @property
    def key(self) -> Key:
        return self.thread, self.place

    @property
    def is_fence(self) -> bool:
        return not self.reads and not self.writes


class Strand(NamedTuple):
    """A thread, part of the way."""

    at: int
    registers: tuple[int, ...]
    events: tuple[Event, ...]


class Candidate(NamedTuple):
    events: tuple[Event, ...]  # first values come first, then thread by thread in program order
    registers: tuple[tuple[int, ...], ...]
    waits_for: tuple[tuple[int, int], ...]  # location and value of each `until` never satisfied
    is_stuck: bool


def candidates(threads: list[list[Instruction]], registers: int) -> Iterator[Candidate]:
    code = [lowered(thread) for thread in threads]
    begun = tuple(Strand(0, (0,) * registers, ()) for _ in threads)
    todo, seen = [settled(begun, code)], set()
    while todo:
        strands = todo.pop()
        if strands in seen:
            continue
        seen.add(strands)
        blocked = [code[i][s.at] for i, s in enumerate(strands) if may_stay(strands, i, code[i])]
        if len(blocked) == sum(s.at < len(code[i]) for i, s in enumerate(strands)):
            yield complete(strands, blocked)
        for index, strand in enumerate(strands):
            if strand.at < len(code[index]):
                for grown in readings(strands, index, code[index][strand.at]):
                    whole = (*strands[:index], grown, *strands[index + 1 :])
                    todo.append(settled(whole, code))


def complete(strands: tuple[Strand, ...], blocked: list[Instruction]) -> Candidate:
    own = [event for strand in strands for event in strand.events]
    locations = sorted({e.location for e in own if not e.is_fence} | {b[1] for b in blocked})
    first = [
        Event(FIRST, each, False, True, each, "relaxed", False, 0, 0, None) for each in locations
    ]
    return Candidate(
        (*first, *own),
        tuple(strand.registers for strand in strands),
        tuple((b[1], b[2]) for b in blocked if b[0] == "until"),
        bool(blocked),
    )


def lowered(thread: list[Instruction]) -> list[Instruction]:
    """One event an instruction, jumps by place: write, read, fence, add, cas, until, check (leave
    a futex's wait if the word has changed), sleep, skip."""
    pieces = [list(pieces_of(instruction)) for instruction in thread]
    starts = [sum(map(len, pieces[:i])) for i in range(len(thread) + 1)]
    code: list[Instruction] = []
    for index, piece in enumerate(pieces):
        for name, *rest in piece:
            if name == "skip":
                register, value, count = rest
                rest = [register, value, starts[min(index + 1 + count, len(thread))]]
            elif name == "check":
                rest.append(starts[index + 1])
            code.append((name, *rest))
    return code


def pieces_of(instruction: Instruction) -> Iterator[Instruction]:
    name, *rest = instruction
    if name == "store":
        yield ("write", *rest)
    elif name == "load":
        yield ("read", *rest)
    elif name in ("fence", "until"):
        yield instruction
    elif name == "add":
        yield (*instruction, "acq_rel")[:5]
    elif name == "cas":
        yield (*instruction, "acq_rel")[:6]
    elif name in ("put", "put2"):
        location, value = rest
        yield ("write", location, value, "none")
        if name == "put2":
            yield ("write", location + SECOND_WORD, value, "none")
    elif name in ("get", "get2"):
        location = rest[-1]
        for word, register in enumerate(rest[:-1]):
            yield ("read", register, location + word * SECOND_WORD, "none")
    elif name == "futex_wake":
        yield ("fence", "seq_cst")
        yield ("add", None, rest[0] + QUEUE, WAKE, "acq_rel")
    elif name == "futex_wait":
        register, location, seen = rest
        yield ("fence", "seq_cst")
        yield ("add", None, location + QUEUE, 1, "acq_rel")
        yield ("check", register, location, seen)
        yield ("sleep", location + QUEUE)
    elif name == "skip_unless":
        yield ("skip", *rest)
    else:
        raise ValueError(f"{name}: not a litmus instruction that has axioms")


def settled(strands: tuple[Strand, ...], code: list[list[Instruction]]) -> tuple[Strand, ...]:
    """All that reads nothing is done at once: whatever can be read is there to be read."""
    out = []
    for index, strand in enumerate(strands):
        at, registers, events = strand
        while at < len(code[index]):
            name, *rest = code[index][at]
            place = len(events)
            if name == "write":
                location, value, order = rest
                event = Event(index, place, False, True, location, order, False, 0, value, None)
                events += (event,)
                at += 1
            elif name == "fence":
                fence = Event(index, place, False, False, NO_LOCATION, rest[0], False, 0, 0, None)
                events += (fence,)
                at += 1
            elif name == "skip":
                register, value, target = rest
                at = at + 1 if registers[register] == value else target
            else:
                break
        out.append(Strand(at, registers, events))
    return tuple(out)


def may_stay(strands: tuple[Strand, ...], index: int, code: list[Instruction]) -> bool:
    at = strands[index].at
    if at == len(code):
        return False
    if code[at][0] == "sleep":
        return waker_of(strands, index, code[at][1]) is None
    return code[at][0] == "until"


def waker_of(strands: tuple[Strand, ...], index: int, queue: int) -> Optional[Event]:
    """The first wake behind this thread's own place in the queue."""
    last = next(e for e in reversed(strands[index].events) if e.location == queue)
    while True:
        after = [
            e for s in strands for e in s.events if e.location == queue and e.source == last.key
        ]
        following = next((e for e in after if e.writes), None)
        if following is None or following.put - following.got == WAKE:
            return following
        last = following


def readings(strands: tuple[Strand, ...], index: int, instruction: Instruction) -> Iterator[Strand]:
    """The thread one read further, once for each write that it may read."""
    name, *rest = instruction
    at, registers, events = strands[index]
    if name == "sleep":
        waker = waker_of(strands, index, rest[0])
        if waker is not None:
            read = Event(
                index, len(events), True, False, rest[0], "acquire", True, waker.put, 0, waker.key
            )
            yield Strand(at + 1, registers, (*events, read))
        return
    location = rest[0] if name == "until" else rest[1]
    for source, got in sources(strands, index, location):
        is_taken = any(e.source == source and e.writes for s in strands for e in s.events)
        writes, put, order, register, target = False, 0, rest[-1], rest[0], at + 1
        if name == "until":
            if got != rest[1]:
                continue
            register = None
        elif name == "add":
            writes, put = True, got + rest[2]
        elif name == "cas":
            writes, put = got == rest[2], rest[3]
        elif name == "check":
            order, register = "acquire", None
            if got != rest[2]:
                target = rest[3]
        if writes and is_taken:
            continue  # what follows a write at once in the location's order is one thing
        kept = registers
        if register is not None:
            kept = (*registers[:register], got, *registers[register + 1 :])
        locked = name in ("add", "cas")
        event = Event(index, len(events), True, writes, location, order, locked, got, put, source)
        yield Strand(target, kept, (*events, event))


def sources(strands: tuple[Strand, ...], index: int, location: int) -> Iterator[tuple[Key, int]]:
    """Writes that the thread may read and their values. Its own, but for the last, are covered by
    the last on every model, and so is the first value."""
    own = [e for e in strands[index].events if e.writes and e.location == location]
    if own:
        yield own[-1].key, own[-1].put
    else:
        yield (FIRST, location), 0
    for other, strand in enumerate(strands):
        if other != index:
            for event in strand.events:
                if event.writes and event.location == location:
                    yield event.key, event.put
