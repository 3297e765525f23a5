"""What is said of one hang, in both worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple

from sim.history.hang_class import HangClass


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


def as_detail(hang: Hang) -> Dict[str, Any]:
    """For the detail of a history's hang."""
    found: Dict[str, Any] = {"class": hang.kind.value, "waits": hang.why, "proof": hang.proof}
    waits = [str(wait) for wait in hang.waits]
    peers = {wait.who: [*wait.waits_for] for wait in hang.waits}
    found.update(on=[*hang.waits_for], who=[*hang.who], each=waits, peers=peers)
    return found
