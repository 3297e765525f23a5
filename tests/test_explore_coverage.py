"""What a simulated machine's executions have covered: states met, and who read from whom."""

from __future__ import annotations

from cy_kernels.explore import Simulation, Step


def ring(readers: int = 1) -> Simulation:
    made = Simulation(1 + readers, model="tso")
    made.set_ring("flag_ring", slots=2, slot_bytes=64, readers=readers, sizes=(8,))
    made.set_writer(messages=2)
    for rank in range(readers):
        made.set_reader(1 + rank, rank=rank)
    made.choose_by("random")
    return made


def registers_set(sketch: bytes) -> int:
    return len(sketch) - sketch.count(0)


def test_nobody_counts_states_until_asked():
    machine = ring()
    machine.execute_many(0, 10)
    assert machine.sketch == b""


def test_more_executions_meet_more_states_and_the_same_ones_none():
    machine = ring(readers=2)
    machine.count_states()
    machine.execute_many(0, 20)
    few = machine.sketch
    machine.execute_many(0, 20)
    assert machine.sketch == few
    machine.execute_many(20, 2000)
    assert registers_set(machine.sketch) > registers_set(few) > 20


def test_counting_states_changes_no_execution():
    plain, counting = ring(), ring()
    counting.count_states()
    for seed in range(20):
        for machine in (plain, counting):
            machine.execute_many(seed, 1)
        assert plain.hash == counting.hash


def test_a_load_is_paired_with_the_site_that_wrote():
    machine = ring()
    assert machine.reads_from == set()
    machine.execute_many(0, 50)
    pairs = machine.reads_from
    assert (Step.FLAG__RECEIVE__POLL_WRITTEN, Step.FLAG__SEND__SET_WRITTEN) in pairs
    assert (Step.FLAG__RECEIVE__POLL_WRITTEN, Step.FLAG__SEND__COPY_PAYLOAD) not in pairs


def test_who_is_stopped_from_outside_is_in_the_trace():
    machine = ring()
    machine.limit(traces=True)
    machine.begin(0)
    machine.hold_after(1, 1)
    machine.start()
    assert machine.go() == "reached"
    machine.pause(1)
    machine.resume(1)
    assert [line[:2] for line in machine.trace()[-2:]] == [("stopped", 1), ("continued", 1)]
