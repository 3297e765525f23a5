"""no_loss, on literal histories."""

from __future__ import annotations

from literal_history import (
    TWO_READERS,
    exited,
    history,
    op,
    receive_fails,
    received,
    send_fails,
    sends,
    sent,
    waits,
)

from sim.checkers.no_loss import NoLoss
from sim.history.history import ProcessHeader
from sim.history.op import INFO, OVERFLOW


def check(*lines, **header):
    return NoLoss().check(history(*lines, **header))


def test_everything_received_is_valid():
    result = check(sent(0, 1), received("reader", 0, 1), receive_fails("reader", 2, "ended"))
    assert result.result == "valid"


def test_a_message_that_was_passed_over_is_lost():
    result = check(sent(0, 1, 2), received("reader", 0, 2))
    assert result.result == "invalid"
    assert result.why == (
        "reader: never received message 1, whose send was ok, but received message 2"
    )
    assert result.ops == (9, 3)  # the receive of 2, the ok of send 1


def test_the_end_before_the_last_message_is_a_loss():
    result = check(sent(0, 1), received("reader", 0), receive_fails("reader", 1, "ended"))
    assert (result.result, result.ops) == ("invalid", (7, 3))
    assert "message 1" in result.why and "told that the writer had ended" in result.why


def test_an_exit_with_0_before_the_last_message_is_a_loss():
    result = check(sent(0, 1), received("reader", 0), exited("reader"))
    assert (result.result, result.ops) == ("invalid", (6, 3))


def test_a_reader_that_never_received_but_exited_with_0_lost_everything():
    lines = [sent(0), received("reader[0]", 0), exited("reader[1]")]
    result = check(*lines, processes=TWO_READERS)
    assert result.result == "invalid"
    assert result.why.startswith("reader[1]: never received message 0")


def test_a_reader_that_gave_up_is_owed_nothing_more():
    lines = [sent(0, 1), received("reader", 0), receive_fails("reader", 1, "timeout")]
    assert check(*lines, exited("reader")).result == "valid"


def test_a_reader_that_was_killed_is_owed_nothing_more():
    result = check(sent(0, 1), received("reader", 0), exited("reader", "SIGKILL"))
    assert result.result == "valid"


def test_a_reader_ended_by_the_run_is_owed_nothing_more():
    lines = [sent(0, 1), received("reader", 0)]
    assert check(*lines, exited("reader", "0", ended_by="run")).result == "valid"


def test_what_the_workload_dropped_by_raising_is_not_lost():
    lines = [sent(0, 1, 2), received("reader", 0), receive_fails("reader", 1, "raised")]
    assert check(*lines, received("reader", 2)).result == "valid"


def test_what_came_by_raising_is_counted_where_positions_are_the_readers_own():
    lines = [sent(0, 1, 2), receive_fails("reader", 0, "raised"), received("reader", 1, 2)]
    assert check(*lines, knows_owner=False).result == "valid"


def test_what_an_eviction_cost_is_not_lost_but_what_came_later_is():
    lines = [sent(0, 1, 2, 3, 4), received("reader", 0), receive_fails("reader", 1, "evicted")]
    assert check(*lines, received("reader", 3, 4)).result == "valid"
    assert check(*lines, received("reader", 2, 4)).why.startswith(
        "reader: never received message 3"
    )


def test_an_evicted_reader_that_never_came_back_is_owed_nothing_more():
    lines = [sent(0, 1, 2), received("reader", 0), receive_fails("reader", 1, "evicted")]
    assert check(*lines, exited("reader")).result == "valid"


def test_a_send_in_doubt_may_be_lost():
    lines = [sent(0), sends(1), exited("writer", "SIGKILL"), sends(1, content=7, life=1)]
    result = check(*lines, received("reader", 0), receive_fails("reader", 1, "ended"))
    assert result.result == "valid"


def test_a_send_in_doubt_that_one_reader_got_is_owed_to_all():
    lines = [sent(0), sends(1), exited("writer", "SIGKILL"), sent(2, life=1)]
    result = check(
        *lines, received("reader[0]", 0, 1, 2), received("reader[1]", 0, 2), processes=TWO_READERS
    )
    assert result.result == "invalid"
    assert "reader[1]: never received message 1, which another reader received" in result.why


def test_a_send_that_timed_out_is_owed_to_nobody():
    lines = [sent(0), send_fails(1), sent(1, content=8)]
    assert check(*lines, received("reader", 0), received("reader", 1, content=8)).result == "valid"


def test_a_restarted_reader_that_skips_ahead_loses_what_lies_between():
    lines = [sent(0, 1, 2), received("reader", 0), exited("reader", "SIGKILL")]
    assert check(*lines, received("reader", 1, 2, life=1)).result == "valid"
    assert check(*lines, received("reader", 2, life=1)).result == "invalid"


def test_a_torn_message_is_not_lost_as_well():
    lines = [sent(0, 1, 2), received("reader", 0), received("reader", 1, content=99)]
    assert check(*lines, received("reader", 2)).result == "valid"


def test_a_skip_is_seen_where_the_reader_counts_positions_itself():
    lines = [sent(0, 1, 2), received("reader", 0), received("reader", 1, content=2)]
    result = check(*lines, knows_owner=False)
    assert result.result == "invalid"
    assert result.why.startswith("reader: never received message 1")


def test_equal_contents_are_read_in_order():
    lines = [sent(n, content=0, size=0) for n in range(3)]
    got = [received("reader", n, content=0, size=0) for n in range(3)]
    assert check(*lines, *got, receive_fails("reader", 3, "ended")).result == "valid"
    result = check(*lines, *got[:2], receive_fails("reader", 2, "ended"))
    assert result.why.startswith("reader: never received message 2")


def test_nothing_received_is_unknown():
    assert check().result == "unknown"
    result = check(sent(0), waits("reader", 0))
    assert (result.result, result.why) == ("unknown", "nothing was received by anybody")


def test_a_writer_without_messages_is_valid_once_every_reader_was_told():
    silent = (
        ProcessHeader("writer", "writer", None, None, messages=0),
        ProcessHeader("reader", "reader", 0, None),
    )
    assert check(receive_fails("reader", 0, "ended"), processes=silent).result == "valid"
    assert check(receive_fails("reader", 0, "timeout"), processes=silent).result == "unknown"
    assert check(processes=silent).result == "unknown"
    assert check(receive_fails("reader", 0, "ended")).result == "unknown"


def test_an_overflow_is_unknown():
    lines = [sent(0, 1, 2), received("reader", 0, 2), op("reader", INFO, OVERFLOW)]
    result = check(*lines)
    assert (result.result, result.ops) == ("unknown", (10,))


def test_a_restart_without_owners_is_unknown():
    lines = [sent(0), received("reader", 0), received("reader", 0, life=1)]
    assert check(*lines, knows_owner=False).result == "unknown"
