"""From a simulated execution that stopped to one named hang class, proven by intervening.

The classifier sees what the processes are at and what becomes of interventions, and nothing else:
no fault, no plan. Each class is proven by the change that would have let somebody go on.
"""

from __future__ import annotations

from typing import Callable, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from sim.hang.classes import Hang
from sim.hang.counterfactual import OVER, Bring, Evidence, Trial, cycle_of
from sim.hang.waits import Namer, circle, peers_of, waits_of
from sim.history.hang_class import MEANINGS, HangClass

STEPS_MAX = 50_000  # of one trial: who has not got anywhere by then does not
LOOKED_AT = 1_000  # steps of a trial after each of which memory is compared


class Cure(NamedTuple):
    """An intervention that lets others get on: the process that it concerns, and whom it frees."""

    kind: HangClass
    actors: FrozenSet[int]
    freed: FrozenSet[int]


def classify(
    bring: Bring,
    names: Sequence[str] = (),
    steps: Optional[Mapping[int, str]] = None,
    steps_max: int = STEPS_MAX,
) -> Optional[Hang]:
    """What kind of hang an execution stopped in; None: it is none, somebody still gets on.

    `bring` makes the execution again, up to where it stopped, and gives the simulation. `names`:
    of the processes, for people; `steps`: names of the protocol's. `steps_max`: of each trial.
    """
    simulation = bring()
    if simulation.stop not in ("stuck", "out_of_steps", "in_time"):
        return None
    namer = Namer(simulation, names, steps or {})
    case = Case(bring, namer, simulation.evidence(), steps_max)
    return case.judge(simulation.stop == "stuck")


