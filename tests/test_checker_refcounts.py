"""refcounts, on literal histories."""

from __future__ import annotations

import pytest
from literal_history import history, hook, spawned

from sim.checkers.refcounts import Refcounts


def check(*lines):
    return Refcounts().check(history(spawned("app"), *lines))


def counted(lost=0, *, calls=20, immortal=False, **more):
    drift = {"True": -lost, "False": 0, "None": 0}
    said = {"call": "say_true", "calls": calls, "drift": drift, "immortal": immortal, **more}
    return hook("app", "refcounts", **said)


@pytest.mark.parametrize("gained", [0, 1, 20, 400])
def test_what_loses_nothing_is_valid(gained):
    assert check(counted(-gained)).result == "valid"


@pytest.mark.parametrize("lost", [20, 21, 80])
def test_a_reference_lost_in_each_call_is_invalid(lost):
    result = check(counted(), counted(lost, left={"True": 180, "False": 90}))
    assert (result.result, result.ops) == ("invalid", (3,))
    why = f"app: say_true lost {lost} references to True in 20 calls; 180 were left"
    assert result.why == why


@pytest.mark.parametrize("lost", [1, 19])
def test_a_few_lost_are_neither(lost):
    result = check(counted(lost))
    assert (result.result, result.ops) == ("unknown", (2,))
    assert result.why.endswith("neither none nor one each; count more calls")


def test_one_call_that_loses_one_is_invalid_and_no_call_says_nothing():
    assert check(counted(1, calls=1)).result == "invalid"
    assert check(counted(1, calls=0)).result == "unknown"


def test_where_constants_are_immortal_it_is_unknown():
    result = check(counted(immortal=True))
    assert (result.result, result.ops) == ("unknown", (2,))
    assert "immortal" in result.why


def test_where_nothing_was_counted_it_is_unknown():
    result = check(hook("app", "watch", module="m", event="ended"))
    assert (result.result, result.ops) == ("unknown", ())
    assert result.why == "no program had the references counted that its calls take"
