"""What comes of each fault in a real run. What all have in common: test_fault_conformance.py."""

from __future__ import annotations

import dataclasses
from typing import FrozenSet

import pytest
from live_plans import closed, exits, healed, injected, injection, plan, positions
from ring_regions import TAKEOVER

from cy_kernels.choice import PURE, kernels
from sim.abc import Capability, Evidence
from sim.faults import FAULTS
from sim.faults.kill import Kill
from sim.faults.raise_in_read import RaiseInRead
from sim.faults.restart import Restart
from sim.faults.slow import Slow
from sim.faults.stall import Stall
from sim.faults.truncate_region import TruncateRegion
from sim.faults.unlink_region import UnlinkRegion
from sim.history.history import Allowance
from sim.history.op import EXIT, HANG, HEAL, INJECT, INVOKE, OK
from sim.live.execution import run_plan
from sim.scenario.plan import AfterOps, AtTime
from sim.testing.literal_plan import MS, SECOND

pytestmark = pytest.mark.usefixtures("nothing_is_left")


needs_takeover = pytest.mark.skipif(kernels().kind == PURE, reason=TAKEOVER)


@pytest.mark.parametrize("target", ["writer", "reader[0]"])
def test_a_stalled_process_does_nothing_until_it_is_healed(supervisor, target):
    made = plan(
        messages=200,
        injections=[injection(Stall(target), AfterOps(target, 50), heal_after_ns=80 * MS)],
    )
    history, _ = run_plan(made, supervisor)
    (inject,), (heal,) = history.where(INJECT), history.where(HEAL)
    assert (inject.detail["fired"], heal.detail["healed"]) == (True, True)
    assert inject.detail["evidence"]["state"] == "stopped"
    before = [op for op in closed(history, target) if op.time_ns <= inject.time_ns]
    assert len(before) == 50
    after = [op for op in closed(history, target)][50]
    assert after.time_ns - inject.time_ns >= 79 * MS
    assert positions(history, "reader[0]") == list(range(200))
    assert positions(history, "reader[1]") == list(range(200))


def test_a_stall_without_a_time_of_its_own_is_healed_when_nothing_else_moves(supervisor):
    made = plan(
        messages=6, slots=8, injections=[injection(Stall("reader[1]"), AfterOps("reader[1]", 2))]
    )
    history, _ = run_plan(made, supervisor)
    assert [detail["healed"] for detail in healed(history)] == [True]
    assert positions(history, "reader[1]") == list(range(6))
    assert exits(history)["reader[1]"] == ["0"]


def test_sends_time_out_while_the_ring_is_full_and_drain_after_the_heal(supervisor):
    made = plan(
        messages=100,
        deadline_ns=5 * MS,
        injections=[
            injection(Stall("reader[1]"), AfterOps("reader[1]", 5), heal_after_ns=400 * MS)
        ],
    )
    history, _ = run_plan(made, supervisor)
    assert [op.outcome for op in history.of("writer") if op.type == "fail"].count("timeout") >= 3
    assert positions(history, "reader[1]") == list(range(100))


def test_a_writer_told_to_drop_goes_on_with_the_next_message(supervisor):
    made = plan(
        messages=40,
        deadline_ns=10 * MS,
        on_timeout="drop",
        injections=[
            injection(Stall("reader[1]"), AfterOps("reader[1]", 5), heal_after_ns=500 * MS)
        ],
    )
    history, _ = run_plan(made, supervisor)
    fails = [op for op in history.of("writer") if op.type == "fail"]
    sent = {op.checksum for op in history.of("writer") if op.type == OK}
    assert fails and len(fails) + len(sent) == 40
    assert not {op.checksum for op in fails} & sent


def test_a_writer_told_to_stop_ends_the_ring_after_its_first_time_out(supervisor):
    made = plan(
        messages=40,
        deadline_ns=SECOND,
        on_timeout="stop",
        injections=[injection(Stall("reader[1]"), AfterOps("reader[1]", 5))],
    )
    history, _ = run_plan(made, supervisor)
    ops = closed(history, "writer")
    assert [op.outcome for op in ops if op.type == "fail"] == ["timeout"]
    assert ops[-1].outcome == "timeout"
    assert exits(history)["writer"] == ["0"]


def test_a_kill_leaves_exactly_the_record_up_to_its_op(supervisor):
    made = plan(
        injections=[injection(Kill("writer"), AfterOps("writer", 37))],
        deadline_ns=SECOND,
        on_timeout="stop",
    )
    history, _ = run_plan(made, supervisor)
    assert exits(history)["writer"] == ["SIGKILL"]
    assert "ended_by" not in next(history.where(EXIT)).detail
    assert len(closed(history, "writer")) == 37
    assert [op.type for op in history.of("writer")].count(INVOKE) == 37
    assert positions(history, "reader[0]") == list(range(37))
    (detail,) = injected(history)
    assert detail["evidence"] == {
        "what": "wait status: signalled:SIGKILL",
        "state": "signalled:SIGKILL",
    }


