"""Signals to what a run has started, each with its effect waited for."""

from __future__ import annotations

import signal
import time
from typing import Callable, Optional, Protocol, Sequence

from sim.errors import WorldError
from sim.live.procfs import is_stopped
from sim.live.supervisor import Supervisor, describe_exit

# From SIGKILL, SIGSTOP or SIGCONT to the effect: the kernel's work, slow only under great load.
DEADLINE_NS = 20_000_000_000
POLL_NS = 1_000_000  # of /proc, for which there is no event


class Life(Protocol):
    """One incarnation of a participant or of a program."""

    name: str
    pid: Optional[int]
    is_ended_by_run: bool

    @property
    def is_dead(self) -> bool: ...

    def os_state(self) -> str: ...

    def send_signal(self, number: int) -> None: ...


def os_state(pid: Optional[int], code: Optional[int]) -> str:
    """As sim.abc.World.state; `code` once it is dead."""
    if code is not None:
        outcome = describe_exit(code)
        return f"exited:{outcome}" if code >= 0 else f"signalled:{outcome}"
    return "stopped" if pid is not None and is_stopped(pid) else "running"


def send_signal(death: Optional[int], number: int) -> None:
    """By pidfd, so that it never hits somebody else who got the same pid; a no-op without one."""
    if death is not None:
        try:
            signal.pidfd_send_signal(death, number)
        except ProcessLookupError:
            pass  # its exit is on the way to us


def await_effect(
    supervisor: Supervisor,
    done: Callable[[], bool],
    call: str,
    life: Life,
    poll_ns: Optional[int] = None,
) -> None:
    """Raises WorldError that names the call where it has none in time."""
    deadline_ns = time.monotonic_ns() + DEADLINE_NS
    while not done():
        now_ns = time.monotonic_ns()
        if now_ns >= deadline_ns:
            raise WorldError(call, pid=life.pid, detail=f"no effect on {life.name} in time")
        supervisor.pump(deadline_ns if poll_ns is None else now_ns + poll_ns)


def stop(supervisor: Supervisor, life: Life) -> None:
    life.send_signal(signal.SIGSTOP)
    await_effect(supervisor, lambda: life.os_state() != "running", "SIGSTOP", life, POLL_NS)


def let_go_on(supervisor: Supervisor, life: Life) -> None:
    life.send_signal(signal.SIGCONT)
    await_effect(supervisor, lambda: life.os_state() != "stopped", "SIGCONT", life, POLL_NS)


def end_all(supervisor: Supervisor, lives: Sequence[Life]) -> None:
    """The run is over. Raises WorldError where one does not end in time."""
    rest = [life for life in lives if not life.is_dead]
    for life in rest:
        life.is_ended_by_run = True
    deadline_ns = time.monotonic_ns() + DEADLINE_NS
    while rest:
        if time.monotonic_ns() >= deadline_ns:
            raise WorldError("SIGKILL", pid=rest[0].pid, detail=f"{rest[0].name} does not end")
        for life in rest:
            life.send_signal(signal.SIGKILL)
        supervisor.pump(deadline_ns)
        rest = [life for life in rest if not life.is_dead]
