"""Schedulers of simulated executions: what each promises, its parameters, and running twice."""

from __future__ import annotations

from typing import Any

import pytest

from cy_kernels import explore
from sim.virtual import recheck as rechecking
from sim.virtual.schedulers import (
    SCHEDULERS,
    BadScheduler,
    Scheduler,
    measured,
    parse,
)

X, Y = 0, 1
STORE_BUFFERING = [
    [("store", X, 1, "relaxed"), ("load", 0, Y, "relaxed")],
    [("store", Y, 1, "relaxed"), ("load", 0, X, "relaxed")],
]


def ring(kind: str = "cursor_ring", model: str = "tso", **options: Any) -> Any:
    made = explore.Simulation(3, model=model)
    made.set_ring(kind, slots=2, slot_bytes=64, readers=2, sizes=(16,), **options)
    made.set_writer(messages=4)
    for index in (1, 2):
        made.set_reader(index, rank=index - 1)
    return made


def programs(instructions: list[list[tuple[Any, ...]]], model: str = "sc") -> Any:
    made = explore.Simulation(len(instructions), model=model)
    for index, program in enumerate(instructions):
        made.set_program(index, program)
    return made


def execute(simulation: Any, seed: int) -> str:
    simulation.begin(seed)
    simulation.start()
    return str(simulation.go())


@pytest.mark.parametrize(
    ("text", "scheduler"),
    [
        ("random", Scheduler("random")),
        ("pct:7", Scheduler("pct", 7)),
        ("pct", Scheduler("pct", 3)),
        (" delay:64 ", Scheduler("delay", 64)),
        ("round_robin", Scheduler("round_robin")),
    ],
)
def test_a_scheduler_is_read_and_written_the_same(text: str, scheduler: Scheduler) -> None:
    assert parse(text) == scheduler
    assert parse(str(scheduler)) == scheduler


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("randm", "unknown scheduler 'randm' (did you mean 'random'?)"),
        ("zzzz", "unknown scheduler 'zzzz'; there are random, pct"),
        ("", "unknown scheduler ''"),
        ("pos:3", "scheduler 'pos' takes no depth, and 'pos:3' gives it one"),
        ("pct:0", "a whole number from 1 to 64"),
        ("pct:65", "a whole number from 1 to 64"),
        ("delay:", "as in 'delay:2'"),
        ("pct:1.5", "as in 'pct:3'"),
        ("pct:-1", "as in 'pct:3'"),
        ("pct:99999999999999999999", "a whole number from 1 to 64"),
    ],
)
def test_what_is_no_scheduler_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(BadScheduler) as error:
        parse(text)
    assert says in str(error.value)


def test_the_engine_knows_every_scheduler_of_the_table() -> None:
    assert set(SCHEDULERS) <= set(explore.SCHEDULERS)
    with pytest.raises(ValueError, match="a depth of 65"):
        ring().choose_by("pct", depth=65)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_delay_deviates_from_the_default_at_most_so_often(depth: int) -> None:
    simulation = ring()
    expected = measured(simulation, lambda: execute(simulation, 0))
    assert simulation.tape == bytes(expected)
    deviations = set()
    for seed in range(300):
        Scheduler("delay", depth).choose(simulation, expected)
        assert execute(simulation, seed) == "ended"
        deviations.add(len(simulation.tape) - simulation.tape.count(0))
    assert max(deviations) == depth


def test_round_robin_gives_everybody_one_step_in_turn_and_throws_no_dice() -> None:
    simulation = programs([[("store", X, 1, "relaxed")] * 3] * 3, "tso")
    simulation.limit(traces=True)
    for seed in range(3):
        Scheduler("round_robin").choose(simulation)
        assert execute(simulation, seed) == "ended"
        moves = [line[:2] for line in simulation.trace() if line[0] in ("store", "flush")]
        assert (
            moves == [(kind, process) for process in (0, 1, 2) for kind in ("store", "flush")] * 3
        )


