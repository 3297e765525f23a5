"""The way from a program under test to whoever runs it.

Two ways to the same socket. Processes of Python send datagrams to the abstract Unix address in
SPINBED_PROBE_AT, each through a socket of its own, so that what a program starts is heard too,
whatever started it. Other programs write to the descriptor in SPINBED_PROBE_FD, which they inherit.

A datagram is a JSON object, or plain text: the name of a probe. Who asks gets a datagram back:

    {"probe": name, "detail": {...}, "pid": ..., "time_ns": CLOCK_MONOTONIC}
    {"log": {"logger": ..., "level": ..., "message": ...}, "pid": ..., "time_ns": ...}
    {"hook": what, "module": ..., ...}         what a hook of this folder did or saw

Outside of the bed, where none of both variables is set, nothing is sent.
"""

from __future__ import annotations

import json
import os
import socket
import time

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional

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


def ask(message: Mapping[str, Any]) -> None:
    """Returns when the listener has answered, or is gone; at once where nobody listens."""
    if is_open() and _send({**message, "ask": True}):
        assert _socket is not None
        try:
            _socket.recv(MESSAGE_BYTES_MAX)
        except OSError:
            pass  # it is gone, and so will we be


def _send(message: Mapping[str, Any]) -> bool:
    global _socket, _owner
    said: Dict[str, Any] = {**message, "pid": os.getpid(), "time_ns": time.monotonic_ns()}
    try:
        if _socket is None or _owner != os.getpid():
            _socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            _socket.bind("")  # an abstract address of the kernel's choice, for the answers
            _socket.connect("\0" + os.environ[ADDRESS])
            _owner = os.getpid()
        _socket.send(json.dumps(said, default=repr).encode())
    except OSError:  # nobody listens any more: a program goes on without
        return False
    return True
