"""The whole question: is what a journal says an execution that the simulated machine allows?"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence, Set

from sim.history.history import History
from sim.history.op import HANG, HEAL, INJECT
from sim.inclusion.account import NEVER, Impossible, Life, NotTold, lives_of
from sim.inclusion.contents import check_plan, read_by, sent_by
from sim.inclusion.effects import Effect, Effects
from sim.inclusion.reenactment import Stage
from sim.scenario.plan import Plan

PROCESSES_MAX = 64
WAKES_GO_WRONG = "disturb_wakes"
PAUSES = ("stall", "freeze", "stop_at_step")


def include(plan: Plan, history: History) -> int:
    """How many effects its operations had, in an order that the machine allows too. Raises
    Impossible where it is none, and NotTold."""
    if plan.is_of_programs:
        raise NotTold("it is of programs: only rings are simulated")
    if any(process.host is not None for process in plan.processes):
        raise NotTold("it has readers on other hosts: one ring is simulated")
    check_plan(plan)
    if len(plan.processes) > PROCESSES_MAX:
        raise NotTold(f"{len(plan.processes)} processes: {PROCESSES_MAX} are simulated at most")
    end = next((n for n, op in enumerate(history.ops) if op.f == HANG), len(history.ops))
    # What comes behind a hang has been provoked, to prove what it was.
    lives = lives_of(replace(history, ops=history.ops[:end]))
    order = order_of(plan, lives)
    stage = Stage(plan, [name for name, each in lives.items() if _is_late(each, lives)])
    for effect in order:
        stage.take(effect)
    for each in lives.values():
        if each and not (each[-1].is_killed and not each[-1].is_ended_by_run):
            stage.compare(each[-1])
    is_disturbed = any(each.fault.alias == WAKES_GO_WRONG for each in plan.injections)
    if end < len(history.ops) and not is_disturbed:
        _check_standstill(history, end, stage)
    return len(order)


def order_of(plan: Plan, lives: Dict[str, List[Life]]) -> Sequence[Effect]:
    """An order of the effects of all operations that fits the journal's times."""
    writers = [p.name for p in plan.processes if p.role == "writer"]
    readers = [p.name for p in plan.processes if p.role == "reader"]
    sent = sent_by([life for name in writers for life in lives[name]], plan)
    policies = {each.name: each.on_timeout for each in plan.header.processes}
    reads = {name: read_by(lives[name], sent, policies[name]) for name in readers}
    effects = Effects(plan, lives, sent, plan.transport.slots)
    for name in writers:
        effects.add_writer(name, lives[name])
    for name in readers:
        effects.add_reader(name, lives[name], reads[name])
    effects.connect()
    return effects.order()


def _is_late(own: Sequence[Life], lives: Dict[str, List[Life]]) -> bool:
    """It has its place only after somebody has begun, or never."""
    first_ns = min(
        (op.began_ns for each in lives.values() for life in each for op in life.operations),
        default=NEVER,
    )
    return not own or own[0].ready_ns == NEVER or own[0].ready_ns > first_ns


def _check_standstill(history: History, end: int, stage: Stage) -> None:
    """Who stood still for as long as a hang takes can have had nothing to do."""
    detail = history.ops[end].detail or {}
    if detail.get("why") != "hang":
        return
    paused: Set[str] = set()
    for op in history.ops[:end]:
        if op.f in (INJECT, HEAL) and op.detail and op.detail.get("alias") in PAUSES:
            (paused.add if op.f == INJECT else paused.discard)(op.detail["target"])
    for name in detail.get("waiting", ()):
        if name not in paused and stage.could_go_on(name):
            raise Impossible(end, f"{name} stood still though it could go on")
