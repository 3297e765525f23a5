"""The same module of a user who has a function with the name of a builtin."""

from __future__ import annotations

from sim.subjects.aot.model import STEP, scaled

__all__ = ["STEP", "round", "scaled"]


def round(number: float) -> int:
    """To tens, where the builtin gives ones."""
    return int(number + 5) // 10 * 10
