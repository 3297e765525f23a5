"""What every fault promises, checked in a real run of it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Callable, ClassVar, Dict, List, Optional, Sequence

from sim.abc import Capability, Evidence, TransportSpec, World
from sim.history.history import FaultHeader, History
from sim.history.op import EXIT, HEAL, INJECT
from sim.live.execution import run_plan
from sim.live.hosts import lack_of_hosts
from sim.live.region import names_with
from sim.live.rights import lack_of_rights
from sim.live.supervisor import Supervisor
from sim.scenario.fault_schema import fault_models
from sim.scenario.loader import load_text
from sim.scenario.plan import (
    AfterOps,
    AtProbe,
    AtStep,
    AtTime,
    Injection,
    Plan,
    ReaderWorkload,
    WriterWorkload,
)
from sim.scenario.planning import make_plan
from sim.scenario.steps import MESSAGE
from sim.testing.literal_plan import MS, SECOND, literal_plan

PROGRAM = """
schema = 1
name = "fault-kit"
[[process]]
name = "app"
program = "sim.testing.kit_program:main"
"""
ROLES = {"writer", "reader", "program", "forwarder", "host"}
HOST = "b"
MESSAGES = 60
OPS_BEFORE = 5

Observe = Callable[[World], Any]


class BrokenPromise(AssertionError):
    """A fault does not do what every fault must."""


def check_fault(fault: Any, supervisor: Supervisor, *, observe: Optional[Observe] = None) -> None:
    """Runs `fault` in the live world and raises BrokenPromise where it does not

    - fire, and prove it, the second time as well as the first;
    - show: what `observe` sees of the world is another thing than before;
    - heal, and prove it, the second time as well as the first; then `observe` sees what it saw
      before, and the target runs;
    - take the death of its target for a heal;
    - account for every exit that it causes, and leave nothing behind.

    The fault is aimed at the writer, at reader[1], at a program, app (sim/testing/kit_program), or
    at a host, b, that reader[1] is on.
    Raises Lacking where this host cannot.
    """
    _check_face(fault)
    watched = _Watched(fault, observe)
    plan = _plan(fault, watched)
    lack = lack_of_rights(fault.requires) or lack_of_hosts(plan)
    if lack is not None:
        raise Lacking(lack)
    history, _ = run_plan(plan, supervisor)
    _check_watched(watched)
    _check_history(fault, history, supervisor)
    if fault.heals and not fault.fatal and fault.target != HOST:
        killed = _Watched(fault, None, kills=True)
        history, _ = run_plan(_plan(fault, killed), supervisor)
        _promise(killed.healed[-1].proven, f"its heal after a death says {killed.healed[-1]}")
        _promise(not names_with(supervisor.prefix + "."), "it leaves shared memory behind")


class Lacking(Exception):
    """This host lacks what the fault requires."""


def _promise(is_kept: bool, otherwise: str) -> None:
    if not is_kept:
        raise BrokenPromise(otherwise)


def _check_face(fault: Any) -> None:
    kind = type(fault)
    _promise(dataclasses.is_dataclass(kind), "it is no dataclass")
    _promise(kind.__dataclass_params__.frozen, "its dataclass is not frozen")
    _promise("target" in {each.name for each in dataclasses.fields(fault)}, "it has no target")
    _promise(bool(fault.doc) and "\n" not in fault.doc, "its doc is not one line")
    _promise(fault.requires <= frozenset(Capability), "it requires what is no Capability")
    _promise(bool(fault.roles) and fault.roles <= ROLES, f"its roles are not among {ROLES}")
    if fault.alias in fault_models():
        json.dumps(fault_models()[fault.alias].model_json_schema())


@dataclasses.dataclass(frozen=True)
class _Watched:
    """The fault, injected and healed twice while its target is held at its trigger, so that no
    clock decides what is seen of the world before, between and after."""

    fault: Any
    observe: Optional[Observe]
    kills: bool = False
    injected: List[Evidence] = dataclasses.field(default_factory=list)
    healed: List[Evidence] = dataclasses.field(default_factory=list)
    seen: Dict[str, Any] = dataclasses.field(default_factory=dict)
    alias: ClassVar[str] = "watched"

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fault, name)

    def inject(self, world: World) -> Evidence:
        self._look("before", world)
        self.injected.extend(self.fault.inject(world) for _ in range(2))
        self._look("injected", world)
        if self.fault.heals:
            if self.kills:
                world.kill(self.fault.target)
            self.healed.extend(self.fault.heal(world) for _ in range(2))
            self._look("healed", world)
            self.seen["state"] = world.state(self.fault.target)
        return self.injected[-1]

    def heal(self, world: World) -> Evidence:
        """At its time in the run: by then there is nothing left to heal."""
        self.healed.append(self.fault.heal(world))
        return self.healed[-1]

    def _look(self, when: str, world: World) -> None:
        if self.observe is not None and not self.kills:
            self.seen[when] = self.observe(world)


def _check_watched(watched: _Watched) -> None:
    fault, seen = watched.fault, watched.seen
    _promise(len(watched.injected) == 2, "its time never came")
    for evidence in watched.injected:
        _promise(evidence.proven, f"it does not prove that it fired: {evidence.what}")
    if watched.observe is not None and not hasattr(fault, "prepare"):
        _promise(seen["before"] != seen["injected"], f"nothing to be seen: still {seen['before']}")
    if not fault.heals:
        return
    _promise(len(watched.healed) == 3, "it was not healed")
    for evidence in watched.healed:
        _promise(evidence.proven, f"it does not prove that it healed: {evidence.what}")
    _promise(seen["state"] == "running", f"healed, its target is not running: {seen['state']}")
    if watched.observe is not None:
        said = f"healed, the world is {seen['healed']} and not {seen['before']}"
        _promise(seen["healed"] == seen["before"], said)


def _check_history(fault: Any, history: History, supervisor: Supervisor) -> None:
    fired = [op.detail["fired"] for op in history.where(INJECT) if op.detail]
    healed = [op.detail["healed"] for op in history.where(HEAL) if op.detail]
    _promise(fired == [True], f"the history says of its firing: {fired}")
    _promise(healed == [True] * fault.heals, f"the history says of its healing: {healed}")
    for op in (*history.where(INJECT), *history.where(HEAL)):
        evidence = (op.detail or {}).get("evidence", {})
        _promise(bool(evidence.get("what")), "its evidence says nothing")
        json.dumps(evidence)
    allowed = [a for a in fault.accounts_for("the kit") if a.kind == "exit"]
    for op in history.where(EXIT):
        is_ours = op.process == fault.target and not (op.detail or {}).get("ended_by")
        if is_ours and op.outcome != "0" and fault.fatal:
            said = f"it does not account for the exit of its target by {op.outcome}"
            _promise(any(a.value in ("*", op.outcome) for a in allowed), said)
    left = names_with(supervisor.prefix + ".")
    _promise(not left, f"it leaves shared memory behind: {left}")


def _plan(fault: Any, watched: _Watched) -> Plan:
    """The fault in the middle of the work of a program, or of a writer and two readers."""
    if fault.target == "app":
        return _program_plan(fault, watched)
    slots, interval_ns, think_ns = 8, 1 * MS, 0
    if hasattr(fault, "waits_by"):  # its target waits for a slower peer, and still after the heal
        is_writer = fault.target == "writer"
        slots, interval_ns, think_ns = (1, 0, 5 * MS) if is_writer else (8, 5 * MS, 0)
    spec = TransportSpec(kind="cursor_ring", readers=2, slots=slots, slot_bytes=256)
    writes = WriterWorkload(MESSAGES, [64], interval_ns, 50 * MS, "retry", payload_seed=7)
    reads = ReaderWorkload(think_ns, 50 * MS, "retry")
    is_of_host = fault.target == HOST
    trigger: Any = AfterOps("writer" if is_of_host else fault.target, OPS_BEFORE)
    if hasattr(fault, "prepare"):
        trigger = AtTime(0)
    elif hasattr(fault, "step_action"):
        does = "send.commit" if fault.target == "writer" else "receive.release"
        trigger = AtStep(fault.target, OPS_BEFORE, MESSAGE, f"cursor.{does}", 1)
    injected: Any = watched
    injections = [Injection(0, "fault[0]", injected, trigger, 20 * MS if fault.heals else None)]
    plan = literal_plan(
        "fault-kit",
        spec,
        writes,
        reads,
        wait=getattr(fault, "waits_by", ("park",))[0],
        injections=injections,
        faults=[FaultHeader(0, fault.alias, fault.target, fault.heals, fault.fatal)],
        allowances=fault.accounts_for("the kit"),
        requires=fault.requires,
        stall_threshold_ns=20 * SECOND if is_of_host else SECOND,
    )
    if not is_of_host:
        return plan
    away = dataclasses.replace(plan.processes[-1], host=HOST, rank=None)
    ring = dataclasses.replace(spec, readers=1)
    return dataclasses.replace(plan, processes=[*plan.processes[:-1], away], transport=ring)


def _program_plan(fault: Any, watched: _Watched) -> Plan:
    (scenario,) = load_text(PROGRAM, "fault-kit.toml")
    plan = make_plan(scenario, 0)
    injected: Any = watched
    trigger: Any = AtTime(0) if hasattr(fault, "prepare") else AtProbe("app", "turn", OPS_BEFORE)
    injection = Injection(0, "fault[0]", injected, trigger, 20 * MS if fault.heals else None)
    header = dataclasses.replace(
        plan.header,
        faults=[FaultHeader(0, fault.alias, fault.target, fault.heals, fault.fatal)],
        allowances=fault.accounts_for("the kit"),
    )
    return dataclasses.replace(plan, injections=[injection], header=header)


def targets(fault_kind: Any) -> Sequence[str]:
    """At whom the kit can aim a fault of this kind."""
    if fault_kind.requires == {Capability.NETWORK}:
        return [HOST]
    names = {"writer": "writer", "reader[1]": "reader", "app": "program"}
    return [name for name, role in names.items() if role in fault_kind.roles]
