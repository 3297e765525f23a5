"""The nemesis against a scripted stage: what it does when, and that it heals whatever happens."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Dict, List, Optional, Tuple

import pytest
from live_plans import injection

from sim.abc import Capability, Evidence
from sim.errors import WorldError
from sim.history.op import HEAL, INJECT, Op
from sim.nemesis import provoke
from sim.scenario.plan import AfterOps, AtTime
from sim.testing.literal_plan import MS

START_NS = 1_000_000 * MS + 1  # odd and large, so that a mixed-up clock shows


@dataclasses.dataclass
class ScriptedStage:
    """A stage whose clock jumps; `ends_ns` is when its processes end by themselves."""

    ends_ns: int = START_NS + 1_000 * MS
    reaches: List[Tuple[int, AfterOps]] = dataclasses.field(default_factory=list)
    cut_short_ns: Optional[int] = None
    states: Dict[str, str] = dataclasses.field(default_factory=dict)
    did: List[Tuple[str, str]] = dataclasses.field(default_factory=list)
    ops: List[Op] = dataclasses.field(default_factory=list)
    clock_ns: int = START_NS

    def start(self) -> int:
        return self.clock_ns

    def now_ns(self) -> int:
        return self.clock_ns

    def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[AfterOps]:
        times = [at_ns for at_ns, _ in self.reaches[:1]]
        times += [until_ns] if until_ns is not None else []
        if self.cut_short_ns is not None:
            times.append(self.cut_short_ns)
        if not is_healing_due or self.clock_ns < self.ends_ns:
            times.append(self.ends_ns)
        self.clock_ns = max(self.clock_ns, min(times))
        if self.reaches and self.reaches[0][0] <= self.clock_ns:
            return self.reaches.pop(0)[1]
        return None

    @property
    def is_cut_short(self) -> bool:
        return self.cut_short_ns is not None and self.clock_ns >= self.cut_short_ns

    @property
    def is_quiet(self) -> bool:
        return self.clock_ns >= self.ends_ns

    def state(self, process: str) -> str:
        return self.states.get(process, "exited:0" if self.is_quiet else "running")

    def release(self, process: str) -> None:
        self.did.append(("release", process))

    def record(self, op: Op) -> None:
        self.ops.append(op)

    def seen(self) -> List[Tuple[str, int, bool]]:
        """What was recorded: kind, injection, whether proven."""
        return [
            (op.f, op.detail["injection"], op.detail["fired" if op.f == INJECT else "healed"])
            for op in self.ops
            if op.detail is not None
        ]


@dataclasses.dataclass(frozen=True)
class Scripted:
    name: str = "a"
    target: str = "reader"
    heals: bool = True
    fatal: bool = False
    inject_raises: Optional[Exception] = None
    heal_raises: Optional[Exception] = None
    requires: frozenset = frozenset()
    alias: ClassVar[str] = "scripted"

    def inject(self, stage: Any) -> Evidence:
        stage.did.append(("inject", self.name))
        if self.inject_raises is not None:
            raise self.inject_raises
        if self.fatal:
            stage.states[self.target] = "signalled:SIGKILL"
        return Evidence(True, "seen", {"extra": 1})

    def heal(self, stage: Any) -> Evidence:
        stage.did.append(("heal", self.name))
        if self.heal_raises is not None:
            raise self.heal_raises
        stage.states.pop(self.target, None)
        return Evidence(True, "seen")


def at_ms(ms: int) -> AtTime:
    return AtTime(ms * MS)


def test_a_timed_fault_fires_at_its_time_and_heals_after_its_time():
    stage = ScriptedStage()
    provoke(stage, [injection(Scripted(), at_ms(100), heal_after_ns=50 * MS)])
    assert [(op.f, op.time_ns - START_NS) for op in stage.ops] == [
        (INJECT, 100 * MS),
        (HEAL, 150 * MS),
    ]
    assert stage.ops[0].detail == {
        "injection": 0,
        "alias": "scripted",
        "target": "reader",
        "fired": True,
        "evidence": {"what": "seen", "extra": 1},
    }


def of_a_start(name: str = "a") -> Scripted:
    return Scripted(name, heals=False, requires=frozenset({Capability.LAUNCH}))


def test_what_a_program_was_started_into_fires_although_it_has_ended_of_it():
    stage = ScriptedStage(ends_ns=START_NS)
    provoke(stage, [injection(of_a_start(), at_ms(0))])
    assert stage.did == [("inject", "a")] and stage.seen() == [(INJECT, 0, True)]


def test_what_comes_to_a_program_later_does_not_fire_once_it_has_ended():
    stage = ScriptedStage(states={"reader": "exited:0"})
    provoke(stage, [injection(of_a_start(), at_ms(1))])
    assert stage.did == [] and stage.seen() == [(INJECT, 0, False)]


def test_faults_fire_in_the_order_of_their_times_not_of_the_file():
    stage = ScriptedStage()
    provoke(
        stage,
        [
            injection(Scripted("late", heals=False), at_ms(200), index=0),
            injection(Scripted("early", heals=False), at_ms(100), index=1),
        ],
    )
    assert stage.did == [("inject", "early"), ("inject", "late")]


def test_a_triggered_fault_fires_before_the_process_is_let_go():
    trigger = AfterOps("reader", 5)
    stage = ScriptedStage(reaches=[(START_NS + 30 * MS, trigger)])
    provoke(stage, [injection(Scripted(heals=False), trigger)])
    assert stage.did == [("inject", "a"), ("release", "reader")]


def test_a_process_is_let_go_also_when_the_injection_has_a_bug():
    trigger = AfterOps("reader", 5)
    stage = ScriptedStage(reaches=[(START_NS, trigger)])
    with pytest.raises(ZeroDivisionError):
        provoke(stage, [injection(Scripted(inject_raises=ZeroDivisionError()), trigger)])
    assert stage.did == [("inject", "a"), ("release", "reader"), ("heal", "a")]


def test_of_two_faults_at_one_trigger_the_one_that_needs_it_to_go_on_comes_last():
    trigger = AfterOps("reader", 5)
    raises = Scripted("raise", heals=False, requires=frozenset({Capability.RAISE}))
    stage = ScriptedStage(reaches=[(START_NS, trigger)])
    other = Scripted("other", heals=False)
    provoke(stage, [injection(raises, trigger), injection(other, trigger, index=1)])
    assert stage.did[:2] == [("inject", "other"), ("inject", "raise")]


def test_an_injection_that_the_world_refuses_did_not_fire_and_is_healed_all_the_same():
    stage = ScriptedStage()
    refused = Scripted(inject_raises=WorldError("kill", pid=7))
    provoke(stage, [injection(refused, at_ms(1), heal_after_ns=MS)])
    assert stage.seen() == [(INJECT, 0, False), (HEAL, 0, True)]
    assert "kill failed: pid 7" in stage.ops[0].detail["evidence"]["what"]


def test_a_heal_that_the_world_refuses_is_not_healed():
    stage = ScriptedStage()
    refused = Scripted(heal_raises=WorldError("kill"))
    provoke(stage, [injection(refused, at_ms(1), heal_after_ns=MS)])
    assert stage.seen() == [(INJECT, 0, True), (HEAL, 0, False)]


def test_without_a_time_of_its_own_it_is_healed_when_nothing_moves():
    stage = ScriptedStage()
    provoke(stage, [injection(Scripted(), at_ms(100))])
    assert [(op.f, op.time_ns - START_NS) for op in stage.ops] == [
        (INJECT, 100 * MS),
        (HEAL, 1_000 * MS),
    ]


def test_a_dead_target_waits_for_its_heal_after_everybody_else_has_ended():
    stage = ScriptedStage()
    fatal = Scripted(fatal=True)
    provoke(stage, [injection(fatal, at_ms(900), heal_after_ns=500 * MS)])
    assert [(op.f, op.time_ns - START_NS) for op in stage.ops] == [
        (INJECT, 900 * MS),
        (HEAL, 1_400 * MS),
    ]


def test_a_fault_whose_target_ended_by_itself_is_healed_without_waiting():
    stage = ScriptedStage()
    provoke(stage, [injection(Scripted(), at_ms(900), heal_after_ns=60_000 * MS)])
    assert [(op.f, op.time_ns - START_NS) for op in stage.ops] == [
        (INJECT, 900 * MS),
        (HEAL, 1_000 * MS),
    ]


def test_a_run_that_is_cut_short_is_healed_at_its_end():
    stage = ScriptedStage(cut_short_ns=START_NS + 300 * MS)
    provoke(stage, [injection(Scripted(), at_ms(100), heal_after_ns=5_000 * MS)])
    assert [(op.f, op.time_ns - START_NS) for op in stage.ops] == [
        (INJECT, 100 * MS),
        (HEAL, 300 * MS),
    ]


@pytest.mark.parametrize("error", [WorldError("pump"), KeyboardInterrupt(), ZeroDivisionError()])
def test_heals_exactly_once_when_the_world_dies_mid_fault(error):
    class Dying(ScriptedStage):
        def advance(self, until_ns: Optional[int], *, is_healing_due: bool) -> Optional[AfterOps]:
            if is_healing_due:
                raise error
            return super().advance(until_ns, is_healing_due=is_healing_due)

    stage = Dying()
    with pytest.raises(type(error)):
        provoke(stage, [injection(Scripted(), at_ms(100), heal_after_ns=50 * MS)])
    assert stage.did == [("inject", "a"), ("heal", "a")]


def test_a_bug_in_one_heal_does_not_keep_the_others_from_being_healed():
    stage = ScriptedStage(cut_short_ns=START_NS + 300 * MS)
    faults = [
        injection(Scripted("bug", heal_raises=ZeroDivisionError()), at_ms(1)),
        injection(Scripted("fine"), at_ms(2), index=1),
    ]
    with pytest.raises(ZeroDivisionError):
        provoke(stage, faults)
    assert stage.did[2:] == [("heal", "bug"), ("heal", "fine")]


def test_a_fault_whose_target_has_ended_does_not_fire_and_is_not_tried():
    stage = ScriptedStage(states={"reader": "exited:0"})
    provoke(stage, [injection(Scripted(), at_ms(1))])
    assert stage.seen() == [(INJECT, 0, False)]
    assert stage.did == []


def test_what_never_had_its_turn_is_said_in_the_order_of_the_plan():
    stage = ScriptedStage()
    provoke(
        stage,
        [
            injection(Scripted(), AfterOps("reader", 9), index=0),
            injection(Scripted(), at_ms(5_000), index=1),
        ],
    )
    assert stage.seen() == [(INJECT, 0, False), (INJECT, 1, False)]


class Planted(Scripted):
    is_proven_at_end: ClassVar[bool] = True


def test_what_was_planted_is_asked_when_the_run_is_over_and_holds_since_its_time():
    stage = ScriptedStage()
    faults = [
        injection(Planted("planted", heals=False), at_ms(100)),
        injection(Scripted("other"), at_ms(200), heal_after_ns=50 * MS, index=1),
        injection(Planted("never", heals=False), AfterOps("reader", 9), index=2),
    ]
    provoke(stage, faults)
    assert stage.did == [("inject", "other"), ("heal", "other"), ("inject", "planted")]
    injected = [op for op in stage.ops if op.f == INJECT]
    told = {op.detail["injection"]: (op.time_ns - START_NS, op.detail["fired"]) for op in injected}
    assert told == {0: (100 * MS, True), 1: (200 * MS, True), 2: (1_000 * MS, False)}


def test_what_was_planted_and_cannot_be_asked_has_not_fired():
    stage = ScriptedStage(cut_short_ns=START_NS + 300 * MS)
    unheard = Planted(heals=False, inject_raises=WorldError("find"))
    provoke(stage, [injection(unheard, at_ms(100))])
    assert stage.seen() == [(INJECT, 0, False)]
