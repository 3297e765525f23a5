"""From results and expectations to one verdict and one exit status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from sim.abc import Result
from sim.errors import ExitStatus


@dataclass(frozen=True)
class ExpectationResult:
    what: str  # one line: "writer: send timeout, at least 1 (saw 7)"
    met: bool
    status: ExitStatus  # what it costs where it is not met


@dataclass(frozen=True)
class FaultResult:
    alias: str
    target: str
    fired: bool
    healed: Optional[bool]  # None: nothing to heal
    evidence: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ProcessResult:
    name: str
    incarnation: int
    pid: int
    python: str
    kernels: str
    wait: str
    exit: Optional[str]  # "0", "3", "SIGKILL"; None: ended by the end of the run


@dataclass(frozen=True)
class RunResult:
    """What one run came to, as the reporters print it."""

    name: str
    path: str
    world: str
    seed: int
    verdict: Optional[str]  # None: skipped
    as_expected: Optional[bool]  # None: skipped
    exit_status: ExitStatus
    checkers: Sequence[Result]
    expectations: Sequence[ExpectationResult]
    faults: Sequence[FaultResult]
    processes: Sequence[ProcessResult]
    duration_ns: int
    reproduce: str  # the exact command
    journal: Optional[str] = None  # path, where one was kept
    skipped: Optional[str] = None  # why
    failure: Sequence[str] = ()  # the three lines: what, where in the history, the command
