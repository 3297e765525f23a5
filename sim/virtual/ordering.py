"""From what happened in a simulated execution to the order in which real processes can take it.

A gate holds a process before an op, and each one that it comes to is a full barrier: what it has
stored can be seen by then. So a store is taken where the simulated one became visible, later than
it was made; what its process did in between waits for it. For its stores that changes nothing. A
load that is taken later reads the same, unless somebody has stored to that word in between: this is
the one thing that a store buffer adds (Dekker's, Sewell et al., x86-TSO, CACM 53(7), 2010), and no
order of whole ops has it. Such a load is taken last, and told apart as a Delay.

A copy is one op for a gate, and a step a word for the machine: it is taken with its last word.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, List, Optional, Sequence, Set, Tuple

from cy_kernels.explore import STATES
from sim.scenario.turns import (
    AT_STEP,
    ATTACHED,
    BEGAN,
    CONTINUED,
    DIED,
    HELD,
    OP,
    STOPPED,
    Delay,
    NotForced,
    Order,
    Turn,
)
from sim.virtual.program import HEARTBEAT, STEP_NAMES

TraceLine = Tuple[str, int, int, int, int, int, int, int]  # of Simulation.trace()

OPS = ("load", "store", "exchange", "wake")
KINDS = {"trigger": AT_STEP, "stopped": STOPPED, "continued": CONTINUED}
FUTEX_WAIT = "wait.park.futex_wait"


@dataclass
class _Op:
    """One op, of one or, where it copies, many lines of the trace."""

    turn: Turn
    at: int  # its own last line
    seen_at: int  # when its last store could be seen
    stores: int = 0  # that still wait in the buffer
    loads: List[Tuple[int, int]] = field(default_factory=list)  # offset, line


def order_of(trace: Sequence[TraceLine], names: Sequence[str], model: str) -> Order:
    """`names` of the processes, by their number. Raises NotForced for what x86 does not do."""
    return _Ordering(trace, names, model).order()


class _Ordering:
    def __init__(self, trace: Sequence[TraceLine], names: Sequence[str], model: str) -> None:
        self._trace = trace
        self._names = names
        self._model = model
        self._ops: Dict[int, List[_Op]] = {index: [] for index in range(len(names))}
        self._buffers: Dict[int, List[Tuple[_Op, int]]] = {i: [] for i in self._ops}
        self._copying: Dict[int, Optional[_Op]] = dict.fromkeys(self._ops)
        self._stored: Dict[int, List[Tuple[int, int]]] = {}  # offset -> (line, process), visible
        self._lives: Dict[int, int] = {}
        self._attaches: Dict[str, List[int]] = {name: [] for name in names}
        self._attaching: Set[int] = set()
        self._is_set_up = False  # those who attach before all begin have done so

    def order(self) -> Order:
        line = 0
        for each in self._trace:
            if each[0] == "turn":
                self._is_set_up = True
                continue
            line += 1  # as the lanes count
            self._note(each, line)
        for process, ops in self._ops.items():
            in_program_order(ops, line + 1)
            self._ops[process] = with_first_polls(ops)
        everything = [op for ops in self._ops.values() for op in ops]
        everything.sort(key=lambda op: (op.seen_at, op.turn.line))
        turns = tuple(op.turn for op in everything)
        return Order(turns, tuple(self._delays()), self._attaches)

    def _note(self, each: TraceLine, line: int) -> None:
        event, process, site, offset, value, _, _, age = each
        name = STEP_NAMES.get(site, "")
        if age:
            raise NotForced(f"{self._names[process]} reads an old value at {name} (line {line})")
        if event == "flush":
            self._seen(process, name, offset, line)
        elif event in OPS:
            is_of_a_sleeper = event == "wake" and name == FUTEX_WAIT
            if is_of_a_sleeper:
                raise NotForced(f"{self._names[process]} wakes for nothing (line {line})")
            self._op(event, process, name, offset, line)
        elif event in KINDS:
            self._mark(process, KINDS[event], line, name, value if event == "trigger" else 1)
        elif event == "started":
            self._begin(process, line)
        elif event == "block" and STATES[value] == "dead":
            self._mark(process, DIED, line)
        elif event == "block":
            self._copying[process] = None
            if STATES[value] == "held" and not self._is_hit(process, line):
                self._held(process, line)

    def _held(self, process: int, line: int) -> None:
        """Between two operations; or, the first time that who began late is held, at its place."""
        is_attaching = process in self._attaching
        self._attaching.discard(process)
        self._mark(process, ATTACHED if is_attaching else HELD, line)

    def _is_hit(self, process: int, line: int) -> bool:
        """It is held for the trigger of the line before, or because it has attached."""
        ops = self._ops[process]
        return bool(ops) and ops[-1].turn.kind == AT_STEP and ops[-1].turn.line == line - 1

    def _begin(self, process: int, line: int) -> None:
        life = self._lives[process] = self._lives.get(process, -1) + 1
        if self._is_set_up:
            self._attaches[self._names[process]].append(life)
            self._attaching.add(process)
        if life:
            self._mark(process, BEGAN, line, occurrence=life)

    def _mark(
        self, process: int, kind: str, line: int, site: str = "", occurrence: int = 1
    ) -> None:
        self._copying[process] = None
        turn = Turn(self._names[process], kind, site, line, occurrence)
        self._ops[process].append(_Op(turn, line, line))

    def _op(self, event: str, process: int, site: str, offset: int, line: int) -> None:
        is_buffered = event == "store" and self._model in ("tso", "pso")
        op = self._copying[process]
        if op is None or op.turn.site != site:
            op = _Op(Turn(self._names[process], OP, site, line), line, line)
            if self._is_set_up and site != HEARTBEAT:  # nobody waits for it: a mark, no turn
                self._ops[process].append(op)
            self._copying[process] = op if ".copy_" in site else None
        op.at = op.seen_at = line
        if event == "load":
            op.loads.append((offset, line))
        elif is_buffered:
            op.stores += 1
            self._buffers[process].append((op, offset))
        else:
            self._stored.setdefault(offset, []).append((line, process))

    def _seen(self, process: int, site: str, offset: int, line: int) -> None:
        """A store leaves the buffer: the oldest, or no x86 does it."""
        op, oldest = self._buffers[process].pop(0)
        if (op.turn.site, oldest) != (site, offset):
            raise NotForced(
                f"{self._names[process]}'s store at {site} overtakes that at {op.turn.site} "
                f"(line {line})"
            )
        op.stores -= 1
        op.seen_at = line
        self._stored.setdefault(offset, []).append((line, process))

    def _delays(self) -> List[Delay]:
        found = []
        for process, ops in self._ops.items():
            for index, op in enumerate(ops):
                late = [at for word, at in op.loads if self._is_changed(process, word, at, op)]
                if late:
                    held_up_by = next(o for o in reversed(ops[:index]) if o.seen_at > o.at)
                    name, store = self._names[process], held_up_by.turn.site
                    found.append(Delay(name, store, op.turn.site, late[0]))
        return found

    def _is_changed(self, process: int, offset: int, line: int, op: _Op) -> bool:
        """Somebody else's store to the word comes between the load and where it is taken."""
        return any(
            line < stored < op.seen_at and who != process
            for stored, who in self._stored.get(offset, ())
        )


