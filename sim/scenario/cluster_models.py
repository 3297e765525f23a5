"""The shape of [cluster]: a job of many hosts, which the virtual world runs."""

from __future__ import annotations

from typing import Annotated, List, Optional, Union

from pydantic import BaseModel, Field, Tag

from sim.scenario.models import (
    PLAIN,
    SLOT_BYTES_MAX,
    SLOTS_MAX,
    STRICT,
    TABLE,
    Duration,
    PositiveDuration,
    key,
    table_or_plain,
)
from sim.scenario.names import OneOf

HOSTS_MAX = 1000
READERS_PER_HOST_MAX = 64
STEPS_MAX = 1_000_000
POLICIES = ("none", "timeout", "deadline", "heartbeat", "chen", "phi")


class SpreadTable(BaseModel):
    """Times that differ: { uniform = [least, most] }, or { median, p99 } of a lognormal."""

    model_config = STRICT
    uniform: Optional[List[Duration]] = key(
        None, "least and most, each time between as likely", unit="duration", min_length=2,
        max_length=2,
    )  # fmt: skip
    median: Optional[PositiveDuration] = key(
        None, "half of the times are shorter; lognormal", unit="duration"
    )
    p99: Optional[PositiveDuration] = key(
        None, "one in a hundred is longer; goes with median", unit="duration"
    )


Times = Annotated[
    Union[Annotated[Duration, Tag(PLAIN)], Annotated[SpreadTable, Tag(TABLE)]], table_or_plain
]


class ClusterRing(BaseModel):
    """Each host's broadcast ring, as cursor_ring is."""

    model_config = STRICT
    slots: int = key(10, "messages that fit at once", ge=1, le=SLOTS_MAX)
    deadline: Optional[PositiveDuration] = key(
        None, "a write of the writer may take this long, and is tried again; absent: for ever",
        unit="duration",
    )  # fmt: skip


class Link(BaseModel):
    """Between the writer's host and another one, both ways."""

    model_config = STRICT
    kind: Annotated[str, OneOf("link", lambda: ("tcp", "datagram"))] = key(
        "tcp", "tcp keeps the order and sends again what was lost; datagram does neither"
    )
    latency: Times = key({"median": "50us", "p99": "200us"}, "one way", unit="duration")
    loss: float = key(
        0.0, "probability that a transmission is lost", ge=0, le=0.99, allow_inf_nan=False
    )
    duplicates: float = key(
        0.0, "probability that a datagram arrives twice", ge=0, le=0.99, allow_inf_nan=False
    )
    bandwidth: float = key(
        3e9, "of the writer's network card, and of each link", unit="bytes per second", ge=1,
        le=1e15, allow_inf_nan=False,
    )  # fmt: skip
    queue: int = key(1000, "messages that may be on their way to a host", ge=1, le=1_000_000)
    full: Annotated[str, OneOf("choice", lambda: ("drop", "wait"))] = key(
        "drop", "where the queue is full: the message is dropped for that host, or the writer waits"
    )


class Policy(BaseModel):
    """How the writer finds out that somebody is to blame, and what it does then."""

    model_config = STRICT
    kind: Annotated[str, OneOf("policy", lambda: POLICIES)] = key(
        "none", "how somebody comes to be blamed"
    )
    after: PositiveDuration = key(
        "60s", "timeout and deadline: how long a step may take", unit="duration"
    )
    every: PositiveDuration = key(
        "1s", "heartbeat, chen and phi: from one heartbeat to the next", unit="duration"
    )
    misses: int = key(3, "heartbeat: so many in a row are missing", ge=1, le=1000)
    margin: Duration = key("1s", "chen: so much later than the estimated arrival", unit="duration")
    threshold: float = key(8.0, "phi: suspicion level", gt=0, le=300, allow_inf_nan=False)
    window: int = key(100, "chen and phi: arrivals that the estimate is of", ge=2, le=10_000)
    then: Annotated[str, OneOf("choice", lambda: ("report", "evict"))] = key(
        "report", "blame only, or go on without those who are blamed"
    )


class Cluster(BaseModel):
    """A job of many hosts: a writer on host[0], a ring a host, readers that answer each step."""

    model_config = STRICT
    hosts: int = key(..., "how many hosts; the writer is on host[0]", ge=1, le=HOSTS_MAX)
    readers_per_host: int = key(8, "readers of each host's ring", ge=1, le=READERS_PER_HOST_MAX)
    steps: int = key(100, "messages that the writer broadcasts", ge=1, le=STEPS_MAX)
    reply: Annotated[str, OneOf("choice", lambda: ("all", "one", "none"))] = key(
        "all", "who answers: every reader, host[0].reader[0] alone, or nobody"
    )
    message_bytes: int = key(4096, "size of a message", unit="bytes", ge=0, le=SLOT_BYTES_MAX)
    reply_bytes: int = key(1024, "size of an answer", unit="bytes", ge=0, le=SLOT_BYTES_MAX)
    compute: Times = key("10ms", "a reader's work on a message, before it answers", unit="duration")
    gap: Duration = key("0s", "the writer's own work between two steps", unit="duration")
    ring: ClusterRing = key({}, "each host's ring")
    link: Link = key({}, "from the writer's host to each other one")
    policy: Policy = key({}, "who is blamed, and what then")


class ExpectBlame(BaseModel):
    """Somebody is blamed by the cluster's policy."""

    model_config = STRICT
    blame: Annotated[str, Field(min_length=1)] = key(
        ..., 'a reader, a host, or "nobody": then no blame may be laid'
    )
    within: Optional[PositiveDuration] = key(
        None, "first at most so long after the first fault struck; absent: any time",
        unit="duration",
    )  # fmt: skip
