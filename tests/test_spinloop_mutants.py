"""Each known bug of spinning waits is caught by a check that the product passes.

The instructions are emulated (cy_kernels.trap), so that a host without them runs the machine code.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import signal
import sys
import threading
import time
from types import ModuleType
from typing import Any, Callable, Iterator

import pytest
from spinning_build import spinning

from cy_kernels import cpu, trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

SOON_S = 20.0
SHORT_S = 0.002
TICKS_HELD = 1 << 40  # far longer than any test
MONITORX, WAITPKG = "none,monitorx", "none,waitpkg"
HARDWARE = {"mwaitx": MONITORX, "umwait": WAITPKG, "tpause": WAITPKG}
TRIES = 50  # of what a preemption can blur, but not each time


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return spinning(tmp_path_factory)


@pytest.fixture
def waits(module: ModuleType) -> Iterator[Any]:
    """The module without a bug, its instructions emulated."""
    module.become("none")
    trap.install(limit_cycles=0)
    yield module
    trap.calm(None)
    trap.uninstall()
    module.become("none")


@pytest.fixture
def lines() -> memoryview:
    return memoryview(mmap.mmap(-1, 4096))


def seen(instruction: str) -> Any:
    return trap.state()["instructions"][instruction]


def armings() -> int:
    return int(trap.state()["armings"])


def ticks(seconds: float) -> int:
    return int(cpu.features("").tsc_hz * seconds) + 1


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < deadline, trap.state()
        os.sched_yield()  # which lets go of the interpreter's lock, too


def comes_to(is_so: Callable[[], object], wait: Callable[[], object]) -> bool:
    """Within some waits: one whose thread is held up for as long as it lasts does nothing."""
    for _ in range(TRIES):
        wait()
        if is_so():
            return True
    return False


def store(lines: memoryview, value: int) -> None:
    lines[0] = value


class Beside:
    """A wait in a thread of its own."""

    def __init__(self, wait: Callable[[], object]) -> None:
        self.answer: object = None
        self.thread = threading.Thread(target=self._run, args=(wait,))
        self.thread.start()

    def _run(self, wait: Callable[[], object]) -> None:
        self.answer = wait()

    def is_over(self) -> bool:
        return not self.thread.is_alive()

    def result(self) -> object:
        self.thread.join(SOON_S)
        assert not self.thread.is_alive(), trap.state()
        return self.answer


def no_timer(waits: Any, lines: memoryview) -> bool:
    """Its time-out ends a wait that nothing wakes."""
    trap.disturb(None, "missed")
    while not trap.state()["waits"]:  # a wait whose thread is held up that long makes none
        beside = Beside(lambda: waits.spinloop(lines[:8], [].__len__, SHORT_S, cpu=MONITORX))
        until(lambda: trap.state()["waits"] or beside.is_over())  # noqa: B023 - called at once
    is_bounded = bool(seen("mwaitx")["unbounded"] == 0)
    if not is_bounded:  # nothing else would end it, nor the waits that follow
        trap.calm(None)
        stored = itertools.count()
        until(lambda: beside.is_over() or store(lines, next(stored) % 256))
    assert beside.result() is False
    return is_bounded


def clock_at_bit_four(waits: Any, lines: memoryview) -> bool:
    """Read at the first poll and every 16th after it."""
    for _ in range(TRIES):
        reads: list[int] = []

        def callback(reads: list[int] = reads) -> bool:
            reads.append(waits.clock_reads())
            lines[0] = (lines[0] + 1) % 256
            return len(reads) == 34

        # So fast a counter that slow polls are none before a millisecond or so.
        fast = "none,invariant_tsc,tsc_hz=100000000000"
        assert waits.spinloop(lines[:1], callback, SOON_S, cpu=fast, strategy="pause")
        read_at = [poll for poll in range(33) if reads[poll + 1] > reads[poll]]
        if read_at == [0, 16, 32]:
            return True
    return False


def smallest_line(waits: Any, lines: memoryview) -> bool:
    host = f"{MONITORX},monitor_line_min_bytes=16,monitor_line_max_bytes=64"
    arms = comes_to(armings, lambda: waits.spinloop(lines[:32], [].__len__, SHORT_S, cpu=host))
    return arms and waits.rung(lines[:32], cpu=host) == "mwaitx"


def on_by_default(waits: Any, lines: memoryview) -> bool:
    """What the host does not have is not executed unless somebody forces it."""
    waits.spinloop(lines[:8], [].__len__, SHORT_S, cpu="none")
    waits.wait_until(lines, 0, "differs", 0, timeout_s=SHORT_S, cpu="none")
    waits.wait_until_all(lines, 0, 8, timeout_s=SHORT_S, cpu="none")
    return armings() == 0 and waits.rung(cpu="none") == "adaptive"


def line_straddle(waits: Any, lines: memoryview) -> bool:
    """Bytes of two lines: a store to the second would not end a wait on the first."""
    straddling = lines[60:69]
    waits.spinloop(straddling, [].__len__, SHORT_S, cpu=MONITORX)
    waits.spinloop(straddling, [].__len__, SHORT_S, cpu=WAITPKG)
    rungs = waits.rung(straddling, cpu=MONITORX), waits.rung(straddling, cpu=WAITPKG)
    return armings() == 0 and rungs == ("adaptive", "tpause")


def is_true_only(waits: Any, lines: memoryview) -> bool:
    return bool(waits.spinloop(lines[:8], lambda: 1, SHORT_S, cpu="none"))


def past_the_deadline(waits: Any, lines: memoryview) -> bool:
    """The timer is never set beyond the deadline, nor beyond a slice."""
    waits.spinloop(lines[:8], [].__len__, 5e-6, cpu=MONITORX)
    short = seen("mwaitx")["longest_cycles"]
    assert comes_to(
        lambda: seen("mwaitx")["emulated"],
        lambda: waits.spinloop(lines[:8], [].__len__, SHORT_S, cpu=MONITORX),
    )
    return bool(short <= ticks(5e-6) and seen("mwaitx")["longest_cycles"] <= ticks(20e-6))


def no_recheck(waits: Any, lines: memoryview) -> bool:
    """A store before the line is armed wakes nobody: it is seen without a wait."""
    trap.disturb(None, "raced_arm", cycles=TICKS_HELD)
    beside = Beside(lambda: waits.spinloop(lines[:8], lambda: lines[3], SOON_S, cpu=MONITORX))
    until(lambda: trap.state()["held"])
    lines[3] = 1
    assert beside.result() is True
    return bool(trap.state()["waits"] == 0)


def keeps_the_core(waits: Any, lines: memoryview) -> bool:
    def yields(**more: str) -> bool:
        before = waits.yields()
        return comes_to(
            lambda: waits.yields() > before,
            lambda: waits.spinloop(lines[:8], [].__len__, SHORT_S, **more),
        )

    return yields(strategy="pause") and yields(cpu=MONITORX)


def keeps_the_lock(waits: Any, lines: memoryview) -> bool:
    """A thread that wants to run does, though the callback is C and waits for it."""
    answer: list[int] = []
    began, ended = threading.Event(), threading.Event()

    def other() -> None:
        began.set()
        ended.wait(SOON_S)  # woken, it needs the lock to go on
        answer.append(1)

    thread = threading.Thread(target=other)
    thread.start()
    assert began.wait(SOON_S)
    ended.set()
    is_told = waits.spinloop(lines[:8], answer.__len__, 1.0, strategy="pause")
    thread.join(SOON_S)
    return bool(is_told)


def deaf_to_signals(waits: Any, lines: memoryview) -> bool:
    """The handler runs within the wait: what it does ends it."""
    answer: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: answer.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    try:
        return bool(waits.spinloop(lines[:8], answer.__len__, 0.2))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def keeps_the_result(waits: Any, lines: memoryview) -> bool:
    result: list[int] = []
    before = sys.getrefcount(result)
    waits.spinloop(lines[:8], lambda: result, SHORT_S)
    return sys.getrefcount(result) == before


def keeps_the_buffer(waits: Any, lines: memoryview) -> bool:
    memory = bytearray(8)

    def callback() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        waits.spinloop(memory, callback, SHORT_S)
    try:
        memory.append(0)
    except BufferError:
        return False
    return True


CHECKS = {
    "no-timer": no_timer,
    "clock-at-bit-four": clock_at_bit_four,
    "smallest-line": smallest_line,
    "on-by-default": on_by_default,
    "line-straddle": line_straddle,
    "is-true-only": is_true_only,
    "past-the-deadline": past_the_deadline,
    "no-recheck": no_recheck,
    "keeps-the-core": keeps_the_core,
    "keeps-the-lock": keeps_the_lock,
    "deaf-to-signals": deaf_to_signals,
    "keeps-the-result": keeps_the_result,
    "keeps-the-buffer": keeps_the_buffer,
}


def test_every_known_bug_has_its_check(module: ModuleType) -> None:
    assert tuple(CHECKS) == module.MUTANTS


@pytest.mark.parametrize("name", CHECKS)
def test_a_sound_wait_passes(waits: Any, lines: memoryview, name: str) -> None:
    assert CHECKS[name](waits, lines)


@pytest.mark.parametrize("name", CHECKS)
def test_the_bug_is_caught(waits: Any, lines: memoryview, name: str) -> None:
    waits.become(name)
    assert not CHECKS[name](waits, lines)


def test_the_product_has_none() -> None:
    from cy_kernels import spinloop

    assert spinloop.MUTANTS == ()


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
