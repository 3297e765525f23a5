"""Are references flat over many calls of every kernel entry? True, False, None, and what they take.

    python tests/references.py --calls 1000000

One line for each call of kernel_calls.py that is not flat; the last line says how many were made.
Exit status 1 where any is not. From CPython 3.12 on True, False and None are immortal: what can be
lost there is a reference to an argument, and a block of memory.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import time
from typing import NamedTuple, Optional, Sequence

from kernel_calls import Call, calls

# Of immortal ones nobody keeps a count that means anything: modules of the stable ABI count them,
# and interpreters from 3.12 on do not.
SINGLETONS = (True, False, None) if sys.version_info < (3, 12) else ()
WARM_UP = 3
ROUNDS = 3  # what is lost in each call is lost in each round; what a cache keeps is not
# What the interpreter itself may keep of a loop, in caches and free lists; in a short one it is not
# told from a loss in every tenth call.
SLACK = (20, 200)
SLACK_BLOCKS = (120, 1000)
CHUNK = 100
ENOUGH = 200


class Drift(NamedTuple):
    names: str
    calls: int
    references: tuple[int, ...]  # by how many each count is larger than it was
    blocks: int

    @property
    def is_flat(self) -> bool:
        slack, slack_blocks = (
            min(max(least, self.calls // 4), most) for least, most in (SLACK, SLACK_BLOCKS)
        )
        return max(map(abs, self.references), default=0) <= slack and self.blocks <= slack_blocks


def drift_of(call: Call, count: int, seconds: float) -> Drift:
    for _ in range(ROUNDS):
        found = drift_of_a_round(call, count, seconds)
        if found.is_flat:
            break
    return found


def drift_of_a_round(call: Call, count: int, seconds: float) -> Drift:
    """Over `count` calls, or as many as so much processor time has room for, but enough to tell."""
    watched = (*SINGLETONS, *call.watched)
    for _ in range(WARM_UP):
        call.make()
    gc.collect()
    before = [sys.getrefcount(each) for each in watched]
    blocks = sys.getallocatedblocks()
    ends = time.process_time() + seconds
    times = 0
    while times < count and (times < ENOUGH or time.process_time() < ends):
        for _ in range(CHUNK):
            call.make()
        times += CHUNK
    gc.collect()
    added = sys.getallocatedblocks() - blocks
    after = [sys.getrefcount(each) for each in watched]
    return Drift(call.names, times, tuple(b - a for a, b in zip(before, after)), added)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000, help="of each entry")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="of processor time for each: slow ones have fewer",
    )
    parser.add_argument("-k", default="", help="only entries whose names contain this")
    parser.add_argument("--verbose", action="store_true", help="a line for each entry")
    options = parser.parse_args(arguments)
    if options.calls < ENOUGH:
        parser.error(f"--calls: fewer than {ENOUGH} tell nothing")
    made = bad = slow = 0
    fewest = options.calls
    for call in calls():
        if options.k not in call.names:
            continue
        began = time.process_time()
        found = drift_of(call, options.calls, options.seconds)
        made += found.calls
        bad += not found.is_flat
        slow += found.calls < options.calls
        fewest = min(fewest, found.calls)
        if options.verbose or not found.is_flat:
            took_us = (time.process_time() - began) / found.calls * 1e6
            word = "flat" if found.is_flat else "NOT FLAT"
            print(f"{word}: {found} {took_us:.2f} us", flush=True)
    print(
        f"{platform.python_version()}: {made} calls, {options.calls} of each entry; "
        f"{slow} slow ones had fewer, {fewest} at least; {bad} not flat"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
