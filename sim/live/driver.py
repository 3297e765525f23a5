"""Drives participants, op by op, through the order of a simulated execution, by their step gates.

Everybody waits at a gate but for the one whose turn it is, so memory changes by turns alone. What a
simulated process does without an op of the order (it pauses, yields, looks at the clock, makes a
fence) and what it polls more often (a real waiter looks 28 times before it parks, a simulated one
less) is passed as soon as the process's own last turn is over: memory is as it was then, so a poll
finds what the last one found.
"""

from __future__ import annotations

import time
from typing import Callable, Dict, Optional, Sequence

from sim.live.process import DEAD, HELD, READY, LiveProcess
from sim.live.procfs import stat
from sim.live.supervisor import Supervisor
from sim.scenario.plan import ProgramWorkload
from sim.scenario.turns import AT_STEP, OP, Turn, next_of

# How long until a process has come to its next step, on a machine with other work to do.
ARRIVAL_NS = 30_000_000_000
ASLEEP_NS = 10_000_000_000  # of one that everybody else waits for: it was not woken
PUMP_NS = 2_000_000
LOOK_NS = 1_000_000  # whether it sleeps, or has ended
PASSED_MAX = 2_000  # steps that are passed on the way to one of the order
ALL_TOKENS = 1 << 30

FUTEX_WAIT = "wait.park.futex_wait"
TOKENS, TOKENS_TAKEN = 8, 9  # words of 4 bytes in the gate, as in cy_kernels/layout.pxd
STEPS_OVER = "step-over-not-ready"
# What changes nothing that others see. Of waiting: all but announcing it, and sleeping.
_WAITS = ("wait.park.raise_parked", FUTEX_WAIT)
_HARMLESS = ("poll_", "fence", "acquire", "widen", "load_")


class Diverged(Exception):
    """A process does not come to the step that is its turn; says where and why."""


def is_harmless(site: str, mutant: Optional[str]) -> bool:
    """Passing it more often than the simulated process changes nothing."""
    if mutant == STEPS_OVER and site.endswith(".poll_written"):
        return False  # it goes on to the next slot
    if site.startswith("wait."):
        return site not in _WAITS
    name = site.rpartition(".")[2]
    return name.startswith(_HARMLESS) or name.endswith("_fence")


