"""The simulated monitor and wait of MONITOR, UMONITOR and their kin, with what hardware may do."""

from __future__ import annotations

from typing import Any

import pytest

from cy_kernels import explore

LOOKS_AFTER_ARMING = [
    ("monitor", 0),
    ("load", 0, 0, "acquire"),
    ("skip_unless", 0, 0, 1),
    ("mwait", 1, 0),
    ("load", 2, 0, "acquire"),
]
LOOKS_BEFORE_ARMING = [
    ("load", 0, 0, "acquire"),
    ("skip_unless", 0, 0, 2),
    ("monitor", 0),
    ("mwait", 1, 0),
    ("load", 2, 0, "acquire"),
]
WITH_A_LIMIT = [*LOOKS_AFTER_ARMING[:3], ("mwait", 1, 1000), LOOKS_AFTER_ARMING[4]]
STORES = [("store", 0, 1, "release")]
every_model = pytest.mark.parametrize("model", explore.MODELS)


def endings(waits: list[Any], model: str, *, reduce: bool = False, **allowed: bool) -> set[Any]:
    """(stop, the waiter's registers) of every execution against one store."""
    made = explore.Simulation(2, model=model)
    made.set_program(0, waits)
    made.set_program(1, STORES)
    made.allow(**allowed)
    found = set()

    def note(simulation: Any) -> None:
        found.add((simulation.stop, simulation.registers(0)[:3]))

    explored = made.explore_all(reduce=reduce, stops_at_first=False, on_execution=note)
    assert explored.is_complete
    return found


@every_model
def test_a_look_between_arming_and_waiting_loses_no_wake(model: str) -> None:
    found = endings(LOOKS_AFTER_ARMING, model)
    assert {stop for stop, _ in found} == {"ended"}
    assert {registers[2] for _, registers in found} == {1}
    assert {registers[0] for _, registers in found} == {0, 1}  # it slept, and it need not


@every_model
def test_a_look_before_arming_loses_the_wake(model: str) -> None:
    assert ("stuck", (0, 0, 0)) in endings(LOOKS_BEFORE_ARMING, model)


@every_model
def test_the_reduced_search_comes_to_the_same_endings(model: str) -> None:
    for waits in (LOOKS_AFTER_ARMING, LOOKS_BEFORE_ARMING):
        assert endings(waits, model, reduce=True) == endings(waits, model)


@every_model
def test_a_missed_wake_is_for_ever_without_a_limit_and_bounded_with_one(model: str) -> None:
    assert ("stuck", (0, 0, 0)) in endings(LOOKS_AFTER_ARMING, model, missed_wakes=True)
    found = endings(WITH_A_LIMIT, model, missed_wakes=True)
    assert {stop for stop, _ in found} == {"ended"}
    assert ("ended", (0, 1, 1)) in found  # the limit ended the wait, and the store is seen


@every_model
def test_a_spurious_wake_comes_before_any_store(model: str) -> None:
    assert ("ended", (0, 0, 0)) in endings(LOOKS_AFTER_ARMING, model, spurious_wakes=True)
    assert ("ended", (0, 0, 0)) not in endings(LOOKS_AFTER_ARMING, model)


def test_an_early_timer_ends_the_wait_while_somebody_could_still_run() -> None:
    early = endings(WITH_A_LIMIT, "sc", early_timers=True)
    assert ("ended", (0, 1, 0)) in early
    assert ("ended", (0, 1, 0)) not in endings(WITH_A_LIMIT, "sc")


def test_what_cannot_be_reduced_soundly_is_refused() -> None:
    for allowed in ({"spurious_wakes": True}, {"missed_wakes": True}):
        with pytest.raises(ValueError, match="monitor cannot be reduced"):
            endings(LOOKS_AFTER_ARMING, "tso", reduce=True, **allowed)


def test_a_missed_wake_replays_from_its_tape() -> None:
    made = explore.Simulation(2, model="pso")
    made.set_program(0, LOOKS_AFTER_ARMING)
    made.set_program(1, STORES)
    made.allow(missed_wakes=True)
    made.choose_by("random")
    seed = 0
    while True:
        made.begin(seed)
        made.start()
        if made.go() == "stuck":
            break
        seed += 1
    tape, hashed = made.tape, made.hash
    made.choose_by("replay", tape=tape)
    made.begin(0)
    made.start()
    assert (made.go(), made.hash, made.has_diverged) == ("stuck", hashed, False)
