"""Wake-ups of the emulated instructions are missed, early or raced, as asked for and no more."""

from __future__ import annotations

import threading
from typing import Callable, Iterator

import machine_code as code
import pytest
from trapped import WATCHDOG_S, Shared, ended, outcome

from cy_kernels import trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

SOON = 100_000  # cycles, some 30 us
MUCH_LATER = 2**62


@pytest.fixture
def shared() -> Iterator[Shared]:
    made = Shared()
    trap.install(made.block, limit_cycles=0)
    yield made
    trap.calm(made.block)
    trap.uninstall()


@pytest.fixture
def beside() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Runs something in another thread, which has ended by the end of the test."""
    started = []

    def start(act: Callable[[], object]) -> threading.Thread:
        started.append(threading.Thread(target=act, daemon=True))
        started[-1].start()
        return started[-1]

    yield start
    for thread in started:
        thread.join(WATCHDOG_S)
        assert not thread.is_alive()


def wait_for_change(shared: Shared) -> None:
    code.monitorx(shared.line)
    code.mwaitx(0, 0)


def disturbed(shared: Shared) -> dict[str, tuple[int, int]]:
    """(chosen, struck) of every disturbance that chose something."""
    state = shared.state()
    pairs = {name: (count, state["struck"][name]) for name, count in state["disturbed"].items()}
    return {name: pair for name, pair in pairs.items() if pair != (0, 0)}


def test_a_missed_wake_is_ended_by_the_deadline_alone(shared: Shared) -> None:
    trap.disturb(shared.block, "missed")
    code.umonitor(shared.line)
    shared.store(1)
    deadline = code.tsc() + SOON
    assert code.umwait(deadline) == 0
    assert code.tsc() >= deadline
    code.monitorx(shared.line)
    shared.store(2)
    code.mwaitx(SOON)
    assert ended(shared.state()) == {"deadline": 2}
    assert disturbed(shared) == {"missed": (2, 2)}


def test_a_missed_wake_is_ended_by_the_limit_too(shared: Shared) -> None:
    trap.disturb(shared.block, "missed")
    trap.limit(shared.block, SOON)
    code.umonitor(shared.line)
    shared.store(1)
    assert code.umwait(MUCH_LATER) == 1
    assert ended(shared.state()) == {"limit": 1}


def test_where_nothing_is_stored_no_wake_is_missed(shared: Shared) -> None:
    trap.disturb(shared.block, "missed")
    code.umonitor(shared.line)
    code.umwait(code.tsc() + SOON)
    code.tpause(code.tsc() + SOON)  # which has no line, and so nothing to miss
    assert disturbed(shared) == {"missed": (1, 0)}


def test_a_wake_that_was_missed_comes_when_the_disturbance_ends(shared: Shared, beside) -> None:
    trap.disturb(shared.block, "missed")
    beside(lambda: wait_for_change(shared))
    shared.await_waiting()
    shared.store(1)
    shared.await_state(lambda state: state["struck"]["missed"] == 1)
    assert shared.state()["waiting"] == 1
    trap.calm(shared.block)
    shared.await_waiting(0)
    assert ended(shared.state()) == {"change": 1}


@pytest.mark.parametrize("cycles", [0, SOON])
def test_an_early_wake_needs_no_store_and_comes_after_its_time(shared: Shared, cycles: int) -> None:
    trap.disturb(shared.block, "early", cycles=cycles)
    began = code.tsc()
    code.umonitor(shared.line)
    assert code.umwait(MUCH_LATER) == 0
    wait_for_change(shared)
    assert code.tpause(MUCH_LATER) == 0
    assert code.tsc() - began >= 3 * cycles
    assert ended(shared.state()) == {"disturbance": 3}
    assert disturbed(shared) == {"early": (3, 3)}


def test_an_early_wake_later_than_the_deadline_does_not_strike(shared: Shared) -> None:
    trap.disturb(shared.block, "early", cycles=MUCH_LATER // 2)
    code.tpause(code.tsc() + SOON)
    assert disturbed(shared) == {"early": (1, 0)}


def test_every_nth_wait_is_chosen(shared: Shared) -> None:
    trap.disturb(shared.block, "early", every=3)
    ends = []
    for _ in range(9):
        before = ended(shared.state()).get("disturbance", 0)
        code.tpause(code.tsc() + SOON)
        ends.append(ended(shared.state()).get("disturbance", 0) - before)
    assert ends == [0, 0, 1] * 3
    assert disturbed(shared) == {"early": (3, 3)}


def test_a_store_before_the_line_is_armed_is_not_noticed(shared: Shared, beside) -> None:
    """Who looks, then arms, then waits sleeps through it; who looks after arming does not."""
    trap.disturb(shared.block, "raced_arm", cycles=MUCH_LATER)

    def look_arm_wait() -> None:
        code.umonitor(shared.line)
        code.umwait(code.tsc() + SOON)

    beside(look_arm_wait)
    shared.await_state(lambda state: state["held"] == 1)
    shared.store(1)
    shared.await_state(lambda state: state["waits"] == 1 and not state["waiting"])
    assert ended(shared.state()) == {"deadline": 1}
    assert disturbed(shared) == {"raced_arm": (1, 1)}


@pytest.mark.parametrize(
    ("how", "ending"), [("raced_wait", {"change": 1}), ("raced_lost", {"deadline": 1})]
)
def test_a_store_between_arming_and_waiting_wakes_or_is_lost(
    shared: Shared, beside, how: str, ending: dict
) -> None:
    trap.disturb(shared.block, how, cycles=MUCH_LATER)

    def arm_and_wait() -> None:
        code.monitorx(shared.line)
        code.mwaitx(2**32 - 1 if how == "raced_wait" else SOON)

    beside(arm_and_wait)
    shared.await_state(lambda state: state["held"] == 1)
    shared.store(1)
    shared.await_state(lambda state: sum(state["ended"].values()) == 1)
    assert ended(shared.state()) == ending
    assert disturbed(shared) == {how: (1, 1)}


def test_a_token_lets_one_who_is_held_go_on(shared: Shared, beside) -> None:
    trap.disturb(shared.block, "raced_wait", cycles=MUCH_LATER)
    for _ in range(2):
        beside(lambda: wait_for_change(shared))
    shared.await_state(lambda state: state["held"] == 2)
    trap.grant(shared.block)
    shared.await_state(lambda state: state["held"] == 1)
    assert shared.state()["waiting"] == 2
    trap.calm(shared.block)
    shared.await_state(lambda state: state["held"] == 0)
    shared.store(1)
    shared.await_waiting(0)
    assert disturbed(shared) == {"raced_wait": (2, 0)}  # nothing was stored while it held them


def test_nobody_is_held_for_longer_than_was_said(shared: Shared) -> None:
    for number, cycles in enumerate((SOON, 0), 1):
        trap.disturb(shared.block, "raced_wait", cycles=cycles)
        code.umonitor(shared.line)
        began = code.tsc()
        code.umwait(0)
        assert code.tsc() - began >= (cycles or 4_000_000)
        assert disturbed(shared) == {"raced_wait": (number, 0)}


def test_what_is_asked_for_must_make_sense(shared: Shared) -> None:
    with pytest.raises(ValueError, match="'later' is not one of missed, early, raced_arm"):
        trap.disturb(shared.block, "later")
    with pytest.raises(ValueError, match="counted from 1"):
        trap.disturb(shared.block, "missed", every=0)
    with pytest.raises(OverflowError):
        trap.disturb(shared.block, "missed", cycles=-1)
    assert shared.state()["disturbance"] == "calm"


def test_nonsense_in_the_block_disturbs_nothing_and_breaks_nothing(shared: Shared) -> None:
    settings = shared.block[:32].cast("I")
    was = bytes(shared.block[:32])
    for value in (3, 0xFFFFFFFF, 24, 2**31):
        settings[0] = settings[1] = settings[2] = value  # line_bytes, how, every
        code.umonitor(shared.line + 8)
        shared.store(value)
        assert code.umwait(code.tsc() + SOON) == 0
        trap.state(shared.block)
    shared.block[:32] = was
    assert ended(shared.state())["change"] >= 3


def test_another_process_is_disturbed_by_way_of_the_block_and_outlived_by_it() -> None:
    shared = Shared()
    trap.disturb(shared.block, "missed")
    child = shared.child("code.monitorx(line); code.mwaitx(0, 0)")
    shared.await_waiting()
    shared.store(1)
    shared.await_state(lambda state: state["struck"]["missed"] == 1)
    child.kill()
    assert outcome(child)[0] == -9
    assert disturbed(shared) == {"missed": (1, 1)}
    assert shared.seen("mwaitx")["unbounded"] == 1
    assert shared.state()["waiting"] == 1  # it died in there
