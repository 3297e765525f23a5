"""The processes of a program: what is below it, and whom it has lost."""

from __future__ import annotations

import os
from typing import Sequence

from sim.live.procfs import descendants
from sim.watch.answering import family_of, registered


class Family:
    """Of a process that may end before we have done with those that it leaves."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._name = family_of(root)

    def below(self) -> Sequence[int]:
        """Without us. An orphan is found where it is ready to be asked, and began with the root."""
        found = {*descendants(self.root), *filter(self._is_ours, _everybody())}
        return sorted(found - {self.root, os.getpid()})

    def _is_ours(self, pid: int) -> bool:
        try:
            ready = registered(pid)
        except PermissionError:
            return False
        return ready is not None and ready.family == self._name


def _everybody() -> Sequence[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
