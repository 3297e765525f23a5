"""What a stopped execution shows of its processes, and the two ways to intervene in it."""

from __future__ import annotations

from typing import Any

import pytest

from cy_kernels import explore

LINE = 64  # bytes between the locations of a litmus program


def stopped(*programs: list, model: str = "tso", tape: bytes = b"", steps: int = 1_000) -> Any:
    made = explore.Simulation(len(programs), model=model)
    for index, program in enumerate(programs):
        made.set_program(index, program)
    made.limit(steps=steps)
    made.choose_by("replay", tape=tape)
    made.begin()
    made.start()
    made.go()
    return made


def test_a_sleeper_shows_its_word_and_wakes_that_nobody_heard() -> None:
    made = stopped([("futex_wake", 3), ("futex_wait", 0, 3, 0)])
    (seen,) = made.evidence()
    assert (made.stop, seen["state"], seen["position"], seen["timer_ns"]) == (
        *("stuck", "parked"),
        *(1, None),
    )
    assert seen["futex"] == {"offset": 3 * LINE, "seen": 0, "value": 0, "unheard_wakes": 1}
    assert not seen["retries"]


def test_a_waiter_shows_what_it_looks_at_and_who_wrote_it_last() -> None:
    made = stopped(
        [("until", 0, 2, "acquire")], [("store", 0, 1, "seq_cst"), ("until", 1, 1, "relaxed")]
    )
    first, second = made.evidence()
    assert (first["state"], first["watches"]) == ("watching", [(0, 1, 1)])
    assert second["watches"] == [(LINE, 0, None)]
    assert made.values() == {0: 1, LINE: 0}


def test_stores_that_nobody_else_sees_yet_are_shown() -> None:
    made = stopped([("store", 2, 7, "relaxed"), ("jump", 0)], steps=50)
    (seen,) = made.evidence()
    assert made.stop == "out_of_steps"
    assert (seen["buffered"], made.values()) == ([(2 * LINE, 7)], {2 * LINE: 0})


def test_the_loops_around_a_place_count_as_one_place() -> None:
    inner = [("load", 0, 0, "relaxed"), ("jump", 1)]
    program = [("store", 1, 1, "relaxed"), *inner, ("store", 2, 1, "relaxed"), ("jump", 2)]
    places = {stopped(program, steps=steps).evidence()[0]["progress"] for steps in range(5, 30)}
    assert places == {1}
    assert stopped(program, steps=9).evidence()[0]["stores_ahead"] == [2 * LINE]


def test_equal_states_go_on_alike_and_what_cannot_be_told_is_none() -> None:
    program = [("add", 0, 0, 1), ("cas", 0, 0, 1, 0), ("jump", 2)]
    period = 3
    states = [stopped(program, steps=steps).state_of_programs() for steps in range(20, 26)]
    assert states[:period] == states[period:] and len(set(states)) == period
    assert stopped(program, model="ra", steps=20).state_of_programs() is None


def test_a_spurious_wake_lets_a_sleeper_go_on_and_nobody_else() -> None:
    made = stopped([("futex_wait", 0, 0, 0)], [("until", 1, 1, "relaxed")])
    with pytest.raises(ValueError, match="process 1 does not sleep"):
        made.wake(1)
    made.wake(0)
    assert (made.go(), made.state(0), made.state(1)) == ("stuck", "done", "watching")


def test_a_death_that_is_undone_goes_on_where_it_was() -> None:
    made = stopped(
        [("until", 0, 1, "acquire")],
        [("store", 1, 1, "seq_cst"), ("until", 2, 1, "acquire"), ("store", 0, 1, "seq_cst")],
    )
    with pytest.raises(ValueError, match="process 1 is not dead"):
        made.revive(1)
    made.kill(1)
    assert made.go() == "stuck"
    made.revive(1)
    assert (made.go(), made.state(1), made.done(1)) == ("stuck", "watching", 1)
