"""What live tests plug in: a cursor_ring whose writer misbehaves, and a fault that only talks."""

from __future__ import annotations

import dataclasses
import logging
import os
import select
import signal
from typing import Any, ClassVar, Optional

from sim.abc import Capability, Evidence, Regions, TransportSpec, World, WriterEnd
from sim.scenario.plan import AfterOps, Injection
from sim.transport.cursor_ring import CursorRing


class _AtThird:
    """A writer end that calls `act` instead of its third send."""

    def __init__(self, end: Any, act: Any) -> None:
        self._end = end
        self._act = act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._end, name)

    def send(self, payload: bytes, deadline_ns: int) -> int:
        if self._end.position == 2:
            self._act(self)
        position: int = self._end.send(payload, deadline_ns)
        return position


def _raise(end: _AtThird) -> None:
    end._end.end()  # so that the readers need not wait
    raise ZeroDivisionError("the third")


def _abort(end: _AtThird) -> None:
    end._end.end()
    os.abort()


class RaisesAtThird(CursorRing):
    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        end: Any = _AtThird(super().writer(spec, regions, wait=wait, recorder=recorder), _raise)
        return end


class AbortsAtThird(CursorRing):
    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        end: Any = _AtThird(super().writer(spec, regions, wait=wait, recorder=recorder), _abort)
        return end


class Warning(CursorRing):
    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        logging.getLogger("planted").warning("look %d", 42)
        logging.getLogger("planted").info("not this")
        return super().writer(spec, regions, wait=wait, recorder=recorder)


class Leaves(CursorRing):
    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        regions.create("left", 4096, reserve=False)
        return super().writer(spec, regions, wait=wait, recorder=recorder)


class StopsSending(CursorRing):
    """The writer sends three messages, then waits for a signal that never comes."""

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        end: Any = _Silent(super().writer(spec, regions, wait=wait, recorder=recorder))
        return end


class _Silent(_AtThird):
    def __init__(self, end: Any) -> None:
        super().__init__(end, None)

    def send(self, payload: bytes, deadline_ns: int) -> int:
        while self._end.position == 3:
            signal.pause()
        position: int = self._end.send(payload, deadline_ns)
        return position


def _lose_a_signal(end: _AtThird) -> None:
    """As it happens between the last look at signals and the sleep in a wait: it comes, and no
    handler runs. Then the writer is stuck there until another one comes."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.sigtimedwait([signal.SIGUSR2], 60)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    select.select([read], [], [], 60)


class LosesItsFirstSignal(CursorRing):
    """The writer's third send waits for the runner's SIGUSR2, and lets it pass unheard."""

    def writer(
        self, spec: TransportSpec, regions: Regions, *, wait: str, recorder: Optional[memoryview]
    ) -> WriterEnd:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        made = super().writer(spec, regions, wait=wait, recorder=recorder)
        end: Any = _AtThird(made, _lose_a_signal)
        return end


@dataclasses.dataclass(frozen=True)
class SayWhenRunning:
    """Not a fault: prints a line in the runner when the first message was sent."""

    alias: ClassVar[str] = "say"
    heals: ClassVar[bool] = False
    requires: ClassVar[frozenset[Capability]] = frozenset()
    target: str = "writer"

    def inject(self, world: World) -> Evidence:
        print("running", flush=True)
        return Evidence(True, "said")

    @classmethod
    def injection(cls) -> Injection:
        fault: Any = cls()
        return Injection(0, "fault[0]", fault, AfterOps("writer", 1), None)
