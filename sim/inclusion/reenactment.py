"""The order of effects, made again on the simulated machine: one process moves at a time, from one
effect to the next, and the machine's own records say whether it did what the journal says.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Iterator, Mapping, Optional, Sequence, Tuple

from cy_kernels.explore import Simulation
from cy_kernels.recorder import OUTCOMES, TYPES
from sim.history.op import INVOKE, RAISED
from sim.inclusion.account import Impossible, Life
from sim.inclusion.effects import BEGIN, COMMIT, DIE, END, READ, STOP, TIME_OUT, Effect
from sim.scenario.plan import Plan, ReaderWorkload, WriterWorkload
from sim.virtual.program import STEP_NUMBERS, index_of, simulation_of, writer_of

# As RecordLine of cy_kernels/layout.pxd: stamp, position, checksum, size, type, function, outcome.
_LINE = struct.Struct("=QQQIBBH")
# Where a process has committed, read or ended the ring, and nothing of what follows has happened.
BEHIND: Mapping[Tuple[str, str], str] = {
    ("cursor_ring", COMMIT): "cursor.send.store_position",
    ("flag_ring", COMMIT): "flag.send.final_fence",
    ("cursor_ring", READ): "cursor.receive.release",
    ("flag_ring", READ): "flag.receive.set_read_flag",
    ("cursor_ring", END): "wake.readers.futex_wake",
    ("flag_ring", END): "wake.readers.futex_wake",
}
BEFORE_END = {"end": "ring.end.store_position", "shutdown": "ring.shutdown.mark"}
MESSAGE_BYTES = 8  # its number; what else it has is compared with the plan


class Stage:
    """The machine of a plan without planted bugs, everybody held before the first operation."""

    def __init__(self, plan: Plan, late: Sequence[str]) -> None:
        self._machine: Simulation = simulation_of(_simple(plan), "sc")
        self._ring = plan.transport.kind
        self._stops = {p.name for p in plan.header.processes if p.on_timeout == "stop"}
        self._indices = {process.name: index_of(process) for process in plan.processes}
        self._end = BEFORE_END[writer_of(plan).finish]
        self._unborn = set(late)
        for name in late:
            self._machine.hold_back(self._indices[name])
        self._machine.choose_by("round_robin")
        self._machine.begin()
        for index in self._indices.values():
            self._machine.hold_after(index, 0)
        self._machine.start()
        while self._machine.go() == "reached":
            pass

    def take(self, effect: Effect) -> None:
        """Raises Impossible where the machine does something else."""
        index = self._indices[effect.life.process]
        if effect.kind == BEGIN:
            self._begin(effect, index)
        elif effect.kind == DIE:
            self.compare(effect.life)
            self._machine.kill(index)
        elif effect.kind in (READ, END) or effect.is_last:
            self._go_behind(effect, index)
        else:
            self._go_over(effect, index)

    def _begin(self, effect: Effect, index: int) -> None:
        name = effect.life.process
        if name in self._unborn:
            self._unborn.remove(name)
            self._machine.attach(index)
        else:
            self._machine.restart(index)
        self._machine.go()
        self._hold(index, self._machine.done(index))
        if self._machine.go() != "reached":
            raise Impossible(effect.line, f"{name} finds no place in the ring")

    def _hold(self, index: int, completed: int) -> None:
        """Let it go on until it has completed so many operations."""
        self._machine.release(index)
        self._machine.hold_after(index, completed)

    def _is_behind(self, index: int) -> bool:
        return bool(self._machine.condition(index)["held_for"] == "step")

    def _go_behind(self, effect: Effect, index: int) -> None:
        """Just behind its effect, inside the operation."""
        if effect.op is not None and effect.op.outcome == RAISED:
            self._machine.raise_in_read(index)
        phase = "end" if effect.kind == END else "messages"
        self._machine.arm(index, STEP_NUMBERS[BEHIND[self._ring, effect.kind]], phase=phase)
        self._hold(index, self._machine.done(index) + 1)
        self._machine.go()
        if not self._is_behind(index):
            self._refuse(effect, index)

    def _go_over(self, effect: Effect, index: int) -> None:
        """To the end of its operation."""
        if effect.kind == TIME_OUT and effect.life.process in self._stops:
            if effect.life.role == "writer":  # it goes on to its end
                self._machine.arm(index, STEP_NUMBERS[self._end], phase="end")
            self._machine.release(index)
        elif effect.kind == STOP:
            self._machine.release(index)
        else:
            self._hold(index, self._machine.done(index) + 1)
        self._machine.go()
        if self._machine.state(index) not in ("held", "done"):
            self._refuse(effect, index)

    def _refuse(self, effect: Effect, index: int) -> None:
        state = self._machine.state(index)
        does = "waits" if state in ("parked", "watching", "napping") else f"is {state}"
        raise Impossible(effect.line, f"at {effect} the simulated process {does}")

    def compare(self, life: Life) -> None:
        """What the machine recorded of it with what the journal says. Raises Impossible."""
        did = self._recorded(life)
        for op in life.operations:
            if op.ended is None:
                return
            here = next(did, None)
            if here != (op.type, op.position, op.outcome):
                said = [str(word) for word in here or ("nothing",) if word is not None]
                raise Impossible(op.line, f"the simulated process records {' '.join(said)}")

    def _recorded(self, life: Life) -> Iterator[Tuple[str, int, Optional[str]]]:
        lines = _LINE.iter_unpack(self._machine.records(self._indices[life.process]))
        for _, position, _, _, type_, _, outcome in lines:
            if TYPES[type_] != INVOKE:
                yield TYPES[type_], position, OUTCOMES[outcome]

    def could_go_on(self, name: str) -> bool:
        """Who waits for ever: with nobody else moving, does it end its operation well?"""
        index = self._indices[name]
        before = self._machine.condition(index)["messages"]
        self._hold(index, self._machine.done(index) + 1)
        self._machine.go()
        return bool(self._machine.condition(index)["messages"] > before)


def _simple(plan: Plan) -> Plan:
    """Without its mutant, and with messages that are short to copy."""
    processes = []
    for process in plan.processes:
        work = process.workload
        if isinstance(work, WriterWorkload):
            sizes = tuple(min(size, MESSAGE_BYTES) for size in work.sizes_bytes)
            process = replace(process, workload=replace(work, sizes_bytes=sizes, interval_ns=0))
        elif isinstance(work, ReaderWorkload):
            process = replace(process, workload=replace(work, think_ns=0))
        processes.append(process)
    transport = replace(plan.transport, mutant=None)
    return replace(plan, transport=transport, processes=tuple(processes), injections=())
