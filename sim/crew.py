"""Threads that run plans, each in a world of its own; results come back in the plans' order."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from typing import (
    Callable,
    ContextManager,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Optional,
    Tuple,
    TypeVar,
    Union,
)

from sim.abc import UNKNOWN, Result
from sim.errors import ExitStatus, WorldError
from sim.scenario.plan import Plan
from sim.verdict import RunResult

W = TypeVar("W")

JOIN_DEADLINE_S = 90.0  # longer than a supervisor itself waits for its watcher to clean up
OVERRUN_DEADLINE_S = 120.0  # past its own deadline a run must have ended long before this
POLL_S = 1.0


class Crew(Generic[W]):
    """Leaving the block stops what still runs, and waits for it; `stragglers` has the rest.

    A plan that `skip` has a result for is not run. A world that fails costs the run that met it,
    which becomes what `failed` makes of it; the next run gets a new world. Any other exception of
    a run is raised again in `in_order`. `abort` makes a run end that another thread is in.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        *,
        skip: Callable[[Plan], Optional[RunResult]],
        run: Callable[[Plan, W], RunResult],
        failed: Callable[[Plan, WorldError], RunResult],
        open_world: Callable[[], ContextManager[W]],
        abort: Callable[[W], None],
        jobs: int,
        fail_fast: bool = False,
    ) -> None:
        assert jobs >= 1
        self._todo: Iterator[Tuple[int, Plan]] = enumerate(plans)
        self._skip = skip
        self._run = run
        self._failed = failed
        self._open_world = open_world
        self._abort = abort
        self._fail_fast = fail_fast
        self._lock = threading.Lock()  # of everything that _take and stop touch
        self._takes_more = True
        self._is_stopped = False
        self._worlds: List[W] = []
        self._done: queue.Queue[Union[Tuple[int, RunResult], BaseException, None]] = queue.Queue()
        self._early: Dict[int, RunResult] = {}  # finished before one that comes first
        self.running: Dict[int, Tuple[Plan, float]] = {}  # and when it began
        # Daemons: the interpreter's end waits for none; the watchers then clean up.
        self._threads = [
            threading.Thread(target=self._work, name=f"crew-{index}", daemon=True)
            for index in range(jobs)
        ]

    def __enter__(self) -> Crew[W]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._takes_more = False
            self._is_stopped = True
            for world in self._worlds:  # under the lock, so that none is closed meanwhile
                self._abort(world)
        deadline_s = time.monotonic() + JOIN_DEADLINE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
            assert not thread.is_alive(), f"{thread.name} did not stop"

    def in_order(self) -> Iterator[RunResult]:
        """Each result as soon as all before it are out."""
        threads = len(self._threads)
        index = 0
        while threads:
            outcome = self._next_outcome()
            if outcome is None:
                threads -= 1
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                self._early[outcome[0]] = outcome[1]
            while index in self._early:
                yield self._early.pop(index)
                index += 1

    def stragglers(self) -> List[RunResult]:
        """What had finished when `in_order` was left early."""
        while not self._done.empty():
            outcome = self._done.get_nowait()
            if isinstance(outcome, tuple):
                self._early[outcome[0]] = outcome[1]
        return [self._early.pop(index) for index in sorted(self._early)]

    def _next_outcome(self) -> Union[Tuple[int, RunResult], BaseException, None]:
        while True:
            try:
                return self._done.get(timeout=POLL_S)
            except queue.Empty:
                for plan, began_s in list(self.running.values()):
                    allowed_s = plan.deadline_ns / 1e9 + OVERRUN_DEADLINE_S
                    assert time.monotonic() - began_s < allowed_s, f"{plan.name} does not end"

    def _work(self) -> None:
        try:
            taken = self._take()
            while taken is not None:
                self._serve(taken)
                taken = self._take()
        except BaseException as bug:
            self._done.put(bug)
        finally:
            self._done.put(None)

    def _serve(self, taken: Optional[Tuple[int, Plan]]) -> None:
        """Run this one, and more for as long as the world lasts."""
        try:
            with self._open_world() as world:
                with self._lock:
                    self._worlds.append(world)
                    is_too_late = self._is_stopped
                try:
                    while taken is not None and not is_too_late:
                        result = self._run(taken[1], world)
                        if self._is_stopped:
                            return  # it was cut short: what it came to says nothing
                        self._finish(taken[0], result)
                        taken = self._take()
                finally:
                    with self._lock:
                        self._worlds.remove(world)
        except WorldError as error:
            if self._is_stopped:
                return
            if taken is None:
                raise
            self._finish(taken[0], self._failed(taken[1], error))
        except Exception as bug:
            if not self._is_stopped:
                name = "the end of a world" if taken is None else f"the run {taken[1].name}"
                raise RuntimeError(f"a bug in {name} of spinbed") from bug

    def _take(self) -> Optional[Tuple[int, Plan]]:
        """The next plan that needs a world; those before it that are skipped are finished."""
        while True:
            with self._lock:
                taken = next(self._todo, None) if self._takes_more else None
                if taken is None:
                    return None
                self.running[taken[0]] = (taken[1], time.monotonic())
            result = self._skip(taken[1])
            if result is None:
                return taken
            self._finish(taken[0], result)

    def _finish(self, index: int, result: RunResult) -> None:
        with self._lock:
            del self.running[index]
            if self._fail_fast and result.exit_status is not ExitStatus.OK:
                self._takes_more = False
        self._done.put((index, result))


def skipped(plan: Plan, why: str, *, reproduce: str, is_required: bool) -> RunResult:
    """This host or world cannot do the run; with `is_required` that is a failure."""
    result = _without_a_history(plan, reproduce, skipped=why)
    if not is_required:
        return result
    return replace(
        result,
        as_expected=False,
        exit_status=ExitStatus.SAFETY,
        failure=(f"skipped, but --require: {why}", "no history: nothing was started", reproduce),
    )


def failed(plan: Plan, error: WorldError, *, reproduce: str) -> RunResult:
    """The operating system failed: nothing is known about the system under test."""
    why, *quoted = str(error).splitlines()
    return replace(
        _without_a_history(plan, reproduce, skipped=None),
        verdict=UNKNOWN,
        as_expected=False,
        exit_status=ExitStatus.UNKNOWN,
        checkers=(Result("world", UNKNOWN, str(error)),),
        failure=(why, *quoted, "no history: the run did not end", reproduce),
    )


def _without_a_history(plan: Plan, reproduce: str, *, skipped: Optional[str]) -> RunResult:
    return RunResult(
        name=plan.name,
        path=plan.path,
        world=plan.world,
        seed=plan.seed,
        verdict=None,
        as_expected=None,
        exit_status=ExitStatus.OK,
        checkers=(),
        expectations=(),
        faults=(),
        processes=(),
        duration_ns=0,
        reproduce=reproduce,
        skipped=skipped,
    )
