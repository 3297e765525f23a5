"""The crew that runs plans, with worlds that do what the test says, and threads that are real."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from typing import Any, Callable, Iterator, List, Optional

import pytest

from sim.abc import TransportSpec
from sim.crew import Crew, failed, skipped
from sim.errors import ExitStatus, WorldError
from sim.history.history import Header
from sim.scenario.plan import Plan
from sim.verdict import RunResult

WATCHDOG_S = 60.0  # only against a hang


def plan(name: str) -> Plan:
    header = Header(
        name, "x.toml", "live", 0, "cursor_ring", 1, 4, 64, None, True, (), (), (), 1, 1, 1
    )
    return Plan(
        name=name,
        story="",
        path="x.toml",
        seed=0,
        worlds=("live",),
        world="live",
        requires=frozenset(),
        deadline_ns=10**9,
        stall_threshold_ns=10**9,
        transport=TransportSpec("cursor_ring", 1, 4, 64),
        processes=(),
        injections=(),
        checkers=(),
        expectations=(),
        header=header,
    )


def result(of: Plan, status: ExitStatus = ExitStatus.OK) -> RunResult:
    ran = skipped(of, "", reproduce="again", is_required=False)
    return dataclasses.replace(ran, skipped=None, as_expected=not status, exit_status=status)


class World:
    """One that a test can see being opened, aborted and closed."""

    opened: List[World] = []

    def __init__(self) -> None:
        self.aborted = threading.Event()
        self.is_closed = False


@pytest.fixture(autouse=True)
def _none_opened_yet() -> None:
    World.opened = []


@contextlib.contextmanager
def open_world() -> Iterator[World]:
    world = World()
    World.opened.append(world)
    try:
        yield world
    finally:
        world.is_closed = True


def crew(
    names: str,
    run: Callable[[Plan, World], RunResult],
    *,
    jobs: int = 1,
    skip: Callable[[Plan], Optional[RunResult]] = lambda plan: None,
    **options: Any,
) -> Crew[World]:
    return Crew(
        [plan(name) for name in names.split()],
        skip=skip,
        run=run,
        failed=lambda plan, error: failed(plan, error, reproduce="again"),
        open_world=open_world,
        abort=lambda world: world.aborted.set(),
        jobs=jobs,
        **options,
    )


def test_results_come_in_the_order_of_the_plans_whoever_is_first() -> None:
    b_is_done = threading.Event()

    def run(plan: Plan, world: World) -> RunResult:
        if plan.name == "a":
            assert b_is_done.wait(WATCHDOG_S)
        else:
            b_is_done.set()
        return result(plan)

    with crew("a b c", run, jobs=2) as working:
        assert [each.name for each in working.in_order()] == ["a", "b", "c"]
    assert all(world.is_closed for world in World.opened)


def test_one_world_serves_many_runs_until_it_fails_and_then_there_is_a_new_one() -> None:
    def run(plan: Plan, world: World) -> RunResult:
        if plan.name == "b":
            raise WorldError("fork", errno=11)
        return result(plan)

    with crew("a b c d", run) as working:
        results = list(working.in_order())
    assert [(each.name, each.verdict) for each in results][1] == ("b", "unknown")
    assert results[1].exit_status is ExitStatus.UNKNOWN
    assert results[1].failure == (
        "fork failed: EAGAIN (Resource temporarily unavailable)",
        "no history: the run did not end",
        "again",
    )
    assert [each.as_expected for each in results] == [True, False, True, True]
    assert len(World.opened) == 2


def test_a_world_that_cannot_be_opened_costs_each_run_that_wanted_it() -> None:
    working: Crew[World] = crew("a b", lambda plan, world: result(plan))

    @contextlib.contextmanager
    def broken() -> Iterator[World]:
        raise WorldError("clone")
        yield World()

    working._open_world = broken
    with working:
        assert [each.verdict for each in working.in_order()] == ["unknown", "unknown"]


def test_what_is_skipped_needs_no_world() -> None:
    def skip(plan: Plan) -> RunResult:
        return skipped(plan, "no kernels", reproduce="again", is_required=False)

    with crew("a b", lambda plan, world: result(plan), skip=skip) as working:
        assert [each.skipped for each in working.in_order()] == ["no kernels", "no kernels"]
    assert World.opened == []


def test_a_bug_in_a_run_is_raised_to_the_caller_and_names_the_run() -> None:
    def run(plan: Plan, world: World) -> RunResult:
        raise ZeroDivisionError("planted")

    with pytest.raises(RuntimeError, match="a bug in the run a of spinbed") as raised:
        with crew("a b", run) as working:
            list(working.in_order())
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert [world.is_closed for world in World.opened] == [True]


def test_leaving_early_aborts_what_runs_and_hands_out_what_had_finished() -> None:
    c_has_begun = threading.Event()  # so the result of "b" is in

    def run(plan: Plan, world: World) -> RunResult:
        if plan.name == "b":
            return result(plan)
        if plan.name == "c":
            c_has_begun.set()
        assert world.aborted.wait(WATCHDOG_S)
        raise WorldError("run", detail="it was told to stop")

    working = crew("a b c", run, jobs=2)
    with pytest.raises(KeyboardInterrupt), working:
        assert c_has_begun.wait(WATCHDOG_S)
        raise KeyboardInterrupt
    assert [each.name for each in working.stragglers()] == ["b"]
    assert all(world.is_closed for world in World.opened)


def test_fail_fast_begins_nothing_after_a_failure() -> None:
    def run(plan: Plan, world: World) -> RunResult:
        return result(plan, ExitStatus.SAFETY if plan.name == "b" else ExitStatus.OK)

    with crew("a b c d", run, fail_fast=True) as working:
        assert [each.name for each in working.in_order()] == ["a", "b"]


def test_a_skip_that_is_required_is_a_failure_of_safety() -> None:
    required = skipped(plan("a"), "no kernels", reproduce="again", is_required=True)
    assert (required.as_expected, required.exit_status) == (False, ExitStatus.SAFETY)
    assert required.failure[0] == "skipped, but --require: no kernels"
