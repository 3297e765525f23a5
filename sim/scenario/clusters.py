"""From the checked tables of a cluster to what a plan says of it, and what they must agree on."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from sim.abc import Capability, TransportSpec
from sim.checkers import OF_CLUSTERS
from sim.scenario import agreement, cluster_names
from sim.scenario.cluster_models import Cluster, SpreadTable
from sim.scenario.cluster_names import named
from sim.scenario.cluster_plan import ClusterPlan, LinkPlan, PolicyPlan, Spread
from sim.scenario.fault_schema import fault_of
from sim.scenario.lines import Path
from sim.scenario.models import AfterOps, AtProbe, AtStep
from sim.scenario.names import nearest, show
from sim.scenario.problems import Collector

CHECKERS = ("no_loss", "no_duplicates", "fifo", "liveness", *OF_CLUSTERS)
# What the simulated cluster can do to its hosts and processes.
CAPABILITIES = frozenset(
    {
        Capability.PAUSE,
        Capability.KILL,
        Capability.SLOW,
        Capability.SLOW_HOST,
        Capability.NETWORK,
    }
)
NOT_OF_A_CLUSTER = {
    "transport": "the messages of a cluster go through the rings of its hosts, [cluster.ring]",
    "process": "the processes of a cluster are counted in [cluster]",
    "explore": "a cluster has no schedules to explore: its seed decides all",
    "sometimes": "a cluster has no schedules to explore: its seed decides all",
}


def check_cluster(tables: Any, keys: Mapping[str, Any], problems: Collector) -> None:
    """All that `agreement` checks of other files; the cluster's own table is right."""
    for section, why in NOT_OF_A_CLUSTER.items():
        if section in keys:
            problems.add((section,), why)
    head, cluster = tables.head, tables.cluster
    if head is not None and "virtual" not in head.worlds:
        problems.add(("worlds",), "a cluster runs in the virtual world only", "virtual")
    if cluster is None:
        return
    for path, table in _times(cluster):
        _check_spread(path, table, problems)
    if cluster.link.duplicates and cluster.link.kind != "datagram":
        problems.add(("cluster", "link", "duplicates"), 'tcp repeats nothing: kind = "datagram"')
    deadline_ns = head.deadline if head is not None else None
    injections = 0
    for index, fault in enumerate(tables.faults):
        if fault is not None:
            injections += fault.times * len(named(fault.target, *_size(cluster)).candidates)
            if injections > agreement.INJECTIONS_MAX:
                message = f"{injections} injections in all; at most {agreement.INJECTIONS_MAX}"
                problems.add(("fault", index, "target"), message)
                break
            agreement.check_fault_times(fault, ("fault", index), deadline_ns, problems)
            _check_fault(fault, ("fault", index), cluster, problems)
    agreement.check_checks(tables, problems)
    for index, check in enumerate(tables.checks):
        if check is not None and ":" not in check.alias and check.alias not in CHECKERS:
            message = f"{show(check.alias)} is not of clusters; one of {', '.join(CHECKERS)}"
            problems.add(("check", index, "alias"), message, nearest(check.alias, CHECKERS))
    for index, table in enumerate(tables.expects):
        if table is not None:
            _check_expectation(table, ("expect", index), cluster, problems)


def refuse_its_words(tables: Any, problems: Collector) -> None:
    """In a file of none."""
    for index, check in enumerate(tables.checks):
        if check is not None and check.alias in OF_CLUSTERS:
            message = f"{show(check.alias)} is of clusters, and there is no [cluster]"
            problems.add(("check", index, "alias"), message)
    for index, table in enumerate(tables.expects):
        if hasattr(table, "blame"):
            problems.add(("expect", index, "blame"), "only the policy of a [cluster] blames")
            tables.expects[index] = None


def candidates_of(target: str, cluster: Cluster) -> Sequence[str]:
    """Whom a checked target of a fault may mean."""
    found = named(target, *_size(cluster))
    assert found.problem is None
    first = cluster_names.host(0)  # with the writer: nobody is chosen with it by chance
    return [name for name in found.candidates if name != first or found.selector is None]


def _times(cluster: Cluster) -> Tuple[Tuple[Path, Any], ...]:
    return (
        (("cluster", "compute"), cluster.compute),
        (("cluster", "link", "latency"), cluster.link.latency),
    )


