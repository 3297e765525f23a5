"""Litmus programs as a simulated process runs them: instruction by instruction, and bad ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cy_kernels import explore

EXECUTIONS = 2_000


def simulation(programs: list[list[tuple[Any, ...]]], model: str) -> Any:
    made = explore.Simulation(len(programs), model=model)
    for index, program in enumerate(programs):
        made.set_program(index, program)
    return made


def outcomes(programs: list[list[tuple[Any, ...]]], model: str, *read: tuple[int, int]) -> Counter:
    """How often each tuple of (process, register) came out, over random executions."""
    made = simulation(programs, model)
    found: Counter = Counter()
    for seed in range(EXECUTIONS):
        made.begin(seed)
        made.start()
        assert made.go() == "ended"
        found[tuple(made.registers(process)[register] for process, register in read)] += 1
    return found


def alone(*program: tuple[Any, ...], model: str = "tso") -> Any:
    made = simulation([list(program)], model)
    made.begin(1)
    made.start()
    made.go()
    return made


@pytest.mark.parametrize("model", explore.MODELS)
def test_each_instruction_does_what_it_says_in_a_process_alone(model: str) -> None:
    ran = alone(
        ("store", 0, 7, "relaxed"),
        ("load", 0, 0, "acquire"),
        ("add", 1, 0, 5),
        ("cas", 2, 0, 12, 20),
        ("cas", 3, 0, 12, 30),
        ("fence", "acq_rel"),
        ("put2", 1, 9),
        ("get2", 4, 5, 1),
        ("put", 2, 3),
        ("get", 6, 2),
        ("futex_wait", 7, 0, 19),
        ("futex_wake", 0),
        ("nap", 1_000_000),
        ("until", 0, 20, "seq_cst"),
        model=model,
    )
    assert ran.stop == "ended"
    assert ran.registers(0) == (7, 7, 12, 20, 9, 9, 3, 0)
    assert [ran.memory(location) for location in range(4)] == [20, 9, 3, 0]
    assert ran.clock_ns >= 1_000_000


@pytest.mark.parametrize("value,stored", [(0, 1), (1, 0)])
def test_skip_unless_jumps_over_what_follows(value: int, stored: int) -> None:
    ran = alone(("skip_unless", 0, value, 1), ("store", 0, 1, "relaxed"))
    assert (ran.stop, ran.memory(0)) == ("ended", stored)


def test_an_assertion_that_fails_is_a_finding_with_process_and_instruction() -> None:
    ran = alone(("store", 0, 1, "relaxed"), ("load", 2, 0, "relaxed"), ("assert", 2, 5))
    assert (ran.stop, ran.finding) == ("found", ("mismatch", 0, 2))
    assert alone(("assert", 0, 0)).finding is None


def test_an_until_that_nobody_fulfils_is_stuck_and_one_that_somebody_does_is_not() -> None:
    assert alone(("until", 0, 1, "acquire")).stop == "stuck"
    waits, stores = [("until", 0, 1, "acquire")], [("store", 0, 1, "release")]
    for model in explore.MODELS:
        assert outcomes([waits, stores], model, (0, 0)) == {(0,): EXECUTIONS}


def test_a_sleeper_that_nobody_wakes_is_stuck() -> None:
    ran = alone(("futex_wait", 0, 3, 0))
    assert (ran.stop, ran.state(0)) == ("stuck", "parked")


def test_a_sleeper_is_woken() -> None:
    sleeps = [("futex_wait", 0, 0, 0), ("load", 1, 0, "relaxed")]
    wakes = [("store", 0, 1, "relaxed"), ("futex_wake", 0)]
    for model in explore.MODELS:
        assert outcomes([sleeps, wakes], model, (0, 0), (0, 1)) == {(0, 1): EXECUTIONS}


def test_store_buffering_is_seen_where_the_model_has_it_and_not_through_full_fences() -> None:
    def program(mine: int, other: int, *between: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return [("store", mine, 1, "relaxed"), *between, ("load", 0, other, "relaxed")]

    fence = ("fence", "seq_cst")
    for model in ("sc", "tso", "pso"):
        seen = outcomes([program(0, 1), program(1, 0)], model, (0, 0), (1, 0))
        assert ((0, 0) in seen) == (model != "sc")
        fenced = outcomes([program(0, 1, fence), program(1, 0, fence)], model, (0, 0), (1, 0))
        assert set(fenced) == {(0, 1), (1, 0), (1, 1)}


def test_a_trace_names_the_instruction_of_each_event() -> None:
    made = simulation([[("nap", 0), ("store", 1, 4, "release"), ("load", 0, 1, "relaxed")]], "sc")
    made.limit(traces=True)
    made.begin()
    made.start()
    made.go()
    assert [(event, site) for event, _, site, *_ in made.trace() if event in ("store", "load")] == [
        ("store", 129),
        ("load", 130),
    ]


@pytest.mark.parametrize(
    "instruction,says",
    [
        (("stor", 0, 1, "relaxed"), "'stor', 0, 1, 'relaxed'.* begins with no instruction: store"),
        ((), "begins with no instruction"),
        ("store", "begins with no instruction"),
        (("store", 16, 1, "relaxed"), "location 16: a whole number from 0 to 15"),
        (("store", 0, -1, "relaxed"), "value -1: a whole number from 0 to 18446744073709551615"),
        (("store", 0, True, "relaxed"), "value True: a whole number"),
        (("store", 0, 1, "acquire"), "'acquire' is no store order: relaxed, release, seq_cst"),
        (("load", 8, 0, "relaxed"), "register 8: a whole number from 0 to 7"),
        (("load", 0, 0, "release"), "'release' is no load order: relaxed, acquire, seq_cst"),
        (("fence", "relaxed"), "'relaxed' is no fence order"),
        (("load", 0, 0), "load takes register, location, load order; given are 2"),
        (("futex_wait", 0, 0, 1 << 32), "seen 4294967296: a whole number from 0 to 4294967295"),
        (("skip_unless", 0, 0, 1), "count 1: a whole number from 0 to 0"),
        (("nap", 0.5), "ns 0.5: a whole number"),
    ],
)
def test_a_bad_instruction_is_named_with_its_place(instruction: Any, says: str) -> None:
    made = explore.Simulation(2, model="tso")
    with pytest.raises(ValueError, match=f"process 1, instruction 1: .*{says}"):
        made.set_program(1, [("nap", 0), instruction])


def test_programs_and_rings_do_not_share_a_machine() -> None:
    made = explore.Simulation(2, model="tso")
    made.set_ring("flag_ring", slots=2, slot_bytes=32, readers=1)
    with pytest.raises(ValueError, match="ring"):
        made.set_program(0, [])
    with pytest.raises(IndexError):
        made.memory(0)


def test_jump_goes_back_and_tries_again_until_another_process_lets_it_go() -> None:
    try_again = [
        *(("cas", 0, 0, 1, 2), ("skip_unless", 0, 0, 1), ("jump", 2)),
        ("store", 1, 5, "relaxed"),
    ]
    made = simulation([try_again, [("store", 0, 1, "relaxed")]], "sc")
    made.choose_by("round_robin")
    made.begin()
    made.start()
    assert made.go() == "ended"
    assert (made.memory(0), made.memory(1)) == (2, 5)


def test_a_program_that_jumps_for_ever_runs_out_of_steps_exactly() -> None:
    made = simulation([[("jump", 0)]], "tso")
    made.limit(steps=100)
    made.begin()
    made.start()
    assert (made.go(), made.steps) == ("out_of_steps", 100)


def test_a_jump_before_the_first_instruction_is_refused() -> None:
    with pytest.raises(ValueError, match="process 0, instruction 1: back 2: a whole number from 0"):
        simulation([[("fence", "seq_cst"), ("jump", 2)]], "sc")
