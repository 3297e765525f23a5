"""The only clock that kernels read."""


def monotonic_ns():
    """CLOCK_MONOTONIC in ns: the clock of every deadline and every record."""
    return clock_ns()
