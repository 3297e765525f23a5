"""Standard output, as rich lays it out: coloured on a terminal, plain anywhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Iterator

from rich.console import Console


@contextmanager
def printing() -> Iterator[Console]:
    """What is printed to it goes out when the block ends, however it ends, and by way of a string:
    rich would turn a closed pipe into exit status 1."""
    console = Console(highlight=False, markup=False)
    captured = console.capture()
    captured.__enter__()
    try:
        yield console
    finally:
        captured.__exit__(None, None, None)
        sys.stdout.write(captured.get())
        sys.stdout.flush()
