"""Swarm: a seed is an experiment; sound rings survive it, planted bugs do not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Optional

import pytest

from cy_kernels import explore
from sim.virtual import swarm
from sim.virtual.schedulers import Scheduler

SEEDS = 400
STEPS_AT_LEAST = 100_000  # of SEEDS experiments of one ring and model


@pytest.mark.parametrize("ring", swarm.RINGS)
@pytest.mark.parametrize("model", explore.MODELS)
def test_a_sound_ring_survives_the_swarm(ring: str, model: str) -> None:
    outcomes = [swarm.execute(swarm.draw(seed, ring=ring, model=model)) for seed in range(SEEDS)]
    assert [each for each in outcomes if each.finding is not None] == []
    assert sum(each.steps for each in outcomes) > STEPS_AT_LEAST
    assert sum(each.fired for each in outcomes) > SEEDS // 4
    assert sum(each.is_live for each in outcomes) > SEEDS // 2


def test_the_same_seed_is_the_same_experiment_with_the_same_outcome() -> None:
    for seed in (0, 1, 2**63 + 11, 2**64 - 1):
        first, second = (swarm.execute(swarm.draw(seed)) for _ in range(2))
        assert first == second


def test_what_is_given_is_not_drawn_and_the_rest_stays() -> None:
    drawn = swarm.draw(5)
    given = swarm.draw(5, model="sc", scheduler=Scheduler("pos"))
    assert given == dataclasses.replace(drawn, model="sc", scheduler=Scheduler("pos"))


def test_everything_that_can_be_drawn_is_drawn() -> None:
    drawn = [swarm.draw(seed) for seed in range(2_000)]
    faults = [fault for each in drawn for fault in each.faults]
    assert {each.ring for each in drawn} == set(swarm.RINGS)
    assert {each.model for each in drawn} == set(explore.MODELS)
    assert {len(each.waits) for each in drawn} == {2, 3, 4, 5}
    assert {wait for each in drawn for wait in each.waits} == set(explore.STRATEGIES)
    assert {each.scheduler.name for each in drawn} == {"random", "pct", "pos", "delay"}
    kinds = Counter(fault.kind for fault in faults)
    assert set(kinds) == {"kill", "restart", "stop", "slow", "raise"}
    assert min(kinds.values()) > 100
    # A flag_ring cannot be resumed, so nobody is started again there.
    assert not [
        f for each in drawn if each.ring == "flag_ring" for f in each.faults if f.kind == "restart"
    ]


def first_finding(
    ring: str, model: str, *, is_fenced: bool = True, mutant: Optional[str] = None
) -> Optional[str]:
    for seed in range(5_000):
        drawn = swarm.draw(seed, ring=ring, model=model)
        planted = dataclasses.replace(drawn, is_fenced=is_fenced, mutant=mutant)
        finding = swarm.execute(planted).finding
        if finding is not None:
            return finding
    return None


@pytest.mark.parametrize("mutant", ["flag-before-data", "release-before-read", "no-data-fence"])
def test_the_swarm_finds_what_tears(mutant: str) -> None:
    finding = first_finding("flag_ring", "pso", mutant=mutant)
    assert finding is not None
    assert finding.split()[0] in ("torn", "wrong-length", "wrong-message")


@pytest.mark.parametrize("ring", swarm.RINGS)
@pytest.mark.parametrize("mutant", ["event-after-parked", "no-recheck", "no-waker-fence"])
def test_the_swarm_finds_lost_wake_ups_once_all_is_healed(ring: str, mutant: str) -> None:
    finding = first_finding(ring, "tso", mutant=mutant)
    assert finding is not None
    assert finding.startswith("stuck though all is healed: ")
    assert "parked" in finding


def test_the_swarm_finds_flag_ring_as_shipped_under_store_reordering() -> None:
    assert first_finding("flag_ring", "pso", is_fenced=False) is not None


def dead_for_good(seed: int) -> swarm.Experiment:
    """Reader 1 is killed at its first read, and started again only when all is healed."""
    drawn = swarm.draw(seed, ring="cursor_ring", model="tso", scheduler=Scheduler("random"))
    step = dict((name, number) for number, name in explore.STEPS)["cursor.receive.load_length"]
    fault = swarm.Fault("kill", victim=1, step=step, occurrence=1, after=0, for_ns=0)
    return dataclasses.replace(drawn, faults=(fault,), evicts=False)


def test_the_dead_are_started_again_and_have_every_message(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = dead_for_good(3)
    outcome = swarm.execute(experiment)
    assert (outcome.finding, outcome.fired, outcome.is_live) == (None, 1, True)
    # Not healed, the same experiment does not come to its end: liveness is asked, and can fail.
    monkeypatch.setattr(swarm.Run, "_heal", lambda self, steps: None)
    unhealed = swarm.execute(experiment).finding
    assert unhealed is not None
    assert "dead" in unhealed or "before message" in unhealed
