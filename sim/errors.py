"""What can go wrong, and the exit status that says so."""

from __future__ import annotations

import enum
import errno as errno_names
import os
from dataclasses import dataclass
from typing import Iterable, Optional, Sequence


class ExitStatus(enum.IntEnum):
    """Exit statuses of the command. `worst` orders them, not their value."""

    OK = 0
    SAFETY = 1  # also a negative that was not caught, and any unmet expectation not listed below
    UNKNOWN = 2
    LIVENESS = 3  # an unmet outcome, or a hang
    CRASH = 4  # an unmet exit
    LEAK = 5
    BAD_INPUT = 64  # EX_USAGE of sysexits.h
    BUG = 70  # EX_SOFTWARE: a defect of spinbed itself
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


WORST_FIRST = (
    ExitStatus.INTERRUPTED,
    ExitStatus.BUG,
    ExitStatus.BAD_INPUT,
    ExitStatus.SAFETY,
    ExitStatus.CRASH,
    ExitStatus.LIVENESS,
    ExitStatus.LEAK,
    ExitStatus.UNKNOWN,
    ExitStatus.OK,
)


def worst(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """The status a run of many ends with; OK for none."""
    return min(statuses, key=WORST_FIRST.index, default=ExitStatus.OK)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input, in one line a person can act on."""

    file: str
    line: Optional[int]  # 1-based; None where no line is to blame (a missing file, a flag)
    key: Optional[str]  # dotted path with indices, "process[1].workload.deadline"
    message: str  # names the value
    nearest: Optional[str] = None  # the nearest valid name, where one is near

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        key = f" {self.key}:" if self.key else ""
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return "".join(map(_visible, f"{place}:{key} {self.message}{hint}"))


def _visible(character: str) -> str:
    """Names come from files and file systems: a line break in one must not become one here."""
    return character if character.isprintable() else ascii(character)[1:-1]


class ScenarioError(Exception):
    """Bad input: every problem found, not the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class WorldError(Exception):
    """The operating system failed us; nothing is known about the system under test."""

    def __init__(
        self, call: str, *, errno: Optional[int] = None, pid: Optional[int] = None, detail: str = ""
    ) -> None:
        self.call = call
        self.errno = errno
        self.pid = pid
        parts = [f"{call} failed"]
        if errno is not None:
            parts.append(f"{errno_names.errorcode.get(errno, errno)} ({os.strerror(errno)})")
        if pid is not None:
            parts.append(f"pid {pid}")
        if detail:
            parts.append(detail)
        super().__init__(": ".join(parts))
