"""Somebody writes into the ring's shared memory who has no business there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import Capability, Evidence, World
from sim.history.history import Allowance


@dataclass(frozen=True)
class CorruptWord:
    """What comes of it depends on the word, so that is for the scenario to expect."""

    alias: ClassVar[str] = "corrupt_word"
    doc: ClassVar[str] = "overwrites a word of the transport's region"
    requires: ClassVar[frozenset[Capability]] = frozenset({Capability.WRITE_MEMORY})
    heals: ClassVar[bool] = False
    fatal: ClassVar[bool] = False
    roles: ClassVar[frozenset[str]] = frozenset({"writer", "reader"})

    target: str
    word: str = field(
        default="magic", metadata={"doc": "its name: magic, version, slot[0].sequence, ..."}
    )
    value: int = field(default=0, metadata={"doc": "what is written"})

    def inject(self, world: World) -> Evidence:
        before = world.machine.read_word(self.word)
        world.machine.write_word(self.word, self.value)
        after = world.machine.read_word(self.word)
        data = {"word": self.word, "before": before, "after": after}
        return Evidence(after == self.value, f"{self.word}: {before} became {after}", data)

    def heal(self, world: World) -> Evidence:
        return Evidence(True, "nothing to heal")

    def accounts_for(self, because: str) -> Sequence[Allowance]:
        return ()