# What each process does, one after the other and undisturbed, is what a strict order of priorities
# gives: with pct:1 nobody is preempted who does not block.
def test_pct_of_depth_one_never_preempts() -> None:
    simulation = programs([[("add", 0, X, 1)] * 6] * 3)
    orders = set()
    for seed in range(200):
        Scheduler("pct", 1).choose(simulation)
        simulation.limit(traces=True)
        assert execute(simulation, seed) == "ended"
        ran = [line[1] for line in simulation.trace() if line[0] == "exchange"]
        orders.add("".join(str(process) for process in ran))
    assert orders == {
        a * 6 + b * 6 + c * 6 for a, b, c in ("012", "021", "102", "120", "201", "210")
    }


def test_pct_of_depth_two_preempts_once_and_anywhere() -> None:
    simulation = programs([[("add", 0, X, 1)] * 4] * 2)
    orders = set()
    for seed in range(2_000):
        Scheduler("pct", 2).choose(simulation, 8)
        simulation.limit(traces=True)
        execute(simulation, seed)
        ran = [line[1] for line in simulation.trace() if line[0] == "exchange"]
        orders.add("".join(str(process) for process in ran))
    assert orders == {"0" * n + "1111" + "0" * (4 - n) for n in range(5)} | {
        "1" * n + "0000" + "1" * (4 - n) for n in range(5)
    }


@pytest.mark.parametrize("name", ["random", "pct:2", "pos", "delay:2"])
def test_every_scheduler_with_dice_sees_a_store_buffer(name: str) -> None:
    simulation = programs(STORE_BUFFERING, "tso")
    expected = measured(simulation, lambda: execute(simulation, 0))
    outcomes = set()
    for seed in range(2_000):
        parse(name).choose(simulation, expected)
        execute(simulation, seed)
        outcomes.add((simulation.registers(0)[0], simulation.registers(1)[0]))
    assert {(0, 0), (0, 1), (1, 0)} <= outcomes


# Two processes that share nothing, and one that races with the second at its end: the random walk
# seldom puts the lone step of the third before all of the second, POS does so half the time.
def test_pos_keeps_the_order_of_a_race_open_however_long_one_side_takes() -> None:
    long_way = [("add", 0, Y, 1)] * 10 + [("add", 0, X, 1)]
    simulation = programs([long_way, [("add", 1, X, 1)]])
    first = {"random": 0, "pos": 0}
    for name in first:
        for seed in range(2_000):
            parse(name).choose(simulation)
            execute(simulation, seed)
            first[name] += simulation.registers(1)[1]
    assert first["random"] < 10  # 2000 / 2 ** 11
    assert first["pos"] > 100  # 2000 / 12: the lone op has the lowest of so many draws


@pytest.mark.parametrize("name", list(SCHEDULERS))
@pytest.mark.parametrize("model", explore.MODELS)
def test_the_same_seed_gives_the_same_execution_and_so_does_its_tape(name: str, model: str) -> None:
    simulation = ring(model=model)
    expected = measured(simulation, lambda: execute(simulation, 0))
    for seed in range(50):
        assert (
            rechecking.recheck(
                simulation,
                parse(name),
                seed,
                lambda each: execute(simulation, each),
                expected_choices=expected,
            )
            is None
        )


def test_a_driver_that_is_not_determined_by_the_seed_is_told_with_the_first_step() -> None:
    simulation = ring()
    runs = []

    def forgetful(seed: int) -> None:
        runs.append(seed)
        simulation.begin(seed)
        simulation.hold_after(1, 1 + len(runs) % 2)
        simulation.start()
        simulation.go()
        simulation.release(1)
        simulation.go()

    found = rechecking.recheck(simulation, parse("random"), 7, forgetful)
    assert found is not None
    assert (found.seed, found.again) == (7, "the same seed")
    assert found.first != found.second
    assert str(found).startswith("seed 7 run twice differs (second time by the same seed): line ")


def test_a_difference_that_tracing_does_not_show_is_no_mismatch_with_a_step() -> None:
    simulation = ring()
    runs = []

    def once(seed: int) -> None:
        runs.append(seed)
        execute(simulation, seed + (len(runs) == 2))

    with pytest.raises(rechecking.Unexplained, match="seed 7"):
        rechecking.recheck(simulation, parse("random"), 7, once)
