"""Two hosts in network namespaces beside their model: how late messages are, and how many come.

    python benchmarks/two_hosts.py [--rounds 3] [--json]

Each case is run for real, readers on host b by ZeroMQ behind a switch, and as a [cluster] of two
hosts with the model's own constants: the same messages, the same fault. The delay of a message is
from the call of the writer's send to the reader that has it. It needs what docs/hosts.md says of
readers on other hosts, and simpy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

from sim.cluster.world import ClusterWorld
from sim.history.history import History
from sim.history.op import HEAL, INJECT, INVOKE, OK, RECEIVE, SEND
from sim.live.execution import run_plan
from sim.live.hosts import lack_of_hosts
from sim.live.supervisor import Supervisor
from sim.nemesis import provoke
from sim.scenario.loader import load_text
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan

NS_PER_MS = 1e6


class Case(NamedTuple):
    name: str
    messages: int
    size_bytes: int
    rate_hz: int
    queue: int = 1000
    fault: str = ""  # its own keys in both worlds, but for the target


CASES = (
    Case("no fault", 500, 256, 500),
    Case("link_down 500ms", 600, 256, 500, fault='kind = "link_down"\nheal_after = "500ms"'),
    Case("partition 1s", 900, 256, 500, fault='kind = "partition"\nheal_after = "1s"'),
    Case(
        "a third of the bandwidth for 1s",
        400,
        4096,
        250,
        fault='kind = "bad_link"\nbandwidth = 333e3\nheal_after = "1s"',
    ),
    Case("partition 1s, queue 10", 300, 65536, 200, 10, 'kind = "partition"\nheal_after = "1s"'),
)
LIVE = """
schema = 1
name = "live"
stall_threshold = "10s"
deadline = "60s"
[transport]
slot_bytes = 65536
remote_queue = {queue}
[[process]]
name = "writer"
role = "writer"
workload = {{ messages = {messages}, size_bytes = {size_bytes}, rate_hz = {rate_hz} }}
[[process]]
name = "near"
role = "reader"
[[process]]
name = "away"
role = "reader"
host = "b"
"""
MODEL = """
schema = 1
name = "model"
deadline = "60s"
[cluster]
hosts = 2
readers_per_host = 1
steps = {messages}
reply = "none"
message_bytes = {size_bytes}
compute = "0s"
gap = "{gap_us}us"
[cluster.link]
queue = {queue}
"""
FAULT = """
[[fault]]
{fault}
target = "{target}"
at = {{ process = "writer", after_ops = 50 }}
"""
NEAR, AWAY = "near", "away"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="live runs of each case")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    lack = lack_of_hosts(plan_of(LIVE, CASES[0], "b"))
    if lack is not None:
        sys.exit(lack)
    found = []
    with Supervisor() as supervisor:
        for case in CASES:
            rounds = [live(case, supervisor) for _ in range(options.rounds)]
            found.append({"case": case.name, "live": rounds, "model": modelled(case)})
    found.append({"load": os.getloadavg()})
    print(json.dumps(found)) if options.json else show(found)


def show(found: Sequence[Dict[str, Any]]) -> None:
    *cases, load = found
    print("delays in ms, of live runs / of the model: ratio")
    for each in cases:
        print(each["case"])
        for name, modelled_value in each["model"].items():
            values = [one[name] for one in each["live"]]
            ratio = statistics.median(values) / modelled_value if modelled_value else float("nan")
            told = " ".join(f"{value:.3f}" for value in values)
            print(f"  {name:<16} {told} / {modelled_value:.3f}: {ratio:.2f}")
    print(f"load averages {load['load']}")


def plan_of(text: str, case: Case, target: str) -> Plan:
    gap_us = 1_000_000 // case.rate_hz
    filled = text.format(gap_us=gap_us, **case._asdict())
    if case.fault:
        filled += FAULT.format(fault=case.fault, target=target)
    (scenario,) = load_text(filled, "two_hosts.toml")
    return make_plan(scenario, 0)


def live(case: Case, supervisor: Supervisor) -> Dict[str, float]:
    history, _ = run_plan(plan_of(LIVE, case, "b"), supervisor)
    taken: Dict[str, Dict[int, int]] = {NEAR: {}, AWAY: {}}
    for op in history.ops:
        if op.f == RECEIVE and op.type == OK:
            taken[op.process][op.position] = op.time_ns
    return told(history, taken)


def modelled(case: Case) -> Dict[str, float]:
    plan = plan_of(MODEL, case, "host[1]")
    world = ClusterWorld(plan)
    taken: Dict[str, Dict[int, int]] = {NEAR: {}, AWAY: {}}
    for reader, name in zip(world.crew.readers, (NEAR, AWAY)):
        note(reader, taken[name])
    provoke(world, plan.injections)
    return told(world.finish(), taken)


def note(reader: Any, times: Dict[int, int]) -> None:
    """When it has each message: then it begins to work on it."""
    compute: Callable[[], int] = reader._compute

    def noting() -> int:
        times[reader._number] = reader.last_ns
        return compute()

    reader._compute = noting


def told(history: History, taken: Dict[str, Dict[int, int]]) -> Dict[str, float]:
    for op in (*history.where(INJECT), *history.where(HEAL)):
        assert op.detail and (op.detail.get("fired") or op.detail.get("healed")), op
    sent = {op.position: op.time_ns for op in history.ops if op.f == SEND and op.type == INVOKE}
    found: Dict[str, float] = {}
    for name, times in taken.items():
        late: List[float] = sorted((at - sent[n]) / NS_PER_MS for n, at in times.items())
        found[f"{name} p50"] = statistics.median(late)
        found[f"{name} p90"] = late[int(len(late) * 0.9)]
        found[f"{name} most"] = late[-1]
        found[f"{name} received"] = len(late)
    return found


if __name__ == "__main__":
    main()
