"""logs, on literal histories."""

from __future__ import annotations

import pytest
from literal_history import allows, history, logged

from sim.checkers.logs import Logs


def check(*lines, **header):
    return Logs().check(history(*lines, **header))


WARNED = logged("reader", "WARNING", "kernel k could not be loaded")


@pytest.mark.parametrize("level", ["DEBUG", "INFO", 20])
def test_what_is_below_a_warning_is_valid(level):
    assert check(logged("reader", level, "hello")).result == "valid"


@pytest.mark.parametrize("level", ["WARNING", "ERROR", "CRITICAL", 30, "AUDIT"])
def test_a_warning_that_nothing_accounts_for_is_invalid(level):
    result = check(logged("writer", "INFO", "hello"), logged("reader", level, "two\nlines"))
    assert (result.result, result.ops) == ("invalid", (1,))
    assert result.why == f"reader: cy_kernels logged {level}: two lines"


@pytest.mark.parametrize(
    "allowance",
    [
        {"value": "cy_kernels"},
        {"value": "*"},
        {"value": "cy_kernels", "level": "WARNING", "pattern": "could not .* loaded"},
    ],
)
def test_an_allowance_covers_it(allowance):
    assert check(WARNED, **allows("log", "reader", **allowance)).result == "valid"


def test_an_allowance_covers_the_loggers_below_its_own():
    line = logged("reader", "WARNING", "m", logger="cy_kernels.ring")
    assert check(line, **allows("log", "reader", value="cy_kernels")).result == "valid"
    assert check(line, **allows("log", "reader", value="cy_kern")).result == "invalid"


@pytest.mark.parametrize(
    "allowance",
    [
        {"value": "sim"},
        {"value": "cy_kernels", "level": "ERROR"},
        {"value": "cy_kernels", "pattern": "^could"},
    ],
)
def test_an_allowance_for_something_else_does_not(allowance):
    assert check(WARNED, **allows("log", "reader", **allowance)).result == "invalid"


def test_an_allowance_for_another_process_does_not():
    assert check(WARNED, **allows("log", "writer", value="cy_kernels")).result == "invalid"


def test_only_allowances_for_logs_count():
    assert check(WARNED, **allows("exit", "reader", value="cy_kernels")).result == "invalid"
