"""Scenario + seed -> Plan. The one place, besides the schedulers, where dice are rolled.

Each choice has dice of its own, seeded by (seed, scenario, what is chosen): adding a fault to a
file leaves the choices of the others as they were. Only `random.Random.random` is used, because
it is the one method whose sequence Python promises not to change.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any, Dict, List, Optional, Sequence, TypeVar

from sim.abc import NO_TRANSPORT, Transport
from sim.errors import Problem, ScenarioError
from sim.history.history import Allowance, FaultHeader, Header, ProcessHeader
from sim.plugin import PluginError
from sim.scenario import agreement
from sim.scenario.fault_schema import aimed, heal_key
from sim.scenario.plan import (
    AfterOps,
    AtProbe,
    AtStep,
    AtTime,
    Expectation,
    Injection,
    Plan,
    ProcessPlan,
    ProgramWorkload,
    ReaderWorkload,
    WriterWorkload,
)
from sim.scenario.scenario import FaultTable, Scenario, Sending, Sizes
from sim.transport import find_transport

SEED_MAX = 2**64 - 1
# A loaded machine with two cores may leave a process waiting for its turn for this long.
GRACE_NS = 2_000_000_000

T = TypeVar("T")


class Dice:
    """Random choices that depend on nothing but their seed and purpose."""

    def __init__(self, seed: int, scenario: str, purpose: str) -> None:
        text = "\0".join((str(seed), scenario, purpose))
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        self._random = random.Random(int.from_bytes(digest, "big"))

    def unit(self) -> float:
        """0 or more, less than 1."""
        return self._random.random()

    def below(self, limit: int) -> int:
        """0 to limit - 1; limit is at most 2**53, the bits of a float."""
        assert 0 < limit <= 2**53
        return int(self._random.random() * limit)

    def some_of(self, items: Sequence[T], count: int) -> Sequence[T]:
        """`count` of the items, in their own order."""
        indices = list(range(len(items)))
        chosen = sorted(indices.pop(self.below(len(indices))) for _ in range(count))
        return [items[index] for index in chosen]


def make_plan(scenario: Scenario, seed: int, world: Optional[str] = None) -> Plan:
    """The same scenario and seed give the same plan on every Python. Where nobody asks for a
    world, it is the live one, if the scenario names it.

    Raises ScenarioError where a transport named "pkg.module:Thing" cannot be imported.
    """
    assert 0 <= seed <= SEED_MAX
    knows_owner = _transport(scenario).knows_owner if has_ring(scenario) else True
    processes = _processes(scenario, seed)
    injections = _injections(scenario, seed)
    world = world or _own_world(scenario)
    return Plan(
        name=scenario.name,
        story=scenario.story,
        path=scenario.path,
        seed=seed,
        worlds=scenario.worlds,
        world=world,
        requires=frozenset().union(*(injection.fault.requires for injection in injections)),
        deadline_ns=scenario.deadline_ns,
        stall_threshold_ns=scenario.stall_threshold_ns,
        transport=scenario.transport,
        processes=processes,
        injections=injections,
        checkers=scenario.checkers,
        expectations=scenario.expectations,
        header=_header(scenario, seed, world, knows_owner, processes, injections),
        explore=scenario.explore,
        sometimes=scenario.sometimes,
        cluster=scenario.cluster,
        source=scenario.source,
    )


def has_ring(scenario: Scenario) -> bool:
    """Or its processes are programs, which talk over nothing of ours."""
    return scenario.transport is not NO_TRANSPORT


def _own_world(scenario: Scenario) -> str:
    return "live" if "live" in scenario.worlds else scenario.worlds[0]


def _transport(scenario: Scenario) -> Transport:
    kind = scenario.transport.kind

    def refused(key: str, message: str, near: Optional[str] = None) -> ScenarioError:
        return ScenarioError([Problem(scenario.path, scenario.transport_line, key, message, near)])

    try:
        transport = find_transport(kind)
    except PluginError as error:
        raise refused("transport.kind", str(error), error.nearest) from error
    for table in scenario.processes:
        if isinstance(table.workload, Sending):
            size_bytes = table.workload.sizes.max_bytes
            slot_bytes = scenario.transport.slot_bytes
            message_or_none = agreement.size_problem(transport, kind, size_bytes, slot_bytes)
            if message_or_none is not None:
                raise refused("transport.slot_bytes", message_or_none)
    return transport


def _processes(scenario: Scenario, seed: int) -> Sequence[ProcessPlan]:
    plans: List[ProcessPlan] = []
    rank = 0
    for table in scenario.processes:
        for name in table.members:
            is_of_ring = table.role == "reader" and table.host is None
            plans.append(
                ProcessPlan(
                    name=name,
                    role=table.role,
                    rank=rank if is_of_ring else None,
                    wait=table.wait,
                    start=table.start,
                    env=table.env,
                    workload=_workload(scenario, seed, name, table.workload),
                    kernels=table.kernels,
                    python=table.python,
                    host=table.host,
                )
            )
            rank += is_of_ring
    return tuple(plans)


def _workload(scenario: Scenario, seed: int, name: str, said: Any) -> Any:
    if isinstance(said, ProgramWorkload):
        return said
    if not isinstance(said, Sending):
        return ReaderWorkload(said.think_ns, said.deadline_ns, said.on_timeout)
    return WriterWorkload(
        messages=said.messages,
        sizes_bytes=_sizes(Dice(seed, scenario.name, f"{name} sizes"), said.sizes, said.messages),
        interval_ns=said.interval_ns,
        deadline_ns=said.deadline_ns,
        on_timeout=said.on_timeout,
        payload_seed=Dice(seed, scenario.name, f"{name} payload").below(2**53),
        finish=said.finish,
    )


def _sizes(dice: Dice, sizes: Sizes, messages: int) -> Sequence[int]:
    span = sizes.max_bytes - sizes.min_bytes + 1
    if span == 1:
        return (sizes.min_bytes,)
    return tuple(sizes.min_bytes + dice.below(span) for _ in range(max(1, messages)))


def _injections(scenario: Scenario, seed: int) -> Sequence[Injection]:
    """One per chosen process and time; those with a time come in its order."""
    found: List[Dict[str, Any]] = []
    for table in scenario.faults:
        dice = Dice(seed, scenario.name, table.key)
        alive = list(table.candidates)
        for time in range(table.times):
            targets = _chosen(dice, table.selector, alive)
            if table.kind.fatal and heal_key(table.kind) is None:
                alive = [name for name in alive if name not in targets]
            for target in targets:
                found.append(_injection(table, target, time))
    found.sort(key=lambda fields: getattr(fields["trigger"], "time_ns", 0))
    return tuple(Injection(index=index, **fields) for index, fields in enumerate(found))


def _injection(table: FaultTable, target: str, time: int) -> Dict[str, Any]:
    trigger: Any
    if table.at_ns is not None:
        trigger = AtTime(table.at_ns + time * table.every_ns)
    elif table.probe is not None:
        trigger = AtProbe(table.after_process or target, table.probe, table.occurrence)
    else:
        assert table.after_ops is not None
        process = table.after_process or target
        if table.step is None:
            trigger = AfterOps(process, table.after_ops)
        else:
            trigger = AtStep(process, table.after_ops, table.path, table.step, table.occurrence)
    return {
        "key": table.key,
        "fault": aimed(table.kind, target, table.parameters),
        "trigger": trigger,
        "heal_after_ns": table.heal_after_ns,
    }


def _chosen(dice: Dice, selector: Optional[str], candidates: Sequence[str]) -> Sequence[str]:
    """`some` is one at least and, where there are several, not all."""
    count = len(candidates)
    if selector == "one":
        return dice.some_of(candidates, 1)
    if selector == "some":
        return dice.some_of(candidates, 1 + dice.below(max(1, count - 1)))
    if selector == "majority":
        return dice.some_of(candidates, count // 2 + 1)
    return candidates


def _header(
    scenario: Scenario,
    seed: int,
    world: str,
    knows_owner: bool,
    processes: Sequence[ProcessPlan],
    injections: Sequence[Injection],
) -> Header:
    allowances: List[Allowance] = []
    for injection in injections:
        allowances += injection.fault.accounts_for(f"{injection.key} {injection.fault.alias}")
    for expectation in scenario.expectations:
        allowances += _allowed(expectation)
    return Header(
        name=scenario.name,
        path=scenario.path,
        world=world,
        seed=seed,
        transport=scenario.transport.kind,
        readers=scenario.transport.readers,
        slots=scenario.transport.slots,
        slot_bytes=scenario.transport.slot_bytes,
        mutant=scenario.transport.mutant,
        knows_owner=knows_owner,
        processes=tuple(map(_process_header, processes)),
        faults=tuple(map(_fault_header, injections)),
        allowances=tuple(dict.fromkeys(allowances)),
        stall_threshold_ns=scenario.stall_threshold_ns,
        deadline_ns=scenario.deadline_ns,
        grace_ns=GRACE_NS,
    )


def _process_header(process: ProcessPlan) -> ProcessHeader:
    work = process.workload
    if isinstance(work, ProgramWorkload):
        return ProcessHeader(process.name, process.role, process.rank, None)
    return ProcessHeader(
        name=process.name,
        role=process.role,
        rank=process.rank,
        deadline_ns=work.deadline_ns,
        messages=getattr(work, "messages", None),
        on_timeout=work.on_timeout,
    )


def _fault_header(injection: Injection) -> FaultHeader:
    fault = injection.fault
    return FaultHeader(injection.index, fault.alias, fault.target, fault.heals, fault.fatal)


def _allowed(expectation: Expectation) -> Sequence[Allowance]:
    """What is expected is accounted for, unless it is expected not to happen."""
    process = expectation.process
    if expectation.hang is not None:
        return (Allowance("hang", "*", value=expectation.hang, because=expectation.key),)
    if process is None or expectation.count_max == 0:
        return ()
    if expectation.outcome is not None:
        return (
            Allowance("outcome", process, expectation.op, expectation.outcome, expectation.key),
        )
    if expectation.stream is not None or expectation.probe is not None:
        return ()  # neither needs a licence
    if expectation.exit is not None:
        return (Allowance("exit", process, value=expectation.exit, because=expectation.key),)
    return (
        Allowance(
            "log",
            process,
            value=expectation.log_logger or "*",
            because=expectation.key,
            level=expectation.log_level,
            pattern=expectation.log_matches,
        ),
    )
