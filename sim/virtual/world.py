"""The virtual world: one run of a plan on the simulated machine, in virtual time."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any, ClassVar, Deque, Dict, List, Mapping, NoReturn, Optional, Sequence

from cy_kernels.explore import Simulation
from sim.abc import Capability, Launch, Machine, Network
from sim.errors import WorldError
from sim.history.history import History, in_order
from sim.history.op import HANG, INFO, Op
from sim.scenario.plan import Place, Plan
from sim.virtual.lives import Life, last_is_invoke, last_raised
from sim.virtual.program import STEP_NAMES, index_of, simulation_of
from sim.virtual.progress import Progress
from sim.virtual.schedulers import parse
from sim.virtual.triggers import KILL, STOP, Triggers

WATCH = "watch"  # who records what befalls the run as a whole
REPLAY = "replay"
SLICE_NS = 100_000  # how often it is looked whether a process has raised

OVER = ("done", "dead")


class VirtualWorld:
    """Satisfies sim.abc.World, and sim.nemesis.Stage. Its clock starts at 0.

    What happens is decided by `scheduler`, as on the command line ("random", "pct:3"), and `seed`,
    or for "replay" by `tape`. `simulation`, of the same plan and model, saves making one for each
    of many runs. Raises BadScheduler, and ValueError for what the machine cannot do.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.PAUSE,
            Capability.KILL,
            Capability.RESTART,
            Capability.SLOW,
            Capability.RAISE,
            Capability.STEP,
            Capability.HOLD_BACK,
        }
    )

    def __init__(
        self,
        plan: Plan,
        *,
        model: str = "tso",
        scheduler: str = "random",
        seed: int = 0,
        tape: bytes = b"",
        expected_choices: int = 0,
        simulation: Optional[Simulation] = None,
    ) -> None:
        self._plan = plan
        self.simulation = simulation or simulation_of(plan, model)
        self._indices = {process.name: index_of(process) for process in plan.processes}
        self._lives: Dict[str, List[Life]] = {p.name: [] for p in plan.processes}
        self._by_index: Dict[int, Life] = {}  # the newest
        self._paused: Dict[str, Life] = {}
        self._held_back: List[str] = []
        self._reached: Deque[Place] = deque()
        self._ops: List[Op] = []
        self._has_news = False  # somebody has exited since `advance` last looked
        self._ended_by: Optional[str] = None  # "hang" | "deadline" | "steps" | "found"
        self._progress = Progress(plan.stall_threshold_ns)
        for index in self._indices.values():
            self.simulation.hold_back(index, False)
        for injection in plan.injections:
            if hasattr(injection.fault, "prepare"):
                injection.fault.prepare(self)
        if scheduler == REPLAY:
            self.simulation.choose_by(REPLAY, tape=tape)
        else:
            parse(scheduler).choose(self.simulation, expected_choices)
        self.simulation.begin(seed)
        self._triggers = Triggers(plan, self.simulation)

    # What the nemesis drives.

    def start(self) -> int:
        """Let everybody attach and go. When that was."""
        started = [p.name for p in self._plan.processes if p.name not in self._held_back]
        for name in started:
            self._triggers.before_attached(self._begin_life(name, 0))
            if self._triggers.acts_before_attached(name, 0):
                self.simulation.stop_attached(self._indices[name])
        self.simulation.start()
        for name in started:
            life = self._newest(name)
            if self.simulation.condition(life.index)["is_attached"]:
                self._attached(life)
        return self.now_ns()

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """As LiveWorld.advance, in virtual time; a standstill is seen at once."""
        simulation, progress = self.simulation, self._progress
        while not self._reached:
            now_ns = simulation.clock_ns
            if self._ended_by is not None or (until_ns is not None and now_ns >= until_ns):
                return None
            if is_healing_due:
                progress.restart(now_ns)
                if self._has_news:
                    self._has_news = False
                    return None
            elif self.is_quiet:
                return None
            if now_ns >= self._plan.deadline_ns:
                self._cut_short("deadline")
            elif progress.is_due(now_ns) and self._is_stalled(now_ns):
                self._cut_short("hang")
            else:
                self._go(until_ns, is_healing_due)
        return self._reached.popleft()

    def _go(self, until_ns: Optional[int], is_healing_due: bool) -> None:
        """On to the next thing that may be of interest, but no further than `until_ns`."""
        limit_ns = min(self._plan.deadline_ns, self._progress.next_sample_ns)
        if until_ns is not None:
            limit_ns = min(limit_ns, until_ns)
        stop = self._run(limit_ns)
        if stop in ("stuck", "ended"):
            if until_ns is None and not self.is_quiet:
                self._cut_short("hang")
            elif until_ns is not None and not self._has_news:
                self.simulation.pass_time(limit_ns)

    def _run(self, until_ns: int) -> str:
        """Let the machine go on, and see to whom it stopped for."""
        stop: str = self.simulation.go(until_ns)
        if stop == "reached":
            self._arrived(self._by_index[self.simulation.reached])
        elif stop == "out_of_steps":
            self._cut_short("steps")
        elif stop == "found":
            self._ended_by = "found"
        for life in self._by_index.values():
            if not life.is_over and self.simulation.state(life.index) == "done":
                self._over(life)
        return stop

    @property
    def is_cut_short(self) -> bool:
        """A hang, a finding, the deadline or the last step ended the run."""
        return self._ended_by is not None

    @property
    def ended_by(self) -> Optional[str]:
        """What cut the run short: "hang", "deadline", "steps", "found"."""
        return self._ended_by

    @property
    def is_quiet(self) -> bool:
        """Nothing more will happen by itself: all have ended or are stopped."""
        return not self._reached and all(
            life.is_over or self._paused.get(life.name) is life for life in self._by_index.values()
        )

    def release(self, process: str) -> None:
        """Let it go on from a trigger; a no-op where it isn't held."""
        life = self._newest(process)
        if not life.is_over:
            self.simulation.release(life.index)
            self._triggers.hold_next(life)
            if process not in self._paused:
                self._triggers.goes_on(life)

    def record(self, op: Op) -> None:
        self._ops.append(op)

    # sim.abc.World

    def now_ns(self) -> int:
        now_ns: int = self.simulation.clock_ns
        return now_ns

    def pause(self, process: str) -> None:
        life = self._newest(process)
        if not life.is_over:
            self.simulation.pause(life.index)
            self._paused[process] = life

    def resume(self, process: str) -> None:
        life = self._newest(process)
        if self._paused.pop(process, None) is not None:
            self.simulation.resume(life.index)
            self._triggers.goes_on(life)
            self._progress.restart(self.now_ns())

    def kill(self, process: str) -> None:
        life = self._newest(process)
        if not life.is_over:
            self.simulation.kill(life.index)
            self._over(life)

    def restart(self, process: str) -> int:
        dead = self._newest(process)
        assert dead.is_over, f"{process} lives: only the dead are started again"
        life = self._begin_life(process, dead.incarnation + 1)
        self._triggers.before_attached(life)
        self.simulation.restart(life.index)
        self._await_attached(life)
        return life.incarnation

    def hold_back(self, process: str) -> None:
        assert not any(self._lives.values()), "somebody was started already"
        self._held_back.append(process)
        self.simulation.hold_back(self._indices[process])

    def attach(self, process: str) -> str:
        if not self._lives[process]:
            life = self._begin_life(process, 0)
            self._triggers.before_attached(life)
            self.simulation.attach(life.index)
            self._await_attached(life)
        return self.state(process)

    def slow(self, process: str, per_op_ns: int) -> None:
        self.simulation.slow(self._newest(process).index, per_op_ns)

    def raise_in_read(self, process: str) -> None:
        """It can only raise at its next message, so it is let go where it is held."""
        self.simulation.raise_in_read(self._newest(process).index)
        self.release(process)

    def unlink_region(self) -> str:
        _cannot("unlink a region")

    def truncate_region(self, size_bytes: int) -> int:
        _cannot("truncate a region")

    def region_size_bytes(self) -> Optional[int]:
        _cannot("look a region up by its name")

    def state(self, process: str) -> str:
        if not self._lives[process]:
            return "absent"
        life = self._newest(process)
        if life.is_over:
            return life.state()
        return "stopped" if self.simulation.condition(life.index)["is_stopped"] else "running"

    def await_state(self, process: str, state: str, *, within_ns: int) -> str:
        """What is done to a process here has its effect at once."""
        return self.state(process)

    def acknowledged(
        self, process: str, what: str, *, within_ns: int
    ) -> Optional[Mapping[str, Any]]:
        life = self._newest(process)
        if what == "slow":
            seen = self.simulation.condition(life.index)
            return {name: seen[name] for name in ("per_op_ns", "slowed_ops")}
        assert what == "raise_in_read", what
        deadline_ns = self.now_ns() + within_ns
        stop = ""
        while self.simulation.condition(life.index)["raises_next"]:
            is_late = self.now_ns() >= deadline_ns or stop in ("stuck", "ended")
            if is_late or life.is_over or self.is_cut_short:
                return None
            stop = self._run(min(deadline_ns, self.now_ns() + SLICE_NS))
        size_bytes = last_raised(self._records(life))
        return {"exception": "PlantedError", "size_bytes": size_bytes}

    def at_step(self, process: str) -> Mapping[str, Any]:
        return self._triggers.record(process)

    @property
    def machine(self) -> Machine:
        _cannot("change what surrounds a process")

    @property
    def launch(self) -> Launch:
        _cannot("start a program")

    @property
    def network(self) -> Network:
        _cannot("shape a network: its processes are of one host")

    # From begin to end.

    def finish(self) -> History:
        """End what still runs, and collect what was recorded."""
        for life in self._by_index.values():
            if not life.is_over:
                life.is_ended_by_run = True
                life.end("SIGKILL", self.now_ns(), self._records(life))
        ops = list(self._ops)
        for lives in self._lives.values():
            for life in lives:
                began, *ended = life.events()
                ops += [began, *ended[:-1], *life.ops(), *ended[-1:]]
        return History(dataclasses.replace(self._plan.header, world="virtual"), in_order(ops))

    def _begin_life(self, process: str, incarnation: int) -> Life:
        plan = next(p for p in self._plan.processes if p.name == process)
        life = Life(plan, self._indices[process], incarnation, self.now_ns())
        self._lives[process].append(life)
        self._by_index[life.index] = life
        return life

    def _await_attached(self, life: Life) -> None:
        """Or until it has come to the step of a fault on the way, or has failed to."""
        self._progress.restart(self.now_ns())
        while life.ready_ns is None and not life.is_over and not self._triggers.is_there(life):
            stop = self._run(self._plan.deadline_ns)
            if self.is_cut_short:
                return
            if stop in ("stuck", "ended", "in_time"):
                raise WorldError("start", detail=f"{life.name} does not attach: {stop}")
        self._progress.restart(self.now_ns())

    def _arrived(self, life: Life) -> None:
        held_for = self.simulation.condition(life.index)["held_for"]
        if held_for == "attached":
            self.simulation.release(life.index)
            self._attached(life)
        elif held_for == "count":
            self._reached.append(self._triggers.came_to_count(life))
        else:
            self._reached.append(self._triggers.came_to_step(life))
            action = self._triggers.action(life.name)
            if action == KILL:
                self.kill(life.name)
            elif action == STOP:
                self.pause(life.name)
                self.simulation.release(life.index)

    def _attached(self, life: Life) -> None:
        life.ready_ns = self.now_ns()
        self._triggers.attached(life)

    def _over(self, life: Life) -> None:
        """It was killed, has left, or was refused a place."""
        seen = self.simulation.condition(life.index)
        outcome = "SIGKILL" if seen["state"] == "dead" else "0" if seen["is_attached"] else "1"
        life.end(outcome, seen["ended_ns"], self._records(life))
        self._has_news = True
        if self._paused.get(life.name) is life:
            del self._paused[life.name]

    def _is_stalled(self, now_ns: int) -> bool:
        seen = [self.simulation.condition(life.index) for life in self._by_index.values()]
        ok = sum(each["messages"] for each in seen)
        idle_until_ns = max(
            (each["idle_until_ns"] for each in seen if each["state"] not in OVER), default=0
        )
        stalled = self._progress.is_stalled(now_ns, ok=ok, idle_until_ns=idle_until_ns)
        return stalled and bool(self._waiting())

    def _waiting(self) -> List[str]:
        return [
            life.name
            for life in self._by_index.values()
            if not life.is_over and last_is_invoke(self._records(life))
        ]

    def _cut_short(self, why: str) -> None:
        """Nothing moves, or the time is over."""
        self._ended_by = why
        lives: Sequence[Life] = list(self._by_index.values())
        sites = {life.name: self.simulation.site(life.index) for life in lives}
        detail = {
            "why": why,
            "waiting": self._waiting(),
            "blocked_ns": self.now_ns() - self._progress.moved_ns,
            "states": {life.name: self.simulation.state(life.index) for life in lives},
            "steps": {name: STEP_NAMES.get(site) for name, site in sites.items()},
        }
        self._ops.append(Op(self.now_ns(), WATCH, 0, INFO, HANG, detail=detail))

    def _records(self, life: Life) -> bytes:
        if life.is_over:
            return life.records
        records: bytes = self.simulation.records(life.index)
        return records

    def _newest(self, process: str) -> Life:
        if not self._lives[process]:
            raise WorldError("find", detail=f"{process} has not been started")
        return self._lives[process][-1]


def _cannot(what: str) -> NoReturn:
    raise WorldError("virtual world", detail=f"it cannot {what}")
