"""liveness, on literal histories."""

from __future__ import annotations

import dataclasses

import pytest
from literal_history import (
    HEADER,
    KILL,
    STALL,
    allows,
    at_ms,
    exited,
    healed,
    history,
    injected,
    op,
    receive_fails,
    received,
    send_fails,
    sends,
    sent,
    spawned,
    waits,
)

from sim.checkers.liveness import Liveness
from sim.history.op import HANG, INFO, OVERFLOW

BOTH = spawned("writer", "reader")
ALL_OUT = [exited("writer"), exited("reader")]
FOR_EVER = tuple(dataclasses.replace(p, deadline_ns=None) for p in HEADER.processes)


def check(*lines, **header):
    return Liveness().check(history(*lines, **header))


def hang(*waiting):
    detail = {"waiting": list(waiting), "blocked_ns": 1_500_000_000, "region": {}}
    return op("watch", INFO, HANG, detail=detail)


def test_a_run_that_comes_to_its_end_is_valid():
    lines = [BOTH, sent(0), received("reader", 0), receive_fails("reader", 1, "ended")]
    assert check(*lines, *ALL_OUT).result == "valid"


def test_an_op_that_fails_by_its_deadline_is_valid():
    assert check(BOTH, at_ms(400, send_fails(0)), *ALL_OUT).result == "valid"


def test_an_op_later_than_its_deadline_is_invalid():
    result = check(BOTH, at_ms(500, send_fails(0)), *ALL_OUT)
    assert (result.result, result.ops) == ("invalid", (4, 5))
    assert result.why == "writer: send at position 0 took 0.495 s; its deadline was 0.3 s"


def test_an_op_without_a_deadline_may_take_its_time():
    lines = [BOTH, at_ms(5000, sent(0)), *ALL_OUT]
    assert check(*lines, processes=FOR_EVER).result == "valid"


def test_an_open_op_is_late_when_the_history_is():
    lines = [BOTH, sends(0), exited("writer"), at_ms(900, exited("reader"))]
    assert check(waits("reader", 0), *lines).result == "invalid"


def test_time_in_which_its_process_was_stopped_does_not_count():
    stop = [waits("reader", 0), at_ms(10, injected("stall", "reader"))]
    go = [at_ms(2010, healed("stall", "reader")), at_ms(2100, op("reader", "ok", "receive", 0))]
    lines = [BOTH, *stop, *go, sent(0), *ALL_OUT]
    assert check(*lines, faults=(STALL,)).result == "valid"
    late = [BOTH, *stop, go[0], at_ms(2500, op("reader", "ok", "receive", 0)), sent(0), *ALL_OUT]
    assert check(*late, faults=(STALL,)).result == "invalid"


def test_time_in_which_another_process_was_stopped_does_count():
    lines = [BOTH, sends(0), at_ms(10, injected("stall", "reader"))]
    lines += [at_ms(2010, healed("stall", "reader")), op("writer", "ok", "send", 0), *ALL_OUT]
    result = check(*lines, faults=(STALL,))
    assert result.result == "invalid"
    assert result.why.startswith("writer: send at position 0 took 2.01 s")


def test_a_process_that_is_never_healed_owes_nothing():
    lines = [BOTH, waits("reader", 0), injected("stall", "reader"), exited("writer")]
    lines += [at_ms(9000, exited("reader", "SIGKILL", ended_by="run"))]
    assert check(*lines, faults=(STALL,)).result == "valid"


def test_a_hang_is_invalid_and_names_who_waits():
    lines = [BOTH, sends(0), waits("reader", 0), hang("writer", "reader")]
    result = check(*lines, *ALL_OUT, processes=FOR_EVER)
    assert (result.result, result.ops[0]) == ("invalid", 6)
    assert result.why.startswith("writer, reader: hung, nothing moved for 1.5 s")


def test_a_run_that_outlives_its_deadline_is_invalid():
    detail = {"why": "deadline", "waiting": ["reader"], "blocked_ns": 5}
    result = check(BOTH, op("watch", INFO, HANG, detail=detail), *ALL_OUT)
    assert result.result == "invalid"
    assert result.why == "the run was not over by its deadline of 20 s; waiting: reader"


def test_a_hang_that_is_expected_is_valid():
    assert check(BOTH, hang("reader"), *ALL_OUT, **allows("hang", "reader")).result == "valid"
    assert check(BOTH, hang("reader"), *ALL_OUT, **allows("hang", "writer")).result == "invalid"


