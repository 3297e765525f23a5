"""Both rings, every rung of an aarch64 machine: two processes hand messages through one slot.

Run by tests/aarch64_kernels.py, under that machine's interpreter. Of WFET, which qemu does not
know, only its choice is looked at.
"""

from __future__ import annotations

import itertools
import os
import platform

from ring_regions import KINDS, SharedRegion, soon

from cy_kernels.choice import COMPILED
from cy_kernels.features import VARIABLE
from sim.testing.wait_kit import check_wait_strategy
from sim.transport import STRATEGIES

MESSAGES = 300
DEADLINE_S = 120
ELSEWHERE = dict.fromkeys(("mwaitx", "umwait", "tpause"), "adaptive")
WITHOUT_EVENTS = {"wfe": "adaptive", "wfet": "adaptive", "best": "adaptive"}
# As what the CPU is treated, which strategies are asked for there, and what really runs. One that
# becomes another hands nothing over: the other does.
ROUNDS = (
    ("evtstrm", STRATEGIES, {**ELSEWHERE, "wfe": "wfe", "wfet": "adaptive", "best": "wfe"}),
    ("none", tuple(WITHOUT_EVENTS), WITHOUT_EVENTS),
)
# `best` looks at the pace of its waits first, and parks where an emulator makes them slow.
KIT = ("wfe", "park", "adaptive")
HAND_OFFS = 20  # at each step on the way to sleep
RECEIVE = """
there = reader(0, wait={wait!r})
print(there.wait, flush=True)
count = 0
try:
    while True:
        got = there.receive(time.monotonic_ns() + {deadline_s} * 10**9)
        assert got == count.to_bytes(8, "little")
        count += 1
except RingEnded:
    print(count)
"""


def hand_over(kind: str, wait: str) -> str:
    """What really waited, on both sides alike."""
    region = SharedRegion(kind, on=COMPILED, slots=1, slot_bytes=64, readers=1)
    try:
        receiver = region.process(RECEIVE.format(wait=wait, deadline_s=DEADLINE_S))
        assert receiver.stdout is not None
        theirs = receiver.stdout.readline().strip()
        writer = region.writer(wait=wait)
        for number in range(MESSAGES):
            writer.send(number.to_bytes(8, "little"), soon(DEADLINE_S))
        writer.end()
        count, _ = receiver.communicate(timeout=DEADLINE_S)
        assert (count.strip(), receiver.returncode) == (str(MESSAGES), 0)
        assert writer.wait == theirs, f"{writer.wait} here and {theirs} there"
        writer.close()
        return theirs
    finally:
        region.close()


def chosen(kind: str, wait: str) -> str:
    """What an end of the rings would run, without waiting."""
    region = SharedRegion(kind, on=COMPILED, slots=1, slot_bytes=64, readers=1)
    try:
        writer = region.writer(wait=wait)
        really: str = writer.wait
        writer.close()
        return really
    finally:
        region.close()


def main() -> None:
    assert platform.machine() == "aarch64", platform.machine()
    for override, asked, really in ROUNDS:
        os.environ[VARIABLE] = override
        for kind, wait in itertools.product(KINDS, asked):
            expected = really.get(wait, wait)
            ran = hand_over(kind, wait) if expected == wait else chosen(kind, wait)
            assert ran == expected, f"{wait} ran {ran} under {override!r}, not {expected}"
            print(f"{override:8} {kind:7}{wait:10} ran {ran}", flush=True)
    os.environ[VARIABLE] = "evtstrm"
    for kind, wait in itertools.product(KINDS, KIT):
        found = check_wait_strategy(wait, kind=kind, hand_offs=HAND_OFFS)
        print(f"the kit  {kind:7}{wait:10} {found}", flush=True)
    os.environ[VARIABLE] = "wfxt"
    assert [chosen("cursor", wait) for wait in ("wfet", "best")] == ["wfet", "wfet"]
    print("with FEAT_WFxT wfet would run")


if __name__ == "__main__":
    main()
