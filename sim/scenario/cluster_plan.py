"""What a plan says of a cluster: hosts of readers behind links, and who watches over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple


@dataclass(frozen=True)
class Spread:
    """A distribution of times in ns, by its kind."""

    kind: str  # "constant" | "uniform" | "lognormal" | "quantiles"
    # constant: (value,); uniform: (least, most); lognormal: (median, 99th percentile);
    # quantiles: values at evenly spaced probabilities from 0 to 1.
    values_ns: Tuple[int, ...]


@dataclass(frozen=True)
class LinkPlan:
    """From the writer's host to another one, and back."""

    kind: str  # "tcp": in order, what is lost comes again; "datagram": neither
    latency: Spread  # one way
    loss: float  # of each transmission, 0 to 1
    duplicates: float  # of datagrams, 0 to 1
    bandwidth: float  # bytes per second
    queue: int  # messages that may be on their way to a host
    full: str  # "drop" | "wait"


@dataclass(frozen=True)
class PolicyPlan:
    """How the writer decides that somebody is to blame."""

    kind: str  # of sim/cluster/detection.py
    then: str  # "report" | "evict"
    after_ns: int  # time-out and deadline
    every_ns: int  # from one heartbeat to the next
    misses: int
    margin_ns: int
    threshold: float
    window: int


@dataclass(frozen=True)
class ClusterPlan:
    hosts: int  # the writer is on host[0]
    readers_per_host: int
    steps: int
    reply: str  # "all" | "one" | "none": who answers each message
    message_bytes: int
    reply_bytes: int
    compute: Spread  # of each reader, each step
    gap_ns: int  # the writer's own work between two steps
    slots: int
    ring_deadline_ns: Optional[int]  # of a write; None waits for ever
    link: LinkPlan
    policy: PolicyPlan

    @property
    def readers(self) -> int:
        return self.hosts * self.readers_per_host
