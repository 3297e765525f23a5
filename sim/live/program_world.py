"""The live world of programs: one run of a plan whose processes are anybody's."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Deque,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from sim.abc import Capability, Launch
from sim.errors import WorldError
from sim.history.history import History, in_order
from sim.history.op import EXIT, HANG, HOOK, INFO, LEAK, LOG, PROBE, SPAWN, Op
from sim.live.answers import Answers
from sim.live.exec_child import Order
from sim.live.launching import LiveLaunch
from sim.live.litter import remove_files
from sim.live.program import LiveProgram
from sim.live.program_evidence import add_answers, collect
from sim.live.program_progress import ProgramProgress
from sim.live.region import names_with, remove
from sim.live.signalling import await_effect, end_all, let_go_on, stop
from sim.live.strays import Stray, kill_strays, strays
from sim.live.supervisor import Supervisor, describe_exit
from sim.live.telling import Tell
from sim.ringless import Ringless
from sim.scenario.plan import AtProbe, Place, Plan, ProcessPlan

POLL_NS = 1_000_000
FAREWELL_NS = 1_000_000_000  # for what a program has started to end after it, while all sleep
FAREWELL_MAX_NS = 10_000_000_000  # while some are at work: a loaded machine makes their end long
WATCH = "watch"
SAID = {"probe": PROBE, "log": LOG, "hook": HOOK}


class ProgramWorld(Ringless):
    """Satisfies sim.abc.World, and sim.nemesis.Stage."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.PAUSE, Capability.KILL, Capability.LAUNCH}
    )

    def __init__(self, plan: Plan, supervisor: Supervisor, tell: Tell) -> None:
        """`tell` as LiveWorld's; of evidence that says that the run's time is not over it says
        nothing but what it is sure of."""
        self._plan = plan
        self._tell = tell
        self._supervisor = supervisor
        self._prefix = supervisor.next_run_prefix()
        self._folder = supervisor.folder_of(self._prefix)
        self._lives: Dict[str, LiveProgram] = {}
        self._paused: Dict[str, LiveProgram] = {}
        self._reached: Deque[Place] = deque()
        self._waits_at: Dict[Tuple[str, str], List[AtProbe]] = {}
        self._passed: Dict[Tuple[str, str], int] = {}
        self._last_probes: Dict[str, str] = {}
        self._answers = Answers()
        self._ops: List[Op] = []
        self._has_news = False
        self._ended_by: Optional[str] = None
        self.began_ns = self._ready_ns = time.monotonic_ns()
        self._deadline_ns = self.began_ns + plan.deadline_ns
        for injection in plan.injections:
            if isinstance(injection.trigger, AtProbe):
                at = injection.trigger
                self._waits_at.setdefault((at.process, at.probe), []).append(at)
        self._run = self._prefix.strip("/.")
        self._progress = ProgramProgress(self._run, plan.stall_threshold_ns)
        around = (Path(self._folder), self._run, supervisor)
        self._launch = LiveLaunch(*around, self._newest, self._heard)
        self._launch.watch_for(plan.checkers)

    # What the nemesis drives.

    def start(self) -> int:
        """When everybody had been started, by `open`."""
        return self._ready_ns

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """As LiveWorld's. Nobody knows what a program waits for: that it does nothing is a hang
        before the deadline of the run only where nobody is left who could do anything, in the run
        or by its plan."""
        while not self._reached:
            now_ns = self.now_ns()
            if until_ns is not None and now_ns >= until_ns:
                return None
            if is_healing_due and self._has_news:
                self._has_news = False
                return None
            if not is_healing_due and self.is_quiet:
                return None
            if until_ns is not None:
                self._progress.restart()
            is_over = now_ns >= self._deadline_ns
            if is_over or self._progress.is_stalled(now_ns, self._alive()):
                self._stand_still("deadline" if is_over else "hang")
                if self.is_cut_short:
                    return None
            wake_ns = min(self._deadline_ns, self._progress.next_sample_ns)
            self._supervisor.pump(wake_ns if until_ns is None else min(wake_ns, until_ns))
        return self._reached.popleft()

    @property
    def is_cut_short(self) -> bool:
        return self._ended_by is not None

    @property
    def is_quiet(self) -> bool:
        return not self._reached and all(
            life.is_dead or life.name in self._paused for life in self._lives.values()
        )

    def release(self, process: str) -> None:
        self._newest(process).answer()

    def record(self, op: Op) -> None:
        self._ops.append(op)
        self._progress.restart()  # a fault was injected or healed

    # sim.abc.World

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def pause(self, process: str) -> None:
        life = self._newest(process)
        stop(self._supervisor, life)
        if not life.is_dead:
            self._paused[process] = life

    def resume(self, process: str) -> None:
        life = self._newest(process)
        let_go_on(self._supervisor, life)
        self._paused.pop(process, None)

    def kill(self, process: str) -> None:
        life = self._newest(process)
        life.send_signal(signal.SIGKILL)
        await_effect(self._supervisor, lambda: life.is_dead, "SIGKILL", life)

    def state(self, process: str) -> str:
        return self._newest(process).os_state()

    def await_state(self, process: str, state: str, *, within_ns: int) -> str:
        life = self._newest(process)
        deadline_ns = min(self.now_ns() + within_ns, self._deadline_ns)
        while not life.os_state().startswith(state) and not life.is_dead:
            now_ns = self.now_ns()
            if now_ns >= deadline_ns:
                break
            self._supervisor.pump(min(deadline_ns, now_ns + POLL_NS))
        return life.os_state()

    @property
    def launch(self) -> Launch:
        return self._launch

    # From begin to end.

    def open(self) -> None:
        """Start everybody."""
        for injection in self._plan.injections:
            if hasattr(injection.fault, "prepare"):
                injection.fault.prepare(self)
        # What has to be built and copied before takes time that is none of theirs.
        orders = [(process, self._order(process)) for process in self._plan.processes]
        self.began_ns = self.now_ns()
        self._deadline_ns = self.began_ns + self._plan.deadline_ns
        for process, order in orders:
            self._spawn(process, order)
        for life in self._lives.values():
            self._await_start(life)
        self._ready_ns = self.now_ns()
        self._progress.restart()

    def _await_start(self, life: LiveProgram) -> None:
        await_effect(self._supervisor, lambda: life.pid is not None, "start", life)

    def finish(self) -> History:
        """End what still runs, and see what was left behind."""
        self._kill_rest()
        left = self._left_behind()
        if left and not self.is_cut_short:  # who is killed at the deadline can end nobody
            names = [f"process {each.pid}: {each.command}" for each in left]
            self._note(WATCH, LEAK, detail={"names": names})
        kill_strays(self._run)
        if names_with(self._prefix):
            if not self.is_cut_short:
                self._note(WATCH, LEAK, detail={"names": list(names_with(self._prefix))})
            remove(self._prefix)
        header = dataclasses.replace(self._plan.header, name_prefix=self._prefix)
        return History(header, in_order(self._ops))

    def close(self) -> None:
        """Idempotent, and safe after any failure: what cannot be ended here, the watcher ends."""
        with ExitStack() as stack:
            stack.callback(remove_files, [self._folder])
            stack.callback(remove, self._prefix)
            for life in self._lives.values():
                stack.callback(life.close)
            if self._supervisor.failure is None:
                self._kill_rest()
                kill_strays(self._run)

    def _order(self, process: ProcessPlan) -> Order:
        holds = [probe for name, probe in self._waits_at if name == process.name]
        return self._launch.order(process, self._address(process), holds)

    def _address(self, process: ProcessPlan) -> str:
        return f"{self._run}.{process.name}"

    def _left_behind(self) -> Sequence[Stray]:
        """Fork servers and resource trackers see that their program has ended, and end by that."""
        busy_ns = began_ns = self.now_ns()
        while True:
            left = strays(self._run)
            now_ns = self.now_ns()
            if not all(each.is_asleep for each in left):
                busy_ns = now_ns
            deadline_ns = min(busy_ns + FAREWELL_NS, began_ns + FAREWELL_MAX_NS)
            if not left or self.is_cut_short or now_ns >= deadline_ns:
                return left
            self._supervisor.pump(now_ns + POLL_NS)

    def _spawn(self, process: ProcessPlan, order: Order) -> None:
        address = self._address(process)
        try:
            life = LiveProgram(process.name, 0, order, address, self._supervisor, self._on_event)
        except OSError as error:
            detail = f"{process.name}: {error}"
            raise WorldError("start", errno=error.errno, detail=detail) from error
        self._lives[process.name] = life

    def _stand_still(self, why: str) -> None:
        """Nobody moves, or the time is over: collect evidence while it is fresh."""
        alive = self._alive()
        evidence = collect(self._run, alive, self._last_probes, self._supervisor)
        evidence["is_over"] = why == "deadline"
        if why == "hang" and self._tell(evidence) is None:
            self._progress.postpone()
            return
        told_ns = self.now_ns()  # that it hangs; why, those who can be asked say more exactly
        add_answers(evidence, alive, self._answers, self._supervisor)
        told = self._tell(evidence)
        self._ended_by = why
        detail = {
            "why": why,
            "waiting": [life.name for life in alive],
            "blocked_ns": told_ns - self._progress.moved_ns,
            "evidence": evidence,
            **(told or {}),
        }
        self._note(WATCH, HANG, detail=detail, time_ns=told_ns)

    def _alive(self) -> Sequence[LiveProgram]:
        return [life for life in self._lives.values() if not life.is_dead]

    def _kill_rest(self) -> None:
        end_all(self._supervisor, list(self._lives.values()))

    def _on_event(self, life: LiveProgram, event: str, detail: Dict[str, Any]) -> None:
        if event == "answer":
            self._answers.hear(detail)
        elif event in SAID:
            at_ns = detail.pop("time_ns", None)
            is_held = detail.pop("is_held", False)
            said = detail
            if event == "log":  # of which of its processes, is not for the program to say
                said = {**detail["log"], "pid": detail.get("pid")}
            self._note(life.name, SAID[event], detail=said, time_ns=at_ns)
            if event == "probe":
                self._passes(life, detail["probe"], is_held=is_held)
            elif is_held:
                life.answer()
        elif event == "spawned":
            self._note(life.name, SPAWN, detail=detail)
        else:
            assert event == "exit" and life.code is not None, event
            self._has_news = True
            self._paused.pop(life.name, None)
            outcome = describe_exit(life.code)
            self._note(life.name, EXIT, outcome=outcome, detail=detail)

    def _passes(self, life: LiveProgram, probe: str, *, is_held: bool) -> None:
        key = (life.name, probe)
        self._last_probes[life.name] = probe
        self._passed[key] = count = self._passed.get(key, 0) + 1
        awaited = [at for at in self._waits_at.get(key, ()) if at.occurrence == count]
        self._reached.extend(dict.fromkeys(awaited))
        if is_held and not awaited:
            life.answer()

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
        time_ns: Optional[int] = None,
    ) -> None:
        at_ns = self.now_ns() if time_ns is None else time_ns
        self._ops.append(Op(at_ns, process, 0, INFO, f, outcome=outcome, detail=detail))

    def _newest(self, process: str) -> LiveProgram:
        if process not in self._lives:
            raise WorldError("find", detail=f"{process} has not been started")
        return self._lives[process]
