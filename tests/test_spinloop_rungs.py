"""Spinning waits on each rung that sleeps on memory: what they arm, and what ends them."""

# ruff: noqa: F811 - a fixture is a name of the module and of the argument
from __future__ import annotations

import ctypes
import time
from typing import Any, Callable

import pytest
from spinning_waits import (
    MONITORX,
    SHORT_S,
    SOON_S,
    TICKS_HELD,
    WAITPKG,
    Beside,
    comes_to,
    lines,  # noqa: F401 - fixtures
    module,  # noqa: F401
    seen,
    ticks,
    until,
    waits,  # noqa: F401
)

from cy_kernels import cpu, trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

HARDWARE = {"mwaitx": MONITORX, "umwait": WAITPKG, "tpause": WAITPKG}
WAITS: dict[str, Callable[..., object]] = {
    "spinloop": lambda waits, lines, **more: waits.spinloop(
        lines[:8], lambda: lines[5], SOON_S, **more
    ),
    "wait_until": lambda waits, lines, **more: waits.wait_until(
        lines, 0, "differs", 0, timeout_s=SOON_S, **more
    ),
    "wait_until_all": lambda waits, lines, **more: waits.wait_until_all(
        lines, 5, 1, timeout_s=SOON_S, **more
    ),
}
WAKES = {"mwaitx": "monitorx", "umwait": "umonitor"}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("rung", WAKES)
def test_a_store_ends_a_wait_on_the_line_that_was_armed(
    waits: Any, lines: memoryview, wait: str, rung: str
) -> None:
    host = HARDWARE[rung]
    beside = Beside(lambda: WAITS[wait](waits, lines, cpu=host, strategy=rung))
    until(lambda: trap.state()["waits"] > 1)
    lines[5] = 1
    assert beside.result() is True
    start = ctypes.addressof(ctypes.c_char.from_buffer(lines))
    assert start <= seen(WAKES[rung])["address"] < start + 64
    assert seen(rung)["reserved"] == 0
    assert seen(rung)["longest_cycles"] <= ticks(20e-6)


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("rung", HARDWARE)
@pytest.mark.parametrize("how", ["missed", "early", "raced_arm", "raced_wait", "raced_lost"])
def test_no_disturbance_of_its_wakes_loses_a_store(
    waits: Any, lines: memoryview, wait: str, rung: str, how: str
) -> None:
    """Also a line that wakes nobody at all: the timer ends each sleep, and memory is looked at."""
    trap.disturb(None, how, cycles=1000)
    beside = Beside(lambda: WAITS[wait](waits, lines, cpu=HARDWARE[rung], strategy=rung))
    until(lambda: seen(rung)["emulated"] > 3)
    lines[5] = 1
    assert beside.result() is True


@pytest.mark.parametrize("rung", HARDWARE)
def test_the_limit_of_the_operating_system_is_no_end_of_the_wait(
    waits: Any, lines: memoryview, rung: str
) -> None:
    trap.limit(None, 100)
    began_ns = time.monotonic_ns()
    assert not waits.wait_until(
        lines, 0, "differs", 0, timeout_s=SHORT_S, cpu=HARDWARE[rung], strategy=rung
    )
    assert time.monotonic_ns() - began_ns >= SHORT_S * 1e9


@pytest.mark.parametrize("rate", ["tsc_hz=0", "tsc_hz=1", "tsc_hz=100000000000"])
def test_a_counter_of_an_odd_rate_makes_no_wait_without_end(
    waits: Any, lines: memoryview, rate: str
) -> None:
    for rung, host in HARDWARE.items():
        host = f"{host},{rate}"
        assert not waits.spinloop(lines[:8], [].__len__, SHORT_S, strategy=rung, cpu=host)
    assert seen("mwaitx")["unbounded"] == 0


def test_flags_in_many_lines_are_watched_where_one_is_missing(
    waits: Any, lines: memoryview
) -> None:
    lines[0:200] = b"\x01" * 200
    lines[150] = 0
    beside = Beside(lambda: waits.wait_until_all(lines, 0, 200, timeout_s=SOON_S, cpu=MONITORX))
    until(lambda: trap.state()["waits"])
    start = ctypes.addressof(ctypes.c_char.from_buffer(lines))
    assert seen("monitorx")["address"] == start + 150
    lines[150] = 1
    assert beside.result() is True


def test_no_sleep_is_on_the_line_of_a_flag_that_was_set_while_it_was_armed(
    waits: Any, lines: memoryview
) -> None:
    """Each arming is held until its flag is set: what is missing then lies in another line."""
    trap.disturb(None, "raced_arm", cycles=TICKS_HELD)
    lines[0:200] = b"\x01" * 200
    lines[10] = lines[150] = 0
    beside = Beside(lambda: waits.wait_until_all(lines, 0, 200, timeout_s=SOON_S, cpu=MONITORX))
    for number, flag in enumerate((10, 150)):
        until(lambda: trap.state()["disturbed"]["raced_arm"] > number)  # noqa: B023
        until(lambda: trap.state()["held"])
        lines[flag] = 1
    assert beside.result() is True
    assert trap.state()["waits"] == 0


@pytest.mark.parametrize("rung", ["umwait", "tpause"])
def test_the_product_runs_what_is_forced(lines: memoryview, rung: str) -> None:
    """Unmarked: where the CPU has the instruction, it is executed and nothing is emulated."""
    from cy_kernels import spinloop

    forced = {"strategy": rung, "cpu": WAITPKG}
    assert spinloop.rung(**forced) == rung
    trap.install(limit_cycles=0)
    try:
        assert comes_to(
            lambda: cpu.features("").waitpkg or seen(rung)["emulated"],
            lambda: spinloop.spinloop(lines[:8], [].__len__, SHORT_S, **forced),
        )
    finally:
        trap.uninstall()
