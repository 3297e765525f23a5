"""Each known bug of spinning waits is caught by a check that the product passes.

The instructions are emulated (cy_kernels.trap), so that a host without them runs the machine code.
"""

# ruff: noqa: F811 - a fixture is a name of the module and of the argument
from __future__ import annotations

import itertools
import signal
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from spinning_waits import (
    MONITORX,
    SHORT_S,
    SOON_S,
    TICKS_HELD,
    TRIES,
    WAITPKG,
    Beside,
    armings,
    comes_to,
    lines,  # noqa: F401 - fixtures
    module,  # noqa: F401
    seen,
    store,
    ticks,
    until,
    waits,  # noqa: F401
)

from cy_kernels import trap

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)


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
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SOON_S)  # nobody but the wait lets go of the lock
    ended.set()
    try:
        is_told = waits.spinloop(lines[:8], answer.__len__, 1.0, strategy="pause")
    finally:
        sys.setswitchinterval(interval)
    thread.join(SOON_S)
    return bool(is_told)


def deaf_to_signals(waits: Any, lines: memoryview) -> bool:
    """The handler runs within the wait: what it does ends it. Twice: where the thread is held up
    ahead of a wait, the handler runs there."""
    answer: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: answer.append(1))

    def is_told() -> bool:
        answer.clear()
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        return bool(waits.spinloop(lines[:8], answer.__len__, 0.5))

    try:
        return is_told() and is_told()
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
