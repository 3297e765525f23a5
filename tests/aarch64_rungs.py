"""Both rings, every rung of an aarch64 machine: two processes hand messages through one slot.

Run by tests/aarch64_kernels.py, under that machine's interpreter. Of WFET, which qemu does not
know, only its choice is looked at.
"""

from __future__ import annotations

import os
import platform
import sys
import time

from ring_regions import KINDS, SharedRegion, soon

from cy_kernels.choice import COMPILED
from cy_kernels.features import VARIABLE
from sim.transport import STRATEGIES

MESSAGES = 300
DEADLINE_S = 120
# What is asked of whom, and what must really run.
EVENTS = {"wfe": "wfe", "best": "wfe", "wfet": "adaptive"}
ROUNDS = (
    ("", {"wfe": "adaptive", "wfet": "adaptive", "best": "adaptive"}),
    ("evtstrm", EVENTS),
    ("none", {"wfe": "adaptive", "wfet": "adaptive", "best": "adaptive"}),
)
ELSEWHERE = dict.fromkeys(("mwaitx", "umwait", "tpause"), "adaptive")
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


def chosen(wait: str) -> str:
    """What an end of the rings would run, without waiting."""
    region = SharedRegion("cursor", on=COMPILED, slots=1, slot_bytes=64, readers=1)
    try:
        writer = region.writer(wait=wait)
        really: str = writer.wait
        writer.close()
        return really
    finally:
        region.close()


def main() -> None:
    assert platform.machine() == "aarch64", platform.machine()
    for override, really in ROUNDS:
        os.environ[VARIABLE] = override
        for kind in KINDS:
            for wait in STRATEGIES:
                began_ns = time.monotonic_ns()
                ran = hand_over(kind, wait)
                expected = {**ELSEWHERE, **really}.get(wait, wait)
                assert ran == expected, f"{wait} ran {ran} under {override!r}, not {expected}"
                spent_ms = (time.monotonic_ns() - began_ns) // 1_000_000
                print(f"{override or 'as it is':9}{kind:7}{wait:10} ran {ran:10} {spent_ms} ms")
                sys.stdout.flush()
    os.environ[VARIABLE] = "wfxt"
    assert (chosen("wfet"), chosen("best")) == ("wfet", "wfet")
    print("with FEAT_WFxT wfet would run")


if __name__ == "__main__":
    main()