@needs_takeover
@pytest.mark.parametrize("target", ["writer", "reader[1]"])
@pytest.mark.parametrize("start", ["template", "spawn"])
def test_the_next_incarnation_goes_on_where_the_dead_one_was(supervisor, target, start):
    fault = Restart(target, restart_after_ns=10 * MS)
    made = plan(start=start, injections=[injection(fault, AfterOps(target, 30))])
    history, _ = run_plan(made, supervisor)
    assert exits(history)[target] == ["SIGKILL", "0"]
    assert len(closed(history, target, 0)) == 30
    assert closed(history, target, 1)[0].position == 30
    assert positions(history, "writer") == list(range(100))
    assert positions(history, "reader[0]") == list(range(100))
    assert positions(history, "reader[1]") == list(range(100))
    (inject,), (heal,) = history.where(INJECT), history.where(HEAL)
    assert heal.detail["evidence"]["incarnation"] == 1
    assert heal.time_ns - inject.time_ns >= 10 * MS


@needs_takeover
def test_ops_are_counted_over_all_lives(supervisor):
    made = plan(
        injections=[
            injection(Restart("reader[0]"), AfterOps("reader[0]", 20)),
            injection(Restart("reader[0]"), AfterOps("reader[0]", 50), index=1),
        ]
    )
    history, _ = run_plan(made, supervisor)
    assert [len(closed(history, "reader[0]", life)) for life in (0, 1)] == [20, 30]
    assert positions(history, "reader[0]") == list(range(100))
    assert exits(history)["reader[0]"] == ["SIGKILL", "SIGKILL", "0"]


def test_a_slowed_process_takes_longer_for_each_op_until_it_is_healed(supervisor):
    made = plan(
        messages=200,
        injections=[
            injection(
                Slow("reader[1]", per_op_ns=5 * MS),
                AfterOps("reader[1]", 10),
                heal_after_ns=500 * MS,
            )
        ],
    )
    history, _ = run_plan(made, supervisor)
    (inject,), (heal,) = history.where(INJECT), history.where(HEAL)
    assert inject.detail["evidence"]["per_op_ns"] == 5 * MS
    slowed = heal.detail["evidence"]["slowed_ops"]
    assert slowed >= 1
    ends_ns = [op.time_ns for op in closed(history, "reader[1]")][9 : 10 + slowed]
    # The clock pair of the recorder may be off by some microseconds.
    assert min(b - a for a, b in zip(ends_ns, ends_ns[1:])) >= 5 * MS - MS // 10
    assert positions(history, "reader[1]") == list(range(200))


def test_a_command_reaches_a_process_in_the_middle_of_a_long_wait(supervisor):
    """The reader waits for a message that comes only after the fault was acknowledged."""
    made = plan(
        messages=2,
        interval_ns=2000 * MS,
        deadline_ns=None,
        injections=[injection(Slow("reader[0]"), AtTime(500 * MS), heal_after_ns=50 * MS)],
    )
    history, _ = run_plan(made, supervisor)
    (inject,), (heal,) = history.where(INJECT), history.where(HEAL)
    assert (inject.detail["fired"], heal.detail["healed"]) == (True, True)
    waits = [op for op in history.of("reader[0]") if op.f == "receive"]
    second = next(op for op in waits if op.position == 1 and op.type == INVOKE)
    assert second.time_ns < inject.time_ns
    assert next(op for op in waits if op.position == 1 and op.type == OK).time_ns > heal.time_ns


def test_a_reader_raises_once_in_the_slot_it_holds_and_goes_on(supervisor):
    made = plan(injections=[injection(RaiseInRead("reader[0]"), AfterOps("reader[0]", 25))])
    history, _ = run_plan(made, supervisor)
    fails = [op for op in history.of("reader[0]") if op.outcome == "raised"]
    assert [op.position for op in fails] == [25]
    (detail,) = injected(history)
    assert detail["evidence"]["exception"] == "PlantedError"
    assert detail["evidence"]["size_bytes"] == 64
    assert positions(history, "reader[0]") == [n for n in range(100) if n != 25]
    assert exits(history)["reader[0]"] == ["0"]


def test_an_unlinked_region_goes_on_serving_those_who_have_it(supervisor):
    made = plan(injections=[injection(UnlinkRegion("writer"), AfterOps("writer", 10))])
    history, _ = run_plan(made, supervisor)
    assert [detail["fired"] for detail in injected(history)] == [True]
    assert positions(history, "reader[1]") == list(range(100))


def test_nobody_can_be_restarted_onto_an_unlinked_region(supervisor):
    made = plan(
        injections=[
            injection(UnlinkRegion("reader[0]"), AfterOps("reader[0]", 10)),
            injection(Restart("reader[0]"), AfterOps("reader[0]", 10), index=1),
        ],
        deadline_ns=SECOND,
        on_timeout="stop",
    )
    history, _ = run_plan(made, supervisor)
    (heal,) = healed(history)
    assert heal["healed"] is False
    assert "shm_open" in heal["evidence"]["what"]
    assert exits(history)["reader[0]"] == ["SIGKILL", "1"]


