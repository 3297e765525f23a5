"""Says what a program logs, from WARNING upwards, without a handler of its own.

A handler at the root logger would change the program: logging.basicConfig does nothing where there
is one, and the last resort stays silent. So the place is watched where a logger hands its records
to whatever handlers there are.
"""

from __future__ import annotations

from . import channel

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any

WARNING = 30  # logging.WARNING


def listen(logging: Any) -> None:
    """`logging` is that module: a program that does not use it never loads it."""
    original = logging.Logger.callHandlers

    def callHandlers(self: Any, record: Any) -> None:  # noqa: N802 - its name there
        if record.levelno >= WARNING:
            _say(record)
        original(self, record)

    logging.Logger.callHandlers = callHandlers


def _say(record: Any) -> None:
    try:
        message = str(record.getMessage())
    except Exception:  # arguments that do not fit: logging itself will complain
        message = str(record.msg)
    said = {
        "logger": record.name,
        "level": record.levelname,
        "message": message[: channel.TEXT_MAX],
        "thread": record.threadName,
    }
    channel.say({"log": said})
