"""Exhaustive search with partial-order reduction comes to what the plain one comes to."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial
from typing import Any

import pytest
from random_programs import Instruction, programs

from cy_kernels import explore

PLAIN_MAX = 1500  # executions that a program may have to be compared here
COMPARED = 300

Outcome = tuple[Any, ...]


def simulation(given: list[list[Instruction]], model: str) -> Any:
    made = explore.Simulation(len(given), model=model)
    for index, program in enumerate(given):
        made.set_program(index, program)
    return made


def outcome(ran: Any, processes: int) -> Outcome:
    return (
        ran.stop,
        ran.finding is not None,  # which of several comes first depends on nothing but the order
        *(ran.registers(index) for index in range(processes)),
        *(ran.state(index) for index in range(processes)),
        *(ran.memory(location) for location in range(3)),
    )


def explored(made: Any, processes: int, **options: Any) -> tuple[set[Outcome], Any]:
    seen: set[Outcome] = set()
    summary = made.explore_all(
        stops_at_first=False,
        on_execution=lambda ran: seen.add(outcome(ran, processes)),
        **options,
    )
    return seen, summary


def compare(given: list[list[Instruction]], model: str, **allowed: bool) -> tuple[int, int]:
    """Executions without and with reduction; (0, 0) for a program that has too many."""
    made = simulation(given, model)
    if allowed:
        made.allow(**allowed)
        made.limit(steps=60)
    plain, all_plain = explored(made, len(given), reduce=False, max_executions=PLAIN_MAX)
    if not all_plain.is_complete:
        return 0, 0
    reduced, all_reduced = explored(made, len(given))
    assert reduced == plain, (given, model, allowed)
    assert all_reduced.is_complete
    assert all_reduced.executions <= all_plain.executions
    return all_plain.executions, all_reduced.executions + all_reduced.cut


def compare_many(model: str, first_seed: int, count: int, naps: float, **allowed: bool) -> None:
    compared = plain = reduced = 0
    seed = first_seed
    while compared < count:
        before, after = compare(programs(seed, naps), model, **allowed)
        compared += before > 0
        plain += before
        reduced += after
        seed += 1
        assert seed - first_seed < 10 * count
    assert 5 * reduced < plain


@pytest.mark.parametrize("model", explore.MODELS)
def test_random_programs_come_to_the_same_outcomes(model: str) -> None:
    compare_many(model, 0, COMPARED, naps=0)


@pytest.mark.parametrize("model", explore.MODELS)
def test_random_programs_that_sleep_come_to_the_same_outcomes(model: str) -> None:
    compare_many(model, 10_000, 60, naps=3)


@pytest.mark.parametrize("model", explore.MODELS)
def test_early_timers_and_spurious_wakes_are_all_tried(model: str) -> None:
    compare_many(model, 20_000, 60, naps=1, early_timers=True, spurious_wakes=True)


# What a step touches can depend on what another has stored: here whether it sleeps, and where.
STEPS_THAT_DIFFER: dict[str, list[list[Instruction]]] = {
    "wait": [[("futex_wait", 0, 0, 0)], [("store", 0, 1, "release")], [("futex_wake", 0)]],
    "wait, no buffer": [
        [("futex_wait", 0, 0, 0)],
        [("store", 0, 1, "seq_cst")],
        [("futex_wake", 0)],
    ],
    "wait, two wakes": [
        [("futex_wait", 0, 0, 0), ("store", 0, 2, "seq_cst")],
        [("store", 0, 1, "seq_cst")],
        [("futex_wake", 0), ("futex_wake", 0)],
    ],
    "two waits": [
        [("futex_wait", 0, 0, 0), ("until", 0, 1, "acquire")],
        [("cas", 0, 0, 0, 1), ("futex_wait", 1, 0, 0)],
        [("futex_wake", 0)],
    ],
    "nap": [
        [("load", 0, 0, "relaxed"), ("skip_unless", 0, 0, 1), ("nap", 15)],
        [("store", 0, 1, "relaxed")],
        [("load", 0, 0, "relaxed"), ("store", 1, 1, "relaxed")],
    ],
}


@pytest.mark.parametrize("spurious_wakes", [False, True])
@pytest.mark.parametrize("model", explore.MODELS)
@pytest.mark.parametrize("name", STEPS_THAT_DIFFER)
def test_steps_that_differ_by_what_they_read_lose_nothing_in_any_order_of_processes(
    name: str, model: str, spurious_wakes: bool
) -> None:
    for given in permutations(STEPS_THAT_DIFFER[name]):
        made = simulation(list(given), model)
        made.allow(spurious_wakes=spurious_wakes)
        made.limit(steps=60)
        plain, everything = explored(made, len(given), reduce=False)
        reduced, _ = explored(made, len(given))
        assert everything.is_complete
        assert reduced == plain, given


AROUND_ONE_WORD: list[Instruction] = [
    ("futex_wait", 0, 0, 0),
    ("futex_wake", 0),
    ("store", 0, 1, "relaxed"),
    ("store", 0, 1, "seq_cst"),
    ("load", 0, 0, "acquire"),
    ("cas", 0, 0, 0, 1),
    ("until", 0, 1, "acquire"),
    ("nap", 15),
]


@pytest.mark.parametrize("model", explore.MODELS)
def test_any_three_instructions_around_one_word_come_to_the_same_outcomes(model: str) -> None:
    for given in product(AROUND_ONE_WORD, repeat=3):
        made = simulation([[instruction] for instruction in given], model)
        plain, _ = explored(made, 3, reduce=False)
        reduced, _ = explored(made, 3)
        assert reduced == plain, given


def test_independent_processes_need_one_execution() -> None:
    own = [[("store", index, 1, "relaxed"), ("load", 0, index, "relaxed")] for index in range(4)]
    for model in ("sc", "ra"):
        assert simulation(own, model).explore_all()[:2] == (1, 0)


@pytest.mark.parametrize("writers", [2, 3, 4])
def test_writers_of_one_location_need_an_execution_for_each_order(writers: int) -> None:
    one = [[("store", 0, index + 1, "relaxed")] for index in range(writers)]
    for model in ("sc", "tso", "pso"):
        assert simulation(one, model).explore_all().executions == factorial(writers)


def test_a_tape_of_the_reduced_search_replays() -> None:
    for seed in range(30):
        for model in explore.MODELS:
            given = programs(seed)
            made, again = simulation(given, model), simulation(given, model)
            again.limit(stops_at_finding=False)
            tapes: list[tuple[bytes, Outcome]] = []
            made.explore_all(
                stops_at_first=False,
                max_executions=20,
                on_execution=lambda ran, kept=tapes, given=given: kept.append(
                    (ran.tape, outcome(ran, len(given)))
                ),
            )
            for tape, came_to in tapes:
                again.choose_by("replay", tape=tape)
                again.begin()
                again.start()
                again.go()
                assert not again.has_diverged
                assert (again.tape, outcome(again, len(given))) == (tape, came_to)
