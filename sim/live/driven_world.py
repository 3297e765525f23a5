"""The live world of a run whose participants are driven through the order of an execution."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence

from sim.live.driver import Diverged, Driver
from sim.live.process import DEAD, READY, RUNNING, LiveProcess
from sim.live.signalling import await_effect
from sim.live.steps import (
    BEFORE_ATTACH,
    BETWEEN_OPS,
    KILL,
    NEVER,
    TOKEN,
    Arming,
    StepTriggers,
)
from sim.live.supervisor import Supervisor
from sim.live.telling import Tell
from sim.live.world import LiveWorld
from sim.scenario.plan import AtStep, Place, Plan
from sim.scenario.turns import (
    AT_STEP,
    ATTACHED,
    BEGAN,
    CONTINUED,
    DIED,
    HELD,
    OP,
    STOPPED,
    Order,
    Turn,
)

COPIES = ("flag.receive.copy_payload", "cursor.receive.copy_payload")


class DrivenWorld(LiveWorld):
    """Satisfies sim.abc.World, and sim.nemesis.Stage: faults come where they came in the order.

    Once that is at its end, or cannot be kept to (`diverged` says where and why), all go on as they
    like.
    """

    def __init__(self, plan: Plan, order: Order, supervisor: Supervisor, tell: Tell) -> None:
        super().__init__(plan, supervisor, tell)
        self._steps = self._gates = _Gates(plan, order)
        self._driver = Driver(order.turns, self._newest, supervisor)
        self._is_free = False
        self._due: Optional[Place] = None  # where somebody has come to in its turn
        self.diverged: Optional[str] = None

    # What the nemesis drives.

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """Time is the order's: what the nemesis waits for comes when a turn says so."""
        while not self._is_free:
            turn = self._driver.next
            if self._due is not None:
                place, self._due = self._due, None
                return place
            if turn is None:
                self._let_go()
            elif not self._is_of_the_nemesis(turn):
                self._drive()
            elif self._is_done(turn):
                self._driver.skip()
            elif until_ns is not None:
                self._supervisor.pump(until_ns)
                if self.now_ns() >= until_ns:
                    return None
            elif self.is_quiet:
                return None
            else:
                self._give_up(f"{turn}: no fault does that here")
        return super().advance(until_ns, is_healing_due=is_healing_due)

    def acknowledged(
        self, process: str, what: str, *, within_ns: int
    ) -> Optional[Mapping[str, Any]]:
        """It is held at its steps until its turn, so turns are taken meanwhile."""
        life = self._newest(process)
        while not self._is_free and what not in life.acknowledgements and not life.is_dead:
            turn = self._driver.next
            if turn is None:
                self._let_go()
            elif not self._is_of_the_nemesis(turn):
                self._drive()
            elif self._is_done(turn):
                self._driver.skip()
            else:
                break
            self._supervisor.pump(self.now_ns())
        return super().acknowledged(process, what, within_ns=within_ns)

    def raise_in_read(self, process: str) -> None:
        """Who raises in its slot has read the message where it lies, without the simulated copy."""
        for site in COPIES:
            self._driver.leave_out(process, site)
        super().raise_in_read(process)

    def at_step(self, process: str) -> Mapping[str, Any]:
        return self._gates.record_of(process)

    def _is_of_the_nemesis(self, turn: Turn) -> bool:
        return turn.kind in (STOPPED, CONTINUED, DIED, BEGAN)

    def _is_done(self, turn: Turn) -> bool:
        life = self._newest(turn.process)
        if turn.kind == DIED:
            return life.is_dead
        if turn.kind == BEGAN:
            return life.incarnation >= turn.occurrence
        return (turn.process in self._paused) == (turn.kind == STOPPED)

    def _drive(self) -> None:
        """Take the next turn."""
        turn = self._driver.next
        assert turn is not None
        try:
            if turn.kind == OP:
                self._driver.take()
            elif turn.kind == AT_STEP:
                self._come_to_step(turn)
            else:
                assert turn.kind in (HELD, ATTACHED), turn.kind
                self._come_out(turn)
        except Diverged as error:
            self._give_up(str(error))

    def _come_to_step(self, turn: Turn) -> None:
        life = self._newest(turn.process)
        self._driver.bring(life, turn)
        # It may have come there before the news of its start: no signal would reach it yet.
        await_effect(self._supervisor, lambda: life.pid is not None, "start", life)
        self._driver.skip()
        self._due = self._gates.came_to(turn)
        if self._gates.kills(turn.process):
            self.kill(turn.process)
        elif self._gates.stops(turn.process):
            self.pause(turn.process)

    def _come_out(self, turn: Turn) -> None:
        """It waits for the runner, between two operations or at its place."""
        life = self._newest(turn.process)
        if turn.kind == HELD or life.state != RUNNING:
            self._driver.bring_out(life, turn)
        if turn.kind == HELD:
            self._due = next((at for at in self._reached if at.process == turn.process), None)
            if self._due is None:
                raise Diverged(f"{turn}: it is {life.state}")
            self._reached.remove(self._due)
        self._driver.skip()
        life.start()

    def attach(self, process: str) -> str:
        if not self._lives[process]:
            plan = next(p for p in self._plan.processes if p.name == process)
            life = self._spawn(plan, 0, ops_before=0)
            self._drive_there(life)
            await_effect(self._supervisor, lambda: life.state in (READY, DEAD), "start", life)
            life.start()
            self._progress.restart()
        return self.state(process)

    def _await_ready(self, lives: Sequence[LiveProcess]) -> None:
        """Of a first life that is driven to its place only its turns say when it comes there."""
        for life in lives:
            if life.incarnation:
                self._drive_there(life)
        super()._await_ready(lives)

    def _drive_there(self, life: LiveProcess) -> None:
        """Take turns until it has its place, or the nemesis has something else to do."""
        while not self._is_free and life.state not in (READY, DEAD) and not self._due:
            turn = self._driver.next
            if turn is None or not self._gates.attaches(life):
                return
            if not self._is_of_the_nemesis(turn):
                self._drive()
            elif self._is_done(turn):
                self._driver.skip()
            else:
                return

    def _is_at_step(self, life: LiveProcess) -> bool:
        return self._gates.attaches(life) and not self._is_free

    def _give_up(self, why: str) -> None:
        self.diverged = why
        self._let_go()

    def _let_go(self) -> None:
        self._is_free = self._gates.are_open = True
        self._driver.let_all_go(self._current())
        self._progress.restart()


