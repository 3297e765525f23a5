"""Small random programs on RA, every execution of each: the outcomes are those of the axioms."""

from __future__ import annotations

import random
from typing import Any

import pytest
from litmus_axioms import Outcome, outcomes
from litmus_notation import LOCATIONS
from litmus_simulated import machine_for, outcome_of

PROGRAMS = 240
IN_ONE_TEST = 20
EXECUTIONS_MAX = 20_000  # a program with more of them is left out

STORES, LOADS = ("relaxed", "release"), ("relaxed", "acquire")
FENCES = ("acquire", "release", "acq_rel", "seq_cst", "seq_cst", "seq_cst")
EXCHANGES = ("relaxed", "acquire", "release", "acq_rel")
ATOMIC = ["store"] * 6 + ["load"] * 6 + ["fence"] * 4 + ["add"] * 2 + ["cas"] * 2 + ["skip_unless"]
FUTEX = ["futex_wait", "futex_wake", "until"]
PLAIN = ["put", "get"]


def instruction(draw: random.Random, kinds: list[str], locations: int, register: int) -> Any:
    kind, location, value = draw.choice(kinds), draw.randrange(locations), draw.randrange(1, 3)
    if kind in PLAIN:
        location = locations  # one that no atomic access touches
    fields: dict[str, tuple[Any, ...]] = {
        "store": (location, value, draw.choice(STORES)),
        "load": (register, location, draw.choice(LOADS)),
        "fence": (draw.choice(FENCES),),
        "add": (register, location, value, draw.choice(EXCHANGES)),
        "cas": (register, location, value - 1, draw.randrange(1, 4), draw.choice(EXCHANGES)),
        "until": (location, value, draw.choice(LOADS)),
        "skip_unless": (0, value - 1, 1),
        "futex_wait": (3, location, 0),  # always 0: the axioms give it no register
        "futex_wake": (location,),
        "put": (location, value),
        "get": (register, location),
    }
    return (kind, *fields[kind])


def program(seed: int) -> list[list[Any]]:
    draw = random.Random(seed)
    kinds = ATOMIC + FUTEX * draw.randrange(2) + PLAIN * 3 * draw.randrange(2)
    locations = draw.randrange(1, len(LOCATIONS))
    threads: list[list[Any]] = [[] for _ in range(draw.choice((2, 2, 3, 3, 4)))]
    for _ in range(draw.randrange(4, 9)):
        thread = draw.choice(threads)
        thread.append(instruction(draw, kinds, locations, register=len(thread) % 3))
    for thread in threads:
        thread.append(("fence", "acquire"))  # so that there is something to skip
    return threads


def simulated(threads: list[list[Any]]) -> tuple[set[Outcome], bool]:
    simulation, found = machine_for(threads, "ra"), set()

    def note(ran: Any) -> bool:
        found.add(outcome_of(ran, len(threads)))
        return False

    search = simulation.explore_all(
        max_executions=EXECUTIONS_MAX, stops_at_first=False, on_execution=note
    )
    return found, search.is_complete


@pytest.mark.parametrize("first", range(0, PROGRAMS, IN_ONE_TEST))
def test_random_programs_come_to_what_the_axioms_allow(first: int) -> None:
    whole = 0
    for seed in range(first, first + IN_ONE_TEST):
        threads = program(seed)
        found, is_complete = simulated(threads)
        if is_complete:
            assert found == outcomes(threads, "ra"), f"program {seed}: {threads}"
            whole += 1
    assert whole > IN_ONE_TEST // 4
