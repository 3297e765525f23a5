"""Random calls of spinloop and its kin: what they do with whatever they are given, sense or not.

    python tests/fuzz_spinloop.py --calls 1000000 --seed 1

Each call ends with an answer, or with an exception that its documentation or its callback names;
afterwards nothing holds its buffer. Anything else ends the script with the call's number, and the
same seed makes the same calls. Where a trap can be installed the instructions that this host lacks
are among what runs.
"""

from __future__ import annotations

import argparse
import array
import faulthandler
import gc
import mmap
import random
import sys
from collections import Counter
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

SIZES = (0, 1, 4, 7, 8, 9, 16, 63, 64, 65, 128, 255, 256, 257, 300)
SHORT_S = (0, 0.0, 1e-9, 1e-6, 5e-6)
NUMBERS = (0, 1, 2, 3, 7, 8, 31, 255, 256, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 2**64, -1)
HOSTILE = (None, "0", b"0", 1.5, [], object(), 10**400, float("nan"), float("inf"), -0.0, True)
STRATEGIES = ("best", "pause", "adaptive", "tpause", "mwaitx", "umwait", "wfe", "wfet", None)
CONDITIONS = ("equals", "differs", "passes", "equals", "differs", "passes", "above", None, 3)
SMALL_LINES = "none,monitor_line_min_bytes=8,monitor_line_max_bytes=16"
HOSTS = ("none", SMALL_LINES, "none,tsc_hz=1", "")
BAD_HOSTS = ("none,mwait", 5, "monitor_line_max_bytes=-1")
FORCED = ("none,waitpkg", "none,monitorx", f"{SMALL_LINES},monitorx,waitpkg")
NESTED_MAX = 3


class OfTheCallback(Exception):
    """Raised by a callback, or by what it returned."""


ALLOWED = (TypeError, ValueError, BufferError, OfTheCallback)


class Undecided:
    def __bool__(self) -> bool:
        raise OfTheCallback