class _Gates(StepTriggers):
    """Every process is held at every step."""

    def __init__(self, plan: Plan, order: Order) -> None:
        super().__init__(plan)
        self._attaches = order.attaches
        self.are_open = False
        self._seen: Dict[str, Mapping[str, Any]] = {}

    def arming(self, process: str, incarnation: int, ops_before: int) -> Optional[Arming]:
        if self.are_open:
            return None
        is_driven_there = incarnation in self._attaches.get(process, ())
        moment = BEFORE_ATTACH if is_driven_there else BETWEEN_OPS
        return Arming(None, 1, TOKEN, moment, 0)

    def attaches(self, life: LiveProcess) -> bool:
        return life.incarnation in self._attaches.get(life.name, ())

    def newly_there(self, lives: Sequence[LiveProcess]) -> Sequence[AtStep]:
        return ()

    def look_ns(self) -> int:
        return NEVER

    def came_to(self, turn: Turn) -> AtStep:
        """The plan's trigger that this is."""
        trigger = self._open.pop(turn.process)
        self._seen[turn.process] = {
            "step": trigger.step,
            "occurrence": trigger.occurrence,
            "arrivals": 1,
            "last_step": turn.site,
            "last_occurrence": turn.occurrence,
            "is_there": (turn.site, turn.occurrence) == (trigger.step, trigger.occurrence),
        }
        return trigger

    def kills(self, process: str) -> bool:
        return self._actions.get(process) == KILL

    def record_of(self, process: str) -> Mapping[str, Any]:
        return self._seen.get(process, {"is_there": False, "arrivals": 0})

    def let_go(self, life: LiveProcess) -> bool:
        return False
