"""spinloop, wait_until and wait_until_all: what ends them, and what goes on meanwhile."""

from __future__ import annotations

import functools
import importlib
import itertools
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from ring_regions import ALL_KERNELS

from cy_kernels.choice import PACKAGES
from cy_kernels.features import VARIABLE

SOON_S = 20.0  # only a hang comes to its end
SHORT_S = 0.003


@pytest.fixture(params=ALL_KERNELS)
def on(request: pytest.FixtureRequest) -> Any:
    """The module, of each kind of kernels that is to be had."""
    return importlib.import_module(f"{PACKAGES[request.param]}.spinloop")


@pytest.fixture
def flags() -> memoryview:
    """Shared memory, at the start of a line."""
    return memoryview(mmap.mmap(-1, 4096))


class Later:
    """Runs something in another thread once `spinning` says that the wait has begun."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.spinning = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(action,))
        self.thread.start()

    def _run(self, action: Callable[[], object]) -> None:
        assert self.spinning.wait(SOON_S)
        action()

    def said(self, answer: object) -> object:
        """For a callback: `answer`, having noted that it was asked."""
        self.spinning.set()
        return answer


@pytest.fixture
def later() -> Iterator[Callable[[Callable[[], object]], Later]]:
    made: list[Later] = []

    def make(action: Callable[[], object]) -> Later:
        made.append(Later(action))
        return made[-1]

    yield make
    for each in made:
        each.spinning.set()
        each.thread.join(SOON_S)
        assert not each.thread.is_alive()


def store(flags: memoryview, offset: int, value: int) -> Callable[[], None]:
    return lambda: flags.__setitem__(offset, value)


TRUE_AND_FALSE = {
    True: (True, 1, -1, "no", [0], 0.5, object()),
    False: (False, 0, None, "", [], 0.0),
}


def test_every_true_result_ends_the_wait(on: Any, flags: memoryview) -> None:
    for result in TRUE_AND_FALSE[True]:
        assert on.spinloop(flags[:8], lambda: result, SOON_S) is True  # noqa: B023


def test_no_false_result_does(on: Any, flags: memoryview) -> None:
    for result in TRUE_AND_FALSE[False]:
        assert on.spinloop(flags[:8], lambda: result, 0.0) is False  # noqa: B023


def test_the_extensions_call_works_by_position_and_by_keyword(on: Any, flags: memoryview) -> None:
    yes, no = lambda: True, lambda: False
    assert on.spinloop(flags[:5], yes, 0.1) is True
    assert on.spinloop(flags[:5], yes, timeout=0.1) is True
    assert on.spinloop(buffer=flags[:5], callback=no, timeout=0.0) is False
    assert on.spinloop(flags[:5], yes) is True
    assert on.spinloop(flags[:5], yes, None) is True


@pytest.mark.parametrize("strategy", ["best", "pause", "adaptive", "mwaitx", "wfet", None])
def test_a_store_of_another_thread_is_seen(
    on: Any, flags: memoryview, later: Any, strategy: str
) -> None:
    other = later(store(flags, 3, 1))
    watched = flags[:8]
    assert on.spinloop(watched, lambda: other.said(watched[3]), SOON_S, strategy=strategy)


def test_a_callback_that_asks_elsewhere_is_asked_again_and_again(
    on: Any, flags: memoryview, later: Any
) -> None:
    for length in (8, 0, 4096):  # watched; nothing to watch; too long to watch
        answer: list[int] = []
        other = later(functools.partial(answer.append, 1))
        assert on.spinloop(flags[:length], lambda: other.said(answer), SOON_S)  # noqa: B023


def test_a_change_is_told_to_the_callback_that_was_told_the_value_before(
    on: Any, flags: memoryview
) -> None:
    told: list[int] = []

    def callback() -> bool:
        told.append(flags[0])
        flags[0] += 1
        return flags[0] == 200

    assert on.spinloop(flags[:1], callback, SOON_S)
    assert told == list(range(200))


@pytest.mark.parametrize("timeout", [0, 0.0, SHORT_S, 1e-9])
def test_the_deadline_is_reached_never_forestalled(
    on: Any, flags: memoryview, timeout: float
) -> None:
    began_ns = time.monotonic_ns()
    assert on.spinloop(flags[:8], lambda: False, timeout) is False
    assert on.wait_until(flags, 0, "differs", 0, timeout_s=timeout) is False
    assert on.wait_until_all(flags, 0, 4, timeout_s=timeout) is False
    assert time.monotonic_ns() - began_ns >= 3 * timeout * 1e9


@pytest.mark.parametrize("length", [8, 0, 4096])  # watched; nothing to watch; too long to watch
def test_what_came_before_the_deadline_is_seen_after_it(
    on: Any, flags: memoryview, length: int
) -> None:
    """Time is over while the first look is evaluated, as when its thread is held up there."""
    asked = itertools.count()

    def callback() -> bool:
        began_ns = time.monotonic_ns()
        while time.monotonic_ns() < began_ns + 3_000_000:
            pass
        return next(asked) > 0

    assert on.spinloop(flags[:length], callback, 0.002) is True
    assert next(asked) == 2


def test_without_time_the_callback_is_asked_once(on: Any, flags: memoryview) -> None:
    asked = itertools.count()
    assert on.spinloop(flags[:8], lambda: next(asked) < 0, 0) is False
    assert next(asked) == 1


def test_what_the_callback_raises_comes_out_and_the_buffer_is_free(on: Any) -> None:
    memory = bytearray(8)

    def callback() -> bool:
        raise LookupError("of the callback")

    with pytest.raises(LookupError, match="of the callback"):
        on.spinloop(memory, callback, SOON_S)
    memory.append(0)  # BufferError if it were still held


class Undecided:
    def __bool__(self) -> bool:
        raise ArithmeticError("neither")


def test_a_result_that_is_neither_true_nor_false_raises(on: Any) -> None:
    memory = bytearray(8)
    with pytest.raises(ArithmeticError, match="neither"):
        on.spinloop(memory, Undecided, SOON_S)
    memory.append(0)


def test_the_callback_cannot_take_the_buffer_away(on: Any) -> None:
    memory = bytearray(8)
    view = memoryview(memory)
    refused: list[str] = []

    def callback() -> bool:
        for action in (view.release, functools.partial(memory.append, 0)):
            try:
                action()
            except BufferError as error:
                refused.append(str(error))
        return True

    assert on.spinloop(view, callback, SOON_S)
    assert len(refused) == 2
    view.release()
    memory.append(0)


def test_a_mapping_cannot_be_closed_by_the_callback(on: Any) -> None:
    mapping = mmap.mmap(-1, 4096)

    def callback() -> bool:
        with pytest.raises(BufferError):
            mapping.close()
        return True

    assert on.spinloop(mapping, callback, SOON_S)
    mapping.close()


def test_a_callback_may_wait_itself(on: Any, flags: memoryview) -> None:
    def inner() -> bool:
        return bool(on.spinloop(flags[64:72], lambda: False, 0.0)) or True

    assert on.spinloop(flags[:8], inner, SOON_S)


def test_a_callback_that_waits_for_itself_is_a_recursion_error(on: Any, flags: memoryview) -> None:
    def endless() -> bool:
        return bool(on.spinloop(flags[:8], endless, SOON_S))

    with pytest.raises(RecursionError):
        on.spinloop(flags[:8], endless, SOON_S)


def test_other_threads_run_while_a_wait_that_calls_no_python_waits(
    on: Any, flags: memoryview, later: Any
) -> None:
    """list.__len__ is C: only the wait itself can let go of the lock."""
    answer: list[int] = []
    other = later(functools.partial(answer.append, 1))
    other.spinning.set()
    assert on.spinloop(flags[:8], answer.__len__, SOON_S)


@pytest.fixture
def alarm() -> Iterator[Callable[[Callable[..., object]], None]]:
    """Sets off a signal in 1 ms, which the function given handles."""
    before = signal.getsignal(signal.SIGALRM)

    def arm(handler: Callable[..., object]) -> None:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001)

    yield arm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


WAITS: dict[str, Callable[[Any, Any], object]] = {
    "spinloop": lambda on, flags: on.spinloop(flags[:8], [].__len__, SOON_S),
    "spinloop, no limit": lambda on, flags: on.spinloop(flags[:8], [].__len__),
    "spinloop, nothing to watch": lambda on, flags: on.spinloop(b"", [].__len__, SOON_S),
    "wait_until": lambda on, flags: on.wait_until(flags, 0, "differs", 0, timeout_s=SOON_S),
    "wait_until_all": lambda on, flags: on.wait_until_all(flags, 0, 4, timeout_s=SOON_S),
}


@pytest.mark.parametrize("strategy", ["pause", "adaptive"])
@pytest.mark.parametrize("wait", WAITS)
def test_a_signals_handler_runs_within_the_wait_and_its_exception_ends_it(
    on: Any, flags: memoryview, alarm: Any, wait: str, strategy: str
) -> None:
    held = sys.getrefcount(flags)
    with pytest.raises(KeyboardInterrupt):  # it may come before the wait, on a slow machine
        alarm(interrupt)
        WAITS[wait](on, flags)
    assert sys.getrefcount(flags) == held


def test_a_handler_that_returns_does_not_end_the_wait(
    on: Any, flags: memoryview, alarm: Any
) -> None:
    alarm(lambda *_: flags.__setitem__(0, 1))
    assert on.wait_until(flags, 0, "equals", 1, timeout_s=SOON_S)


def put(flags: memoryview, offset: int, size_bits: int, value: int) -> None:
    flags[offset : offset + size_bits // 8] = value.to_bytes(size_bits // 8, "little")


CONDITIONS = {  # (condition, word, value): met
    ("equals", 7, 7): True,
    ("equals", 7, 8): False,
    ("differs", 7, 8): True,
    ("differs", 7, 7): False,
    ("passes", 7, 7): True,
    ("passes", 8, 7): True,
    ("passes", 6, 7): False,
    ("passes", 1, -3): True,  # wrapped round
    ("passes", -3, 1): False,
    ("passes", "half - 1", 0): True,
    ("passes", "half", 0): False,
}


@pytest.mark.parametrize("size_bits", [8, 32, 64])
@pytest.mark.parametrize("case", CONDITIONS)
def test_conditions_say_what_they_should(
    on: Any, flags: memoryview, size_bits: int, case: Any
) -> None:
    condition, word, value = case
    half = 1 << (size_bits - 1)
    word = {"half": half, "half - 1": half - 1}.get(word, word)
    put(flags, 64, size_bits, word % (2 * half))
    wait = functools.partial(on.wait_until, flags, 64, condition, value % (2 * half))
    assert wait(size_bits=size_bits, timeout_s=0) is CONDITIONS[case]


@pytest.mark.parametrize("size_bits", [8, 32, 64])
def test_every_byte_of_the_word_counts_and_none_beside_it(
    on: Any, flags: memoryview, size_bits: int
) -> None:
    size = size_bits // 8
    put(flags, 56, 64, 2**64 - 1)
    put(flags, 64 + size, 64, 2**64 - 1)
    wait = functools.partial(on.wait_until, flags, 64, size_bits=size_bits, timeout_s=0)
    assert wait("equals", 0)
    for byte in range(size):
        flags[64 + byte] = 1
        assert wait("equals", 1 << 8 * byte) and wait("differs", 0)
        flags[64 + byte] = 0


def test_a_word_that_another_thread_stores_ends_the_wait(
    on: Any, flags: memoryview, later: Any
) -> None:
    other = later(lambda: put(flags, 128, 64, 1000))
    other.spinning.set()
    assert on.wait_until(flags, 128, "passes", 1000, timeout_s=SOON_S)


def test_all_flags_are_waited_for_across_lines_and_no_other(
    on: Any, flags: memoryview, later: Any
) -> None:
    flags[50:150] = b"\x01" * 100
    for missing in (50, 63, 64, 127, 149):
        flags[missing] = 0
        assert not on.wait_until_all(flags, 50, 100, timeout_s=0)
        other = later(store(flags, missing, 1))
        other.spinning.set()
        assert on.wait_until_all(flags, 50, 100, timeout_s=SOON_S)
    assert on.wait_until_all(flags, 50, 100, timeout_s=0)
    assert not on.wait_until_all(flags, 50, 101, timeout_s=0)
    assert not on.wait_until_all(flags, 49, 100, timeout_s=0)
    assert on.wait_until_all(flags, 0, 50, 0, timeout_s=0)


def test_only_reading_needs_only_a_buffer_to_read(on: Any) -> None:
    memory = bytes(64)
    assert on.spinloop(memory, lambda: True, 0.0)
    assert on.wait_until(memoryview(memory), 0, "equals", 0, size_bits=8, timeout_s=0)
    assert on.wait_until_all(memory, 0, 64, 0, timeout_s=0)


def test_a_rung_that_the_host_lacks_is_not_run_unless_it_is_forced(on: Any) -> None:
    for strategy in ("best", "mwaitx", "umwait", "tpause", "wfe", "wfet", "adaptive", None):
        assert on.rung(strategy=strategy, cpu="none") == "adaptive"
    assert on.rung(strategy="pause", cpu="none") == "pause"


@pytest.mark.parametrize("kind", ALL_KERNELS)
def test_the_variable_overrides_what_the_host_says(kind: str) -> None:
    """Read once, by the first call: another process is the place to see it."""
    code = f"from {PACKAGES[kind]}.spinloop import rung; print(rung(), rung(cpu='none'))"
    told = {}
    for host in ("none", "none,-monitorx", "none,monitor"):
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, VARIABLE: host},
            capture_output=True,
            text=True,
            timeout=60,
        )
        told[host] = ran.stdout or ran.stderr.splitlines()[-1]
    assert told["none"] == told["none,-monitorx"] == "adaptive adaptive\n"
    assert "did you mean" in told["none,monitor"]