def test_an_exit_in_the_middle_of_an_op_is_invalid():
    result = check(BOTH, sends(0), *ALL_OUT)
    assert result.result == "invalid"
    assert result.why == ("writer: incarnation 0 exited although it waited in send at position 0")


def test_a_death_in_the_middle_of_an_op_is_valid():
    lines = [BOTH, sends(0), exited("writer", "SIGKILL"), exited("reader")]
    assert check(*lines).result == "valid"


def test_a_process_that_never_exited_is_invalid():
    result = check(BOTH, sent(0), exited("writer"))
    assert result.result == "invalid"
    assert result.why == "reader: incarnation 0 never exited: was between operations"


def test_a_process_that_the_run_ended_had_not_finished():
    lines = [BOTH, waits("reader", 0), exited("writer")]
    result = check(*lines, exited("reader", "SIGKILL", ended_by="run"))
    assert result.result == "invalid"
    assert result.why == (
        "reader: had not finished when the run was over: waited in receive at position 0"
    )


def test_peers_of_the_dead_go_on_until_the_run_ends():
    lines = [BOTH, injected("kill", "writer"), exited("writer", "SIGKILL")]
    lines += [at_ms(300, receive_fails("reader", 0, "timeout")), waits("reader", 0)]
    lines += [exited("reader", "SIGKILL", ended_by="run")]
    assert check(*lines, faults=(KILL,)).result == "valid"


def test_a_peer_of_the_dead_that_waits_for_ever_is_invalid():
    lines = [BOTH, injected("kill", "writer"), exited("writer", "SIGKILL"), waits("reader", 0)]
    lines += [exited("reader", "SIGKILL", ended_by="run")]
    assert check(*lines, faults=(KILL,), processes=FOR_EVER).result == "invalid"


def test_peers_of_the_restarted_must_finish():
    lines = [BOTH, exited("writer", "SIGKILL"), spawned("writer", life=1), waits("reader", 0)]
    lines += [exited("writer", life=1), exited("reader", "SIGKILL", ended_by="run")]
    assert check(*lines).result == "invalid"


def test_after_a_heal_something_must_move():
    stop = [BOTH, injected("stall", "reader"), at_ms(100, healed("stall", "reader"))]
    soon = [at_ms(1100, sent(0)), *ALL_OUT]
    late = [sends(0), at_ms(1400, op("writer", "ok", "send", 0)), *ALL_OUT]
    assert check(*stop, *soon, faults=(STALL,), processes=FOR_EVER).result == "valid"
    result = check(*stop, *late, faults=(STALL,), processes=FOR_EVER)
    assert result.result == "invalid"
    assert result.why == (
        "writer: send at position 0 was due, but nothing completed for 1.3 s "
        "after the last heal; expected 1.1 s"
    )


def test_after_a_heal_a_reader_without_a_message_is_not_due():
    lines = [BOTH, injected("stall", "reader"), healed("stall", "reader"), waits("reader", 0)]
    lines += [at_ms(4000, sent(0)), op("reader", "ok", "receive", 0), *ALL_OUT]
    assert check(*lines, faults=(STALL,), processes=FOR_EVER).result == "invalid"
    quiet = [*lines[:4], at_ms(4000, sends(0)), op("writer", "ok", "send", 0), *lines[5:]]
    assert check(*quiet, faults=(STALL,), processes=FOR_EVER).result == "valid"


def test_after_a_heal_a_reader_with_a_message_is_due():
    lines = [BOTH, sent(0), injected("stall", "reader"), healed("stall", "reader")]
    lines += [waits("reader", 0), at_ms(4000, op("reader", "ok", "receive", 0)), *ALL_OUT]
    result = check(*lines, faults=(STALL,), processes=FOR_EVER)
    assert result.result == "invalid"
    assert result.why.startswith("reader: receive at position 0 was due")


@pytest.mark.parametrize("death", [[exited("reader", "SIGKILL")], [injected("kill", "reader")]])
def test_without_owners_a_death_ends_what_liveness_can_say(death):
    lines = [BOTH, *death, at_ms(5000, send_fails(0)), hang("writer")]
    result = check(*lines, faults=(KILL,), knows_owner=False, transport="flag_ring")
    assert result.result == "valid"
    assert result.why == "not applicable after a death: flag_ring knows no owner"


def test_without_owners_and_without_a_death_liveness_applies():
    result = check(BOTH, at_ms(500, send_fails(0)), *ALL_OUT, knows_owner=False)
    assert result.result == "invalid"


def test_an_overflow_is_unknown():
    result = check(BOTH, sends(0), op("writer", INFO, OVERFLOW))
    assert result.result == "unknown"
