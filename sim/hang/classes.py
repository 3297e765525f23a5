"""The hang classes, and what is said of one hang: one vocabulary for both worlds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Dict, Tuple


class HangClass(str, Enum):
    """The named reason why nothing moves. Classes that no world tells apart yet are not here."""

    DEADLOCK = "deadlock"
    LOST_WAKEUP = "lost-wakeup"
    LIVELOCK = "livelock"
    PEER_DEAD = "peer-dead"
    PEER_STOPPED = "peer-stopped"


MEANINGS: Dict[HangClass, str] = {
    HangClass.DEADLOCK: "each waits for what only another waiter, or nobody any more, would do",
    HangClass.LOST_WAKEUP: "one sleeps though what it waits for has happened, and nobody owes it a "
    "wake-up any more",
    HangClass.LIVELOCK: "processes keep changing shared memory, and nobody gets anywhere",
    HangClass.PEER_DEAD: "what the waiters need was still to be done by a process that died",
    HangClass.PEER_STOPPED: "what the waiters need is still to be done by a process that is "
    "stopped",
}


@dataclass(frozen=True)
class Wait:
    """One process that does not get on: where it is, what it looks at, who could change that."""

    who: str
    state: str
    at: str
    looks_at: Tuple[str, ...]
    waits_for: Tuple[str, ...]

    def __str__(self) -> str:
        peers = " or ".join(self.waits_for) or "nobody"
        looks_at = f", looking at {', '.join(self.looks_at)}" if self.looks_at else ""
        return f"{self.who} ({self.state} at {self.at}{looks_at}) waits for {peers}"


@dataclass(frozen=True)
class Hang:
    """One hang: its class, who hangs, for whom they wait, why it is this class, what proves it."""

    kind: HangClass
    who: Tuple[str, ...]
    waits_for: Tuple[str, ...]
    why: str
    proof: str
    waits: Tuple[Wait, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.kind.value}: {self.why}", *(f"  {wait}" for wait in self.waits)]
        return "\n".join([*lines, f"  proof: {self.proof}"])
