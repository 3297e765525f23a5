"""Why simulated programs do not end: the walk from who waits to who would have to do something.

Here all is known: who holds a lock, who has the other end of a pipe. The class is what the walk
comes to; where it comes to somebody who can still move, nobody is to blame for a hang.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from sim.hang.classes import Hang, Wait
from sim.history.hang_class import MEANINGS, HangClass
from sim.scenario.plan import Plan
from sim.virtual.lifecycle.channels import End
from sim.virtual.lifecycle.execution import execute_programs
from sim.virtual.lifecycle.interpreter import SHUTDOWN, PyThread
from sim.virtual.lifecycle.locks import Lock
from sim.virtual.lifecycle.machine import STOPPED, Machine, Process, Thread, called
from sim.virtual.lifecycle.modules import IMPORTING, ModuleLock
from sim.virtual.world import REPLAY

# What says more of the cause comes first, as for live programs.
ORDER = (
    HangClass.FORK_INHERITED_LOCK,
    HangClass.LOCK_OWNER_DEAD,
    HangClass.IMPORT_DEADLOCK,
    HangClass.GIL_HELD,
    HangClass.TEARDOWN_STUCK,
    HangClass.DEADLOCK,
    HangClass.PEER_STOPPED,
    HangClass.STARTUP_NEVER,
)
PROOF = "proven: the machine knows who holds what"


def tell_apart(
    machine: Machine, programs: Sequence[Process], probes: Mapping[str, str]
) -> Mapping[str, Any]:
    """For the detail of a history's hang, as sim.hang.programs has it. `probes`: the last of each
    program that has passed one."""
    told = tell(machine, programs, probes)
    return {
        "class": told.kind.value,
        "waits": told.why,
        "proof": told.proof,
        "on": [*told.waits_for],
        "who": [*told.who],
        "each": [str(wait) for wait in told.waits],
        "peers": {wait.who: [*wait.waits_for] for wait in told.waits},
    }


def explain_programs(plan: Plan, tape: bytes) -> Optional[Hang]:
    """Why the execution that the tape records was cut short; None: it was not."""
    told: List[Hang] = []

    def listen(
        machine: Machine, programs: Sequence[Process], probes: Mapping[str, str]
    ) -> Mapping[str, Any]:
        told.append(tell(machine, programs, probes))
        return {"class": told[-1].kind.value}

    made = execute_programs(plan, scheduler=REPLAY, tape=tape, tell=listen)
    return told[-1] if made.is_cut_short else None


def tell(machine: Machine, programs: Sequence[Process], probes: Mapping[str, str]) -> Hang:
    walk = _Walk(machine, probes)
    for each in programs:
        walk.from_process(each)
    who = tuple(each.program.name for each in programs)
    waits = tuple(walk.waits)
    for kind in ORDER:
        if kind in walk.found:
            process, why = walk.found[kind]
            on = () if process.program.top is process else (_name(process),)
            return Hang(kind, who, on, f"{_name(process)}: {why}", PROOF, waits)
    unknown = HangClass.UNKNOWN
    return Hang(unknown, who, (), MEANINGS[unknown], PROOF, waits)


@dataclass
class _Walk:
    machine: Machine
    probes: Mapping[str, str]
    found: Dict[HangClass, Tuple[Process, str]] = field(default_factory=dict)
    waits: List[Wait] = field(default_factory=list)
    _told: Set[Thread] = field(default_factory=set)

    def from_process(self, process: Process) -> None:
        main = process.main
        if main is None or process.is_dead:
            return
        if main.doing == IMPORTING and process.program.name not in self.probes:
            self._finds(HangClass.STARTUP_NEVER, process, "is still in its imports")
        for kind in self._visit(main, ()):
            self._finds(kind, process, MEANINGS[kind])

    def _finds(self, kind: HangClass, process: Process, why: str) -> None:
        self.found.setdefault(kind, (process, why))

    def _visit(self, thread: Thread, path: Tuple[Thread, ...]) -> FrozenSet[HangClass]:
        """What keeps it from ever going on; empty: it may."""
        process = thread.process
        if process.state == STOPPED:
            self._finds(HangClass.PEER_STOPPED, process, "is stopped")
            return frozenset({HangClass.PEER_STOPPED})
        if thread in path:
            return self._cycle(path[path.index(thread) :])
        if thread.doing == SHUTDOWN and thread.wait is not None:
            why = "on its way out, waits for what does not end"
            self._finds(HangClass.TEARDOWN_STUCK, process, why)
        keeper = self.machine.keeper_of(process)
        if keeper not in (None, thread):
            why = "one thread keeps the interpreter lock, the others ask for it"
            self._finds(HangClass.GIL_HELD, process, why)
            return frozenset({HangClass.GIL_HELD})
        if keeper is thread and len(process.threads) > 1:
            why = "one thread keeps the interpreter lock, the others ask for it"
            self._finds(HangClass.GIL_HELD, process, why)
        if thread.wait is None or thread.wait.until_ns is not None:
            return frozenset()
        return self._blocked(thread, path)

    def _blocked(self, thread: Thread, path: Tuple[Thread, ...]) -> FrozenSet[HangClass]:
        assert thread.wait is not None
        process, on = thread.process, thread.wait.on
        others = self._who_could(thread, on)
        self._tells(thread, on, others)
        if not others:
            kind = self._nobody(process, on)
            if kind is None:
                return frozenset()
            self._finds(kind, process, _reason(kind, on))
            return frozenset({kind})
        found = [self._visit(each, (*path, thread)) for each in others]
        return frozenset().union(*found) if all(found) else frozenset()

    def _who_could(self, thread: Thread, on: Any) -> Sequence[Thread]:
        """Who could let it go on: any of them alone."""
        process = thread.process
        if isinstance(on, (Lock, ModuleLock, PyThread)):
            ident = on.ident if isinstance(on, PyThread) else on.owner
            return [each for each in process.threads if each.ident == ident]
        if isinstance(on, Process):
            return [on.main] if on.main is not None and not on.is_dead else []
        if isinstance(on, End):
            return [*self._mains_with(on.peer, process)]
        return [each for each in process.threads if each is not thread]

    def _mains_with(self, end: End, asking: Process) -> Iterable[Thread]:
        for process in self.machine.processes.values():
            has_it = process is not asking and end in process.files.values()
            if has_it and process.main is not None and not process.is_dead:
                yield process.main

    @staticmethod
    def _nobody(process: Process, on: Any) -> Optional[HangClass]:
        if isinstance(on, (Lock, ModuleLock)):
            is_copy = process.is_fork
            return HangClass.FORK_INHERITED_LOCK if is_copy else HangClass.LOCK_OWNER_DEAD
        if isinstance(on, End):
            return None  # whoever has the other end may do it: that is nobody else's business
        return HangClass.DEADLOCK

    def _cycle(self, threads: Tuple[Thread, ...]) -> FrozenSet[HangClass]:
        waits = [each.wait.on for each in threads if each.wait is not None]
        is_import = any(isinstance(on, ModuleLock) for on in waits)
        kind = HangClass.IMPORT_DEADLOCK if is_import else HangClass.DEADLOCK
        names = " -> ".join(f"{each.name} ({_what(each.wait)})" for each in threads)
        self._finds(kind, threads[0].process, f"{names} -> {threads[0].name}")
        return frozenset({kind})

    def _tells(self, thread: Thread, on: Any, others: Sequence[Thread]) -> None:
        if thread not in self._told:
            self._told.add(thread)
            peers = tuple(_name(each.process) for each in others)
            at = f"{thread.name}{', ' + thread.doing if thread.doing else ''}"
            self.waits.append(Wait(_name(thread.process), "asleep", at, (called(on),), peers))


def _reason(kind: HangClass, on: Any) -> str:
    if kind is HangClass.FORK_INHERITED_LOCK:
        return f"a fork of its parent, waits for {called(on)}, which no thread of it can have"
    if kind is HangClass.LOCK_OWNER_DEAD:
        return f"waits for {called(on)}, whose thread has ended"
    return f"waits for {called(on)}, and no other thread is left"


def _what(wait: Any) -> str:
    return "goes on" if wait is None else f"waits for {called(wait.on)}"


def _name(process: Process) -> str:
    program = process.program
    return str(program.name) if program.top is process else f"process {process.pid}"
