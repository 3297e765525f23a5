"""The model RA as a process meets it: views, stale reads, fences, races, futexes, lives, rings."""

from __future__ import annotations

from typing import Any, Iterator

import pytest

from cy_kernels import explore

X, Y, Z = 0, 1, 2
HISTORY = 32  # stores of a location that can still be read
FENCE = ("fence", "seq_cst")
RING_STEPS = 2_000_000

Program = list[tuple[Any, ...]]


def w(location: int, value: int, order: str = "relaxed") -> tuple[Any, ...]:
    return ("store", location, value, order)


def r(register: int, location: int, order: str = "relaxed") -> tuple[Any, ...]:
    return ("load", register, location, order)


def machine(*programs: Program, **limits: Any) -> Any:
    made = explore.Simulation(len(programs), model="ra")
    for index, program in enumerate(programs):
        made.set_program(index, program)
    made.limit(**limits)
    return made


def executions(made: Any, count: int) -> Iterator[Any]:
    for seed in range(count):
        made.begin(seed)
        made.start()
        made.go()
        yield made


def outcomes(*programs: Program, read: str) -> set[tuple[int, ...]]:
    """Of all executions. `read`: "1:0 x" is register 0 of process 1, then location x at the end."""
    made = machine(*programs)
    found = set()

    def note(ran: Any) -> bool:
        assert (ran.stop, ran.finding) == ("ended", None)
        values = []
        for each in read.split():
            if ":" in each:
                process, register = each.split(":")
                values.append(ran.registers(int(process))[int(register)])
            else:
                values.append(ran.memory("xyz".index(each)))
        found.add(tuple(values))
        return False

    assert made.explore_all(on_execution=note).is_complete
    return found


def message_passing(*, write: str, load: str, fences: bool = False) -> set[tuple[int, ...]]:
    release, acquire = [("fence", "release")] * fences, [("fence", "acquire")] * fences
    sends = [w(X, 1), *release, w(Y, 1, write)]
    return outcomes(sends, [r(0, Y, load), *acquire, r(1, X)], read="1:0 1:1")


def test_a_message_passes_with_release_and_acquire_and_not_with_one_of_them() -> None:
    stale, passed = (1, 0), {(0, 0), (0, 1), (1, 1)}
    assert message_passing(write="release", load="acquire") == passed
    assert message_passing(write="relaxed", load="relaxed", fences=True) == passed
    for write, load in (("relaxed", "acquire"), ("release", "relaxed"), ("relaxed", "relaxed")):
        assert message_passing(write=write, load=load) == passed | {stale}


def test_store_buffering_is_excluded_by_seq_cst_fences_on_both_sides_alone() -> None:
    def both(*between: tuple[Any, ...], order: str = "relaxed") -> set[tuple[int, ...]]:
        one = [w(X, 1, order), *between, r(0, Y)]
        return outcomes(one, [w(Y, 1, order), *between, r(0, X)], read="0:0 1:0")

    assert (0, 0) in both()
    assert (0, 0) in both(order="release")
    assert (0, 0) in both(("fence", "acq_rel"))
    assert both(FENCE) == {(0, 1), (1, 0), (1, 1)}


def test_two_loads_of_a_location_never_go_back() -> None:
    writes = [w(X, 1), w(X, 2)]
    found = outcomes(writes, [r(0, X), r(1, X)], read="1:0 1:1")
    assert found == {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)}


def test_stores_of_two_processes_may_settle_in_an_order_that_neither_made() -> None:
    def both(*between: tuple[Any, ...]) -> set[tuple[int, ...]]:
        return outcomes([w(X, 1), *between, w(Y, 2)], [w(Y, 1), *between, w(X, 2)], read="x y")

    assert (1, 1) in both()  # each location's first store came last
    assert both(FENCE) == {(1, 2), (2, 1), (2, 2)}


def test_readers_disagree_about_the_order_of_independent_stores_unless_fenced() -> None:
    def reads(*between: tuple[Any, ...]) -> set[tuple[int, ...]]:
        one = [r(0, X, "acquire"), *between, r(1, Y, "acquire")]
        other = [r(0, Y, "acquire"), *between, r(1, X, "acquire")]
        made = machine([w(X, 1, "release")], [w(Y, 1, "release")], one, other)
        return {ran.registers(2)[:2] + ran.registers(3)[:2] for ran in executions(made, 5_000)}

    plain, fenced = reads(), reads(FENCE)
    assert len(plain) == 16
    assert len(fenced) == 15
    assert (1, 0, 1, 0) not in fenced


