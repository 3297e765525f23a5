"""What a cluster's run says of itself when it is over: deliveries, and why it stood still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping

from sim.cluster.detection import together
from sim.history.hang_class import HangClass
from sim.history.op import ENDED, EVICTED, FAIL, INFO, JOB, OK, RECEIVE, Op
from sim.scenario.cluster_names import WRITER, host_of
from sim.scenario.cluster_plan import PolicyPlan
from sim.scenario.durations import format_duration

if TYPE_CHECKING:
    from sim.cluster.world import ClusterWorld

NAMES_MAX = 16  # of those that are waited for
HOSTS_SHOWN = 32  # whose rings are told of over time
WATCH = "watch"  # who records what befalls the run as a whole


def deliveries(world: ClusterWorld) -> Iterator[Op]:
    """One line for messages that a reader took in a row: ten for a job of 10^6 deliveries and 1,000
    hosts would be ten times as many as a checker can read in the time that the run took."""
    size_bytes = world.cluster.message_bytes
    for reader in world.crew.readers:
        name, at_ns = reader.name, reader.last_ns
        for first, count in reader.runs:
            detail = {"messages": count}
            yield Op(at_ns, name, 0, OK, RECEIVE, first, size_bytes, first, detail=detail)
        if reader.ended_ns is not None:
            yield Op(reader.ended_ns, name, 0, FAIL, RECEIVE, outcome=ENDED)
        elif reader.evicted_ns is not None:
            yield Op(reader.evicted_ns, name, 0, FAIL, RECEIVE, outcome=EVICTED)


def job(world: ClusterWorld) -> Op:
    """Its size, its policy, and how full its rings were."""
    plan, writer = world.cluster, world.writer
    detail = {
        "hosts": plan.hosts,
        "readers": plan.readers,
        "policy": _in_words(plan.policy),
        "kind": plan.policy.kind,
        "blocked_ns": writer.blocked_ns,
        "dropped": sum(each.dropped + each.out.lost for each in world.crew.remotes),
        "depths": world.depths.of_the_deepest(HOSTS_SHOWN),
    }
    return Op(world.now_ns(), WATCH, 0, INFO, JOB, detail=detail)


def _in_words(policy: PolicyPlan) -> str:
    kind, every = policy.kind, format_duration(policy.every_ns)
    said = {
        "none": "none",
        "timeout": f"timeout {format_duration(policy.after_ns)}",
        "deadline": f"deadline {format_duration(policy.after_ns)}",
        "heartbeat": f"heartbeat {policy.misses} x {every}",
        "chen": f"chen {every} + {format_duration(policy.margin_ns)}",
        "phi": f"phi {policy.threshold:g}, {every}",
    }[kind]
    return said if policy.then == "report" else f"{said}, {policy.then}"


def standstill(world: ClusterWorld) -> Mapping[str, Any]:
    """Who waits for whom, and the class of the hang: the model knows."""
    late = _late(world)
    names = together([reader.index for reader in late], world.cluster.readers_per_host)
    why: Dict[HangClass, List[str]] = {}
    for reader in late:
        why.setdefault(_class_of(world, reader.name), []).append(reader.name)
    hang_class = next((each for each in ORDER if each in why), HangClass.UNKNOWN)
    if world.writer.body.stopped_ns is not None:
        hang_class, names = HangClass.PEER_STOPPED, [WRITER]
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return {
        "class": hang_class.value,
        "waiting": [WRITER],
        "on": names[:NAMES_MAX],
        "waits": f"writer waits for {', '.join(names[:NAMES_MAX]) or 'nobody'}{more}",
    }


# Of several causes, one that does not end by itself comes first.
ORDER = (HangClass.PEER_DEAD, HangClass.PEER_STOPPED, HangClass.PEER_UNREACHABLE)


def _late(world: ClusterWorld) -> List[Any]:
    """Whose answers are missing; else who has most to read."""
    missing = world.writer.missing()
    readers = world.crew.readers
    if missing:
        return [readers[index] for index in missing]
    there = [r for r in readers if r.evicted_ns is None and r.ended_ns is None]
    least = min((reader.position for reader in there), default=0)
    return [reader for reader in there if reader.position == least]


def _class_of(world: ClusterWorld, reader: str) -> HangClass:
    host = host_of(reader)
    bodies = [world.crew.bodies[reader]]
    if f"{host}.forwarder" in world.crew.bodies:
        bodies.append(world.crew.bodies[f"{host}.forwarder"])
    if any(body.is_dead for body in bodies):
        return HangClass.PEER_DEAD
    if any(body.stopped_ns is not None for body in bodies):
        return HangClass.PEER_STOPPED
    wires = world.crew.wires.get(host)
    if wires is not None and wires.out.is_cut:
        return HangClass.PEER_UNREACHABLE
    return HangClass.UNKNOWN
