"""The live world of a run whose participants are driven through the order of an execution."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from sim.live.driver import ARRIVAL_NS, Diverged, Driver
from sim.live.process import DEAD, READY, LiveProcess
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

WAIT_NS = 2_000_000


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
        self.diverged: Optional[str] = None

    # What the nemesis drives.

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]:
        """Time is the order's: what the nemesis waits for comes when a turn says so."""
        while not self._is_free and not self._reached:
            turn = self._driver.next
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
            if turn is None or self._is_of_the_nemesis(turn):
                break
            self._drive()
            self._supervisor.pump(self.now_ns())
        return super().acknowledged(process, what, within_ns=within_ns)

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
            elif turn.kind == HELD:
                self._await(turn, lambda life: bool(self._reached))
                self._driver.skip()
            else:
                assert turn.kind == ATTACHED, turn.kind
                self._await(turn, lambda life: life.state in (READY, DEAD))
                self._driver.skip()
                self._newest(turn.process).start()
        except Diverged as error:
            self._give_up(str(error))

    def _come_to_step(self, turn: Turn) -> None:
        life = self._newest(turn.process)
        self._driver.bring(life, turn)
        self._driver.skip()
        trigger = self._gates.came_to(turn)
        self._reached.append(trigger)
        if self._gates.kills(turn.process):
            self.kill(turn.process)
        elif self._gates.stops(turn.process):
            self.pause(turn.process)

    def _await(self, turn: Turn, is_there: Callable[[LiveProcess], bool]) -> None:
        deadline_ns = time.monotonic_ns() + ARRIVAL_NS
        while not is_there(self._newest(turn.process)):
            now_ns = time.monotonic_ns()
            if now_ns >= deadline_ns:
                raise Diverged(f"{turn}: it does not come there")
            self._supervisor.pump(min(deadline_ns, now_ns + WAIT_NS))

    def _await_ready(self, lives: Sequence[LiveProcess]) -> None:
        """Whose way to its place is part of the order gets ready in its turns."""
        for life in lives:
            if not self._gates.attaches(life) or life.incarnation == 0:
                continue
            while not self._is_free and life.state not in (READY, DEAD):
                turn = self._driver.next
                if turn is None or self._reached:
                    break
                if self._is_of_the_nemesis(turn):
                    if not self._is_done(turn):
                        break
                    self._driver.skip()
                else:
                    self._drive()
        super()._await_ready(lives)

    def _is_at_step(self, life: LiveProcess) -> bool:
        return self._gates.attaches(life) and not self._is_free

    def _give_up(self, why: str) -> None:
        self.diverged = why
        self._let_go()

    def _let_go(self) -> None:
        self._is_free = True
        self._driver.let_all_go(self._current())
        self._progress.restart()


class _Gates(StepTriggers):
    """Every process is held at every step."""

    def __init__(self, plan: Plan, order: Order) -> None:
        super().__init__(plan)
        self._attaches = order.attaches
        self._seen: Dict[str, Mapping[str, Any]] = {}

    def arming(self, process: str, incarnation: int, ops_before: int) -> Optional[Arming]:
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
