"""The hang classes: one vocabulary for both worlds, scenario files and reports."""

from __future__ import annotations

from enum import Enum
from typing import Dict


class HangClass(str, Enum):
    """The named reason why nothing moves."""

    DEADLOCK = "deadlock"
    LOST_WAKEUP = "lost-wakeup"
    LIVELOCK = "livelock"
    PEER_DEAD = "peer-dead"
    PEER_STOPPED = "peer-stopped"
    SEGMENT_GONE = "segment-gone"
    LOCK_OWNER_DEAD = "lock-owner-dead"
    IMPORT_DEADLOCK = "import-deadlock"
    FORK_INHERITED_LOCK = "fork-inherited-lock"
    STARTUP_NEVER = "startup-never"
    TEARDOWN_STUCK = "teardown-stuck"
    GIL_HELD = "gil-held"
    UNKNOWN = "unknown"


MEANINGS: Dict[HangClass, str] = {
    HangClass.DEADLOCK: "each waits for what only another waiter, or nobody any more, would do",
    HangClass.LOST_WAKEUP: "one sleeps though what it waits for has happened, and nobody owes it a "
    "wake-up any more",
    HangClass.LIVELOCK: "processes keep changing shared memory, and nobody gets anywhere",
    HangClass.PEER_DEAD: "what the waiters need was still to be done by a process that died",
    HangClass.PEER_STOPPED: "what the waiters need is still to be done by a process that is "
    "stopped",
    HangClass.SEGMENT_GONE: "the shared memory that the waiters would meet in is not there any "
    "more, or is another one",
    HangClass.LOCK_OWNER_DEAD: "a lock is held by a process or thread that ended without giving "
    "it back",
    HangClass.IMPORT_DEADLOCK: "threads wait for each other, and one of the locks is a module's "
    "import lock",
    HangClass.FORK_INHERITED_LOCK: "a forked process waits for a lock that a thread of its parent "
    "held when it was forked",
    HangClass.STARTUP_NEVER: "what the waiters need is still to be done by a process that never "
    "got as far as to begin",
    HangClass.TEARDOWN_STUCK: "the work is done, and the interpreter waits on its way out for what "
    "will not end",
    HangClass.GIL_HELD: "a thread is in native code and keeps the interpreter lock, so no other "
    "thread runs",
    HangClass.UNKNOWN: "nothing moves, and the evidence does not say why",
}
