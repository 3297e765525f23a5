"""How live tests wait for the end of processes, and start interpreters that find what they find."""

from __future__ import annotations

import os
import selectors
import sys
import time
from pathlib import Path
from typing import Dict, List

from sim.live.procfs import stat
from sim.live.region import names_with

WITHIN_S = 60.0  # a watchdog, not a claim


def with_our_path(**changes: str) -> Dict[str, str]:
    """An environment in which a fresh interpreter finds what this one does."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path, **changes}


def await_gone(pids: List[int], prefix: str) -> None:
    """Each pid by its pidfd, then the names: the watcher unlinks before it exits."""
    deadline_s = time.monotonic() + WITHIN_S
    with selectors.DefaultSelector() as selector:
        for pid in pids:
            try:
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ)
            except ProcessLookupError:
                pass
        while selector.get_map():
            ended = selector.select(max(0.0, deadline_s - time.monotonic()))
            assert ended, f"still there: {[pid for pid in pids if stat(pid)]}"
            for key, _ in ended:
                selector.unregister(key.fd)
                os.close(key.fd)
    assert names_with(prefix) == []
