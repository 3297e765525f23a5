"""How a command that only looks takes nothing from those that it looks at."""

from __future__ import annotations

import os
from typing import Sequence

COMMAND, GENTLY = "attach", "--gently"


def heed(words: Sequence[str]) -> None:
    """From here on, where the words of the command ask for it, we run only on cores that nobody
    else wants (SCHED_IDLE, sched(7)). To be called before anything that takes long is imported:
    that is most of what a short command does."""
    if words[:1] == [COMMAND] and GENTLY in words:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
