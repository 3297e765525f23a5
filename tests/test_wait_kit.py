"""Every wait strategy passes the kit, natively or emulated, and a wrong one does not."""

from __future__ import annotations

import pytest

from cy_kernels import cpu, ring, trap
from sim.testing.wait_kit import SETTINGS, BrokenPromise, check_wait_strategy

HERE = [wait for wait in ring.ASKED_FOR if cpu.can_run(wait, cpu.features()) is None]
SECOND = 10**9
HOLD_NS = 20_000
WHY_NOT = trap.refusal()
needs_trap = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.mark.parametrize("wait", HERE)
def test_a_strategy_that_this_host_runs_keeps_its_promises(wait: str) -> None:
    found = check_wait_strategy(wait, kind="cursor", hand_offs=25)
    assert found.rung == cpu.rung_of(wait, cpu.features())
    assert (found.hand_offs > 0) == (found.rung in ("park", "adaptive"))


@pytest.mark.parametrize("wait", ["yielding", "park", "adaptive"])
def test_they_are_kept_on_flag_ring_too(wait: str) -> None:
    check_wait_strategy(wait, kind="flag", hand_offs=25)


@needs_trap
@pytest.mark.parametrize("disturbance", [None, "missed", "early"])
@pytest.mark.parametrize("wait", SETTINGS)
def test_an_emulated_strategy_keeps_them_also_where_wakes_are_disturbed(
    wait: str, disturbance: str
) -> None:
    found = check_wait_strategy(wait, is_emulated=True, disturbance=disturbance, hand_offs=25)
    assert found.rung == wait
    assert min(found.emulated.values()) > 0
    assert (found.hand_offs > 0) == (disturbance is None and wait != "tpause")


@needs_trap
@pytest.mark.parametrize("wait", SETTINGS)
def test_an_emulated_strategy_keeps_them_on_cursor_ring_too(wait: str) -> None:
    assert check_wait_strategy(wait, kind="cursor", is_emulated=True, hand_offs=25).rung == wait


@needs_trap
@pytest.mark.parametrize("wait", ["mwaitx", "umwait"])
def test_without_a_timer_a_missed_wake_is_waited_for_for_ever(wait: str) -> None:
    with pytest.raises(BrokenPromise, match="it waits for ever"):
        check_wait_strategy(
            wait,
            is_emulated=True,
            mutant="no-monitor-timer",
            disturbance="missed",
            watchdog_ns=SECOND,
        )


@needs_trap
@pytest.mark.parametrize("wait", ["mwaitx", "umwait"])
def test_without_a_recheck_changes_are_noticed_by_timer_alone(wait: str) -> None:
    with pytest.raises(BrokenPromise, match="changes were noticed by timer alone"):
        check_wait_strategy(wait, is_emulated=True, mutant="no-monitor-recheck", hand_offs=25)


@needs_trap
def test_a_parking_that_does_not_look_again_loses_a_wake() -> None:
    with pytest.raises(BrokenPromise, match="park on flag_ring: it waits for ever"):
        check_wait_strategy("park", is_emulated=True, mutant="no-recheck", watchdog_ns=SECOND)


def test_an_unknown_strategy_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'snooze' is not one of busy_spin, pause"):
        check_wait_strategy("snooze")


@needs_trap
@pytest.mark.parametrize("wait", SETTINGS)
def test_a_deadline_in_the_past_asks_for_no_cycles(wait: str) -> None:
    # Cycles are unsigned: of a time that is over there would be 2 ** 64 left.
    found = check_wait_strategy(wait, is_emulated=True, disturbance="missed", hand_offs=1)
    assert found.longest_cycles <= 2 * HOLD_NS * cpu.features().tsc_hz // SECOND
