"""The only clock that kernels read."""

from __future__ import annotations

import time


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC in ns: the clock of every deadline and every record."""
    return time.monotonic_ns()
