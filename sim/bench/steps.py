"""What a host is told to do, and what it answers: plain data, pickled between our own processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple, Union

from sim.bench.peer import Form


@dataclass(frozen=True)
class Ping:
    """Round trips between two processes, for about so long."""

    ns: int
    count: Optional[int] = None  # exactly so many instead


@dataclass(frozen=True)
class Stream:
    """As many messages as go through."""

    ns: int
    count: Optional[int] = None  # at most so many, in whole rounds of the pool


@dataclass(frozen=True)
class Paced:
    """A message after each of these gaps. The first ones are not counted."""

    gaps_ns: Sequence[int]
    uncounted: int


Step = Union[Ping, Stream, Paced]


@dataclass(frozen=True)
class Job:
    """One repetition of one peer: channels are opened, the steps done, and all is closed."""

    form: Form
    size_bytes: int
    readers: int
    cores: Tuple[int, ...]  # that the processes may run on
    is_pinned: bool  # each to one of them
    steps: Tuple[Step, ...]
    deadline_s: float  # for all of it


@dataclass(frozen=True)
class Done:
    """The figures of each step; `note` says what was not as it should be, yet spoils none."""

    figures: Tuple[Dict[str, Any], ...]
    cpu_s: float  # processor time of everything that was started for it
    note: str = ""


@dataclass(frozen=True)
class Failed:
    """Why there are no figures."""

    why: str


@dataclass(frozen=True)
class Described:
    """What a peer says of itself, once its module is there."""

    alias: str
    forms: Tuple[Form, ...]
    sizes: Tuple[int, ...]
    readers_max: int
    is_lossy: bool
    note: str
    version: str


Answer = Union[Done, Failed, Described]
