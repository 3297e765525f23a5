"""Pieces of litmus programs: locks, flags, and the two halves of parking."""

from __future__ import annotations

from typing import Any, Sequence

Instructions = Sequence[Any]

# A lock is 0 or 1; registers 0 and 1 are theirs.


def spin_lock(location: int) -> Instructions:
    """Try until it was free."""
    return [("cas", 0, location, 0, 1), ("skip_unless", 0, 1, 1), ("jump", 2)]


def unlock(location: int) -> Instructions:
    return [("store", location, 0, "release")]


def sleeping_lock(location: int) -> Instructions:
    """Try until it was free, asleep in between; the owner wakes everybody."""
    return [
        ("cas", 0, location, 0, 1),
        ("skip_unless", 0, 1, 2),
        ("futex_wait", 1, location, 1),
        ("jump", 3),
    ]


def sleeping_unlock(location: int) -> Instructions:
    return [("store", location, 0, "seq_cst"), ("futex_wake", location)]


def wait_for(flag: int, word: int, order: str = "acquire") -> Instructions:
    """Look at the flag, sleep on the word while it is 0, look again."""
    return [
        ("load", 0, flag, order),
        ("skip_unless", 0, 0, 2),
        ("futex_wait", 1, word, 0),
        ("jump", 3),
    ]


def try_both(first: int, second: int) -> Instructions:
    """Take one lock, try the other; if that fails, give the first back and begin anew."""
    return [
        ("cas", 0, first, 0, 1),
        ("skip_unless", 0, 1, 1),
        ("jump", 2),
        ("cas", 0, second, 0, 1),
        ("skip_unless", 0, 1, 2),
        ("store", first, 0, "seq_cst"),
        ("jump", 6),
        *unlock(second),
        *unlock(first),
    ]


def until(location: int, value: int = 1) -> Instructions:
    return [("until", location, value, "acquire")]


def put(location: int, value: int = 1, order: str = "seq_cst") -> Instructions:
    return [("store", location, value, order)]


# A waiter and a waker that park as rings do: word 1, parked flag 2, condition 0. Instruction by
# instruction as in wait_park.pxi, but for what is said.


def parks(fence: bool = True, recheck: bool = True, word_first: bool = True) -> Instructions:
    """Registers: 0 the condition, 2 the word as it was seen (0 or 1)."""
    word = [("load", 2, 1, "acquire")]
    flag = put(2, 1, "relaxed")
    arm = [*word, *flag] if word_first else [*flag, *word]
    fenced = [("fence", "seq_cst")] if fence else []
    look = [("load", 0, 0, "relaxed")]
    sleep = [
        *(("skip_unless", 2, 0, 1), ("futex_wait", 1, 1, 0)),
        *(("skip_unless", 2, 1, 1), ("futex_wait", 1, 1, 1)),
    ]
    again = [*look, ("skip_unless", 0, 0, 1)]  # when it is there, over the jump that follows
    if recheck:
        inner = [*arm, *fenced, *look, ("skip_unless", 0, 0, len(sleep)), *sleep, *again]
    else:
        inner = [*look, ("skip_unless", 0, 0, len(arm) + len(fenced) + len(sleep))]
        inner += [*arm, *fenced, *sleep, *again]
    return [*inner, ("jump", len(inner))]


def wakes(fence: bool = True, condition: int = 0) -> Instructions:
    fenced = [("fence", "seq_cst")] if fence else []
    wake = [*put(2, 0, "relaxed"), ("add", 0, 1, 1), ("futex_wake", 1)]
    return [
        *put(condition, 1, "relaxed"),
        *fenced,
        ("load", 3, 2, "relaxed"),
        ("skip_unless", 3, 1, len(wake)),
        *wake,
    ]
