"""One incarnation of a program of anybody's, as the runner sees it."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from sim.inside.channel import MESSAGE_BYTES_MAX
from sim.live.datagrams import kind_of, messages
from sim.live.exec_child import Order
from sim.live.output import Output
from sim.live.signalling import os_state, send_signal
from sim.live.supervisor import Supervisor
from sim.live.template import EXEC

ASKED = "asked"  # the template was told to start it
RUNNING = "running"
DEAD = "dead"
TRANSITIONS: Mapping[str, Sequence[str]] = {ASKED: (RUNNING,), RUNNING: (DEAD,), DEAD: ()}

# More than a queue of datagrams holds: who was left behind may go on talking, unheard.
QUEUED_MAX = 4096

Notify = Callable[["LiveProgram", str, Dict[str, Any]], None]


class LiveProgram:
    """Owns its pipes, the socket that its probes come to, and its pidfd.

    `notify(program, event, detail)` tells the world: spawned, exit, and what is said inside: probe,
    log, hook, answer. Who asks there is held until `answer`.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        order: Order,
        address: str,
        supervisor: Supervisor,
        notify: Notify,
    ) -> None:
        self.name = name
        self.incarnation = incarnation
        self.order = order
        self.state = ASKED
        self.pid: Optional[int] = None
        self.code: Optional[int] = None  # once dead
        self.is_ended_by_run = False
        self._supervisor = supervisor
        self._notify = notify
        self._death: Optional[int] = None
        self._asking: List[Any] = []  # addresses of those who wait for an answer
        self._is_heard = False
        self._resources = ExitStack()
        with ExitStack() as until_whole:
            until_whole.enter_context(self._resources)
            self.stdout = Output(supervisor)
            self._resources.callback(self.stdout.close)
            self.stderr = Output(supervisor)
            self._resources.callback(self.stderr.close)
            self._spawn(address)
            until_whole.pop_all()

    def _spawn(self, address: str) -> None:
        self._probes = self._resources.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        )
        self._probes.bind("\0" + address)
        self._supervisor.listen(self._probes, self._on_said)
        self._is_heard = True
        self._resources.callback(self._stop_hearing)
        order = self.order.memfd()
        theirs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with theirs:
            try:
                theirs.connect("\0" + address)
                fds = (theirs.fileno(), order, self.stdout.their_fd, self.stderr.their_fd)
                self._supervisor.spawn(self, EXEC, fds)
            finally:
                os.close(order)
        self.stdout.close_theirs()
        self.stderr.close_theirs()

    def become(self, state: str) -> None:
        assert state in TRANSITIONS[self.state], f"{self.name}: {self.state} -> {state}"
        self.state = state

    @property
    def is_dead(self) -> bool:
        return self.state == DEAD

    def os_state(self) -> str:
        """As sim.abc.World.state."""
        return os_state(self.pid, self.code)

    def send_signal(self, number: int) -> None:
        send_signal(self._death, number)

    def answer(self) -> None:
        """Let all go on that wait at a probe."""
        asking, self._asking = self._asking, []
        for address in asking:
            try:
                self._probes.sendto(b"go", address)
            except OSError:
                pass  # it died meanwhile

    def on_spawned(self, pid: int, death: int) -> None:
        self.pid = pid
        self._death = death
        self._resources.callback(os.close, death)
        self.become(RUNNING)
        detail = {"pid": pid, "argv": list(self.order.argv), **self.order.facts}
        self._notify(self, "spawned", detail)

    def on_exit(self, code: int) -> None:
        for _ in range(QUEUED_MAX):  # what it said before it died comes first
            if not self._on_said():
                break
        self.stdout.drain()
        self.stderr.drain()
        self.code = code
        self.become(DEAD)
        detail: Dict[str, Any] = {
            "pid": self.pid,
            "stdout": self.stdout.text(),
            "stderr": self.stderr.text(),
            "stdout_bytes": self.stdout.size_bytes,
            "stderr_bytes": self.stderr.size_bytes,
        }
        if self.is_ended_by_run:
            detail["ended_by"] = "run"
        self._notify(self, "exit", detail)

    def _on_said(self) -> bool:
        """Whether there was anything."""
        if not self._is_heard:
            return False
        try:
            received, sender = self._probes.recvfrom(MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        for message in messages(received):
            is_asking = bool(message.pop("ask", False)) and bool(sender)
            if is_asking:
                self._asking.append(sender)
            kind = kind_of(message)
            assert kind is not None, message
            self._notify(self, kind, {**message, "is_held": is_asking})
        return True

    def _stop_hearing(self) -> None:
        if self._is_heard:
            self._is_heard = False
            self._supervisor.unlisten(self._probes)

    def close(self) -> None:
        """Idempotent; kills what lives, without waiting for it."""
        if not self.is_dead:
            self.send_signal(signal.SIGKILL)
        self._death = None
        self._resources.close()