class Case:
    """One stopped execution under examination."""

    def __init__(
        self, bring: Bring, namer: Namer, evidence: List[Evidence], steps_max: int
    ) -> None:
        self.bring = bring
        self.namer = namer
        self.evidence = evidence
        self.steps_max = steps_max
        self.stopped = self.those(lambda each: each["is_stopped"])
        self.dead = self.those(lambda each: each["state"] == "dead")
        self.waiters = self.those(lambda each: each["state"] not in OVER and not each["is_stopped"])

    def those(self, holds: Callable[[Evidence], bool]) -> Set[int]:
        return {index for index, each in enumerate(self.evidence) if holds(each)}

    def judge(self, is_stuck: bool) -> Optional[Hang]:
        if not is_stuck and self.freed_by(()):
            return self.livelock(others_get_on=True)
        if not self.waiters:
            return self.stopped_alone()
        cures = [*self.lost_wakeups(), *self.missing_peers()]
        if cures:
            return self.cured(max(cures, key=lambda cure: len(cure.freed)))
        if is_stuck:
            return self.deadlock("nothing can move, every store is visible, no timer is left")
        return self.livelock(others_get_on=False)

    def freed_by(self, actors: Sequence[int]) -> FrozenSet[int]:
        """The waiters that get further once the stopped and dead among `actors` go on."""
        trial = Trial(self.bring, self.steps_max)
        trial.free(actors)
        trial.go()
        return frozenset(trial.progressed() & self.waiters)

    # Lost wake-ups: one process is woken, and nobody else does anything.

    def lost_wakeups(self) -> List[Cure]:
        lost = frozenset(i for i in self.waiters if self.has_lost_its_wakeup(i))
        if not lost:
            return []
        trial = Trial(self.bring, self.steps_max)
        for index in lost:
            trial.simulation.wake(index)
        trial.go()
        freed = frozenset(trial.progressed() & self.waiters)
        return [Cure(HangClass.LOST_WAKEUP, lost, freed)]

    def has_lost_its_wakeup(self, index: int) -> bool:
        one = self.evidence[index]
        futex = one["futex"]
        if futex is None:
            return False
        trial = Trial(self.bring, self.steps_max)
        trial.simulation.wake(index)
        trial.leave_only([index])
        trial.go()
        if index not in trial.progressed():
            return False
        has_happened = futex["value"] != futex["seen"] or futex["unheard_wakes"] > 0
        if not one["retries"] and not has_happened:
            return False  # it would believe any wake-up, so getting on proves nothing
        return not any(self.owes_a_wakeup(peer, index) for peer in self.stopped | self.dead)

    def owes_a_wakeup(self, peer: int, sleeper: int) -> bool:
        """Whether the peer would wake the sleeper yet, by what it does alone."""
        trial = Trial(self.bring, self.steps_max)
        trial.free([peer])
        trial.leave_only([peer])
        trial.go()
        return bool(trial.simulation.state(sleeper) != "parked")

    # Peers that are missing: the fewest that have to go on.

    def missing_peers(self) -> List[Cure]:
        missing = sorted(self.stopped | self.dead)
        cures = [(frozenset([peer]), self.freed_by([peer])) for peer in missing]
        cures = [(peers, freed) for peers, freed in cures if freed]
        if not cures and len(missing) > 1:
            cures = self.missing_together(missing)
        return [Cure(self.kind_of(peers), peers, freed) for peers, freed in cures]

    def missing_together(self, missing: List[int]) -> List[Tuple[FrozenSet[int], FrozenSet[int]]]:
        freed = self.freed_by(missing)
        if not freed:
            return []
        needed = list(missing)
        for peer in missing:
            fewer = [each for each in needed if each != peer]
            if fewer and self.freed_by(fewer):
                needed = fewer
        return [(frozenset(needed), self.freed_by(needed))]

    def kind_of(self, peers: FrozenSet[int]) -> HangClass:
        return HangClass.PEER_DEAD if peers & self.dead else HangClass.PEER_STOPPED

    # What is said of each class.

    def hang(
        self, kind: HangClass, who: Sequence[int], peers: Sequence[int], why: str, proof: str
    ) -> Hang:
        waits = waits_of(self.evidence, self.waiters, self.namer)
        names = self.namer
        return Hang(kind, names.all(who), names.all(peers), why, proof, tuple(waits))

    def cured(self, cure: Cure) -> Hang:
        actors, freed = sorted(cure.actors), sorted(cure.freed)
        them, others = self.namer.listed(actors), self.namer.listed(freed)
        if cure.kind is HangClass.LOST_WAKEUP:
            return self.hang(
                cure.kind,
                actors,
                [],
                f"{them} sleeps on {self.words(actors)} though it could go on, and nobody owes it "
                "a wake-up",
                f"woken while everybody else stood still, {them} got further; no stopped or dead "
                f"process would have woken it; then {others} got further",
            )
        is_dead = cure.kind is HangClass.PEER_DEAD
        return self.hang(
            cure.kind,
            freed,
            actors,
            f"{others} waits for {them}, {'dead' if is_dead else 'stopped'} at "
            f"{', '.join(self.namer.step(self.evidence[i]) for i in actors)}",
            f"had {them} lived on, {others} would have got further; otherwise nobody does"
            if is_dead
            else f"when {them} goes on, {others} gets further; otherwise nobody does",
        )

    def words(self, sleepers: Sequence[int]) -> str:
        return ", ".join(
            self.namer.location(self.evidence[i], self.evidence[i]["futex"]["offset"])
            for i in sleepers
        )

    def stopped_alone(self) -> Optional[Hang]:
        """Nobody waits; those that are not over are stopped themselves."""
        if not self.stopped:
            return None
        trial = Trial(self.bring, self.steps_max)
        trial.free(self.stopped)
        trial.go()
        stopped = sorted(trial.progressed() & self.stopped)
        if not stopped:
            return None
        return self.hang(
            HangClass.PEER_STOPPED,
            [],
            stopped,
            f"{self.namer.listed(stopped)} is stopped, and everybody else is done",
            "it gets further when it goes on",
        )

    def deadlock(self, how_it_ended: str) -> Hang:
        ring = circle(self.evidence, self.waiters)
        who = sorted(ring or self.waiters)
        peers = sorted({peer for each in who for peer in peers_of(self.evidence, each)})
        why = f"{self.namer.listed(who)} waits for what nobody is left to do"
        if ring:
            why = " waits for ".join(self.namer.all([*ring, ring[0]]))
        return self.hang(
            HangClass.DEADLOCK,
            who,
            peers,
            why,
            f"{how_it_ended}; no wake-up and nobody that is stopped or dead lets anybody get "
            "further",
        )

    def livelock(self, others_get_on: bool) -> Optional[Hang]:
        cycle = cycle_of(self.bring, self.steps_max)
        if cycle is None and others_get_on:
            return None
        if cycle is not None:
            proof = (
                f"everybody a step in turn, memory, registers and places recur every {cycle.steps} "
                "steps and nobody gets further"
            )
            changes = cycle.changes_memory
        else:
            proof = f"nobody gets further in {self.steps_max} steps of a fair random schedule"
            changes = self.memory_changes()
        if others_get_on:
            proof += "; another schedule lets somebody go"
        if not changes:
            return self.deadlock(f"memory never changes; {proof}")
        turning = sorted(self.waiters)
        return self.hang(
            HangClass.LIVELOCK,
            turning,
            turning,
            f"{self.namer.listed(turning)}: {MEANINGS[HangClass.LIVELOCK]}",
            proof,
        )

    def memory_changes(self) -> bool:
        trial = Trial(self.bring, self.steps_max)
        trial.go()
        return trial.changes_memory(LOOKED_AT)
