"""The live world: one run of a plan, with real processes, signals and shared memory."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections import deque
from contextlib import ExitStack
from typing import Any, ClassVar, Deque, Dict, List, Mapping, Optional, Sequence

from sim.abc import Capability, Launch, Network
from sim.errors import WorldError
from sim.history.hang_class import HangClass
from sim.history.history import History, in_order
from sim.history.op import EXIT, HANG, INFO, LEAK, LOG, READY, SPAWN, Op
from sim.live.evidence import collect
from sim.live.hosts import LiveHosts, remote_hosts
from sim.live.machine import LiveMachine
from sim.live.places import Places
from sim.live.process import ASKED, DEAD, STARTED, LiveProcess
from sim.live.process import READY as IS_READY
from sim.live.progress import Progress, waiting
from sim.live.proving import Prover
from sim.live.readiness import await_ready
from sim.live.region import LiveRegions, names_with, remove
from sim.live.region_look import RegionLook
from sim.live.signalling import await_effect, end_all, let_go_on, stop
from sim.live.spying import Spy, add_native
from sim.live.stacks import collect_stacks
from sim.live.steps import StepTriggers
from sim.live.supervisor import Supervisor, describe_exit
from sim.live.task import Task, emulates, records_for, stops_for
from sim.live.telling import Tell
from sim.scenario.plan import AfterOps, Place, Plan, ProcessPlan
from sim.transport import find_transport

POLL_NS = 1_000_000  # of /proc, for which there is no event
# A signal that comes just before a process goes to sleep in a wait is not seen there; the next is.
REMIND_NS = 20_000_000
WATCH = "watch"  # who records what befalls the run as a whole


class LiveWorld:
    """Satisfies sim.abc.World, and sim.nemesis.Stage."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.LAUNCH}

    def __init__(self, plan: Plan, supervisor: Supervisor, tell: Tell) -> None:
        """`tell` says from the evidence of a standstill what it is; None: nothing that is wrong."""
        self._plan = plan
        self._tell = tell
        self._supervisor = supervisor
        self._transport = find_transport(plan.transport.kind)
        self._prefix = supervisor.next_run_prefix()
        self._regions = LiveRegions(self._prefix)
        self._lives: Dict[str, List[LiveProcess]] = {p.name: [] for p in plan.processes}
        self._paused: Dict[str, LiveProcess] = {}
        self._reached: Deque[Place] = deque()
        self._steps = StepTriggers(plan)
        self._ops: List[Op] = []
        self._has_news = False  # somebody has exited since `advance` last looked
        self._ended_by: Optional[str] = None  # "hang" | "deadline": the run was cut short
        self.began_ns = time.monotonic_ns()
        self._deadline_ns = self.began_ns + plan.deadline_ns
        self._progress = Progress(plan.stall_threshold_ns)
        self._held_back: List[str] = []
        self._places = Places(supervisor, self._prefix)
        self._hosts = LiveHosts(remote_hosts(plan), supervisor.prefix[1:])
        around = (supervisor, self._regions, plan.transport, self._newest, self.acknowledged)
        self.machine = LiveMachine(self._prefix, *around)

    # What the nemesis drives.

    def start(self) -> int:
        """Let everybody go. When that was; the run's deadline counts from here, because a cold
        start of interpreters on a loaded machine says nothing about the system under test."""
        for process in self._current():
            process.start()
        self._progress.restart()
        start_ns = self.now_ns()
        self._deadline_ns = start_ns + self._plan.deadline_ns
        return start_ns

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """Let time pass until then, or until a process is held at a trigger, which is returned, or
        until nothing more will happen by itself. `is_healing_due`: a fault that explains a
        standstill will end by `until_ns`, so a standstill is neither a hang nor the end; returns
        at each exit too, for it may be the end of what there was to heal."""
        while not self._has_reached():
            now_ns = self.now_ns()
            if until_ns is not None and now_ns >= until_ns:
                return None
            if is_healing_due:
                self._progress.restart()
                if self._has_news:
                    self._has_news = False
                    return None
            elif self.is_quiet:
                return None
            is_over = now_ns >= self._deadline_ns
            if is_over or self._progress.is_stalled(now_ns, self._current()):
                self._stand_still("deadline" if is_over else "hang")
                if self.is_cut_short:
                    return None
            wake_ns = min(self._deadline_ns, self._progress.next_sample_ns, self._steps.look_ns())
            self._supervisor.pump(wake_ns if until_ns is None else min(wake_ns, until_ns))
        return self._reached.popleft()

    @property
    def is_cut_short(self) -> bool:
        """A hang or the deadline ended the run."""
        return self._ended_by is not None

    @property
    def is_quiet(self) -> bool:
        """Nothing more will happen by itself: all have ended or are stopped."""
        return not self._reached and all(
            p.is_dead or self._paused.get(p.name) is p or self.machine.is_frozen(p.name)
            for p in self._current()
        )

    def release(self, process: str) -> None:
        """Let it go on from a trigger; a no-op where it isn't held."""
        life = self._newest(process)
        life.release()
        self._progress.restart()  # what was done to it there may have taken long
        if self._steps.let_go(life) and process not in self._paused:
            self._let_attach(life)

    def record(self, op: Op) -> None:
        self._ops.append(op)

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
        if self._paused.pop(process, None) is not None:
            self._steps.goes_on(life)
            self._let_attach(life)
            self._progress.restart()

    def kill(self, process: str) -> None:
        life = self._newest(process)
        life.send_signal(signal.SIGKILL)
        self.machine.thaw(process)  # who is frozen dies only then, without another instruction
        await_effect(self._supervisor, lambda: life.is_dead, "SIGKILL", life)

    def restart(self, process: str) -> int:
        dead = self._newest(process)
        assert dead.is_dead, f"{process} lives: only the dead are started again"
        done = sum(life.ops_completed() for life in self._lives[process])
        life = self._spawn(dead.task.process, dead.incarnation + 1, ops_before=done)
        self._await_ready([life])
        life.start()
        self._progress.restart()
        return life.incarnation

    def hold_back(self, process: str) -> None:
        assert not any(self._lives.values()), "somebody was started already"
        self._held_back.append(process)

    def attach(self, process: str) -> str:
        if not self._lives[process]:
            plan = next(p for p in self._plan.processes if p.name == process)
            life = self._spawn(plan, 0, ops_before=0)
            await_effect(self._supervisor, lambda: life.state in (IS_READY, DEAD), "start", life)
            life.start()
            self._progress.restart()
        return self.state(process)

    def slow(self, process: str, per_op_ns: int) -> None:
        life = self._newest(process)
        life.acknowledgements.pop("slow", None)
        life.command({"slow": per_op_ns})

    def raise_in_read(self, process: str) -> None:
        """It can only raise at its next message, so it is let go where it is held."""
        life = self._newest(process)
        life.acknowledgements.pop("raise_in_read", None)
        life.command({"raise_in_read": True})
        life.release()

    def unlink_region(self) -> str:
        return self._regions.unlink_main()

    def truncate_region(self, size_bytes: int) -> int:
        return self._regions.truncate_main(size_bytes)

    def region_size_bytes(self) -> Optional[int]:
        return self._regions.main_size_by_name()

    def state(self, process: str) -> str:
        if not self._lives.get(process):
            return self._hosts.state(process)
        return "frozen" if self.machine.is_frozen(process) else self._newest(process).os_state()

    def await_state(self, process: str, state: str, *, within_ns: int) -> str:
        life = self._newest(process)
        deadline_ns = self.now_ns() + within_ns
        seen = life.os_state()
        while not seen.startswith(state) and not life.is_dead and self.now_ns() < deadline_ns:
            self._supervisor.pump(min(self.now_ns() + POLL_NS, deadline_ns))
            seen = life.os_state()
        return seen

    def acknowledged(
        self, process: str, what: str, *, within_ns: int
    ) -> Optional[Mapping[str, Any]]:
        life = self._newest(process)
        deadline_ns = self.now_ns() + within_ns
        while what not in life.acknowledgements and not life.is_dead:
            now_ns = self.now_ns()
            if now_ns >= deadline_ns:
                break
            self._supervisor.pump(min(deadline_ns, now_ns + REMIND_NS))
            life.remind()
        return life.acknowledgements.get(what)

    def at_step(self, process: str) -> Mapping[str, Any]:
        return self._steps.record(self._lives[process])

    @property
    def launch(self) -> Launch:
        raise AssertionError("participants of a ring are no programs")

    @property
    def network(self) -> Network:
        return self._hosts

    # From begin to end.

    def open(self) -> None:
        """Make the region, start everybody, wait until all are attached."""
        self._hosts.open()
        for injection in self._plan.injections:
            if hasattr(injection.fault, "prepare"):
                injection.fault.prepare(self)
        self._transport.create(self._plan.transport, self._regions)
        started = [p for p in self._plan.processes if p.name not in self._held_back]
        self._await_ready([self._spawn(p, 0, ops_before=0) for p in started])

    def finish(self) -> History:
        """End what still runs, collect what was recorded, and see what was left behind."""
        self._kill_rest()
        lives = [life for lives in self._lives.values() for life in lives]
        recorded = [op for life in lives for op in life.ops()]
        self._regions.unlink_own()
        left = [*names_with(self._prefix), *self.machine.names_left()]
        if left:
            self._note(WATCH, LEAK, detail={"names": list(left)})
            remove(self._prefix)
        header = dataclasses.replace(self._plan.header, name_prefix=self._prefix)
        return History(header, in_order([*self._ops, *recorded]))

    def close(self) -> None:
        """Idempotent, and safe after any failure: what cannot be ended here, the watcher ends."""
        with ExitStack() as stack:
            stack.callback(remove, self._prefix)
            stack.callback(self._places.close)
            stack.callback(self._regions.close)
            for lives in self._lives.values():
                for life in lives:
                    stack.callback(life.close)
            stack.callback(self._hosts.close)
            stack.callback(self.machine.close)
            if self._supervisor.failure is None:
                self._kill_rest()

    def _spawn(self, process: ProcessPlan, incarnation: int, *, ops_before: int) -> LiveProcess:
        place = self._places.of(process)
        task = Task(
            process=process,
            spec=self._plan.transport,
            name_prefix=self._prefix,
            incarnation=incarnation,
            ops_before=ops_before,
            kernels=place.kernels,
            interpreter=place.interpreter,
            path=place.path,
            namespaces=[*self.machine.namespaces, *self._hosts.namespaces(process)],
            remote=self._hosts.leg(process, self._plan),
            stops=stops_for(self._plan, process.name, incarnation, ops_before),
            arming=self._steps.arming(process.name, incarnation, ops_before),
            emulates=emulates(self._plan, process.name),
        )
        records = records_for(self._plan, process)
        try:
            life = LiveProcess(task, records, self._supervisor, self._on_event)
        except OSError as error:  # no more descriptors, no more memory
            detail = f"{process.name}: {error}"
            raise WorldError("start", errno=error.errno, detail=detail) from error
        self._lives[process.name].append(life)
        return life

    def _await_ready(self, lives: Sequence[LiveProcess]) -> None:
        await_ready(lives, self._supervisor, self._is_at_step, self._steps.look_ns)

    def _is_at_step(self, life: LiveProcess) -> bool:
        self._has_reached()
        return self._steps.is_there(life)

    def _let_attach(self, life: LiveProcess) -> None:
        """Who came to a step before it was ready goes on to become ready, and starts."""
        if life.state in (ASKED, STARTED):
            self._await_ready([life])
            life.start()

    def _has_reached(self) -> bool:
        """Somebody is held at a trigger, or died at one."""
        for trigger in self._steps.newly_there(self._current()):
            self._reached.append(trigger)
            if self._steps.stops(trigger.process):
                self._paused[trigger.process] = self._newest(trigger.process)
        return bool(self._reached)

    def _stand_still(self, why: str) -> None:
        """Nothing moves, or the time is over: collect evidence while it is fresh."""
        newest = {name: lives[-1] if lives else None for name, lives in self._lives.items()}
        look = RegionLook(self._transport, self._plan, self._regions, self.machine)
        around = (self.state, look, self._supervisor)
        evidence = collect(self._plan.processes, newest.__getitem__, *around)
        told = self._tell(evidence)
        if told is None and why == "hang":
            self._progress.restart()
            return
        self._ended_by = why
        detail = {
            "why": why,
            "waiting": waiting(self._current()),
            "blocked_ns": self.now_ns() - self._progress.moved_ns,
            "evidence": evidence,
            **(told or {}),
        }
        self._note(WATCH, HANG, detail=detail)
        prover = Prover(self, self.machine, look, self._newest, self._supervisor)
        is_asleep = told is not None and told.get("class") == HangClass.LOST_WAKEUP
        if told and is_asleep:  # who is asked for its stack is woken
            detail["proof"] = prover.prove(told)
        if not look.is_cut():  # whose pages are gone dies when a signal wakes it
            running = [p for p in self._current() if p.os_state() == "running"]
            collect_stacks(running, self._supervisor)
            there = {life.name for life in running}
            add_native([each for each in evidence["processes"] if each["name"] in there], Spy())
        if told and not is_asleep:
            detail["proof"] = prover.prove(told)

    def _kill_rest(self) -> None:
        self.machine.release()
        end_all(self._supervisor, [life for lives in self._lives.values() for life in lives])

    def _on_event(self, life: LiveProcess, event: str, detail: Dict[str, Any]) -> None:
        if event == "spawned":
            self._note(life.name, SPAWN, life.incarnation, detail=detail)
        elif event == "ready":
            self._note(life.name, READY, life.incarnation, detail=detail)
        elif event == "reached":
            self._reached.append(AfterOps(life.name, detail["reached"]))
        elif event == "log":
            at_ns = detail["time_ns"]
            self._note(life.name, LOG, life.incarnation, detail=detail["log"], time_ns=at_ns)
        else:
            assert event == "exit" and life.code is not None, event
            self._has_news = True
            if self._paused.get(life.name) is life:
                del self._paused[life.name]
            outcome = describe_exit(life.code)
            self._note(life.name, EXIT, life.incarnation, outcome=outcome, detail=detail)

    def _note(
        self,
        process: str,
        f: str,
        incarnation: int = 0,
        *,
        outcome: Optional[str] = None,
        detail: Mapping[str, Any],
        time_ns: Optional[int] = None,
    ) -> None:
        at_ns = self.now_ns() if time_ns is None else time_ns
        self._ops.append(Op(at_ns, process, incarnation, INFO, f, outcome=outcome, detail=detail))

    def _newest(self, process: str) -> LiveProcess:
        if not self._lives[process]:
            raise WorldError("find", detail=f"{process} has not been started")
        return self._lives[process][-1]

    def _current(self) -> Sequence[LiveProcess]:
        return [lives[-1] for lives in self._lives.values() if lives]
