"""What is running now, on a terminal's standard error; silent anywhere else."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional, Tuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

REFRESHES_PER_SECOND = 4
NAMES_MAX = 4

Running = Callable[[], List[Tuple[str, float]]]  # names, and when each began (time.monotonic)


class Progress:
    """One line that goes away whenever something is printed, and at the end."""

    def __init__(self, count: int, running: Running) -> None:
        self._count = count
        self._running = running
        self._finished = 0
        self._console = Console(stderr=True)
        self._live: Optional[Live] = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and self._console.is_terminal:
            self._live = Live(
                get_renderable=self._line,
                console=self._console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                refresh_per_second=REFRESHES_PER_SECOND,
            )
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room for a finished run to be printed."""
        if self._live is None:
            yield
            return
        self._live.stop()
        self._finished += 1
        yield
        self._live.start()

    def _line(self) -> Text:
        now = time.monotonic()
        running = [f"{name} {now - began:.0f} s" for name, began in self._running()]
        more = f" and {len(running) - NAMES_MAX} more" if len(running) > NAMES_MAX else ""
        return Text(
            f"{self._finished}/{self._count}  " + ", ".join(running[:NAMES_MAX]) + more,
            no_wrap=True,
            overflow="ellipsis",
        )
