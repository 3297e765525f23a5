"""What spinloop and its kin refuse: each with a TypeError or ValueError that names it."""

from __future__ import annotations

import array
import importlib
from typing import Any, Callable

import pytest
from ring_regions import ALL_KERNELS

from cy_kernels.choice import PACKAGES


@pytest.fixture(params=ALL_KERNELS)
def on(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(f"{PACKAGES[request.param]}.spinloop")


def released() -> memoryview:
    view = memoryview(bytearray(64))
    view.release()
    return view


class Liar(int):
    """An int whose comparisons say that it is in bounds."""

    def __ge__(self, other: object) -> bool:
        return True

    __le__ = __lt__ = __gt__ = __ge__  # type: ignore[assignment]


class Falls:
    def __float__(self) -> float:
        raise ZeroDivisionError("no float")


def call(on: Any, *arguments: Any, **more: Any) -> Any:
    return on.spinloop(*arguments, **more)


def word(on: Any, *arguments: Any, **more: Any) -> Any:
    return on.wait_until(*arguments, **{"timeout_s": 0, **more})


def flags(on: Any, *arguments: Any, **more: Any) -> Any:
    return on.wait_until_all(*arguments, **{"timeout_s": 0, **more})


def yes() -> bool:
    return True


B = bytearray(64)
NAN, INFINITE = float("nan"), float("inf")
CASES: dict[str, Any] = {
    "nothing": (call, (), {}, TypeError, "argument"),
    "no callback": (call, (B,), {}, TypeError, "argument"),
    "too many": (call, (B, yes, 1, "best"), {}, TypeError, "argument"),
    "unknown keyword": (call, (B, yes), {"spins": 3}, TypeError, "spins"),
    "no bytes": (call, (5, yes), {}, TypeError, "bytes-like"),
    "a string": (call, ("bytes", yes), {}, TypeError, "bytes-like.*'str'"),
    "no buffer": (call, (None, yes), {}, TypeError, "bytes-like.*'NoneType'"),
    "released": (call, (released(), yes), {}, ValueError, "released"),
    "every second": (call, (memoryview(bytes(64))[::2], yes), {}, ValueError, "contiguous"),
    "backwards": (call, (memoryview(bytes(64))[::-1], yes), {}, ValueError, "contiguous"),
    "callback is no function": (call, (B, 5), {}, TypeError, "callback must be callable, not int"),
    "callback is None": (call, (B, None), {}, TypeError, "callback must be callable"),
    "timeout is NaN": (call, (B, yes, NAN), {}, ValueError, "timeout .* not nan"),
    "timeout is negative": (call, (B, yes, -0.5), {}, ValueError, "timeout .* not -0.5"),
    "timeout is infinite": (call, (B, yes, INFINITE), {}, ValueError, "timeout .* not inf"),
    "timeout is too big": (call, (B, yes, 10**400), {}, ValueError, "timeout .* a float can hold"),
    "timeout is a string": (call, (B, yes, "1"), {}, TypeError, "timeout .* not str"),
    "timeout raises": (call, (B, yes, Falls()), {}, ZeroDivisionError, "no float"),
    "unknown strategy": (
        *(call, (B, yes), {"strategy": "sleepy"}, ValueError),
        "'sleepy' is not one of best, pause, adaptive, tpause, mwaitx, umwait, wfe, wfet",
    ),
    "strategy is a number": (call, (B, yes), {"strategy": 1}, TypeError, "str or None, not int"),
    "unknown CPU": (call, (B, yes), {"cpu": "mwait"}, ValueError, "did you mean"),
    "CPU is a number": (call, (B, yes), {"cpu": 1}, TypeError, "cpu must be a str or None"),
    "word: no bytes": (word, (5, 0, "equals", 0), {}, TypeError, "bytes-like"),
    "word: released": (word, (released(), 0, "equals", 0), {}, ValueError, "released"),
    "word: too small": (word, (bytearray(7), 0, "equals", 0), {}, ValueError, "too small"),
    "word: empty": (word, (b"", 0, "equals", 0), {"size_bits": 8}, ValueError, "too small"),
    "word: negative": (word, (B, -1, "equals", 0), {}, ValueError, "offset must be 0 to 56"),
    "word: last byte": (word, (B, 57, "equals", 0), {}, ValueError, "offset must be 0 to 56"),
    "word: far": (word, (B, 2**70, "equals", 0), {}, ValueError, "offset must be 0 to 56"),
    "word: liar": (word, (B, Liar(64), "equals", 0), {}, ValueError, "offset must be 0 to 56"),
    "word: float": (word, (B, 1.0, "equals", 0), {}, TypeError, "offset must be an int, not float"),
    "word: misaligned": (word, (B, 4, "equals", 0), {}, ValueError, "offset 4 .* multiple of 8"),
    "word: odd": (word, (B, 2, "equals", 0), {"size_bits": 32}, ValueError, "multiple of 4"),
    "word: sign": (word, (B, 0, "equals", -1), {}, ValueError, "value must be 0 to 1844"),
    "word: too big": (
        *(word, (B, 0, "equals", 256), {"size_bits": 8}, ValueError),
        "value must be 0 to 255, not 256",
    ),
    "word: value": (word, (B, 0, "equals", None), {}, TypeError, "value must be an int"),
    "word: unknown": (
        *(word, (B, 0, "above", 1), {}, ValueError),
        "'above' is not one of equals, differs, passes",
    ),
    "word: condition": (word, (B, 0, None, 1), {}, ValueError, "not one of equals"),
    "word: unhashable": (word, (B, 0, [], 1), {}, ValueError, "not one of equals"),
    "word: size": (word, (B, 0, "equals", 1), {"size_bits": 16}, ValueError, "8, 32, 64, not 16"),
    "word: no size": (word, (B, 0, "equals", 1), {"size_bits": "8"}, ValueError, "8, 32, 64"),
    "word: timeout": (word, (B, 0, "equals", 1), {"timeout_s": -1}, ValueError, "timeout_s must"),
    "flags: none": (flags, (B, 0, 0), {}, ValueError, "count must be 1 to 64, not 0"),
    "flags: too many": (flags, (B, 1, 64), {}, ValueError, "count must be 1 to 63, not 64"),
    "flags: negative": (flags, (B, 0, -1), {}, ValueError, "count must be 1 to 64"),
    "flags: far": (flags, (B, 64, 1), {}, ValueError, "offset must be 0 to 63"),
    "flags: value": (flags, (B, 0, 1, 256), {}, ValueError, "value must be 0 to 255"),
    "flags: liar": (flags, (B, 0, Liar(65)), {}, ValueError, "count must be 1 to 64"),
    "flags: empty": (flags, (b"", 0, 1), {}, ValueError, "too small"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_is_refused_by_name_and_the_buffer_is_free_again(on: Any, case: str) -> None:
    function, arguments, more, error, text = CASES[case]
    with pytest.raises(error, match=text):
        function(on, *arguments, **more)
    B.append(0)  # a BufferError if anybody held it
    del B[-1]


def test_an_offset_is_of_bytes_whatever_the_buffer_is_made_of(on: Any) -> None:
    words = array.array("I", [0, 5])
    assert on.wait_until(words, 4, "equals", 5, size_bits=32, timeout_s=0)
    assert on.wait_until(memoryview(words), 4, "equals", 5, size_bits=8, timeout_s=0)


def test_alignment_is_that_of_the_address(on: Any) -> None:
    beside = memoryview(bytearray(64))[1:]  # a bytearray begins at a multiple of 8
    assert on.wait_until(beside, 7, "equals", 0, timeout_s=0)
    with pytest.raises(ValueError, match="offset 0 .* no multiple of 8"):
        on.wait_until(beside, 0, "equals", 0, timeout_s=0)


def test_what_would_never_come_to_its_end_is_no_limit(on: Any) -> None:
    assert on.spinloop(B, yes, 1e300)
    assert on.spinloop(B, yes, 10**300)


def test_numbers_are_taken_from_what_can_be_one(on: Any) -> None:
    class Index:
        def __index__(self) -> int:
            return 0

    wait: Callable[..., Any] = on.wait_until
    assert wait(B, Index(), "equals", Index(), timeout_s=Index())
    assert wait(B, False, "equals", False, timeout_s=False)
