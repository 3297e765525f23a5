"""One number for many executions: it must be the same on every interpreter, fiber and machine."""

from __future__ import annotations

import hashlib
from types import ModuleType
from typing import Any

SEEDS = 50
# Of SEEDS seeds. It changes when the protocol, a model or a scheduler does: then say why.
DIGEST = "87eaf52f699e141e9c7be2dd8f79ad85"
RINGS = ("cursor_ring", "flag_ring")
SCHEDULERS = (("random", 1), ("pct", 3), ("pos", 1), ("delay", 3), ("round_robin", 1))


def machine(explore: ModuleType, ring: str, model: str) -> Any:
    made = explore.Simulation(3, model=model)
    made.set_ring(ring, slots=2, slot_bytes=64, readers=2, sizes=(0, 16, 5, 24))
    made.set_writer(messages=4, wait="backoff", interval_ns=500)
    made.set_reader(1, rank=0)
    made.set_reader(2, rank=1, wait="yielding", deadline_ns=2_000)
    made.allow(early_timers=True, spurious_wakes=True)
    return made


def execute(made: Any, seed: int) -> int:
    """Reader 1 is stopped at its second message and goes on a microsecond later."""
    made.begin(seed)
    made.hold_after(1, 1)
    made.start()
    if made.go() == "reached":
        made.go(made.clock_ns + 1_000)
        made.release(1)
        made.go()
    return int(made.hash)


def digest(explore: ModuleType, seeds: int) -> str:
    """Of so many seeds for each ring, model and scheduler."""
    whole = hashlib.sha256()
    for ring in RINGS:
        for model in explore.MODELS:
            made = machine(explore, ring, model)
            for name, depth in SCHEDULERS:
                made.choose_by(name, depth=depth, expected_choices=200)
                for seed in range(seeds):
                    whole.update(execute(made, seed).to_bytes(8, "little"))
    return whole.hexdigest()[:32]
