"""Injects faults on schedule, proves that they fired, and heals them, always."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

from sim.abc import Capability, Evidence, World
from sim.errors import WorldError
from sim.history.op import HEAL, INFO, INJECT, Op
from sim.scenario.plan import AfterOps, AtProbe, AtStep, AtTime, Injection, Place

NEMESIS = "nemesis"


class Stage(World, Protocol):
    """A world as the nemesis drives it. LiveWorld says what each of these means, VirtualWorld means
    the same."""

    def start(self) -> int: ...

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[Place]: ...

    @property
    def is_cut_short(self) -> bool: ...

    @property
    def is_quiet(self) -> bool: ...

    def release(self, process: str) -> None: ...

    def record(self, op: Op) -> None: ...


def provoke(stage: Stage, injections: Sequence[Injection]) -> None:
    """Start the processes, break the world as planned, and return when the run is over.

    What fired is healed before this returns, also when it raises.
    """
    nemesis = Nemesis(stage, injections)
    try:
        nemesis.drive()
    finally:
        nemesis.heal_all()
    nemesis.ask_the_planted()
    nemesis.give_up_on_rest()


@dataclass
class _Active:
    """A fault that fired and is not healed yet."""

    injection: Injection
    heal_at_ns: Optional[int]  # None: when nothing else moves, or at the end


@dataclass
class Nemesis:
    stage: Stage
    injections: Sequence[Injection]
    _timed: List[Tuple[int, Injection]] = field(default_factory=list)  # absolute, earliest first
    _triggered: Dict[Place, List[Injection]] = field(default_factory=dict)
    _active: List[_Active] = field(default_factory=list)
    _planted: List[Tuple[int, Injection]] = field(default_factory=list)  # since when

    def drive(self) -> None:
        """Until the run is over; what is to be healed at the end is not healed yet."""
        self.start()
        for injection in self.injections:
            if _holds_from_the_start(injection):
                self._inject(injection)
        while not self.is_done():
            reached = self.stage.advance(self.next_due_ns(), is_healing_due=self.is_healing_due())
            if reached is not None:
                self.act_on(reached)
            self.act_on_time()
            if self.stage.is_quiet:
                self.settle()

    def start(self) -> None:
        for injection in self.injections:
            if isinstance(injection.trigger, (AfterOps, AtStep, AtProbe)):
                self._triggered.setdefault(injection.trigger, []).append(injection)
        start_ns = self.stage.start()
        timed = [
            injection
            for injection in self.injections
            if isinstance(injection.trigger, AtTime) and not _holds_from_the_start(injection)
        ]
        self._timed = [(start_ns + i.trigger.time_ns, i) for i in timed]  # type: ignore[union-attr]
        self._timed.sort(key=lambda entry: entry[0])

    def is_done(self) -> bool:
        return self.stage.is_cut_short or (self.stage.is_quiet and not self._active)

    def next_due_ns(self) -> Optional[int]:
        heals = [a.heal_at_ns for a in self._active if a.heal_at_ns is not None]
        return min([*heals, *(at_ns for at_ns, _ in self._timed[:1])], default=None)

    def is_healing_due(self) -> bool:
        return any(active.heal_at_ns is not None for active in self._active)

    def act_on(self, reached: Place) -> None:
        """Inject what waits for this trigger while the process is held there, then let it go."""
        waiting = self._triggered.pop(reached, [])
        # To raise in a read the process must be let go, so that comes last.
        waiting.sort(key=lambda injection: Capability.RAISE in injection.fault.requires)
        try:
            for injection in waiting:
                self._inject(injection)
        finally:
            self.stage.release(reached.process)

    def act_on_time(self) -> None:
        now_ns = self.stage.now_ns()
        while self._timed and self._timed[0][0] <= now_ns:
            self._inject(self._timed.pop(0)[1])
        for active in list(self._active):
            if active.heal_at_ns is not None and active.heal_at_ns <= now_ns:
                self._heal(active)

    def settle(self) -> None:
        """Nothing moves by itself any more: heal what has no time of its own, and what has lost
        its target for good. A target that a fault killed waits for its heal."""
        for active in list(self._active):
            state = self.stage.state(active.injection.fault.target)
            has_left = state.startswith("exited") or (
                state.startswith("signalled") and not active.injection.fault.fatal
            )
            if active.heal_at_ns is None or has_left:
                self._heal(active)

    def heal_all(self) -> None:
        """A bug in one heal does not keep the others from being healed."""
        bugs: List[BaseException] = []
        for active in list(self._active):
            try:
                self._heal(active)
            except Exception as bug:
                bugs.append(bug)
        if bugs:
            raise bugs[0]

    def ask_the_planted(self) -> None:
        """What the target was to come to by itself: now it has, or never did."""
        for began_ns, injection in self._planted:
            self._record(INJECT, injection, self._evidence(injection), began_ns)

    def give_up_on_rest(self) -> None:
        """What never had its turn did not fire, and the history says so."""
        rest = [*(i for _, i in self._timed), *(i for w in self._triggered.values() for i in w)]
        for injection in sorted(rest, key=lambda injection: injection.index):
            said = "the run was over before its time or its trigger came"
            if isinstance(injection.trigger, AtStep):
                # As at_step says it; who never came to its step has nothing else to say.
                step = {"step": injection.trigger.step, "occurrence": injection.trigger.occurrence}
                why = Evidence(False, said, {**step, "is_there": False})
            else:
                why = Evidence(False, said)
            self._record(INJECT, injection, why, self.stage.now_ns())

    def _inject(self, injection: Injection) -> None:
        fault = injection.fault
        began_ns = self.stage.now_ns()
        state = self.stage.state(fault.target)
        # Then its death may be what the fault has done.
        is_its_own = hasattr(fault, "step_action") or _holds_from_the_start(injection)
        if not is_its_own and state.startswith(("exited", "signalled")):
            evidence = Evidence(False, f"{fault.target} had already ended: {state}")
        elif getattr(fault, "is_proven_at_end", False):
            self._planted.append((began_ns, injection))
            return
        else:
            if fault.heals:
                # Before the attempt: what half happened is healed too.
                self._active.append(_Active(injection, self._heal_at_ns(injection, began_ns)))
            evidence = self._evidence(injection)
        self._record(INJECT, injection, evidence, began_ns)

    def _evidence(self, injection: Injection) -> Evidence:
        try:
            return injection.fault.inject(self.stage)
        except WorldError as error:
            return Evidence(False, str(error))

    def _heal_at_ns(self, injection: Injection, began_ns: int) -> Optional[int]:
        if injection.heal_after_ns is not None:
            return began_ns + injection.heal_after_ns
        restart_after_ns: Optional[int] = getattr(injection.fault, "restart_after_ns", None)
        return None if restart_after_ns is None else began_ns + restart_after_ns

    def _heal(self, active: _Active) -> None:
        self._active.remove(active)
        try:
            evidence = active.injection.fault.heal(self.stage)
        except WorldError as error:
            evidence = Evidence(False, str(error))
        # Stamped after the fact: what follows it happened in a healed world.
        self._record(HEAL, active.injection, evidence, self.stage.now_ns())

    def _record(self, f: str, injection: Injection, evidence: Evidence, time_ns: int) -> None:
        detail: Mapping[str, Any] = {
            "injection": injection.index,
            "alias": injection.fault.alias,
            "target": injection.fault.target,
            ("fired" if f == INJECT else "healed"): evidence.proven,
            "evidence": {"what": evidence.what, **evidence.data},
        }
        self.stage.record(Op(time_ns, NEMESIS, 0, INFO, f, detail=detail))


def _holds_from_the_start(injection: Injection) -> bool:
    """A program was started into it, and may have ended of it before anybody looks."""
    is_of_the_start = Capability.LAUNCH in injection.fault.requires
    return is_of_the_start and injection.trigger == AtTime(0)
