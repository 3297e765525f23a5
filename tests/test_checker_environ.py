"""environ, on literal histories."""

from __future__ import annotations

import pytest
from literal_history import history, hook, spawned, started_with

from sim.checkers.environ import Environ

BEGUN = [spawned("app"), started_with("app", "environ")]


def check(*lines):
    return Environ().check(history(*lines))


def test_imports_that_leave_the_environment_alone_are_valid():
    assert check(BEGUN).result == "valid"


@pytest.mark.parametrize("event", ["set", "changed", "unset"])
def test_a_module_that_changes_it_is_invalid(event):
    lines = [hook("app", "environ", module="m", event=event, variable=name) for name in ("A", "B")]
    result = check(BEGUN, *lines)
    assert (result.result, result.ops) == ("invalid", (3, 4))
    assert result.why == f"app: the import of m has {event} A (and 1 more)"


@pytest.mark.parametrize("lines", [[], [started_with("app", "watch")]])
def test_where_nobody_looks_it_is_unknown(lines):
    result = check(spawned("app"), lines)
    assert result.result == "unknown"
    assert result.why.startswith("app: nobody watched its imports")


def test_a_run_in_which_nothing_was_started_is_unknown():
    assert (check().result, check().why) == ("unknown", "nothing was started")