def test_a_cut_region_is_a_real_sigbus_for_who_touches_it(supervisor):
    made = plan(
        injections=[injection(TruncateRegion("writer"), AfterOps("writer", 10))],
        deadline_ns=SECOND,
        on_timeout="stop",
        stall_threshold_ns=2 * SECOND,
    )
    history, _ = run_plan(made, supervisor)
    assert exits(history)["writer"] == ["SIGBUS"]
    (detail,) = injected(history)
    assert detail["evidence"]["after_bytes"] == 0
    stderr = next(op for op in history.where(EXIT) if op.process == "writer").detail["stderr"]
    assert "Fatal Python error: Bus error" in stderr
    assert len(closed(history, "writer")) == 10


def test_a_fault_whose_target_has_ended_does_not_fire(supervisor):
    """The reader goes on to its fourth operation when nobody else is left."""
    made = plan(
        messages=5,
        injections=[
            injection(Stall("reader[0]"), AfterOps("reader[0]", 3)),
            injection(Stall("writer"), AfterOps("reader[0]", 4), heal_after_ns=MS, index=1),
        ],
    )
    history, _ = run_plan(made, supervisor)
    fired = {detail["injection"]: detail["fired"] for detail in injected(history)}
    assert fired == {0: True, 1: False}
    assert len(healed(history)) == 1


def test_a_run_does_not_wait_to_heal_what_has_ended(supervisor):
    slow = injection(Slow("writer"), AfterOps("writer", 10), heal_after_ns=3600 * SECOND)
    history, _ = run_plan(plan(messages=20, injections=[slow]), supervisor)
    (detail,) = healed(history)
    assert detail["healed"] is True
    assert "gone with its process" in detail["evidence"]["what"]


def test_a_trigger_that_never_comes_does_not_fire(supervisor):
    made = plan(messages=5, injections=[injection(Kill("writer"), AfterOps("writer", 50))])
    history, _ = run_plan(made, supervisor)
    assert [detail["fired"] for detail in injected(history)] == [False]


def test_a_fault_at_the_last_op_still_comes_before_the_end(supervisor):
    made = plan(
        messages=20,
        deadline_ns=SECOND,
        on_timeout="stop",
        injections=[injection(Kill("writer"), AfterOps("writer", 20))],
    )
    history, _ = run_plan(made, supervisor)
    assert exits(history)["writer"] == ["SIGKILL"]
    assert positions(history, "reader[0]") == list(range(20))
    assert [op.outcome for op in closed(history, "reader[0]")][-1] == "timeout"


class TakesItsTime:
    """Longer than a standstill may, since the last look at what moves, at which all stood still;
    and who was held for it is late for the next."""

    alias = "takes_its_time"
    heals = False
    requires: FrozenSet[Capability] = frozenset()
    target = "writer"

    def inject(self, world):
        world.await_state("writer", "nowhere", within_ns=100 * MS)
        world._progress.next_sample_ns = 0
        world._progress.is_stalled(world.now_ns(), world._current())
        world.await_state("writer", "nowhere", within_ns=400 * MS)
        world.slow("writer", 9 * MS)
        return Evidence(True, "it is over")


def test_the_time_that_a_fault_takes_is_no_standstill(supervisor):
    injections = [injection(TakesItsTime(), AfterOps("writer", 20))]
    made = plan(messages=25, injections=injections, stall_threshold_ns=300 * MS)
    history, _ = run_plan(made, supervisor)
    assert not any(history.where(HANG))
    assert positions(history, "reader[0]") == list(range(25))


@pytest.mark.parametrize(
    ("fault", "allowed"),
    [
        (Kill("writer"), [Allowance("exit", "writer", value="SIGKILL", because="f")]),
        (Restart("writer"), [Allowance("exit", "writer", value="SIGKILL", because="f")]),
        (RaiseInRead("reader"), [Allowance("outcome", "reader", "receive", "raised", "f")]),
        (Stall("writer"), []),
        (Slow("writer"), []),
        (UnlinkRegion("writer"), []),
        (TruncateRegion("writer"), []),
    ],
    ids=lambda value: getattr(value, "alias", ""),
)
def test_a_fault_accounts_for_what_it_surely_causes_and_for_nothing_else(fault, allowed):
    assert list(fault.accounts_for("f")) == allowed


def test_a_fault_says_what_it_needs():
    for alias, fault in FAULTS.items():
        assert fault.alias == alias
        assert fault.requires <= frozenset(Capability)
        assert fault.roles <= {"writer", "reader", "program", "forwarder", "host"}
        assert fault.doc and dataclasses.is_dataclass(fault)
