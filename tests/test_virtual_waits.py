"""Every wait strategy, simulated: no wake is lost, and one that hardware loses is made good."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from cy_kernels import explore
from sim.virtual.schedulers import parse

IN_HARDWARE = ("mwaitx", "umwait", "wfe", "wfet")
STRATEGIES = (*IN_HARDWARE, "tpause", "adaptive", "park")
HOLD_NS = 20_000
EVENT_STREAM_NS = 100_000

every_model = pytest.mark.parametrize("model", explore.MODELS)
on_both_rings = pytest.mark.parametrize("ring", ["cursor_ring", "flag_ring"])


def simulation(
    ring: str, model: str, wait: str, *, messages: int = 2, mutant: Optional[str] = None
) -> Any:
    """One slot: from the second message on both sides wait for each other."""
    made = explore.Simulation(2, model=model)
    made.set_ring(ring, slots=1, slot_bytes=64, readers=1, sizes=(8,), mutant=mutant)
    made.set_writer(messages=messages, wait=wait)
    made.set_reader(1, rank=0, wait=wait)
    return made


def endings(made: Any, **how: Any) -> tuple[set[str], int, Any]:
    """What the executions ended with, the most waits that one of them had rescued, the search."""
    stops: set[str] = set()
    most = 0

    def note(simulation: Any) -> None:
        nonlocal most
        stops.add(simulation.stop)
        most = max(most, simulation.rescued)

    explored = made.explore_all(stops_at_first=False, on_execution=note, **how)
    return stops, most, explored


@every_model
@on_both_rings
@pytest.mark.parametrize("wait", STRATEGIES)
def test_no_execution_of_one_hand_off_loses_a_wake_or_needs_its_timer(
    ring: str, model: str, wait: str
) -> None:
    made = simulation(ring, model, wait, messages=1)
    # Views make these searches long: what deviates twice is theirs.
    is_long = model == "ra" and wait not in ("tpause", "mwaitx" if ring == "cursor_ring" else "")
    stops, rescued, explored = endings(made, **({"max_deviations": 2} if is_long else {}))
    assert stops == {"ended"}
    assert rescued == 0
    assert explored.is_complete != is_long


@every_model
@on_both_rings
@pytest.mark.parametrize("wait", STRATEGIES)
def test_no_wake_is_lost_where_both_sides_wait(ring: str, model: str, wait: str) -> None:
    stops, rescued, explored = endings(simulation(ring, model, wait), max_deviations=2)
    assert stops == {"ended"}
    assert rescued == 0
    assert explored.executions > 400


@every_model
@on_both_rings
@pytest.mark.parametrize("wait", IN_HARDWARE)
def test_without_the_recheck_somebody_waits_for_the_timer(
    ring: str, model: str, wait: str
) -> None:
    made = simulation(ring, model, wait, mutant="no-monitor-recheck")
    stops, rescued, _ = endings(made, max_deviations=2)
    assert stops == {"ended"}
    assert rescued > 0


@every_model
@on_both_rings
@pytest.mark.parametrize("wait", IN_HARDWARE)
def test_a_missed_wake_costs_at_most_the_timer(ring: str, model: str, wait: str) -> None:
    made = simulation(ring, model, wait)
    made.allow(missed_wakes=True, spurious_wakes=True)
    longest_ns = 0

    def note(simulation: Any) -> None:
        nonlocal longest_ns
        assert simulation.stop == "ended"
        longest_ns = max(longest_ns, simulation.clock_ns - begun_ns)

    made.begin()
    begun_ns = made.clock_ns
    explored = made.explore_all(
        reduce=False, max_deviations=2, stops_at_first=False, on_execution=note
    )
    assert explored.executions > 400
    span_ns = EVENT_STREAM_NS if wait == "wfe" else HOLD_NS
    # Two deviations are two missed wakes at most; the steps themselves take microseconds.
    assert span_ns <= longest_ns < 3 * span_ns


@on_both_rings
@pytest.mark.parametrize("wait", ["mwaitx", "umwait", "wfet"])
def test_a_missed_wake_without_a_timer_is_a_hang(ring: str, wait: str) -> None:
    made = simulation(ring, "tso", wait, mutant="no-monitor-timer")
    parse("random").choose(made)
    made.allow(missed_wakes=True)
    assert made.execute_many(1, 2_000)[0] < 2_000
    assert made.stop == "stuck"


def test_the_shutdown_of_a_ring_is_seen_although_it_is_stored_elsewhere() -> None:
    made = simulation("cursor_ring", "tso", "mwaitx", messages=0)
    made.begin()
    begun_ns = made.clock_ns
    made.start()
    assert made.go() == "ended"
    assert made.clock_ns - begun_ns <= 2 * HOLD_NS


@pytest.mark.parametrize("wait", IN_HARDWARE)
def test_an_hour_of_silence_takes_no_steps(wait: str) -> None:
    made = simulation("cursor_ring", "tso", wait)
    made.set_writer(messages=2, wait=wait, interval_ns=3600 * 10**9)
    made.begin()
    made.start()
    assert made.go() == "ended"
    assert made.clock_ns >= 3600 * 10**9
    assert made.steps < 1_000
