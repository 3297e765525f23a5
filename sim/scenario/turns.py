"""The order in which real processes are to take the ops of a simulated execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

# Kinds of turns.
OP = "op"  # the process takes the op of the site
HELD = "held"  # it is between two operations, at a trigger
AT_STEP = "at_step"  # it has come to a trigger at the site
BEGAN = "began"  # a later life of it begins
ATTACHED = "attached"  # who began after the others has its place
STOPPED = "stopped"  # from outside
CONTINUED = "continued"
DIED = "died"


@dataclass(frozen=True)
class Turn:
    process: str
    kind: str
    site: str = ""
    line: int = 0  # in the lanes of the execution, from 1
    occurrence: int = 1  # of the site, where it is a trigger

    def __str__(self) -> str:
        what = f"{self.kind} {self.site}" if self.site and self.kind != OP else self.site
        return f"{self.process} {what or self.kind} (line {self.line})"


@dataclass(frozen=True)
class Delay:
    """A load that was before an older store of its process could be seen. A gate orders the two,
    so no token brings it about: both are let go at once, and the processor may."""

    process: str
    store: str  # sites
    load: str
    line: int


@dataclass(frozen=True)
class Order:
    turns: Sequence[Turn]
    delays: Sequence[Delay]
    attaches: Mapping[str, Sequence[int]]  # incarnations whose way to their place is part of it


class NotForced(ValueError):
    """No token can bring such an execution about; says why."""


def next_of(turns: Sequence[Turn], process: str, start: int) -> Optional[Turn]:
    """The process's next turn, from that place on."""
    return next((turn for turn in turns[start:] if turn.process == process), None)
