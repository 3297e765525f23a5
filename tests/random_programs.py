"""Small litmus programs drawn from a seed: two or three processes, up to four instructions each."""

from __future__ import annotations

import random
from typing import Any

Instruction = tuple[Any, ...]

WEIGHTS = {
    "store": 8,
    "load": 8,
    "fence": 3,
    "add": 2,
    "cas": 2,
    "put": 1,
    "get": 1,
    "put2": 0.5,
    "get2": 0.5,
    "futex_wait": 2,
    "futex_wake": 2,
    "until": 1,
    "skip_unless": 1,
    "assert": 1,
}
REGISTERS = {"load": 1, "add": 1, "cas": 1, "get": 1, "get2": 2, "futex_wait": 1}


def instruction(rng: random.Random, kind: str, register: int, locations: int) -> Instruction:
    """One of that kind, its results from `register` on."""
    location, value = rng.randrange(locations), rng.randrange(1, 3)
    before = rng.randrange(max(register, 1))
    drawn: dict[str, Instruction] = {
        "store": (location, value, rng.choice(["relaxed", "relaxed", "release", "seq_cst"])),
        "load": (register, location, rng.choice(["relaxed", "relaxed", "acquire", "seq_cst"])),
        "fence": (rng.choice(["acquire", "release", "seq_cst", "seq_cst"]),),
        "add": (register, location, value),
        "cas": (register, location, rng.randrange(2), value),
        "put": (location, value),
        "get": (register, location),
        "put2": (location, value),
        "get2": (register, register + 1, location),
        "futex_wait": (register, location, rng.randrange(2)),
        "futex_wake": (location,),
        "until": (location, value, "acquire"),
        "skip_unless": (before, rng.randrange(2), 0),
        "assert": (before, rng.randrange(2)),
        "nap": (rng.choice([5, 20, 30, 1000, 2000]),),
    }
    return (kind, *drawn[kind])


def program(rng: random.Random, length: int, locations: int, naps: float) -> list[Instruction]:
    weights = {**WEIGHTS, "nap": naps}
    made: list[Instruction] = []
    register = 0
    for place in range(length):
        kind = rng.choices(list(weights), list(weights.values()))[0]
        made.append(instruction(rng, kind, register, locations))
        if kind == "skip_unless" and place + 1 < length:
            made[-1] = (*made[-1][:-1], 1)
        register += REGISTERS.get(kind, 0)
    return made


def programs(seed: int, naps: float = 0) -> list[list[Instruction]]:
    """One program for each process; `naps`: the weight of sleeping for a while."""
    rng = random.Random(seed)
    locations = rng.choice([1, 2, 2, 3])
    lengths = rng.choice([(1, 3), (2, 3), (3, 3), (4, 3), (1, 1, 2), (2, 2, 1), (2, 2, 2)])
    return [program(rng, length, locations, naps) for length in lengths]
