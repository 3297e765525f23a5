"""The virtual world of programs: one run of a plan whose programs have models."""

from __future__ import annotations

import dataclasses
import signal
from collections import deque
from typing import (
    Any,
    Callable,
    ClassVar,
    Deque,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
)

from sim.abc import Capability, Launch
from sim.history.hang_class import HangClass
from sim.history.history import History, in_order
from sim.history.op import EXIT, HANG, HOOK, INFO, LEAK, LOG, PROBE, SPAWN, Op
from sim.ringless import Ringless
from sim.scenario.plan import AtProbe, Place, Plan, ProcessPlan, ProgramWorkload
from sim.virtual.lifecycle.choosing import Chooser
from sim.virtual.lifecycle.interpreter import Interpreter, stack
from sim.virtual.lifecycle.launch import SimulatedLaunch
from sim.virtual.lifecycle.machine import DEAD, STOPPED, Machine, Process
from sim.virtual.lifecycle.models import Variant, model_of
from sim.virtual.lifecycle.program import OUTPUT_BYTES_MAX, Program
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import S, Steps
from sim.virtual.lifecycle.versions import Behaviour, named

FAREWELL_NS = 1 * S  # for what a program has started to end after it
STEPS_MAX = 5_000_000  # of one execution
WATCH = "watch"
UNKNOWN = HangClass.UNKNOWN.value
SAID = {"probe": PROBE, "log": LOG, "hook": HOOK}

Tell = Callable[[Machine, Sequence[Process], Mapping[str, str]], Mapping[str, Any]]


def of_no_class(
    machine: Machine, programs: Sequence[Process], probes: Mapping[str, str]
) -> Mapping[str, Any]:
    return {}