def _check_spread(path: Path, table: Union[int, SpreadTable], problems: Collector) -> None:
    if isinstance(table, int):
        return
    if table.uniform is not None:
        if table.median is not None or table.p99 is not None:
            problems.add(path, "uniform and median are two distributions: give one")
        elif table.uniform[0] > table.uniform[1]:
            problems.add((*path, "uniform"), "least comes first")
    elif table.median is None or table.p99 is None:
        problems.add(path, "needs uniform, or both median and p99")
    elif table.p99 < table.median:
        problems.add((*path, "p99"), "is less than the median")


def _check_fault(table: Any, path: Path, cluster: Cluster, problems: Collector) -> None:
    found = named(table.target, *_size(cluster))
    if found.problem is not None:
        problems.add((*path, "target"), found.problem, found.near)
    if isinstance(table.at, (AtStep, AtProbe)):
        problems.add((*path, "at"), "a cluster has no steps of a protocol and no probes: a time, "
                     "or { process = \"writer\", after_ops }")  # fmt: skip
    elif isinstance(table.at, AfterOps) and table.at.process != cluster_names.WRITER:
        message = 'the messages of the writer are counted: process = "writer"'
        problems.add((*path, "at", "process"), message, cluster_names.WRITER)
    kind = fault_of(table)
    if kind is None:
        return
    lacks = sorted(each.value for each in kind.requires - CAPABILITIES)
    if lacks:
        problems.add((*path, "kind"), f"{table.kind}: a cluster cannot {', '.join(lacks)}")
    elif found.problem is None and found.role not in kind.roles:
        wanted = " or ".join(sorted(kind.roles - {"program"}))
        message = f"{show(table.target)} is a {found.role}: {table.kind} needs a {wanted}"
        problems.add((*path, "target"), message)
    elif Capability.NETWORK in kind.requires and cluster_names.host(0) in found.candidates:
        if found.selector is None:
            message = "the writer is on host[0], and every link begins there: name the others"
            problems.add((*path, "target"), message)


def _check_expectation(table: Any, path: Path, cluster: Cluster, problems: Collector) -> None:
    for key in ("process", "waiting", "on", "blame"):
        name: Optional[str] = getattr(table, key, None)
        if name is None or (key == "blame" and name == "nobody"):
            continue
        found = named(name, *_size(cluster))
        if found.problem is None and (found.selector is not None or ".." in name):
            problems.add((*path, key), f"{show(name)}: an expectation names one, or a host")
        elif found.problem is not None:
            problems.add((*path, key), found.problem, found.near)
    for key in ("exit", "log", "output", "probe"):
        if hasattr(table, key):
            problems.add((*path, key), "is of processes that are real: a cluster has none")


def _size(cluster: Cluster) -> Tuple[int, int]:
    return cluster.hosts, cluster.readers_per_host


def cluster_plan(table: Cluster) -> ClusterPlan:
    link, policy = table.link, table.policy
    return ClusterPlan(
        hosts=table.hosts,
        readers_per_host=table.readers_per_host,
        steps=table.steps,
        reply=table.reply,
        message_bytes=table.message_bytes,
        reply_bytes=table.reply_bytes,
        compute=spread(table.compute),
        gap_ns=table.gap,
        slots=table.ring.slots,
        ring_deadline_ns=table.ring.deadline,
        link=LinkPlan(
            kind=link.kind,
            latency=spread(link.latency),
            loss=link.loss,
            duplicates=link.duplicates,
            bandwidth=link.bandwidth,
            queue=link.queue,
            full=link.full,
        ),
        policy=PolicyPlan(
            kind=policy.kind,
            then=policy.then,
            after_ns=policy.after,
            every_ns=policy.every,
            misses=policy.misses,
            margin_ns=policy.margin,
            threshold=policy.threshold,
            window=policy.window,
        ),
    )


def spread(times: Union[int, SpreadTable]) -> Spread:
    if isinstance(times, int):
        return Spread("constant", (times,))
    if times.uniform is not None:
        return Spread("uniform", (times.uniform[0], times.uniform[1]))
    assert times.median is not None and times.p99 is not None
    return Spread("lognormal", (times.median, times.p99))


def ring_of(table: Cluster) -> TransportSpec:
    """Of one host."""
    return TransportSpec(
        kind="cursor_ring",
        readers=table.readers_per_host,
        slots=table.ring.slots,
        slot_bytes=max(1, table.message_bytes),
    )
