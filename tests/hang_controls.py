"""Programs that always get on, however they are scheduled: none of them may be called a hang."""

from __future__ import annotations

from hang_programs import FLAG, SPINNING, At, litmus, ring
from litmus_pieces import (
    parks,
    put,
    sleeping_lock,
    sleeping_unlock,
    spin_lock,
    unlock,
    until,
    wait_for,
    wakes,
)

MILLISECOND_NS = 1_000_000
HOUR_NS = 3_600 * 1_000 * MILLISECOND_NS

CONTROLS = [
    litmus("flags in the right order", [*put(0), *until(1)], [*until(0), *put(1)]),
    litmus("parking as rings do", parks(), wakes()),
    litmus("parking as rings do, twice", parks(), [*wakes(condition=3), *wakes()]),
    litmus("parking, spurious wake-ups", parks(), wakes(), spurious_wakes=True),
    litmus("a sleeper that looks again", wait_for(0, 1), [*put(0), *put(1), ("futex_wake", 1)]),
    litmus(
        "five want one lock",
        *[[*spin_lock(0), ("load", 2, 1, "relaxed"), *put(1), *unlock(0)] for _ in range(5)],
    ),
    litmus(
        "four want one sleeping lock, spurious wake-ups",
        *[[*sleeping_lock(0), *put(1), *sleeping_unlock(0)] for _ in range(4)],
        spurious_wakes=True,
    ),
    litmus(
        "two locks in one order",
        *[[*spin_lock(0), *spin_lock(1), *unlock(1), *unlock(0)] for _ in range(3)],
    ),
    litmus("one naps for an hour while another waits", [("nap", HOUR_NS), *put(0)], until(0)),
    litmus(
        "a lock held through a nap",
        [*spin_lock(0), ("nap", 2_000), *unlock(0)],
        [*spin_lock(0), ("nap", 2_000), *unlock(0)],
    ),
    ring("three readers on one slot", readers=3, slots=1),
    ring("three readers on one slot of a flag ring", base=FLAG, readers=3, slots=1),
    ring("readers that spin", readers=2, wait=SPINNING),
    ring("readers that nap", readers=2, wait={"wait": "backoff"}),
    ring("spurious wake-ups and early timers", readers=2, spurious_wakes=True, early_timers=True),
    ring(
        "deadlines that pass again and again",
        writer={"interval_ns": 5 * MILLISECOND_NS},
        reader={0: {"deadline_ns": MILLISECOND_NS}},
    ),
    ring("a reader that thinks for long", readers=2, reader={1: {"think_ns": HOUR_NS}}),
    ring("an hour between messages", writer={"interval_ns": HOUR_NS}, wait={"wait": "yielding"}),
    ring(
        "a dead reader that is evicted",
        readers=2,
        writer={"evicts": True},
        driver=[At("kill", 2, after=1)],
    ),
    ring("a writer that shuts down", readers=2, writer={"shuts_down": True}),
]
