"""One incarnation of a participant, as the runner sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections import deque
from contextlib import ExitStack
from typing import Any, Callable, Deque, Dict, Mapping, Optional, Sequence

from cy_kernels.choice import kernels
from sim.history.op import INFO, OVERFLOW, Op
from sim.live.memory import FAILS, ProcessMemory
from sim.live.orders import MESSAGE_BYTES_MAX
from sim.live.signalling import os_state, send_signal
from sim.live.supervisor import Supervisor
from sim.live.task import Task
from sim.live.template import INTERPRETER

STDERR_TAIL_BYTES = 4096

ASKED = "asked"  # the template was told to start it
STARTED = "started"
READY = "ready"  # attached, waits for the start
RUNNING = "running"
HELD = "held"  # between two operations, at a trigger
DEAD = "dead"

TRANSITIONS: Mapping[str, Sequence[str]] = {
    ASKED: (STARTED,),
    STARTED: (READY, DEAD),
    READY: (RUNNING, DEAD),
    RUNNING: (HELD, DEAD),
    HELD: (RUNNING, DEAD),
    DEAD: (),
}

Notify = Callable[["LiveProcess", str, Dict[str, Any]], None]


class LiveProcess:
    """Owns its socket, memory and pidfd. `notify(process, event, detail)` tells the world:
    spawned, ready, reached, log, exit."""

    def __init__(self, task: Task, records: int, supervisor: Supervisor, notify: Notify) -> None:
        self.name = task.process.name
        self.incarnation = task.incarnation
        self.task = task
        self.state = self.came_to = ASKED  # what it came to before it died
        self.pid: Optional[int] = None
        self.code: Optional[int] = None  # once dead
        self.is_ended_by_run = False
        self.acknowledgements: Dict[str, Mapping[str, Any]] = {}
        self._supervisor = supervisor
        self._notify = notify
        self._death: Optional[int] = None
        self._gave_up: Optional[str] = None  # what the time-out said that made it stop
        self._is_heard = False
        self._early: Optional[Dict[str, Any]] = None  # it may be ready before we know its pid
        self._recorder = kernels().recorder
        self._resources = ExitStack()
        with ExitStack() as until_whole:
            until_whole.enter_context(self._resources)
            self.memory = ProcessMemory.create(task, records)
            self._resources.callback(self.memory.close)
            self._stderr = os.memfd_create("spinbed-stderr", os.MFD_CLOEXEC)
            self._resources.callback(os.close, self._stderr)
            self._spawn()
            until_whole.pop_all()

    def _spawn(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._resources.enter_context(self._control)
        with theirs:
            self._supervisor.listen(self._control, self._on_readable)
            self._is_heard = True
            self._resources.callback(self._stop_hearing)
            fds = (theirs.fileno(), self.memory.fd, self._stderr)
            is_elsewhere = self.task.interpreter is not None
            start = INTERPRETER if is_elsewhere else self.task.process.start
            self._supervisor.spawn(self, start, fds)
        self.memory.close_fd()  # one descriptor less; 64 readers are many

    def become(self, state: str) -> None:
        assert state in TRANSITIONS[self.state], f"{self.name}: {self.state} -> {state}"
        self.state = state
        self.came_to = self.came_to if state == DEAD else state

    @property
    def is_dead(self) -> bool:
        return self.state == DEAD

    def os_state(self) -> str:
        """As sim.abc.World.state."""
        return os_state(self.pid, self.code)

    def send_signal(self, number: int) -> None:
        send_signal(self._death, number)

    def pidfd(self) -> int:
        """Ours: to be passed on, not to be closed."""
        assert self._death is not None, f"{self.name} is not started"
        return self._death

    def command(self, message: Mapping[str, Any]) -> None:
        if self.is_dead:
            return
        try:
            self._control.send(json.dumps(message).encode())
        except (BrokenPipeError, ConnectionResetError):
            return  # its exit is on the way to us
        self.remind()

    def remind(self) -> None:
        """That there may be a command. Who does not run yet, or is held, reads without it."""
        if self.state == RUNNING:
            self.send_signal(signal.SIGUSR2)

    def start(self) -> None:
        """A no-op where it isn't ready: it came to the step of a fault on the way."""
        if self.state != READY:
            return
        self.command({"start": True})
        self.become(RUNNING)

    def release(self) -> None:
        """Let it go on from a trigger. A no-op where it isn't held."""
        if self.state == HELD:
            self.command({"go": True})
            self.become(RUNNING)

    def on_spawned(self, pid: int, death: int) -> None:
        self.pid = pid
        self._death = death
        self._resources.callback(os.close, death)
        self.become(STARTED)
        self._notify(self, "spawned", {"pid": pid, "start": self.task.process.start})
        if self._early is not None:
            self._on_ready(self._early)

    def on_exit(self, code: int) -> None:
        while self._is_heard:
            self._on_readable()  # what it said before it died comes first
        self.code = code
        self.become(DEAD)
        detail: Dict[str, Any] = {"pid": self.pid, "stderr": self.stderr_tail()}
        if self.is_ended_by_run:
            detail["ended_by"] = "run"
        if self._gave_up is not None:
            detail["gave_up"] = self._gave_up
        self._notify(self, "exit", detail)

    def _on_readable(self) -> None:
        if not self._is_heard:
            return  # on_exit has read all, in the same round of the selector
        try:
            received = self._control.recv(MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
        except ConnectionResetError:
            received = b""
        except BlockingIOError:  # somebody it started still holds the other end
            received = b""
        if not received:
            self._stop_hearing()
            return
        message = json.loads(received)
        if "ready" in message and self.state == ASKED:
            self._early = message["ready"]
        elif "ready" in message:
            self._on_ready(message["ready"])
        elif "reached" in message:
            self.become(HELD)
            self._notify(self, "reached", message)
        elif "gave_up" in message:
            self._gave_up = message["gave_up"]
        elif "log" in message:
            self._notify(self, "log", message)
        else:
            self.acknowledgements[message["ack"]] = message

    def _on_ready(self, detail: Dict[str, Any]) -> None:
        self.become(READY)
        self._notify(self, "ready", detail)

    def stderr_bytes(self) -> int:
        return os.fstat(self._stderr).st_size

    def stderr_tail(self) -> str:
        start = max(0, self.stderr_bytes() - STDERR_TAIL_BYTES)
        return os.pread(self._stderr, STDERR_TAIL_BYTES, start).decode("utf-8", "replace")

    def is_waiting(self) -> bool:
        """An operation of it is open."""
        return not self.is_dead and self._recorder.last_is_invoke(self.memory.recorder)

    def open_op(self) -> Optional[Mapping[str, Any]]:
        """Of the operation that it is in, or died in: what, and the message's number."""
        buffer = self.memory.recorder
        if not self._recorder.last_is_invoke(buffer):
            return None
        newest = self._recorder.records(buffer, self._recorder.count(buffer) - 1)[-1]
        return {"f": newest.f, "position": newest.position, "since_ns": newest.time_ns}

    def ops_completed(self) -> int:
        return self._recorder.count(self.memory.recorder) // 2

    def ops_ok(self) -> int:
        """Roughly: two words that it writes one after the other."""
        return self.ops_completed() - int(self.memory.words[FAILS])

    def ops(self) -> Sequence[Op]:
        """All that it recorded. Stamps of a TSC may step back by some ns from core to core; the
        order of the records is the order of events, so a stamp is at least its predecessor's."""
        ops: Deque[Op] = deque()
        latest_ns = 0
        name, incarnation = self.name, self.incarnation
        for record in self._recorder.records(self.memory.recorder):
            time_ns, type, f, position, size_bytes, checksum, outcome = record
            latest_ns = time_ns if time_ns > latest_ns else latest_ns
            size: Optional[int] = size_bytes
            sum: Optional[int] = checksum
            if checksum == 0:  # of no message: a receive that has none yet, or got none
                size = sum = None
            ops.append(Op(latest_ns, name, incarnation, type, f, position, size, sum, outcome))
        if self._recorder.overflowed(self.memory.recorder):
            ops.append(Op(latest_ns, name, incarnation, INFO, OVERFLOW))
        return ops

    def _stop_hearing(self) -> None:
        if self._is_heard:
            self._is_heard = False
            self._supervisor.unlisten(self._control)

    def close(self) -> None:
        """Idempotent; kills what lives, without waiting for it."""
        if not self.is_dead:
            self.send_signal(signal.SIGKILL)
        self._death = None
        self._resources.close()
