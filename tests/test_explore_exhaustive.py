"""explore_all: every execution of a small program, or all within so many deviations."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest

from cy_kernels import explore

STORE_BUFFERING = [
    [("store", 0, 1, "relaxed"), ("load", 0, 1, "relaxed")],
    [("store", 1, 1, "relaxed"), ("load", 0, 0, "relaxed")],
]


def simulation(programs: list[list[tuple[Any, ...]]], model: str) -> Any:
    made = explore.Simulation(len(programs), model=model)
    for index, program in enumerate(programs):
        made.set_program(index, program)
    return made


def small_ring(model: str) -> Any:
    made = explore.Simulation(2, model=model)
    made.set_ring("flag_ring", slots=1, slot_bytes=64, readers=1, sizes=(8,))
    made.set_writer(messages=1)
    made.set_reader(1, rank=0)
    return made


def test_every_interleaving_is_made_once() -> None:
    made = simulation(STORE_BUFFERING, "sc")
    tapes: list[bytes] = []
    explored = made.explore_all(reduce=False, on_execution=lambda ran: tapes.append(ran.tape))
    # Two processes of three steps each: the first attaches, two are instructions.
    assert explored.executions == len(tapes) == len(set(tapes)) == comb(6, 3)
    assert explored.is_complete
    assert explored.steps == 6 * comb(6, 3)
    assert explored.stops == {"ended": comb(6, 3)}


@pytest.mark.parametrize("model", ["sc", "tso", "pso"])
def test_both_loads_miss_the_stores_only_with_store_buffers(model: str) -> None:
    made = simulation(STORE_BUFFERING, model)
    seen = set()
    made.explore_all(on_execution=lambda ran: seen.add((ran.registers(0)[0], ran.registers(1)[0])))
    assert seen == {(0, 1), (1, 0), (1, 1)} | ({(0, 0)} if model != "sc" else set())


def test_a_bound_makes_the_tapes_with_so_many_deviations_fewest_first() -> None:
    made = simulation(STORE_BUFFERING, "tso")
    everything: list[int] = []
    made.explore_all(
        reduce=False, on_execution=lambda ran: everything.append(sum(map(bool, ran.tape)))
    )
    for bound in range(4):
        within: list[int] = []
        explored = made.explore_all(
            max_deviations=bound,
            on_execution=lambda ran, w=within: w.append(sum(map(bool, ran.tape))),
        )
        assert within == sorted(deviations for deviations in everything if deviations <= bound)
        assert not explored.is_complete
    assert made.explore_all(max_deviations=max(everything)).is_complete
    assert made.explore_all(max_deviations=1000).executions == len(everything)


def test_the_first_execution_that_does_not_end_well_is_left_to_look_at() -> None:
    made = simulation([[("futex_wake", 0)], [("futex_wait", 0, 0, 0)]], "tso")
    explored = made.explore_all()
    assert not explored.is_complete and explored.stops["stuck"] == 1
    tape = made.tape
    assert made.stop == "stuck"
    made.choose_by("replay", tape=tape)
    made.begin()
    made.start()
    assert (made.go(), made.tape, made.has_diverged) == ("stuck", tape, False)
    everything = made.explore_all(stops_at_first=False)
    assert everything.is_complete
    assert everything.stops["stuck"] and everything.stops["ended"]
    assert sum(everything.stops.values()) == everything.executions


def test_findings_are_counted() -> None:
    made = simulation(
        [[("store", 0, 1, "relaxed")], [("load", 0, 0, "relaxed"), ("assert", 0, 1)]], "sc"
    )
    explored = made.explore_all(stops_at_first=False)
    assert explored.is_complete
    assert 0 < explored.findings["mismatch"] < explored.executions


def test_a_search_ends_where_it_is_told_to() -> None:
    made = small_ring("tso")
    assert made.explore_all(max_executions=500).executions == 500
    left = iter([False, False, True])
    assert made.explore_all(on_execution=lambda ran: next(left)).executions == 3
    made.limit(steps=5)
    explored = made.explore_all(reduce=False, max_executions=10, stops_at_first=False)
    assert explored.stops == {"out_of_steps": 10}


def test_what_is_too_large_to_be_reduced_is_refused() -> None:
    with pytest.raises(ValueError, match="17 processes: at most 16"):
        simulation([[]] * 17, "sc").explore_all()
    assert simulation([[]] * 17, "sc").explore_all(reduce=False, max_executions=9).executions == 9
    made = explore.Simulation(2, model="sc")
    made.set_ring("flag_ring", slots=1, slot_bytes=2048, readers=1, sizes=(1600,))
    made.set_writer()
    made.set_reader(1, rank=0)
    with pytest.raises(ValueError, match="more than 128 locations"):
        made.explore_all()
    assert made.explore_all(reduce=False, max_executions=9).executions == 9


def test_an_endless_execution_is_given_up() -> None:
    made = explore.Simulation(2, model="tso")
    made.set_ring(
        "flag_ring", slots=2, slot_bytes=64, readers=1, sizes=(8,), mutant="step-over-not-ready"
    )
    made.set_reader(1, rank=0, wait="busy_spin")  # there is no writer, and each slot is another one
    explored = made.explore_all()
    assert (explored.stops, explored.is_complete) == ({"out_of_steps": 1}, False)
    assert made.steps == 10_000


def test_the_scheduler_is_what_it_was() -> None:
    made = small_ring("tso")

    def drawn() -> bytes:
        made.begin(7)
        made.start()
        made.go()
        tape: bytes = made.tape
        return tape

    before = drawn()
    made.explore_all(max_executions=10)
    assert drawn() == before


def test_a_short_search_of_an_endless_program_is_not_complete() -> None:
    made = simulation([[("until", 0, 1, "relaxed")], [("store", 0, 1, "relaxed")]], "tso")
    assert made.explore_all().is_complete  # spinning waits for a change, so there is an end
    made.limit(steps=2)
    assert not made.explore_all(stops_at_first=False).is_complete
