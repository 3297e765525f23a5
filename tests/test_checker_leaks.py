"""leaks, on literal histories."""

from __future__ import annotations

from literal_history import history, op, sent

from sim.checkers.leaks import Leaks
from sim.history.op import INFO, LEAK


def test_nothing_left_is_valid():
    assert Leaks().check(history(sent(0))).result == "valid"


def test_what_is_left_is_named():
    leak = op("watch", INFO, LEAK, detail={"names": ["spinbed.1.ring", "spinbed.1.flags"]})
    result = Leaks().check(history(sent(0), leak))
    assert (result.result, result.ops) == ("invalid", (2,))
    assert result.why == "watch: left behind: spinbed.1.ring, spinbed.1.flags"