class Odd:
    """A number, or an index, that says so by raising or lying."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __index__(self) -> int:
        if self.answer is None:
            raise OfTheCallback
        answer: int = self.answer
        return answer

    def __float__(self) -> float:
        if self.answer is None:
            raise OfTheCallback
        return float(self.answer)


class Fuzz:
    def __init__(self, waits: ModuleType, seed: int, *, forces: bool) -> None:
        self.waits = waits
        self.rolls = random.Random(seed)
        self.hosts = (*HOSTS, *FORCED) if forces else HOSTS
        self.seen: Counter[str] = Counter()
        self.depth = 0
        self.makers: List[Callable[[], None]] = [self.spin, self.spin, self.word, self.flags]
        self.makers.append(self.rung)

    def one(self) -> None:
        """One call, which ends as it may."""
        try:
            self.rolls.choice(self.makers)()
        except ALLOWED as error:
            self.seen[type(error).__name__] += 1

    def answered(self, answer: object) -> None:
        assert answer is True or answer is False or answer in self.waits.RUNGS, answer
        self.seen[str(answer)] += 1

    def spin(self) -> None:
        memory, buffer = self.buffer()
        callback, ends = self.callback(memory)
        timeout = self.rolls.choice(SHORT_S)
        if self.rolls.random() < 0.1:
            timeout = self.hostile_timeout(ends)
        more = self.more()
        try:
            if self.rolls.random() < 0.5:
                answer = self.waits.spinloop(buffer, callback, timeout, **more)
            else:
                answer = self.waits.spinloop(
                    timeout=timeout, callback=callback, buffer=buffer, **more
                )
        finally:
            self.let_go(memory, buffer)
        self.answered(answer)

    def word(self) -> None:
        memory, buffer = self.buffer()
        more = self.more()
        if self.rolls.random() < 0.8:
            sizes = (16, "8", -8) if self.rolls.random() < 0.05 else (8, 32, 64)
            more["size_bits"] = self.rolls.choice(sizes)
        place, value = self.number(), self.number()
        timeout = self.rolls.choice(SHORT_S)
        condition = self.rolls.choice(CONDITIONS)
        try:
            answer = self.waits.wait_until(
                buffer, place, condition, value, timeout_s=timeout, **more
            )
        finally:
            self.let_go(memory, buffer)
        self.answered(answer)

    def flags(self) -> None:
        memory, buffer = self.buffer()
        place, count, value = self.number(), self.number(), self.rolls.choice((0, 1, 255, 256))
        timeout = self.rolls.choice(SHORT_S)
        try:
            answer = self.waits.wait_until_all(
                buffer, place, count, value, timeout_s=timeout, **self.more()
            )
        finally:
            self.let_go(memory, buffer)
        self.answered(answer)

    def rung(self) -> None:
        memory, buffer = self.buffer()
        try:
            answer = self.waits.rung(buffer, **self.more())
        finally:
            self.let_go(memory, buffer)
        self.answered(answer)

    def more(self) -> Dict[str, Any]:
        more: Dict[str, Any] = {}
        if self.rolls.random() < 0.7:
            more["strategy"] = self.rolls.choice(STRATEGIES)
        elif self.rolls.random() < 0.03:
            more[self.rolls.choice(("strategy", "cpu", "spins"))] = self.rolls.choice(HOSTILE[1:])
        if more.get("strategy") or self.rolls.random() < 0.7:
            hosts = BAD_HOSTS if self.rolls.random() < 0.03 else self.hosts
            more.setdefault("cpu", self.rolls.choice(hosts))
        return more

    def number(self) -> Any:
        rolled = self.rolls.random()
        if rolled < 0.6:
            return self.rolls.choice((0, 0, 8, 16))
        if rolled < 0.9:
            return self.rolls.randrange(9) if rolled < 0.8 else self.rolls.choice(NUMBERS)
        return self.rolls.choice(HOSTILE) if rolled < 0.95 else Odd(self.rolls.choice(NUMBERS))

    def hostile_timeout(self, ends: bool) -> Any:
        if ends and self.rolls.random() < 0.5:
            return self.rolls.choice((None, 1e300, 10**300))
        return self.rolls.choice(
            ("0", b"0", [], object(), float("nan"), float("-inf"), -1, 10**400, Odd(None))
        )

    def buffer(self) -> Tuple[bytearray, Any]:
        """Memory that must be free afterwards, and what is handed over as a buffer."""
        size = self.rolls.choice(SIZES)
        memory = bytearray(self.rolls.choice((0, 1, 255)) for _ in range(size))
        start = self.rolls.randrange(9)
        made: List[Callable[[], Any]] = [
            lambda: memory,
            lambda: memoryview(memory),
            lambda: memoryview(memory)[start:],
            lambda: memoryview(memory).toreadonly(),
            lambda: bytes(memory),
            lambda: array.array("I", range(start)),
            lambda: mmap.mmap(-1, 4096),
        ]
        bad: List[Callable[[], Any]] = [
            lambda: memoryview(memory)[:: self.rolls.choice((2, -1))],
            lambda: released(memory),
            lambda: self.rolls.choice(HOSTILE),
        ]
        return memory, self.rolls.choice(bad if self.rolls.random() < 0.1 else made)()

    def let_go(self, memory: bytearray, buffer: Any) -> None:
        """A BufferError that is not allowed where anybody still holds it."""
        if isinstance(buffer, memoryview):
            buffer.release()
        try:
            memory.append(0)
        except BufferError as error:
            raise AssertionError("the buffer is still held") from error

    def callback(self, memory: bytearray) -> Tuple[Any, bool]:
        """And whether it ends the wait."""
        results = (True, 1, "x", False, None, 0, Undecided())
        result = self.rolls.choice(results)
        rolled = self.rolls.random()
        if rolled < 0.5:
            return lambda: result, bool(results.index(result) < 3)
        asked = [0]

        def counts() -> bool:
            asked[0] += 1
            return asked[0] > 3

        def raises() -> bool:
            raise OfTheCallback

        def stores() -> bool:
            if memory:
                memory[0] = (memory[0] + 1) % 256
            return counts()

        def nests() -> bool:
            if self.depth < NESTED_MAX:
                self.depth += 1
                self.one()
                self.depth -= 1
            return counts()

        def collects() -> bool:
            return self.rolls.random() < 0.98 or gc.collect(0) >= 0

        ending = (counts, stores, nests, collects)
        other = (raises, memory.clear, [].__len__, len, lambda needed: needed)
        chosen = self.rolls.choice((*ending, *ending, *other, self.rolls.choice(HOSTILE)))
        return chosen, any(chosen is each for each in ending)


def released(memory: bytearray) -> memoryview:
    view = memoryview(memory)
    view.release()
    return view


def fuzz(waits: ModuleType, calls: int, seed: int, *, forces: bool) -> Counter[str]:
    """How often each answer and exception came."""
    made = Fuzz(waits, seed, forces=forces)
    for number in range(calls):
        try:
            made.one()
        except BaseException:
            print(f"call {number} of seed {seed}", file=sys.stderr)
            raise
    return made.seen


def main(arguments: Optional[Sequence[str]] = None) -> None:
    from cy_kernels import spinloop, trap

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-trap", action="store_true", help="nothing that this host lacks")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    forces = not options.no_trap and trap.refusal() is None
    if forces:
        trap.install()
    seen = fuzz(spinloop, options.calls, options.seed, forces=forces)
    print(f"{options.calls} calls of seed {options.seed}: {dict(seen.most_common())}")
    if forces:
        instructions = trap.state()["instructions"]
        print({name: each["emulated"] for name, each in instructions.items()})
        trap.uninstall()


if __name__ == "__main__":
    main()