def test_a_release_goes_on_through_read_modify_writes_of_others() -> None:
    sends = [w(X, 1), w(Y, 1, "release")]

    def through(order: str) -> set[tuple[int, ...]]:
        adds = [("add", 0, Y, 1, order)]
        return outcomes(sends, adds, [r(0, Y, "acquire"), r(1, X)], read="1:0 2:0 2:1")

    for order in ("relaxed", "acq_rel"):  # the relaxed one acquires nothing itself, and passes on
        assert (1, 2, 1) in through(order)
        assert (1, 2, 0) not in through(order)
    overwrites = [("until", Y, 1, "relaxed"), w(Y, 2)]
    found = outcomes(sends, overwrites, [r(0, Y, "acquire"), r(1, X)], read="2:0 2:1")
    assert (2, 0) in found


def test_no_two_read_modify_writes_read_the_same_store() -> None:
    add = [("add", 0, X, 1, "relaxed"), ("add", 1, X, 1, "relaxed")]
    for old in outcomes(add, add, read="0:0 0:1 1:0 1:1 x"):
        assert (sorted(old[:4]), old[4]) == ([0, 1, 2, 3], 4)
    swap = [("cas", 0, X, 0, 1, "relaxed")]
    assert outcomes(swap, swap, read="0:0 1:0 x") == {(0, 1, 1), (1, 0, 1)}


def test_a_failed_compare_and_swap_may_have_read_an_old_value() -> None:
    found = outcomes([w(X, 1), w(X, 2)], [r(0, X), ("cas", 1, X, 9, 5)], read="1:0 1:1")
    assert {(1, 1), (0, 0), (0, 1)} < found


def test_only_the_newest_stores_of_a_location_can_be_read() -> None:
    stores = HISTORY + 8
    writes = [w(X, value) for value in range(1, stores + 1)]
    made = machine(writes, [("nap", 1_000_000), r(0, X)])
    late = {ran.registers(1)[0] for ran in executions(made, 2_000)}
    assert late == set(range(stores - HISTORY + 1, stores + 1))


def test_a_load_that_chooses_nothing_reads_the_newest() -> None:
    made = machine([w(X, 1), w(X, 2), w(X, 3)], [r(0, X)])
    made.choose_by("replay")  # an empty tape: the default at every choice
    made.begin()
    made.start()
    made.go()
    assert made.registers(1)[0] == 3
    assert not any(made.tape)


def test_what_is_stored_is_seen_in_the_end_by_a_loop_that_waits_for_it() -> None:
    waits = [("until", X, 3, "relaxed"), ("until", Y, 1, "relaxed")]
    made = machine([w(X, 1), w(X, 2), w(X, 3), w(Y, 1)], waits)
    for ran in executions(made, 3_000):
        assert ran.stop == "ended"
        assert ran.steps < 40


def test_a_loop_whose_value_passed_by_is_stuck_or_saw_it_in_time() -> None:
    made = machine([w(X, 1), w(X, 2)], [("until", X, 1, "acquire")])
    assert {ran.stop for ran in executions(made, 500)} == {"ended", "stuck"}


# Races.


def test_a_payload_that_nobody_guards_is_a_race_that_names_both_accesses() -> None:
    reads = [r(0, Y), ("get", 1, X)]
    made = machine([("put", X, 1), w(Y, 1, "release")], reads)
    found = {ran.race for ran in executions(made, 500)}
    assert found == {(0, 128, 1, 129), (1, 129, 0, 128)}
    assert made.finding[0] == "race"


