"""Swarm: one 64-bit seed draws a whole experiment, from the ring's geometry to who dies where.

First a phase of safety: faults fire at steps and nothing but the oracles is asked. Then all is
healed (the stopped continue, the dead of a cursor_ring start again, the slow are slow no more) and
liveness is demanded: everybody comes to an end, and every reader has had every message.

A flag_ring cannot be resumed after a death: there a death ends the demand for liveness.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from cy_kernels.explore import MODELS, STEPS, STRATEGIES, Simulation
from sim.virtual.schedulers import Scheduler

CURSOR_RING = "cursor_ring"
FLAG_RING = "flag_ring"
RINGS = (CURSOR_RING, FLAG_RING)

KILL = "kill"  # for good, or until all is healed
RESTART = "restart"  # killed, and started again some time later
STOP = "stop"  # stopped, continued some time later
SLOW = "slow"
RAISE = "raise"  # in the middle of a read

FOR_EVER_NS = (1 << 63) - 1
SAFETY_NS = 1_000_000_000  # virtual time until all is healed
SAFETY_STEPS = 20_000
DEADLINE_MIN_NS = 4_000  # a shorter one is missed and tried again all the time that others nap
LIVE_STEPS = 500_000  # an execution that is healed and takes more is not getting anywhere
FAIR = Scheduler("random")  # of the healed phase: by another, who retries can starve the rest
FLAG_HEADER_BYTES = 7
FINISHED = ("done", "absent")

_MASK = (1 << 64) - 1
_PARTS = {0: ("send", "end", "takeover"), 1: ("receive", "takeover")}  # of a ring, by role


@dataclass(frozen=True)
class Fault:
    kind: str
    victim: int
    step: int  # fires when the victim comes to it
    occurrence: int  # for that time within one operation
    after: int  # having completed so many operations
    for_ns: int  # RESTART, STOP: how long; SLOW: by how much an operation


@dataclass(frozen=True)
class Experiment:
    """What a seed drew. Process 0 writes, the others read."""

    seed: int
    model: str
    scheduler: Scheduler
    expected_choices: int
    ring: str
    slots: int
    slot_bytes: int
    sizes: Tuple[int, ...]  # bytes of each message
    waits: Tuple[str, ...]  # of each process
    think_ns: int
    interval_ns: int
    deadline_ns: int
    evicts: bool
    early_timers: bool
    spurious_wakes: bool
    patience: int
    faults: Tuple[Fault, ...]
    is_fenced: bool = True  # flag_ring's order; never drawn, and no mutant is
    mutant: Optional[str] = None


@dataclass(frozen=True)
class Outcome:
    experiment: Experiment
    finding: Optional[str]  # None: as it should be
    steps: int
    fired: int  # faults
    is_live: bool  # liveness was demanded


class Dice:
    """splitmix64: the same on every machine and interpreter."""

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK

    def below(self, count: int) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) * count) >> 64

    def between(self, first: int, last: int) -> int:
        return first + self.below(last - first + 1)

    def one_in(self, count: int) -> bool:
        return self.below(count) == 0

    def log_below(self, bits: int) -> int:
        """Every order of magnitude is as likely as the next."""
        return self.below(1 << self.between(1, bits))


def draw(
    seed: int,
    *,
    ring: Optional[str] = None,
    model: Optional[str] = None,
    scheduler: Optional[Scheduler] = None,
) -> Experiment:
    """The experiment of a seed. What is given is not drawn; the rest stays as it is."""
    dice = Dice(seed)
    drawn_ring = RINGS[dice.below(len(RINGS))]
    drawn_model = MODELS[dice.below(len(MODELS))]
    drawn_scheduler = _scheduler(dice)
    ring = ring or drawn_ring
    readers = dice.between(1, 4)
    messages = dice.between(1, 12)
    most = (8, 16, 64)[dice.below(3)]
    sizes = tuple(dice.between(0, most) for _ in range(messages))
    if dice.one_in(3):
        waits = (STRATEGIES[dice.below(len(STRATEGIES))],) * (1 + readers)
    else:
        waits = tuple(STRATEGIES[dice.below(len(STRATEGIES))] for _ in range(1 + readers))
    return Experiment(
        seed=seed,
        model=model or drawn_model,
        scheduler=scheduler or drawn_scheduler,
        expected_choices=1 << dice.between(5, 12),
        ring=ring,
        slots=dice.between(1, 4),
        slot_bytes=most + FLAG_HEADER_BYTES + dice.below(9),
        sizes=sizes,
        waits=waits,
        think_ns=dice.log_below(18) if dice.one_in(4) else 0,
        interval_ns=dice.log_below(18) if dice.one_in(4) else 0,
        deadline_ns=DEADLINE_MIN_NS + dice.log_below(20) if dice.one_in(3) else -1,
        evicts=dice.one_in(4) and ring == CURSOR_RING,
        early_timers=dice.one_in(2),
        spurious_wakes=dice.one_in(2),
        patience=dice.below(3),
        faults=tuple(_fault(dice, ring, readers, messages) for _ in range(dice.below(5))),
    )


def _scheduler(dice: Dice) -> Scheduler:
    name = ("random", "random", "pct", "pos", "delay")[dice.below(5)]
    depth = {"pct": dice.between(2, 6), "delay": dice.between(1, 10)}
    return Scheduler(name, depth.get(name, 0))


def _fault(dice: Dice, ring: str, readers: int, messages: int) -> Fault:
    victim = dice.between(0, readers)
    # A raise comes at a read, so a writer's is a stop.
    kind = (KILL, RESTART, STOP, SLOW, RAISE if victim else STOP)[dice.below(5)]
    if kind == RESTART and ring == FLAG_RING:
        kind = STOP
    steps = _steps_of(ring, min(victim, 1))
    return Fault(
        kind=kind,
        victim=victim,
        step=steps[dice.below(len(steps))],
        occurrence=dice.between(1, 2) if dice.one_in(4) else 1,
        after=dice.below(messages + 1),
        for_ns=dice.log_below(20),
    )


def _steps_of(ring: str, role: int) -> Sequence[int]:
    short = ring.split("_")[0]
    woken = "readers" if role == 0 else "writer"
    starts = [f"{short}.{part}." for part in _PARTS[role]]
    starts += ["wait.park.", "wait.backoff.", f"wake.{woken}.", f"{short}.detach."]
    starts += ["ring.end."] if role == 0 else []
    return [number for number, name in STEPS if name.startswith(tuple(starts))]


class Run:
    """One experiment as it goes on."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.simulation = prepared(experiment)
        self.waiting: List[Fault] = list(experiment.faults)  # not armed yet
        self.armed: List[Fault] = []
        self.later: List[Tuple[int, int, str]] = []  # when, whom, how it is healed
        self.killed: List[int] = []  # each, as often as it was
        self.fired = 0

    def execute(self) -> Outcome:
        simulation = self.simulation
        simulation.begin(self.experiment.seed)
        self._arm()
        simulation.start()
        finding = self._safety()
        is_live = self.experiment.ring == CURSOR_RING or not self.killed
        if finding is None:
            self._heal(LIVE_STEPS if is_live else SAFETY_STEPS)
            stop = self._go()
            finding = _objection(simulation) or (self._unlive(stop) if is_live else None)
        return Outcome(self.experiment, finding, simulation.steps, self.fired, is_live)

    def _go(self, until_ns: int = FOR_EVER_NS) -> str:
        while True:
            stop = self.simulation.go(until_ns)
            victim = self.simulation.reached
            if stop != "reached" or self.simulation.condition(victim)["held_for"] != "attached":
                return stop
            self.simulation.release(victim)  # a new life: nothing is done to it there

    def _safety(self) -> Optional[str]:
        while True:
            until_ns = self.later[0][0] if self.later else SAFETY_NS
            stop = self._go(until_ns)
            if stop == "reached":
                self._strike(self.simulation.reached)
            elif self.later and stop in ("in_time", "stuck"):
                when_ns, victim, how = heapq.heappop(self.later)
                self.simulation.pass_time(when_ns)
                self._undo(victim, how)
            else:
                return _objection(self.simulation)

    def _arm(self) -> None:
        """One fault a process at a time, in the order they were drawn."""
        for fault in list(self.waiting):
            if fault.victim not in [armed.victim for armed in self.armed]:
                self.simulation.arm(fault.victim, fault.step, fault.occurrence, fault.after)
                self.armed.append(fault)
                self.waiting.remove(fault)

    def _strike(self, victim: int) -> None:
        simulation = self.simulation
        fault = next(armed for armed in self.armed if armed.victim == victim)
        self.armed.remove(fault)
        self.fired += 1
        if fault.kind in (KILL, RESTART):
            simulation.kill(victim)
            self.killed.append(victim)
        elif fault.kind == STOP:
            simulation.pause(victim)
            simulation.release(victim)
        elif fault.kind == SLOW:
            simulation.slow(victim, fault.for_ns)
            simulation.release(victim)
        else:
            simulation.raise_in_read(victim)
            simulation.release(victim)
        if fault.kind in (RESTART, STOP):
            heapq.heappush(self.later, (simulation.clock_ns + fault.for_ns, victim, fault.kind))
        self._arm()

    def _undo(self, victim: int, how: str) -> None:
        if how == STOP:
            self.simulation.resume(victim)
        elif self.simulation.state(victim) == "dead":
            self.simulation.restart(victim)

    def _heal(self, steps: int) -> None:
        simulation = self.simulation
        for index in range(len(self.experiment.waits)):
            simulation.arm(index, 0)
            simulation.slow(index, 0)
            simulation.resume(index)
            if simulation.state(index) == "dead" and self.experiment.ring == CURSOR_RING:
                simulation.restart(index)
        simulation.limit(steps=simulation.steps + steps)
        FAIR.choose(simulation)

    def _unlive(self, stop: str) -> Optional[str]:
        simulation = self.simulation
        processes = range(len(self.experiment.waits))
        if stop != "ended":
            where = ", ".join(f"{index} {simulation.state(index)}" for index in processes)
            return f"{stop} though all is healed: {where}"
        for index in processes:
            if simulation.state(index) not in FINISHED:
                return f"process {index} is {simulation.state(index)} at the end"
        for reader in processes[1:]:
            if self.experiment.evicts and reader in self.killed:
                continue
            position = simulation.condition(reader)["position"]
            if position != len(self.experiment.sizes):
                return f"reader {reader} ended before message {position}"
        return None


