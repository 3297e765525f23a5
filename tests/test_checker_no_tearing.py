"""no_tearing, on literal histories."""

from __future__ import annotations

from literal_history import history, op, received, send_fails, sends, sent

from sim.checkers.no_tearing import NoTearing
from sim.history.op import INFO, OVERFLOW


def check(*lines, **header):
    return NoTearing().check(history(*lines, **header))


def test_whole_messages_are_valid():
    assert check(sent(0, 1), received("reader", 0, 1)).result == "valid"


def test_bytes_of_no_message_are_invalid():
    result = check(sent(0, 1), received("reader", 0), received("reader", 1, content=77))
    assert result.result == "invalid"
    assert result.why == (
        "reader: incarnation 0 received at position 1 64 bytes with checksum 0xabc04d: "
        "no message; expected 64 bytes with checksum 0xabc001"
    )
    assert result.ops == (7, 3)


def test_the_right_bytes_in_the_wrong_size_are_invalid():
    assert check(sent(0), received("reader", 0, size=32)).result == "invalid"


def test_a_message_where_nothing_was_sent_is_invalid():
    result = check(received("reader", 0))
    assert result.result == "invalid"
    assert result.why.endswith("nothing was ever sent there")


def test_another_message_than_expected_is_whole():
    assert check(sent(0, 1), received("reader", 0, content=1)).result == "valid"


def test_a_send_in_doubt_may_arrive():
    assert check(sends(0), received("reader", 0)).result == "valid"


def test_both_contents_of_a_position_may_arrive():
    """The first writer died in its send, the second sent something else there."""
    lines = [sends(0), sent(0, content=9, life=1)]
    assert check(*lines, received("reader", 0, content=9)).result == "valid"
    assert check(*lines, received("reader", 0)).result == "valid"


def test_a_send_that_timed_out_and_was_retried_may_arrive():
    assert check(send_fails(0), sent(0), received("reader", 0)).result == "valid"


def test_a_send_that_timed_out_and_was_dropped_may_not_arrive():
    lines = [send_fails(0), sent(0, content=9), received("reader", 0)]
    result = check(*lines)
    assert (result.result, result.ops) == ("invalid", (5, 0))
    assert "the send of message 0 that timed out" in result.why


def test_a_send_that_failed_otherwise_is_in_doubt():
    assert check(send_fails(0, "fenced"), received("reader", 0)).result == "valid"


def test_an_overflow_is_unknown():
    result = check(received("reader", 0), op("writer", INFO, OVERFLOW))
    assert result.result == "unknown"
