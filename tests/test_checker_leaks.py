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


def test_of_very_many_the_first_are_named():
    leak = op("watch", INFO, LEAK, detail={"names": [f"process {pid}" for pid in range(200)]})
    why = Leaks().check(history(leak)).why
    assert "process 7 and 192 more" in why and "process 8" not in why
