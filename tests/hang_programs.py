"""Labelled programs that hang: what hangs are classified by.

Each is a list of litmus instructions per process, or a ring, and what the driver does: kill or stop
a process when it comes to a step. Labels follow sim.hang.classes.MEANINGS; the classifier never
sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Optional, Sequence

from litmus_pieces import (
    Instructions,
    parks,
    put,
    sleeping_lock,
    sleeping_unlock,
    spin_lock,
    try_both,
    unlock,
    until,
    wait_for,
    wakes,
)

from sim.history.hang_class import HangClass

MODELS = ("sc", "tso", "pso", "ra")
WEAK = ("tso", "pso", "ra")

DEADLOCK = HangClass.DEADLOCK
LOST_WAKEUP = HangClass.LOST_WAKEUP
LIVELOCK = HangClass.LIVELOCK
PEER_DEAD = HangClass.PEER_DEAD
PEER_STOPPED = HangClass.PEER_STOPPED
SIMULATED = (DEADLOCK, LOST_WAKEUP, LIVELOCK, PEER_DEAD, PEER_STOPPED)  # the rest is of processes


@dataclass(frozen=True)
class At:
    """What the driver does to a process: when it comes to a step of the ring, or has completed so
    many operations (of a program: instructions)."""

    verb: str  # kill, pause
    process: int
    step: Optional[str] = None
    after: int = 0


@dataclass(frozen=True)
class Program:
    name: str
    programs: Sequence[Instructions] = ()
    ring: Optional[dict] = None
    writer: dict = field(default_factory=dict)
    readers: Sequence[dict] = ()
    driver: Sequence[At] = ()
    models: Sequence[str] = MODELS
    scheduler: str = "random"
    steps: int = 20_000
    early_timers: bool = False
    spurious_wakes: bool = False
    kind: Optional[HangClass] = None  # of the hang; None: it always gets on
    waits_for: Optional[Sequence[int]] = None  # whom the verdict has to name

    @property
    def processes(self) -> int:
        return len(self.programs) or 1 + len(self.readers)


# By step of the ring, as the scenarios name them.

COMMIT_DONE = "cursor.send.store_position"  # the message is there, nobody is woken yet
FLAG_DONE = "flag.send.final_fence"

CURSOR = {"kind": "cursor_ring", "slots": 2, "slot_bytes": 64, "readers": 1, "sizes": (16,)}
FLAG = {**CURSOR, "kind": "flag_ring"}
PARKED = {"wait": "park"}
SPINNING = {"wait": "busy_spin"}


def ring(name: str, *, readers: int = 1, base: dict = CURSOR, **rest: Any) -> Program:
    """A ring whose processes all wait alike, but for what is said."""
    wait = rest.pop("wait", PARKED)
    mutant = rest.pop("mutant", None)
    slots = rest.pop("slots", 2)
    spec = {**base, "readers": readers, "slots": slots, "mutant": mutant}
    writer = {"messages": 5, **wait, **rest.pop("writer", {})}
    each = [{"rank": rank, **wait} for rank in range(readers)]
    for rank, more in rest.pop("reader", {}).items():
        each[rank].update(more)
    return Program(name, ring=spec, writer=writer, readers=each, **rest)


def litmus(name: str, *programs: Instructions, **rest: Any) -> Program:
    return Program(name, programs=[list(each) for each in programs], **rest)


DEADLOCKS = [
    litmus(
        "two locks taken crosswise",
        [*spin_lock(0), *spin_lock(1), *unlock(1), *unlock(0)],
        [*spin_lock(1), *spin_lock(0), *unlock(0), *unlock(1)],
        waits_for=(0, 1),
    ),
    litmus(
        "two sleeping locks taken crosswise",
        [*sleeping_lock(0), *sleeping_lock(1), *sleeping_unlock(1), *sleeping_unlock(0)],
        [*sleeping_lock(1), *sleeping_lock(0), *sleeping_unlock(0), *sleeping_unlock(1)],
        waits_for=(0, 1),
    ),
    litmus(
        "three locks in a circle",
        *[
            [*spin_lock(i), *spin_lock((i + 1) % 3), *unlock((i + 1) % 3), *unlock(i)]
            for i in range(3)
        ],
        waits_for=(0, 1, 2),
    ),
    litmus(
        "each waits for the other's flag before it raises its own",
        [*until(1), *put(0)],
        [*until(0), *put(1)],
        waits_for=(0, 1),
    ),
    litmus(
        "each sleeps until the other wakes it",
        [("futex_wait", 0, 0, 0), *put(1), ("futex_wake", 1)],
        [("futex_wait", 0, 1, 0), *put(0), ("futex_wake", 0)],
        waits_for=(0, 1),
    ),
    litmus("a lock taken twice", [*spin_lock(0), *spin_lock(0), *unlock(0)], waits_for=()),
    litmus(
        "a lock that its owner kept when it ended",
        [*spin_lock(0), *put(1)],
        [*until(1), *sleeping_lock(0), *sleeping_unlock(0)],
        waits_for=(),
    ),
    litmus(
        "crosswise locks beside a stopped process that has nothing to do with them",
        [*spin_lock(0), *put(4), *until(5), *spin_lock(1), *unlock(1), *unlock(0)],
        [*spin_lock(1), *put(5), *until(4), *spin_lock(0), *unlock(0), *unlock(1)],
        [*put(6), *put(6, 2), *put(6, 3)],
        driver=[At("pause", 2, after=1)],
        waits_for=(0, 1),
    ),
    litmus(
        "two readers that both want to be the writer",
        *[[("add", 0, 0, 1), *until(0, 1), ("add", 0, 0, (1 << 64) - 1)] for _ in range(2)],
        waits_for=(0, 1),
    ),
    litmus(
        "a barrier for three that one did not come to",
        [("add", 0, 0, 1), *until(0, 3)],
        [("add", 0, 0, 1), *until(0, 3)],
        [*put(1)],
        waits_for=(),
    ),
]

LOST_WAKEUPS = [
    litmus("woken before it slept", [("futex_wait", 0, 0, 0)], [("futex_wake", 0)]),
    litmus(
        "the word changed and nobody was woken",
        [("futex_wait", 0, 0, 0)],
        [*put(0)],
    ),
    litmus("the flag was raised and nobody was woken", wait_for(0, 1), put(0)),
    litmus("woken on another word", wait_for(0, 1), [*put(0), ("futex_wake", 2)]),
    litmus("woken before the flag was raised", wait_for(0, 1), [("futex_wake", 1), *put(0)]),
    litmus("Dekker without the waiter's fence", parks(fence=False), wakes(), models=WEAK),
    litmus("Dekker without the waker's fence", parks(), wakes(fence=False), models=WEAK),
    litmus(
        "the word read after the flag was raised",
        parks(word_first=False),
        [*wakes(condition=3), *wakes()],
    ),
    litmus("no look between the flag and the sleep", parks(recheck=False), wakes()),
    *[
        ring(f"ring with {mutant}", mutant=mutant, slots=1, readers=2, writer={"messages": 3})
        for mutant in ("no-recheck", "bump-after-wake")
    ],
]

# That they recur can be told where all of their state is known: not of RA's views.
IN_STEP = {"scheduler": "round_robin", "models": ("sc", "tso", "pso")}

LIVELOCKS = [
    litmus(
        "two back off from each other in step",
        try_both(0, 1),
        try_both(1, 0),
        **IN_STEP,
    ),
    litmus(
        "three back off from each other in step",
        *[try_both(i, (i + 1) % 3) for i in range(3)],
        **IN_STEP,
    ),
    litmus(
        "each waits for the other's flag to fall while it raises its own",
        *[
            [
                *put(i),
                ("load", 0, 1 - i, "seq_cst"),
                ("skip_unless", 0, 0, 1),
                ("skip_unless", 0, 1, 2),
                *put(i, 0),
                ("jump", 5),
                *put(i, 0),
            ]
            for i in range(2)
        ],
        **IN_STEP,
    ),
    litmus(
        "one undoes what the other does, for ever",
        [*put(0, 1), ("load", 0, 1, "acquire"), ("skip_unless", 0, 0, 2), *put(0, 2), ("jump", 4)],
        [*put(2, 1), ("load", 0, 1, "acquire"), ("skip_unless", 0, 0, 2), *put(0, 3), ("jump", 4)],
        steps=5_000,
    ),
]

PEERS_DEAD = [
    litmus(
        "the lock's owner died",
        [*spin_lock(0), *put(1), *unlock(0)],
        [*until(1), *spin_lock(0), *unlock(0)],
        driver=[At("kill", 0, after=3)],
        waits_for=(0,),
    ),
    litmus(
        "the sleeping lock's owner died",
        [*sleeping_lock(0), *put(1), *sleeping_unlock(0)],
        [*until(1), *sleeping_lock(0), *sleeping_unlock(0)],
        [*until(1), *sleeping_lock(0), *sleeping_unlock(0)],
        driver=[At("kill", 0, after=3)],
        waits_for=(0,),
    ),
    litmus(
        "the waker died before it woke",
        wait_for(0, 1),
        [*put(0), ("futex_wake", 1)],
        driver=[At("kill", 1, after=1)],
        waits_for=(1,),
    ),
    litmus(
        "the middle of three died",
        until(1),
        [*until(0), *put(2), *put(1)],
        put(0),
        driver=[At("kill", 1, after=2)],
        waits_for=(1,),
    ),
    ring("the writer died", driver=[At("kill", 0, after=2)], waits_for=(0,)),
    ring(
        "the writer of a flag ring died",
        base=FLAG,
        readers=2,
        driver=[At("kill", 0, after=2)],
        waits_for=(0,),
    ),
    ring(
        "the writer died between commit and wake",
        readers=2,
        driver=[At("kill", 0, COMMIT_DONE, after=2)],
        waits_for=(0,),
    ),
    ring(
        "a reader died and is not evicted",
        readers=2,
        driver=[At("kill", 2, after=1)],
        waits_for=(2,),
    ),
    ring(
        "a reader of a flag ring died",
        base=FLAG,
        wait=SPINNING,
        driver=[At("kill", 1, after=1)],
        waits_for=(1,),
    ),
    ring(
        "the writer died, and readers nap ever longer",
        wait={"wait": "backoff"},
        driver=[At("kill", 0, after=2)],
        waits_for=(0,),
    ),
    ring(
        "the writer died, and readers time out for ever",
        reader={0: {"deadline_ns": 1_000_000}},
        driver=[At("kill", 0, after=2)],
        waits_for=(0,),
    ),
]

PEERS_STOPPED = [
    litmus(
        "the lock's owner is stopped",
        [*spin_lock(0), *put(1), *unlock(0)],
        [*until(1), *spin_lock(0), *unlock(0)],
        driver=[At("pause", 0, after=3)],
        waits_for=(0,),
    ),
    litmus(
        "the waker is stopped before it wakes",
        wait_for(0, 1),
        [*put(0), ("futex_wake", 1)],
        driver=[At("pause", 1, after=1)],
        waits_for=(1,),
    ),
    litmus(
        "one needs two that are stopped",
        [*until(0), *until(1)],
        [*put(2), *put(0)],
        [*put(3), *put(1)],
        [*until(0), *until(1)],
        driver=[At("pause", 1, after=1), At("pause", 2, after=1)],
        waits_for=(1,),
    ),
    ring("the writer is stopped", driver=[At("pause", 0, after=2)], waits_for=(0,)),
    ring(
        "a reader is stopped and the ring is full",
        readers=2,
        driver=[At("pause", 1, after=1)],
        waits_for=(1,),
    ),
    ring(
        "the writer is stopped between commit and wake",
        driver=[At("pause", 0, COMMIT_DONE, after=2)],
        waits_for=(0,),
    ),
    ring(
        "the writer of a flag ring is stopped before it wakes",
        base=FLAG,
        readers=2,
        driver=[At("pause", 0, FLAG_DONE, after=1)],
        waits_for=(0,),
    ),
    ring(
        "one reader is stopped, another is dead and not waited for",
        readers=2,
        slots=8,
        driver=[At("pause", 0, after=3), At("kill", 2, after=1)],
        waits_for=(0,),
    ),
]


def labelled(kind: HangClass, programs: Sequence[Program]) -> list[Program]:
    return [replace(each, kind=kind) for each in programs]


HANGS = [
    *labelled(DEADLOCK, DEADLOCKS),
    *labelled(LOST_WAKEUP, LOST_WAKEUPS),
    *labelled(LIVELOCK, LIVELOCKS),
    *labelled(PEER_DEAD, PEERS_DEAD),
    *labelled(PEER_STOPPED, PEERS_STOPPED),
]
