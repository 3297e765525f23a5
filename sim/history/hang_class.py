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
    PEER_UNREACHABLE = "peer-unreachable"
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
    HangClass.PEER_UNREACHABLE: "what the waiters need is still to be done by a process, or is on "
    "its way from one, behind a link that carries nothing",
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

# What to do about it, in a sentence each; docs/hangs.md shows them, and every bundle.
REMEDIES: Dict[HangClass, str] = {
    HangClass.DEADLOCK: "take what is taken together in one order everywhere, or give a wait a "
    "time-out after which it gives back what it holds",
    HangClass.LOST_WAKEUP: "look at the condition once more between announcing the sleep and "
    "sleeping, and wake after the change can be seen, with a fence on both sides",
    HangClass.LIVELOCK: "let one side wait for longer than the other before it tries again, or "
    "have their rank decide who goes first",
    HangClass.PEER_DEAD: "find out what it died of; give the operations a deadline, or have the "
    "waiters give up on the dead (evict_dead, takeover)",
    HangClass.PEER_STOPPED: "let it go on (SIGCONT, thaw its control group) and find out who "
    "stopped it; give the operations a deadline",
    HangClass.PEER_UNREACHABLE: "look at the link between both; give the operations a deadline, "
    "and mind that TCP goes on trying for minutes, ever more rarely",
    HangClass.SEGMENT_GONE: "have one process make and unlink it, after all others have left; a "
    "resource tracker that unlinks what others use is the usual cause",
    HangClass.LOCK_OWNER_DEAD: "give locks back in a with block, and share only locks that "
    "tell of an owner's death",
    HangClass.IMPORT_DEADLOCK: "neither start threads nor take locks while a module is imported, "
    "and import nothing under a lock",
    HangClass.FORK_INHERITED_LOCK: "start processes by spawn or forkserver, fork before the first "
    "thread, or make the lock anew in os.register_at_fork",
    HangClass.STARTUP_NEVER: "see in its output, its stacks and its last probe how far it came; "
    "give the others a deadline for its coming",
    HangClass.TEARDOWN_STUCK: "tell threads and processes to end, and join them, before the main "
    "thread ends; those that may be cut off become daemons",
    HangClass.GIL_HELD: "release the interpreter lock around what waits in native code "
    "(Py_BEGIN_ALLOW_THREADS, nogil)",
    HangClass.UNKNOWN: "read the table and the stacks; a longer deadline shows whether it was only "
    "slow",
}
