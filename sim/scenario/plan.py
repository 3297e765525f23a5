"""Scenario + seed with every choice made: the one datum that is run, printed, stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence, Union

from sim.abc import Capability, Fault, TransportSpec
from sim.history.history import Header
from sim.scenario.cluster_plan import ClusterPlan


@dataclass(frozen=True)
class AtTime:
    """`time_ns` after everybody is ready."""

    time_ns: int


@dataclass(frozen=True)
class AfterOps:
    """When `process` has completed `count` ops (ok or fail), before it begins the next."""

    process: str
    count: int


@dataclass(frozen=True)
class AtStep:
    """When `process`, having completed `after_ops` ops, comes to a step of the protocol."""

    process: str
    after_ops: int
    path: str  # of sim/scenario/steps.py
    step: str  # the site
    occurrence: int  # within one message, from 1


@dataclass(frozen=True)
class AtProbe:
    """When `process`, a program, passes a probe for the `occurrence`th time."""

    process: str
    probe: str
    occurrence: int


Place = Union[AfterOps, AtStep, AtProbe]  # where a process is held, or was when it died of it


@dataclass(frozen=True)
class Injection:
    index: int
    key: str  # "fault[0]", the table it comes from
    fault: Fault  # its target is one full process name
    trigger: Union[AtTime, AfterOps, AtStep, AtProbe]
    heal_after_ns: Optional[int]  # None: at the end of the run, or nothing to heal


@dataclass(frozen=True)
class WriterWorkload:
    messages: int
    sizes_bytes: Sequence[int]  # one entry a message; a single entry stands for all
    interval_ns: int  # between the starts of two sends; 0 = as fast as possible
    deadline_ns: Optional[int]  # per send, relative; None waits for ever
    on_timeout: str  # "retry" | "drop" | "stop"
    payload_seed: int
    finish: str = "end"  # after the last message: "end" lets readers drain, "shutdown" does not


@dataclass(frozen=True)
class ReaderWorkload:
    think_ns: int  # after each message
    deadline_ns: Optional[int]
    on_timeout: str


@dataclass(frozen=True)
class ProgramWorkload:
    """A program of anybody's. One of `program` and `argv` is set."""

    program: Optional[str]  # "pkg.module:function"
    argv: Sequence[str]
    cwd: Optional[str]  # None: the runner's


@dataclass(frozen=True)
class ProcessPlan:
    name: str  # "reader[1]", or "writer" where there is one
    role: str  # "writer" | "reader" | "program"
    rank: Optional[int]  # reader's rank over all tables of readers of the ring, 0-based
    wait: str
    start: str  # "template" | "fork" | "spawn" | "forkserver"
    env: Mapping[str, str]
    workload: Union[WriterWorkload, ReaderWorkload, ProgramWorkload]
    kernels: Optional[str] = None  # "compiled" | "pure"; None: what its interpreter has
    python: Optional[str] = None  # an interpreter, by version or path; None: the runner's own
    host: Optional[str] = None  # of a reader; None: the writer's


@dataclass(frozen=True)
class Expectation:
    """One [[expect]] table, checked. Exactly one of the groups below is set."""

    key: str  # "expect[0]"
    verdict: Optional[str] = None  # with `checker` where it names one
    checker: Optional[str] = None
    process: Optional[str] = None
    op: Optional[str] = None  # with `outcome` and counts
    outcome: Optional[str] = None
    count_min: int = 1
    count_max: Optional[int] = None
    exit: Optional[str] = None  # "SIGBUS" or "3", as in Op.outcome of an exit
    log_logger: Optional[str] = None
    log_level: Optional[str] = None
    log_matches: Optional[str] = None
    stream: Optional[str] = None  # "stdout" | "stderr", with a pattern searched in it
    output_matches: Optional[str] = None
    probe: Optional[str] = None  # with counts
    hang: Optional[str] = None  # a hang class, with the three below
    waiting: Optional[str] = None
    waited_for: Optional[str] = None
    within_ns: Optional[int] = None
    blame: Optional[str] = None  # whom the policy of a cluster blames, within that time


@dataclass(frozen=True)
class Explore:
    """The [explore] table: by what, and how far, the virtual world is searched."""

    models: Sequence[str] = ("tso", "pso", "ra")
    schedulers: Sequence[str] = ("random", "pct:3")
    executions: int = 10_000  # of each model and scheduler


@dataclass(frozen=True)
class Sometimes:
    """One [[sometimes]] table: what must happen at least once over all executions. One is set."""

    key: str  # "sometimes[0]"
    rung: Optional[str] = None  # a wait strategy went to sleep in its last resort
    step: Optional[str] = None  # a site was visited
    process: Optional[str] = None  # with `op` and `outcome`
    op: Optional[str] = None
    outcome: Optional[str] = None


@dataclass(frozen=True)
class Plan:
    name: str  # "crash[fault[0].target=writer]" for a run of a sweep
    story: str
    path: str
    seed: int
    worlds: Sequence[str]  # that the scenario names
    world: str  # the one it is for
    requires: frozenset[Capability]
    deadline_ns: int
    stall_threshold_ns: int
    transport: TransportSpec
    processes: Sequence[ProcessPlan]
    injections: Sequence[Injection]
    checkers: Sequence[str]  # aliases
    expectations: Sequence[Expectation]
    header: Header = field(repr=False)  # the same facts as the checkers need them
    explore: Explore = Explore()
    sometimes: Sequence[Sometimes] = ()
    cluster: Optional[ClusterPlan] = None  # then there are no processes of their own
    # The document that makes this run and no other; empty for a plan of no file.
    source: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_of_programs(self) -> bool:
        """Nobody talks over a transport of ours."""
        return any(isinstance(process.workload, ProgramWorkload) for process in self.processes)

    @property
    def model(self) -> str:
        """The memory model of a single virtual run."""
        return self.explore.models[0]

    @property
    def scheduler(self) -> str:
        return self.explore.schedulers[0]
