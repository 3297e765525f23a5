"""A checked scenario: what one run of a file says, before any die is rolled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence, Type, Union

from sim.abc import Fault, TransportSpec
from sim.scenario.cluster_plan import ClusterPlan
from sim.scenario.plan import Expectation, Explore, ProgramWorkload, Sometimes


@dataclass(frozen=True)
class Sizes:
    """Each message's size is drawn from min_bytes to max_bytes, both included."""

    min_bytes: int
    max_bytes: int


@dataclass(frozen=True)
class Sending:
    messages: int
    sizes: Sizes
    interval_ns: int
    deadline_ns: Optional[int]
    on_timeout: str
    finish: str = "end"


@dataclass(frozen=True)
class Receiving:
    think_ns: int
    deadline_ns: Optional[int]
    on_timeout: str


@dataclass(frozen=True)
class ProcessTable:
    name: str
    role: str
    count: int
    wait: str
    start: str
    env: Mapping[str, str]
    workload: Union[Sending, Receiving, ProgramWorkload]
    kernels: Optional[str] = None  # None: what the host has
    python: Optional[str] = None  # None: the runner's own
    host: Optional[str] = None  # None: the writer's

    @property
    def members(self) -> Sequence[str]:
        """Full names of its processes."""
        if self.count == 1:
            return (self.name,)
        return tuple(f"{self.name}[{index}]" for index in range(self.count))


@dataclass(frozen=True)
class FaultTable:
    """One [[fault]]. With a selector the plan chooses among the candidates."""

    key: str  # "fault[0]"
    kind: Type[Fault]
    parameters: Mapping[str, Any]
    candidates: Sequence[str]  # full process names
    selector: Optional[str]  # one | some | majority | all; None: the only candidate
    at_ns: Optional[int]  # after everybody is ready; None: by ops
    after_ops: Optional[int]
    after_process: Optional[str]  # whose ops; None: the target's own
    every_ns: int
    times: int
    heal_after_ns: Optional[int]
    step: Optional[str] = None  # a site; with `path`, and after `after_ops`
    occurrence: int = 1
    path: str = ""
    probe: Optional[str] = None  # the `occurrence`th passing of it


@dataclass(frozen=True)
class Scenario:
    name: str  # with the values of its run, where a sweep made it
    story: str
    path: str
    reference: Sequence[str]
    variant: str
    worlds: Sequence[str]
    deadline_ns: int
    stall_threshold_ns: int
    transport: TransportSpec
    transport_line: Optional[int]  # of its kind, for a plug-in that turns out not to be there
    processes: Sequence[ProcessTable]
    faults: Sequence[FaultTable]
    checkers: Sequence[str]
    expectations: Sequence[Expectation]
    explore: Explore = Explore()
    sometimes: Sequence[Sometimes] = ()
    cluster: Optional[ClusterPlan] = None  # then there are no processes of their own
    # The document that makes this run and no other, as its file says it.
    source: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    # Where keys that only one world can serve stand in the file: "fault[0].kind".
    lines: Mapping[str, Optional[int]] = field(default_factory=dict)
