"""What of a scenario the virtual world cannot do, by the key of the file that asks for it."""

from __future__ import annotations

from typing import Iterator

from sim.abc import NO_TRANSPORT
from sim.scenario.scenario import Scenario, Sending
from sim.virtual.lifecycle import lacking
from sim.virtual.lifecycle.lacking import Lack
from sim.virtual.program import KINDS
from sim.virtual.triggers import KILL, STOP
from sim.virtual.world import VirtualWorld

PROCESSES_MAX = 64
MESSAGE_BYTES_MAX = 16384


def lacks(scenario: Scenario) -> Iterator[Lack]:
    """Everything, in the order of the file; nothing where it can run there."""
    if scenario.cluster is not None:
        yield Lack("cluster", "a cluster has no schedules to explore: its seed decides all")
        return
    if scenario.transport is NO_TRANSPORT:
        yield from lacking.lacks(scenario)
        return
    kind = scenario.transport.kind
    if kind not in KINDS:
        yield Lack("transport.kind", f"{kind!r} is a plug-in, which only real processes can run")
    count = sum(table.count for table in scenario.processes)
    if count > PROCESSES_MAX:
        yield Lack("process", f"{count} processes; the virtual world has {PROCESSES_MAX} at most")
    for index, table in enumerate(scenario.processes):
        key = f"process[{index}]"
        if table.kernels == "pure":
            yield Lack(f"{key}.kernels", "the virtual world runs the compiled protocol alone")
        if table.start != "template":
            yield Lack(f"{key}.start", f"{table.start!r} starts real processes")
        if table.python is not None:
            yield Lack(f"{key}.python", "simulated processes have no interpreter")
        if table.host is not None:
            yield Lack(f"{key}.host", "it has one ring; many hosts are a [cluster]'s")
        if table.env:
            yield Lack(f"{key}.env", "simulated processes have no environment")
        if isinstance(table.workload, Sending):
            size_bytes = table.workload.sizes.max_bytes
            if size_bytes > MESSAGE_BYTES_MAX:
                why = f"messages of {size_bytes} bytes; at most {MESSAGE_BYTES_MAX} there"
                yield Lack(f"{key}.workload.size_bytes", why)
    for index, fault in enumerate(scenario.faults):
        missing = fault.kind.requires - VirtualWorld.capabilities
        names = sorted(capability.value for capability in missing)
        action = getattr(fault.kind, "step_action", KILL)
        if action not in (KILL, STOP):
            names.append(f"{action} at a step")
        if names:
            why = f"{fault.kind.alias} needs a world that can {', '.join(names)}: the live one"
            yield Lack(f"fault[{index}].kind", why)
