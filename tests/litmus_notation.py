"""How litmus shapes are written down, and litmus7's way to name an outcome."""

from __future__ import annotations

import re
from typing import NamedTuple

from litmus_axioms import Outcome
from litmus_graphs import Instruction

X, Y, Z, V = range(4)
LOCATIONS = {"x": X, "y": Y, "z": Z, "v": V}
REGISTERS = 4
TSO_MACHINES = ("x86_64", "AMD64")  # those that promise it


class Shape(NamedTuple):
    name: str
    threads: list[list[Instruction]]
    weak: str
    allowed: str


def w(location: int, value: int, order: str = "relaxed") -> Instruction:
    return "store", location, value, order


def r(register: int, location: int, order: str = "relaxed") -> Instruction:
    return "load", register, location, order


def rel(location: int, value: int) -> Instruction:
    return w(location, value, "release")


def acq(register: int, location: int) -> Instruction:
    return r(register, location, "acquire")


SC: Instruction = ("fence", "seq_cst")
REL: Instruction = ("fence", "release")
ACQ: Instruction = ("fence", "acquire")
ACQ_REL: Instruction = ("fence", "acq_rel")


def is_weak(outcome: Outcome, shape: Shape) -> bool:
    """Does the shape's condition hold of this outcome?"""
    for term in shape.weak.split():
        if term in ("stuck", "race"):
            if outcome.end != term:
                return False
            continue
        if outcome.end == "race":
            return False
        left, value = term.split("=")
        register = re.fullmatch(r"(\d):r(\d)", left)
        if register:
            found = outcome.registers[int(register[1])][int(register[2])]
        else:
            found = outcome.memory[LOCATIONS[left[1:-1]]]
        if found != int(value):
            return False
    return True
