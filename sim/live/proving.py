"""The proof of a hang's class: do what the class says is missing, and see who gets on by it.

Only in runs that are ours, once nothing of the run counts any more: whoever is stopped goes on, who
never came is started, a dead writer gets a successor, a dead reader's slots are given back, who
sleeps though what it waits for is there is woken, and of those that keep each other from getting on
all but one stand still.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Iterator, List, Mapping, Optional, Protocol, Sequence, Tuple

from sim.errors import WorldError
from sim.history.hang_class import HangClass
from sim.live.machine import LiveMachine
from sim.live.process import LiveProcess
from sim.live.region_look import RegionLook
from sim.live.supervisor import Supervisor

WITHIN_NS = 1_000_000_000  # from the intervention to the first operation that ends by it
POLL_NS = 5_000_000


class Verbs(Protocol):
    """Of sim.abc.World, those that intervene."""

    def pause(self, process: str) -> None: ...

    def resume(self, process: str) -> None: ...

    def restart(self, process: str) -> int: ...

    def attach(self, process: str) -> str: ...


class Prover:
    """`newest`: the current incarnation of a process; it raises WorldError where there is none."""

    def __init__(
        self,
        verbs: Verbs,
        machine: LiveMachine,
        look: RegionLook,
        newest: Callable[[str], LiveProcess],
        supervisor: Supervisor,
    ) -> None:
        self._verbs = verbs
        self._machine = machine
        self._look = look
        self._newest = newest
        self._supervisor = supervisor

    def prove(self, told: Mapping[str, Any]) -> str:
        """What became of it, in words. Those that were told to hang are watched, `told["who"]`."""
        tried: List[str] = []
        # Before anything is done: somebody may get on while it still is being done.
        waiters = [self._newest(name) for name in told["who"]]
        before = [(life, life.ops_ok()) for life in waiters]
        for done, reminds in self._interventions(told):
            tried.append(done)
            ahead = self._await_progress(before, reminds=reminds)
            if ahead:
                return f"proven: {done}, and {', '.join(ahead)} got on"
        if not tried:
            return "inferred: nothing that could be done would show it"
        return f"inferred: {'; '.join(tried)}, and nobody got on"

    def _await_progress(
        self, before: Sequence[Tuple[LiveProcess, int]], *, reminds: bool
    ) -> Sequence[str]:
        """`reminds`: by signals, of words that were written from outside: who sleeps is not told of
        those. Where somebody else is to wake them, a signal of ours would prove nothing of it."""
        deadline_ns = time.monotonic_ns() + WITHIN_NS
        while True:
            now_ns = time.monotonic_ns()
            ahead = [life.name for life, ok in before if life.ops_ok() > ok]
            if ahead or now_ns >= deadline_ns:
                return ahead
            for life, _ in before if reminds else ():
                life.remind()
            self._supervisor.pump(min(deadline_ns, now_ns + POLL_NS))

    def _interventions(self, told: Mapping[str, Any]) -> Iterator[Tuple[str, bool]]:
        """Each is made when it is asked for: what was done, and whether its words need signals."""
        kind = HangClass(told["class"])
        on: Sequence[str] = told["on"]
        if kind is HangClass.PEER_STOPPED:
            for name in on:
                self._machine.thaw(name)
                self._verbs.resume(name)
            yield _all(on, "went on"), False
        elif kind is HangClass.STARTUP_NEVER:
            started = [name for name in on if self._is_started(name)]
            if started:
                yield _all(started, "was started"), False
        elif kind in (HangClass.PEER_DEAD, HangClass.SEGMENT_GONE):
            given_up = [name for name in on if self._is_given_up(name)]
            if given_up:
                yield _all(given_up, "was given up on"), True
            elif kind is HangClass.PEER_DEAD and all(map(self._has_successor, on)):
                yield _all(on, "got a successor"), False
        elif kind is HangClass.LOST_WAKEUP:
            yield from self._wakes(told["who"])
        elif kind is HangClass.LIVELOCK:
            yield from self._lets_one_go_first(told["who"])

    def _wakes(self, who: Sequence[str]) -> Iterator[Tuple[str, bool]]:
        if self._look.wake_all():
            yield "who sleeps on a word of the region was woken", False
        emulated = [name for name in who if self._newest(name).task.emulates]
        for name in emulated:
            self._machine.calm_wakes(name)
        if emulated:
            yield _all(emulated, "was told of the store that its instruction had missed"), False
        yield "all who wait were interrupted", True

    def _lets_one_go_first(self, who: Sequence[str]) -> Iterator[Tuple[str, bool]]:
        for first in who:
            others = [name for name in who if name != first]
            for name in others:
                self._verbs.pause(name)
            try:
                if others:
                    yield f"all but {first} stood still", False
            finally:
                for name in others:
                    self._verbs.resume(name)

    def _is_started(self, name: str) -> bool:
        """False of one that came, and got no further."""
        if self._is_done(lambda: self._newest(name)) is not None:
            return False
        return self._is_done(lambda: self._verbs.attach(name)) == "running"

    def _is_given_up(self, name: str) -> bool:
        rank = self._look.rank_of(name)
        return rank is not None and self._machine.give_up(rank)

    def _has_successor(self, name: str) -> bool:
        return self._look.can_be_taken_over and self._is_done(
            lambda: self._verbs.restart(name)
        ) is not None

    def _is_done(self, verb: Callable[[], Any]) -> Optional[Any]:
        """None: the system under test does not let us."""
        try:
            return verb()
        except WorldError:
            return None


def _all(names: Sequence[str], what: str) -> str:
    return ", ".join(f"{name} {what}" for name in names)
