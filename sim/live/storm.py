"""A process that sends another one signals at a steady rate."""

from __future__ import annotations

import os
import signal
import time

from sim.live.death import die_with_parent


def main(parent: int, target: int, number: int, every_ns: int) -> None:
    """`target` is a pidfd, so that nobody else ever gets a signal."""
    die_with_parent()
    while os.getppid() == parent:
        try:
            signal.pidfd_send_signal(target, number)
        except ProcessLookupError:
            return
        time.sleep(every_ns / 1e9)
