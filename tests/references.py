"""Are references flat over many calls of every kernel entry? True, False, None, and what they take.

    python tests/references.py --calls 1000000

One line for each call of kernel_calls.py that is not flat; the last line says how many were made.
Exit status 1 where any is not. From CPython 3.12 on True, False and None are immortal: what can be
lost there is a reference to an argument, and a block of memory.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
import time
from typing import NamedTuple, Optional, Sequence

from kernel_calls import Call, calls

SINGLETONS = (True, False, None)
WARM_UP = 3
ROUNDS = 3  # what is lost in each call is lost in each round; what a cache keeps is not
# What the interpreter itself may keep of a loop, in caches and free lists. A loss in every call, or
# in every tenth, is far more.
SLACK = 20
SLACK_BLOCKS = 200
CALLS_MIN = 10 * SLACK_BLOCKS


class Drift(NamedTuple):
    names: str
    calls: int
    references: tuple[int, ...]  # by how many each count is larger than it was
    blocks: int

    @property
    def is_flat(self) -> bool:
        return max(map(abs, self.references)) <= SLACK and self.blocks <= SLACK_BLOCKS


def drift_of(call: Call, count: int) -> Drift:
    for _ in range(ROUNDS):
        found = drift_of_a_round(call, count)
        if found.is_flat:
            break
    return found


def drift_of_a_round(call: Call, count: int) -> Drift:
    """Over `count` calls, or the share that it makes of them, but enough to tell."""
    times = max(count // call.share, min(count, CALLS_MIN if call.share < 10_000 else SLACK * 3))
    watched = (*SINGLETONS, *call.watched)
    for _ in range(WARM_UP):
        call.make()
    gc.collect()
    before = [sys.getrefcount(each) for each in watched]
    blocks = sys.getallocatedblocks()
    for _ in range(times):
        call.make()
    gc.collect()
    added = sys.getallocatedblocks() - blocks
    after = [sys.getrefcount(each) for each in watched]
    return Drift(call.names, times, tuple(b - a for a, b in zip(before, after)), added)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=CALLS_MIN, help="of each entry")
    parser.add_argument("-k", default="", help="only entries whose names contain this")
    parser.add_argument("--verbose", action="store_true", help="a line for each entry")
    options = parser.parse_args(arguments)
    if options.calls < CALLS_MIN:
        parser.error(f"--calls: fewer than {CALLS_MIN} tell nothing")
    made = bad = shared = 0
    for call in calls():
        if options.k not in call.names:
            continue
        began = time.monotonic()
        found = drift_of(call, options.calls)
        made += found.calls
        bad += not found.is_flat
        shared += found.calls < options.calls
        if options.verbose or not found.is_flat:
            took_us = (time.monotonic() - began) / found.calls * 1e6
            word = "flat" if found.is_flat else "NOT FLAT"
            print(f"{word}: {found} {took_us:.2f} us", flush=True)
    print(
        f"{platform.python_version()}: {made} calls, {bad} entries not flat; of {shared} slow ones "
        f"fewer than {options.calls}; {os.uname().machine}"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
