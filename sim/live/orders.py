"""What the runner wants of a running participant, and what it is told in return.

Commands are JSON messages on a socket of the participant's own, announced by SIGUSR2: a wait inside
a ring returns to Python for signals, so a command is obeyed at once even in the middle of a long
operation, and costs nothing where none comes.

    to the participant   {"start": true} {"go": true} {"slow": per_op_ns} {"raise_in_read": true}
                         {"count": signal number} {"open": true}
    to the runner        {"ready": {...}} {"reached": count} {"log": {...}} {"ack": what, ...}
                         {"gave_up": why}
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import time
from typing import Any, Dict, Optional, Sequence

from sim.live.memory import IDLE_UNTIL_NS, SIGNALS, SLOWED
from sim.live.steps import BETWEEN_OPS, NEVER, Gate

MESSAGE_BYTES_MAX = 65536
LOG_TEXT_MAX = 8000  # characters; a message must fit into the socket
LONG_SLEEP_NS = 10_000_000  # a pause from here on is announced, or it could look like a hang


class Orders:
    """The participant's side. `next_stop` and `per_op_ns` are looked at before each operation."""

    def __init__(
        self, control: socket.socket, words: memoryview, stops: Sequence[int], gate: Gate
    ) -> None:
        self.gate = gate
        self._control = control
        self._words = words
        self._stops = [*stops, NEVER]
        self._is_holding = True  # somebody waits for a message that is not for the handler to read
        self._next_hold = self._stops.pop(0)
        self.next_stop = min(self._next_hold, gate.due)
        self.per_op_ns = 0
        self.raise_next = False
        signal.signal(signal.SIGUSR2, self._on_signal)

    def say(self, message: Dict[str, Any]) -> None:
        self._control.send(json.dumps(message).encode())

    def await_start(self) -> None:
        self._await("start")

    def between_ops(self, completed: int) -> None:
        """Call when `next_stop` is reached or `per_op_ns` is set."""
        while completed >= self._next_hold:
            self._hold()
        self.gate.come_to(BETWEEN_OPS, completed)  # last: what held us here may have been fatal
        self.next_stop = min(self._next_hold, self.gate.due)
        if self.per_op_ns:
            self._words[SLOWED] += 1
            self.sleep(self.per_op_ns)

    def sleep(self, duration_ns: int) -> None:
        if duration_ns >= LONG_SLEEP_NS:
            self._words[IDLE_UNTIL_NS] = time.monotonic_ns() + duration_ns
        time.sleep(duration_ns / 1e9)

    def _hold(self) -> None:
        """Stay exactly here, between two operations, until the runner says go."""
        self._is_holding = True
        self.say({"reached": self._next_hold})
        self._next_hold = self._stops.pop(0)
        self._await("go")

    def _await(self, word: str) -> None:
        while word not in self._obey(self._control.recv(MESSAGE_BYTES_MAX)):
            pass
        self._is_holding = False
        self._drain()  # a signal in the last moments found us holding

    def _on_signal(self, number: int, frame: object) -> None:
        if not self._is_holding:  # else the loop in _await reads, and its word is for it alone
            self._drain()

    def _drain(self) -> None:
        while True:
            try:
                received = self._control.recv(MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            self._obey(received)

    def _obey(self, received: bytes) -> Dict[str, Any]:
        if not received:
            os._exit(1)  # the runner is gone, and the watcher is about to say so with SIGKILL
        message: Dict[str, Any] = json.loads(received)
        if "slow" in message:
            self.per_op_ns = message["slow"]
            slowed = self._words[SLOWED]
            self.say({"ack": "slow", "per_op_ns": self.per_op_ns, "slowed_ops": slowed})
        elif "raise_in_read" in message:
            self.raise_next = True
        elif "count" in message:
            signal.signal(message["count"], self._on_counted)  # so that system calls are broken off
            self.say({"ack": "count"})
        elif "open" in message:
            self.say({"ack": "open", "outcome": _try_open()})
        return message

    def _on_counted(self, number: int, frame: object) -> None:
        self._words[SIGNALS] += 1


def _try_open() -> str:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "ok"


class LogToRunner(logging.Handler):
    """Records of WARNING and above become LOG ops of the history."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(logging.WARNING)
        self._orders = orders

    def emit(self, record: logging.LogRecord) -> None:
        text: Optional[str] = None
        try:
            text = record.getMessage()
        except Exception as error:  # bad arguments of somebody else's log call
            text = f"{record.msg!r} ({type(error).__name__}: {error})"
        detail = {"logger": record.name, "level": record.levelname, "message": text[:LOG_TEXT_MAX]}
        self._orders.say({"log": detail, "time_ns": time.monotonic_ns()})
