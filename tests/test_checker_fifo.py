"""fifo, on literal histories."""

from __future__ import annotations

from literal_history import exited, history, op, received, sent

from sim.checkers.fifo import Fifo
from sim.history.op import INFO, OVERFLOW


def check(*lines, **header):
    return Fifo().check(history(*lines, **header))


def test_in_order_is_valid():
    assert check(sent(0, 1, 2), received("reader", 0, 1, 2)).result == "valid"


def test_a_gap_is_in_order():
    assert check(sent(0, 1, 2), received("reader", 0, 2)).result == "valid"


def test_swapped_messages_are_invalid():
    for knows_owner in (True, False):
        lines = [sent(0, 1, 2), received("reader", 0)]
        lines += [received("reader", 1, content=2), received("reader", 2, content=1)]
        result = check(*lines, knows_owner=knows_owner)
        assert result.result == "invalid"
        assert result.why == "reader: incarnation 0 received message 1 after message 2"
        assert result.ops == (11, 9)


def test_a_position_that_goes_back_is_invalid():
    assert check(sent(0, 1), received("reader", 1, 0)).result == "invalid"


def test_a_second_delivery_is_not_held_against_the_order():
    assert check(sent(0, 1), received("reader", 0, 1, 0)).result == "valid"


def test_a_new_life_begins_a_new_order():
    lines = [sent(0, 1), received("reader", 0, 1), exited("reader", "SIGKILL")]
    assert check(*lines, received("reader", 1, life=1)).result == "valid"


def test_each_reader_has_its_own_order():
    lines = [sent(0, 1), received("reader[0]", 1), received("reader[1]", 0)]
    assert check(*lines).result == "valid"


def test_an_overflow_is_unknown():
    result = check(sent(0, 1), received("reader", 1, 0), op("reader", INFO, OVERFLOW))
    assert result.result == "unknown"
