"""Who chooses in a simulated execution, written as on the command line: "random", "pct:3"."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Callable, Dict

from cy_kernels.explore import Simulation

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


@dataclass(frozen=True)
class Scheduler:
    """One of SCHEDULERS and its depth (0 where it has none)."""

    name: str
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.depth}" if self.depth else self.name

    @property
    def has_dice(self) -> bool:
        """Whether another seed can give another execution."""
        return self.name != "round_robin"

    def choose(self, simulation: Simulation, expected_choices: int = 0) -> None:
        """Let it choose from the next execution on. `expected_choices`: see `measured`."""
        simulation.choose_by(self.name, depth=max(self.depth, 1), expected_choices=expected_choices)


def parse(text: str) -> Scheduler:
    """The scheduler that is written so. Raises BadScheduler."""
    name, colon, depth = text.strip().partition(":")
    kind = SCHEDULERS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, SCHEDULERS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise BadScheduler(f"unknown scheduler {name!r}{hint}; there are {', '.join(SCHEDULERS)}")
    if not colon:
        return Scheduler(name, kind.depth)
    if not kind.depth:
        raise BadScheduler(f"scheduler {name!r} takes no depth, and {text!r} gives it one")
    if not (depth.isascii() and depth.isdigit() and 1 <= int(depth[:4]) <= DEPTH_MAX):
        raise BadScheduler(
            f"scheduler {text!r}: the depth is a whole number from 1 to {DEPTH_MAX}, as in"
            f" '{name}:{kind.depth}'"
        )
    return Scheduler(name, int(depth))


def measured(simulation: Simulation, execute: Callable[[], object]) -> int:
    """The choices that one execution by the default schedule makes: what pct and delay spread
    their changes over. `execute` runs one; the simulation replays nothing afterwards."""
    simulation.choose_by("replay", tape=b"")
    execute()
    return max(len(simulation.tape), 1)