def in_program_order(ops: Sequence[_Op], end: int) -> None:
    """None is taken before the one that its process took before it. What could be seen nowhere is
    taken at the end."""
    so_far = 0
    for op in ops:
        so_far = op.seen_at = max(so_far, end if op.stores else op.seen_at)


def with_first_polls(ops: Sequence[_Op]) -> List[_Op]:
    """Under a gate an end polls once before it begins to wait, so an operation that waits begins
    with one poll more than the simulated one."""
    found: List[_Op] = []
    at = 0
    while at < len(ops):
        is_first = ops[at].turn.site.endswith(".poll_shutdown") and (
            at == 0 or not _is_of_a_wait(ops[at - 1].turn.site)
        )
        end = at + 1
        while is_first and end < len(ops) and _goes_on(ops[end].turn.site):
            end += 1
        found += ops[at:end]
        if is_first and end < len(ops) and _is_of_a_wait(ops[end].turn.site):
            # All at once: nobody comes between the last of the one and the first of the other.
            last = ops[end - 1]
            found += [
                replace(
                    op,
                    loads=[],
                    at=last.at,
                    seen_at=last.seen_at,
                    turn=replace(op.turn, line=last.turn.line),
                )
                for op in ops[at:end]
            ]
        at = end
    return found


def _is_of_a_wait(site: str) -> bool:
    return ".poll_" in site or site.startswith(("wait.", "cursor.evict."))


def _goes_on(site: str) -> bool:
    """In the poll that has begun."""
    return ".poll_" in site and not site.endswith(".poll_shutdown")