class SimulatedPrograms(Ringless):
    """Satisfies sim.abc.World, and sim.nemesis.Stage. Its clock starts at 0.

    `tell` says what it is that the programs do not end of.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.PAUSE, Capability.KILL, Capability.LAUNCH}
    )

    def __init__(self, plan: Plan, chooser: Chooser, tell: Tell = of_no_class) -> None:
        self._plan = plan
        self._tell = tell
        self.simulation = Machine(chooser, self._on_exit)
        self._behaviours: Dict[str, Behaviour] = {}
        self._programs: Dict[str, Program] = {}
        self._mains: Dict[str, Callable[[Interpreter], Steps[None]]] = {}
        self._reached: Deque[Place] = deque()
        self._waits_at: Dict[tuple[str, str], List[AtProbe]] = {}
        self._passed: Dict[tuple[str, str], int] = {}
        self._last_probes: Dict[str, str] = {}
        self._ops: List[Op] = []
        self._has_news = False
        self._ended_by: Optional[str] = None
        self._is_ending = False
        for injection in plan.injections:
            if isinstance(injection.trigger, AtProbe):
                at = injection.trigger
                self._waits_at.setdefault((at.process, at.probe), []).append(at)
        for process in plan.processes:
            self._behaviours[process.name] = named(process.python)
            self._programs[process.name] = self._program(process)
        around = (self._programs, self._behaviours, self._heard, self._await_end)
        self._launch = SimulatedLaunch(self.simulation, *around)

    def _program(self, process: ProcessPlan) -> Program:
        folder = f"/run/own-{process.name}"
        made = Program(process.name, self._on_said, {"SPINBED_FOLDER": folder, **process.env})
        made.holds = [probe for name, probe in self._waits_at if name == process.name]
        work = process.workload
        assert isinstance(work, ProgramWorkload)
        found = model_of(work.program)
        assert found is not None, f"{work.program}: there is no model"
        model, variant = found
        self.simulation.files.update(model.files)
        for name, source in model.modules.items():
            made.install(name, source)
        made.extensions.update(model.extensions)
        self._mains[process.name] = _main(model.subject, variant, process.start)
        return made

    # What the nemesis drives.

    def start(self) -> int:
        for injection in self._plan.injections:
            if hasattr(injection.fault, "prepare"):
                injection.fault.prepare(self)
        for process in self._plan.processes:
            self._begin(process)
        return self.now_ns()

    def _begin(self, process: ProcessPlan) -> None:
        work = process.workload
        assert isinstance(work, ProgramWorkload)
        program = self._programs[process.name]
        top = self.simulation.start_process(None, program, f"python {work.program}")
        top.limits.update(program.limits)
        program.top = top
        behaviour = self._behaviours[process.name]
        py = Interpreter(self.simulation, top, behaviour, program.environ)
        self.simulation.start_thread(top, py.run(self._mains[process.name]))
        facts = {"python": str(behaviour), "kernels": "", "rung": ""}
        argv = ["python", work.program or ""]
        self._note(process.name, SPAWN, detail={"pid": top.pid, "argv": argv, **facts})

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """As ProgramWorld's: a hang is told before the deadline where nobody is left who could do
        anything, and it is known why."""
        machine = self.simulation
        while not self._reached:
            if until_ns is not None and machine.clock_ns >= until_ns:
                return None
            if is_healing_due and self._has_news:
                self._has_news = False
                return None
            if not is_healing_due and self.is_quiet:
                return None
            if machine.clock_ns >= self._plan.deadline_ns or machine.steps >= STEPS_MAX:
                self._cut_short("deadline")
                return None
            limit_ns = min(self._plan.deadline_ns, until_ns or self._plan.deadline_ns)
            if not machine.step(limit_ns):
                if until_ns is None and machine.is_still and self._class() != UNKNOWN:
                    limit_ns = min(limit_ns, machine.clock_ns + self._plan.stall_threshold_ns)
                    machine.pass_time(limit_ns)
                    self._cut_short("hang")
                    return None
                machine.pass_time(limit_ns)
        return self._reached.popleft()

    @property
    def is_cut_short(self) -> bool:
        return self._ended_by is not None

    @property
    def ended_by(self) -> Optional[str]:
        return self._ended_by

    @property
    def is_quiet(self) -> bool:
        return not self._reached and all(each.state in (DEAD, STOPPED) for each in self._tops)

    @property
    def _tops(self) -> List[Process]:
        return [each.top for each in self._programs.values() if each.top is not None]

    def release(self, process: str) -> None:
        for each in self.simulation.processes.values():
            if each.program is self._programs[process]:
                for thread in each.threads:
                    thread.is_held = False

    def record(self, op: Op) -> None:
        self._ops.append(op)

    # sim.abc.World

    def now_ns(self) -> int:
        return self.simulation.clock_ns

    def pause(self, process: str) -> None:
        self.simulation.signal(self._top(process), signal.SIGSTOP)

    def resume(self, process: str) -> None:
        self.simulation.signal(self._top(process), signal.SIGCONT)

    def kill(self, process: str) -> None:
        self.simulation.signal(self._top(process), signal.SIGKILL)

    def state(self, process: str) -> str:
        top = self._top(process)
        if top.status is None:
            return top.state
        return f"exited:{top.status}" if top.status >= 0 else f"signalled:{_outcome(top.status)}"

    def await_state(self, process: str, state: str, *, within_ns: int) -> str:
        """What is done to a process here has its effect at once."""
        return self.state(process)

    @property
    def launch(self) -> Launch:
        return self._launch

    # From begin to end.

    def finish(self) -> History:
        """End what still runs, and see what was left behind."""
        machine = self.simulation
        self._is_ending = True
        for top in self._tops:
            machine.signal(top, signal.SIGKILL)
        if not self.is_cut_short:
            until_ns = machine.clock_ns + FAREWELL_NS
            while self._alive() and machine.step(until_ns):
                pass
            left = [f"process {each.pid}: {each.command}" for each in self._alive()]
            if left:
                self._note(WATCH, LEAK, detail={"names": left})
        for each in self._alive():
            machine.end(each, -signal.SIGKILL)
        if machine.regions:
            self._note(WATCH, LEAK, detail={"names": sorted(machine.regions)})
        header = dataclasses.replace(self._plan.header, world="virtual")
        return History(header, in_order(self._ops))

    def _alive(self) -> List[Process]:
        return [each for each in self.simulation.processes.values() if not each.is_dead]

    def _await_end(self, processes: Sequence[Process]) -> None:
        while not all(each.is_dead for each in processes):
            if not self.simulation.step(self._plan.deadline_ns):
                return

    def _cut_short(self, why: str) -> None:
        self._ended_by = why
        moved_ns = self.simulation.moved_ns
        detail = {
            "why": why,
            "waiting": [top.program.name for top in self._waiting],
            "blocked_ns": self.now_ns() - moved_ns,
            **self._told(),
        }
        self._note(WATCH, HANG, detail=detail)
        for process in self._alive():
            for thread in process.threads:
                lines = [f"Thread {thread.name} (most recent call first):", *stack(thread)]
                process.program.stderr += "\n".join(lines) + "\n"

    @property
    def _waiting(self) -> List[Process]:
        return [top for top in self._tops if not top.is_dead]

    def _told(self) -> Mapping[str, Any]:
        return self._tell(self.simulation, self._waiting, self._last_probes)

    def _class(self) -> str:
        return str(self._told().get("class", UNKNOWN))

    def _on_exit(self, process: Process) -> None:
        program = process.program
        if program.top is not process or program.name not in self._programs:
            return
        assert process.status is not None
        self._has_news = True
        detail: Dict[str, Any] = {"pid": process.pid}
        for name in ("stdout", "stderr"):
            text = getattr(program, name)
            detail[name] = text[-OUTPUT_BYTES_MAX:]
            detail[f"{name}_bytes"] = len(text)
        if self._is_ending:
            detail["ended_by"] = "run"
        self._note(program.name, EXIT, outcome=_outcome(process.status), detail=detail)

    def _on_said(self, program: Program, process: Process, kind: str, said: Dict[str, Any]) -> None:
        self._note(program.name, SAID[kind], detail={**said, "pid": process.pid})
        self.simulation.saw(f"{kind} {sorted(said.items())}")
        if kind == "probe":
            name = said["probe"]
            key = (program.name, name)
            self._last_probes[program.name] = name
            self._passed[key] = count = self._passed.get(key, 0) + 1
            awaited = [at for at in self._waits_at.get(key, ()) if at.occurrence == count]
            self._reached.extend(dict.fromkeys(awaited))
            if not awaited:
                process.interpreter.thread.is_held = False

    def _heard(self, process: str, kind: str, module: str) -> Sequence[Mapping[str, Any]]:
        said = [op.detail or {} for op in self._ops if op.f == HOOK and op.process == process]
        return [each for each in said if (each.get("hook"), each.get("module")) == (kind, module)]

    def _note(
        self,
        process: str,
        f: str,
        *,
        outcome: Optional[str] = None,
        detail: Mapping[str, Any],
    ) -> None:
        at_ns = self.now_ns()
        self._ops.append(Op(at_ns, process, 0, INFO, f, outcome=outcome, detail=detail))

    def _top(self, process: str) -> Process:
        top = self._programs[process].top
        assert top is not None, f"{process} has not been started"
        return top


def _main(subject: str, variant: Variant, method: str) -> Callable[[Interpreter], Steps[None]]:
    """What spinbed_inside.boot does: it calls the function, here or in a process that it starts."""

    def call(py: Interpreter) -> Steps[None]:
        yield from py.imports.import_module(py, subject)
        yield from variant(py)

    def main(py: Interpreter) -> Steps[None]:
        if method == "template":
            yield from call(py)
            return
        yield from py.imports.import_module(py, "multiprocessing")
        child = yield from start(py, call, method=method)
        yield from child.join()
        raise SystemExit(child.exitcode)

    return main


def _outcome(status: int) -> str:
    return str(status) if status >= 0 else signal.Signals(-status).name