@pytest.mark.parametrize(
    "guarded",
    [
        ([("put", X, 1), w(Y, 1, "release")], [("until", Y, 1, "acquire"), ("get", 0, X)]),
        ([("put", X, 1), FENCE, w(Y, 1)], [("until", Y, 1, "relaxed"), FENCE, ("get", 0, X)]),
        ([("put", X, 1), ("add", 0, Y, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]),
    ],
)
def test_a_guarded_payload_is_no_race_and_is_read_new(guarded: tuple[Program, Program]) -> None:
    for ran in executions(machine(*guarded), 500):
        assert (ran.stop, ran.finding, ran.registers(1)[0]) == ("ended", None, 1)


@pytest.mark.parametrize(
    "sends,receives",
    [
        # A release guards what came before it, not what comes after.
        ([w(Y, 1, "release"), ("put", X, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]),
        ([("put", X, 1), w(Y, 1, "release")], [("until", Y, 1, "relaxed"), ("get", 0, X)]),
        ([("put", X, 1), w(Y, 1)], [("until", Y, 1, "acquire"), ("get", 0, X)]),
        # The order of seq_cst fences is no happens-before.
        ([("put", X, 1), FENCE], [FENCE, ("get", 0, X)]),
        ([("put", X, 1)], [("put", X, 2)]),
        ([("put", X, 1)], [r(0, X, "acquire")]),
        ([w(X, 1, "release")], [("get", 0, X)]),
        ([("get", 0, X)], [("add", 0, X, 1)]),
    ],
)
def test_what_guards_nothing_is_a_race(sends: Program, receives: Program) -> None:
    made = machine(sends, receives)
    assert {ran.finding and ran.finding[0] for ran in executions(made, 300)} == {"race"}


def test_two_loads_do_not_race() -> None:
    for ran in executions(machine([("get", 0, X)], [("get", 0, X), r(1, X)]), 200):
        assert ran.finding is None


def test_after_a_race_the_payload_may_be_torn_or_stale() -> None:
    reads = [r(0, Y), ("get2", 1, 2, X)]
    made = machine([("put2", X, 1), w(Y, 1)], reads, stops_at_finding=False)
    found = {ran.registers(1)[:3] for ran in executions(made, 3_000)}
    assert found == {(y, low, high) for y in (0, 1) for low in (0, 1) for high in (0, 1)}


# Futexes.


def test_a_wake_gives_the_sleeper_what_the_waker_knew() -> None:
    sleeps = [("futex_wait", 0, Y, 0), ("get", 1, X)]
    wakes = [("put", X, 1), w(Y, 1), ("futex_wake", Y)]
    made = machine(sleeps, wakes, traces=True)
    parked = explore.STATES.index("parked")
    ends = {True: set(), False: set()}  # by whether it slept
    for ran in executions(made, 1_000):
        slept = any(e[:2] == ("block", 0) and e[4] == parked for e in ran.trace())
        ends[slept].add((ran.stop, ran.finding and ran.finding[0]))
        assert ran.finding or ran.registers(0)[1] == 1
    assert ends[True] == {("ended", None)}
    # Who reads the new word does not sleep, and that read alone guards nothing.
    assert ends[False] == {("ended", None), ("found", "race")}


def test_nobody_sleeps_through_a_wake_that_came_before() -> None:
    sleeps = [("futex_wait", 0, X, 0), r(1, X)]
    made = machine(sleeps, [w(X, 1), ("futex_wake", X)])
    for ran in executions(made, 1_000):
        assert (ran.stop, ran.registers(0)[1]) == ("ended", 1)


# Lives.


def live_again(made: Any, index: int) -> None:
    made.kill(index)
    made.restart(index)
    assert made.go() == "reached"  # attached
    made.release(index)


def test_a_new_life_finds_the_newest_and_comes_after_the_former_one() -> None:
    writes = [w(X, 1), w(X, 2)]
    reads = [("put", Y, 1), ("nap", 1_000_000), r(0, X)]
    made = machine(writes, reads)
    read = set()
    for seed in range(200):
        made.begin(seed)
        made.start()
        assert made.go(900_000) == "in_time"
        live_again(made, 1)
        assert (made.go(), made.finding) == ("ended", None)
        read.add(made.registers(1)[0])
    assert read == {2}
    assert {ran.registers(1)[0] for ran in executions(made, 200)} == {0, 1, 2}


def test_a_new_life_is_not_ordered_after_others() -> None:
    guards = [("put", X, 1), ("nap", 1_000_000)]
    reads = [("nap", 1_000), ("get", 0, X), ("nap", 1_000_000)]
    made = machine(guards, reads)
    made.begin()
    made.start()
    assert made.go(500) == "in_time"
    live_again(made, 1)
    assert (made.go(), made.race) == ("found", (1, 129, 0, 128))


# Tapes and rings.


def ring(kind: str, **change: Any) -> Any:
    made = explore.Simulation(3, model="ra")
    made.set_ring(kind, slots=2, slot_bytes=64, readers=2, sizes=(24,), **change)
    made.set_writer(messages=4)
    made.set_reader(1, rank=0)
    made.set_reader(2, rank=1, wait="busy_spin")
    return made


def test_a_tape_brings_back_the_execution_stale_reads_and_all() -> None:
    recorded, replayed = ring("flag_ring", is_fenced=False), ring("flag_ring", is_fenced=False)
    for each in (recorded, replayed):
        each.limit(stops_at_finding=False, traces=True)
    for ran in executions(recorded, 50):
        replayed.choose_by("replay", tape=ran.tape)
        replayed.begin()
        replayed.start()
        replayed.go()
        assert not replayed.has_diverged
        assert (replayed.hash, replayed.trace()) == (ran.hash, ran.trace())


@pytest.mark.parametrize("kind", ["flag_ring", "cursor_ring"])
def test_the_rings_hold(kind: str) -> None:
    made = ring(kind)
    seed = steps = 0
    while steps < RING_STEPS:
        done, more = made.execute_many(seed, 1_000)
        assert (made.stop, made.finding, done) == ("ended", None, 1_000)
        seed += done
        steps += more


@pytest.mark.parametrize("change", [{"is_fenced": False}, {"mutant": "no-data-fence"}])
def test_a_missing_fence_is_a_race_on_the_payload(change: dict[str, Any]) -> None:
    made = ring("flag_ring", **change)
    made.execute_many(0, 1_000)
    assert made.finding[0] == "race"
    names = dict(explore.STEPS)
    one, other = names[made.race[1]], names[made.race[3]]
    assert {one.split(".")[1], other.split(".")[1]} == {"send", "receive"}
    assert ".copy_" in one and ".copy_" in other
