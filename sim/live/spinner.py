"""A process that only spins, to take the cores away from others."""

from __future__ import annotations

import os

from sim.live.death import die_with_parent


def main(parent: int, *cores: int) -> None:
    die_with_parent()
    if os.getppid() != parent:
        return  # it died before we asked to die with it
    os.sched_setaffinity(0, cores)
    os.write(1, b"spinning")
    while True:
        pass
