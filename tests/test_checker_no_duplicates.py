"""no_duplicates, on literal histories."""

from __future__ import annotations

from literal_history import (
    exited,
    history,
    op,
    receive_fails,
    received,
    send_fails,
    sent,
    waits,
)

from sim.checkers.no_duplicates import NoDuplicates
from sim.history.op import INFO, OVERFLOW


def check(*lines, **header):
    return NoDuplicates().check(history(*lines, **header))


def test_each_once_is_valid():
    assert check(sent(0, 1), received("reader", 0, 1)).result == "valid"


def test_twice_in_one_life_is_invalid():
    result = check(sent(0, 1), received("reader", 0, 1, 1))
    assert result.result == "invalid"
    assert result.why == "reader: incarnation 0 received message 1 a second time"
    assert result.ops == (9, 7)


def test_old_bytes_at_a_new_position_are_a_duplicate():
    for knows_owner in (True, False):
        lines = [sent(0, 1), received("reader", 0), received("reader", 1, content=0)]
        assert check(*lines, knows_owner=knows_owner).result == "invalid"


def test_a_second_position_with_equal_bytes_is_no_duplicate():
    for knows_owner in (True, False):
        lines = [sent(0, 1, content=5), received("reader", 0, 1, content=5)]
        assert check(*lines, knows_owner=knows_owner).result == "valid"


def test_equal_bytes_behind_a_skip_are_read_in_order():
    """The reader's own count lags by one, and equals that of an earlier message with the bytes."""
    lines = [sent(0, 1), sent(2, 3, content=2), received("reader", 0)]
    lines += [received("reader", 1, content=2), received("reader", 2, content=2)]
    assert check(*lines, knows_owner=False).result == "valid"


def test_a_retry_after_a_timeout_is_no_duplicate():
    assert check(send_fails(0), sent(0), received("reader", 0)).result == "valid"


def test_the_unreleased_message_may_come_again_after_a_death():
    lines = [sent(0, 1), received("reader", 0, 1), exited("reader", "SIGKILL")]
    assert check(*lines, received("reader", 1, life=1)).result == "valid"


def test_it_may_come_again_after_each_death():
    lines = [sent(0), received("reader", 0), exited("reader", "SIGKILL")]
    lines += [waits("reader", 0, life=1), exited("reader", "SIGKILL", life=1)]
    lines += [received("reader", 0, life=2), exited("reader", "SIGKILL", life=2)]
    assert check(*lines, received("reader", 0, life=3)).result == "valid"


def test_a_released_message_may_not_come_again_after_a_death():
    lines = [sent(0, 1), received("reader", 0), waits("reader", 1), exited("reader", "SIGKILL")]
    result = check(*lines, received("reader", 0, life=1))
    assert (result.result, result.ops) == ("invalid", (9, 5))
    assert "incarnation 1 received message 0" in result.why


def test_an_older_message_may_not_come_again_after_a_death():
    lines = [sent(0, 1), received("reader", 0, 1), exited("reader", "SIGKILL")]
    assert check(*lines, received("reader", 0, life=1)).result == "invalid"


def test_a_repeat_may_not_be_repeated_within_the_next_life():
    lines = [sent(0), received("reader", 0), exited("reader", "SIGKILL")]
    assert check(*lines, received("reader", 0, 0, life=1)).result == "invalid"


def test_a_message_dropped_by_raising_counts_as_released():
    lines = [sent(0, 1), received("reader", 0), receive_fails("reader", 1, "raised")]
    lines += [exited("reader", "SIGKILL")]
    assert check(*lines, received("reader", 0, life=1)).result == "invalid"


def test_a_message_dropped_by_raising_may_not_come_again():
    lines = [sent(0, 1), received("reader", 0), receive_fails("reader", 1, "raised")]
    result = check(*lines, received("reader", 1))
    assert (result.result, result.ops) == ("invalid", (9, 7))


def test_an_overflow_is_unknown():
    result = check(sent(0), received("reader", 0, 0), op("writer", INFO, OVERFLOW))
    assert result.result == "unknown"