class Driver:
    """`newest` says who the process of that name is now. What is no op the caller sees to."""

    def __init__(
        self,
        turns: Sequence[Turn],
        newest: Callable[[str], LiveProcess],
        supervisor: Supervisor,
    ) -> None:
        self._turns = list(turns)
        self._newest = newest
        self._supervisor = supervisor
        self._at = 0
        self._granted: Dict[LiveProcess, int] = {}
        self._last: Dict[LiveProcess, str] = {}  # the step that it was let pass

    @property
    def next(self) -> Optional[Turn]:
        """None: the order is at its end."""
        return self._turns[self._at] if self._at < len(self._turns) else None

    def skip(self) -> None:
        """What the next turn says has been done."""
        self._at += 1

    def leave_out(self, process: str, site: str) -> None:
        """The process's next turn there: it will not come."""
        for at in range(self._at, len(self._turns)):
            if (self._turns[at].process, self._turns[at].site) == (process, site):
                del self._turns[at]
                return

    def take(self) -> None:
        """Of the next turn's op. Raises Diverged."""
        turn = self._turns[self._at]
        life = self._newest(turn.process)
        self.bring(life, turn)
        self._at += 1
        self._let_pass(life, turn)
        self._go_ahead(life)

    def bring(self, life: LiveProcess, turn: Turn) -> None:
        """To the step of that turn, before its op. Raises Diverged."""
        for _ in range(PASSED_MAX):
            site = self._arrival(life, turn, is_awaited=True)
            assert site is not None
            if site == turn.site:
                return
            if not is_harmless(site, life.task.spec.mutant):
                raise Diverged(f"{turn}: it is at {site}")
            self._let_pass(life, turn)
        raise Diverged(f"{turn}: it went round {PASSED_MAX} steps and did not come there")

    def bring_out(self, life: LiveProcess, turn: Turn) -> None:
        """Out of its operation, or to its place: to where it waits for the runner. Raises
        Diverged."""
        for _ in range(PASSED_MAX):
            if life.state in (READY, HELD, DEAD):
                return
            site = self._waits_at(life)
            if site is None:
                site = self._arrival(life, turn, is_awaited=False)
            if site is not None and not is_harmless(site, life.task.spec.mutant):
                raise Diverged(f"{turn}: it is at {site}")
            if site is not None:
                self._let_pass(life, turn)
        raise Diverged(f"{turn}: it went round {PASSED_MAX} steps and did not come there")

    def let_all_go(self, lives: Sequence[LiveProcess]) -> None:
        """From now on nobody waits for a turn."""
        from cy_kernels import gate

        self._at = len(self._turns)
        for life in lives:
            gate.disarm(life.memory.gate)
            gate.grant(life.memory.gate, ALL_TOKENS)

    def _waits_at(self, life: LiveProcess) -> Optional[str]:
        """The step before which it waits for its turn."""
        from cy_kernels import gate

        seen = gate.state(life.memory.gate)
        is_there = seen["arrivals"] > self._granted.get(life, 0) and not life.is_dead
        return str(seen["last_step"]) if is_there else None

    def _arrival(self, life: LiveProcess, turn: Turn, *, is_awaited: bool) -> Optional[str]:
        """The next step that it comes to; None: it waits for the runner, unless the step
        `is_awaited`. Raises Diverged where it comes to none."""
        began_ns = time.monotonic_ns()
        work = life.task.process.workload
        assert not isinstance(work, ProgramWorkload)
        deadline_ns = work.deadline_ns or 0  # a sleeper may wait for it
        while True:
            self._settle(life, turn)
            site = self._waits_at(life)
            if site is not None:
                return site
            if life.state in (READY, HELD, DEAD) and not is_awaited:
                return None
            if life.state in (READY, HELD, DEAD):
                raise Diverged(f"{turn}: it is {life.state}")
            if time.monotonic_ns() - began_ns >= ASLEEP_NS + deadline_ns:
                raise Diverged(f"{turn}: it sleeps, and nobody has woken it")
            self._supervisor.pump(time.monotonic_ns() + PUMP_NS)

    def _let_pass(self, life: LiveProcess, turn: Turn) -> None:
        from cy_kernels import gate

        self._last[life] = str(self._waits_at(life))
        self._granted[life] = self._granted.get(life, 0) + 1
        gate.grant(life.memory.gate)
        self._settle(life, turn)

    def _go_ahead(self, life: LiveProcess) -> None:
        """Pass what is not of the order, while memory is as it was at the process's last turn."""
        wanted = next_of(self._turns, life.name, self._at)
        if wanted is None or wanted.kind not in (OP, AT_STEP):
            return
        for _ in range(PASSED_MAX):
            site = self._waits_at(life)
            if site is None or site == wanted.site or not is_harmless(site, life.task.spec.mutant):
                return
            self._let_pass(life, wanted)

    def _settle(self, life: LiveProcess, turn: Turn) -> None:
        """Until what it was let do is done: it has come to its next step, sleeps, is held between
        two operations or before the first, or has ended. Raises Diverged."""
        from cy_kernels import gate

        began_ns = time.monotonic_ns()
        wanted = self._granted.get(life, 0) + 1
        while True:
            now_ns = time.monotonic_ns()
            if gate.await_arrivals(life.memory.gate, wanted, now_ns + LOOK_NS):
                return
            self._supervisor.pump(now_ns)
            if life.state in (READY, HELD, DEAD) or self._is_asleep(life):
                return
            if now_ns - began_ns >= ARRIVAL_NS:
                raise Diverged(f"{turn}: after {self._last.get(life, 'its start')} it came nowhere")

    def _is_asleep(self, life: LiveProcess) -> bool:
        """In FUTEX_WAIT, not in the gate before it."""
        if self._last.get(life) != FUTEX_WAIT or life.pid is None:
            return False
        words = life.memory.gate.cast("I")
        if words[TOKENS_TAKEN] != words[TOKENS]:
            return False
        found = stat(life.pid)
        return found is not None and found.state == "S"
