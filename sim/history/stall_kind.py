"""Why nothing moves for a while though nothing is wrong."""

from __future__ import annotations

from enum import Enum


class StallKind(str, Enum):
    """No alarm: it ends by itself."""

    IDLE = "idle"  # somebody pauses because its workload says so
    PEER_SLOW = "peer-slow"  # it moves, only rarely
    STARVED = "starved"  # who is waited for would run, and gets no core
    COMPUTING = "computing"  # who is waited for is between two operations, at work or asleep
    DEBUGGED = "debugged"  # a debugger has stopped who is waited for