def _objection(simulation: Simulation) -> Optional[str]:
    found = simulation.finding
    return None if found is None else f"{found[0]} at position {found[2]}, process {found[1]}"


def prepared(experiment: Experiment) -> Simulation:
    """Its machine, before the first step."""
    simulation = Simulation(len(experiment.waits), model=experiment.model)
    simulation.set_ring(
        experiment.ring,
        slots=experiment.slots,
        slot_bytes=experiment.slot_bytes,
        readers=len(experiment.waits) - 1,
        sizes=experiment.sizes,
        payload_seed=experiment.seed,
        is_fenced=experiment.is_fenced,
        mutant=experiment.mutant,
    )
    simulation.set_writer(
        wait=experiment.waits[0],
        messages=len(experiment.sizes),
        interval_ns=experiment.interval_ns,
        deadline_ns=experiment.deadline_ns,
        evicts=experiment.evicts,
    )
    for index, wait in enumerate(experiment.waits[1:], 1):
        simulation.set_reader(
            index,
            rank=index - 1,
            wait=wait,
            think_ns=experiment.think_ns,
            deadline_ns=experiment.deadline_ns,
        )
    simulation.allow(early_timers=experiment.early_timers, spurious_wakes=experiment.spurious_wakes)
    simulation.limit(steps=SAFETY_STEPS, patience=experiment.patience)
    experiment.scheduler.choose(simulation, experiment.expected_choices)
    return simulation


def execute(experiment: Experiment) -> Outcome:
    """Run it: the same experiment gives the same outcome."""
    return Run(experiment).execute()
