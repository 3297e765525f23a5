"""The schedulers of the virtual world by name, and how they are written: "random", "pct:3"."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Dict, Tuple

DEPTH_MAX = 64


class BadScheduler(ValueError):
    """No scheduler is written so; the message names what is wrong and what was likely meant."""


@dataclass(frozen=True)
class Kind:
    doc: str
    depth: int = 0  # the one it has where none is written; 0: it takes none


SCHEDULERS: Dict[str, Kind] = {
    "random": Kind("a uniform draw among all moves at every step"),
    "pct": Kind("random priorities that D - 1 times change; pct:D", depth=3),
    "pos": Kind("a random priority for each op, anew for those that race"),
    "delay": Kind("the default schedule but for D random deviations; delay:D", depth=2),
    "round_robin": Kind("everybody in turn, one step each; no dice"),
}


def parsed(text: str) -> Tuple[str, int]:
    """Name and depth of the scheduler that is written so. Raises BadScheduler."""
    name, colon, depth = text.strip().partition(":")
    kind = SCHEDULERS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, SCHEDULERS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise BadScheduler(f"unknown scheduler {name!r}{hint}; there are {', '.join(SCHEDULERS)}")
    if not colon:
        return name, kind.depth
    if not kind.depth:
        raise BadScheduler(f"scheduler {name!r} takes no depth, and {text!r} gives it one")
    if not (depth.isascii() and depth.isdigit() and 1 <= int(depth[:4]) <= DEPTH_MAX):
        raise BadScheduler(
            f"scheduler {text!r}: the depth is a whole number from 1 to {DEPTH_MAX}, as in"
            f" '{name}:{kind.depth}'"
        )
    return name, int(depth)
