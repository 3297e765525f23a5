"""SIGTERM as an exception, so that what was started is ended on the way out."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Iterator, NoReturn


class Terminated(KeyboardInterrupt):
    """Ends like Ctrl-C, with a status of its own."""


@contextlib.contextmanager
def terminated_as_an_exception() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and gets the signals
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated
