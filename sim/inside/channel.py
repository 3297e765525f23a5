"""The way from a program under test to whoever runs it.

Two ways to the same socket. Processes of Python send datagrams to the abstract Unix address in
SPINBED_PROBE_AT, each through a socket of its own, so that what a program starts is heard too,
whatever started it. Other programs write to the descriptor in SPINBED_PROBE_FD, which they inherit.

A datagram is a JSON object, or plain text: the name of a probe. Who asks gets a datagram back:

    {"probe": name, "detail": {...}, "pid": ..., "time_ns": CLOCK_MONOTONIC}
    {"log": {"logger": ..., "level": ..., "message": ...}, "pid": ..., "time_ns": ...}
    {"hook": what, "module": ..., ...}         what a hook of this folder did or saw
    {"answer": "locks", "locks": [...]}        what lock_waits was asked

Outside of the bed, where none of both variables is set, nothing is sent.
"""

from __future__ import annotations

import json
import os
import socket
import time

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any, Mapping, Optional

ADDRESS = "SPINBED_PROBE_AT"
DESCRIPTOR = "SPINBED_PROBE_FD"
MESSAGE_BYTES_MAX = 65536
TEXT_MAX = 8000  # characters of one text in a message

_socket: Optional[socket.socket] = None
_owner = 0  # the process that made it: a child of fork needs one of its own


def is_open() -> bool:
    """Somebody listens, or did when this process was started."""
    return bool(os.environ.get(ADDRESS))


def say(message: Mapping[str, Any]) -> None:
    """A no-op where nobody listens (any more). Blocks while the listener's queue is full."""
    if is_open():
        _send(message)


def ask(message: Mapping[str, Any], seconds_max: Optional[float] = None) -> bool:
    """True once the listener has answered; False where nobody listens, when the listener is gone,
    or when `seconds_max` have passed. Threads may ask at the same time.
    """
    if not is_open():
        return False
    try:
        with _connected() as own:  # of its own: nobody else can take the answer away
            own.settimeout(seconds_max)
            own.send(_encoded({**message, "ask": True}))
            own.recv(MESSAGE_BYTES_MAX)
    except OSError:
        return False
    return True


def _send(message: Mapping[str, Any]) -> bool:
    global _socket, _owner
    try:
        if _socket is None or _owner != os.getpid():
            _socket = _connected()
            _owner = os.getpid()
        _socket.send(_encoded(message))
    except OSError:  # nobody listens any more: a program goes on without
        return False
    return True


def _connected() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    made.bind("")  # an abstract address of the kernel's choice, for the answers
    made.connect("\0" + os.environ[ADDRESS])
    return made


def _encoded(message: Mapping[str, Any]) -> bytes:
    said = {**message, "pid": os.getpid(), "time_ns": time.monotonic_ns()}
    return json.dumps(said, default=repr).encode()
