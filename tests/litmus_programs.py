"""Litmus programs drawn from a seed: what nobody thought of naming."""

from __future__ import annotations

import random
from typing import Iterator

from litmus_graphs import Instruction
from litmus_notation import REGISTERS, V

KINDS = (
    *(["store"] * 4 + ["load"] * 5 + ["fence"] * 3 + ["add", "cas", "if"]),
    *["put", "get", "put2", "get2"],
    *["futex_wait", "futex_wake", "until"],
)
ATOMIC, PAYLOAD, PARKING = KINDS[:15], KINDS[:19], KINDS[:15] + KINDS[19:]
FENCES = ("acquire", "release", "acq_rel", "seq_cst", "seq_cst")
EXCHANGES = ("relaxed", "acquire", "release", "acq_rel")
ADDED = 20  # above every value that is stored, so that sums tell what was added to


def program(seed: int) -> list[list[Instruction]]:
    """Two or three threads over one to three atomic locations; of three seeds, one has payload
    words too and one futexes."""
    dice = random.Random(seed)
    kinds = (ATOMIC, PAYLOAD, PARKING)[seed % 3]
    locations, threads = dice.choice([1, 2, 2, 3]), dice.choice([2, 2, 3])
    lengths = [2, 3, 3, 4] if threads == 2 else [1, 2, 3]
    values = iter(range(1, ADDED))
    return [
        list(thread(dice, kinds, locations, dice.choice(lengths), values)) for _ in range(threads)
    ]


def thread(
    dice: random.Random,
    kinds: tuple[str, ...],
    locations: int,
    length: int,
    values: Iterator[int],
) -> Iterator[Instruction]:
    register = 0
    for _ in range(length):
        at, kind = dice.randrange(locations), dice.choice(kinds)
        if kind == "fence":
            yield "fence", dice.choice(FENCES)
        elif kind == "until":
            yield "until", at, dice.choice([1, 2, 3]), dice.choice(["relaxed", "acquire"])
        elif kind in ("put", "put2"):
            yield kind, V, next(values)
        elif kind == "futex_wake":
            yield "futex_wake", at
        elif kind == "if" and register:
            yield "skip_unless", dice.randrange(register), dice.choice([0, 1, 2]), 1
            yield "store", at, next(values), "relaxed"
        elif kind in ("store", "if") or register + (kind == "get2") >= REGISTERS:
            yield "store", at, next(values), dice.choice(["relaxed", "release"])
        else:
            yield reading(dice, kind, register, at, values)
            register += 2 if kind == "get2" else 1


def reading(
    dice: random.Random, kind: str, register: int, at: int, values: Iterator[int]
) -> Instruction:
    if kind == "load":
        return "load", register, at, dice.choice(["relaxed", "acquire"])
    if kind == "add":
        return "add", register, at, ADDED, dice.choice(EXCHANGES)
    if kind == "cas":
        expected = dice.choice([0, 0, 1, 2])
        return "cas", register, at, expected, next(values), dice.choice(EXCHANGES)
    if kind == "futex_wait":
        return "futex_wait", register, at, 0
    return ("get", register, V) if kind == "get" else ("get2", register, register + 1, V)
