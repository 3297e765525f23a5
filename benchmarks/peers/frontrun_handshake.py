"""A flag handshake of threads under frontrun: executions a second, as JSON.

One slot, a writer, two readers, four messages. Its random schedules run the spins of a flag_ring,
each of which yields. Its reduction never ends an execution that spins, so there the waiters block,
on a semaphore a reader and direction.

frontrun python benchmarks/peers/frontrun_handshake.py 200
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any, Callable, Dict, List

import frontrun

MESSAGES = 4
READERS = 2
READER_RANKS = range(READERS)
MAX_OPS = 300  # of a random schedule's drawn part


class Received:
    def __init__(self) -> None:
        self.payload = -1
        self.by_reader: List[List[int]] = [[] for _ in READER_RANKS]

    def is_all(self) -> bool:
        return self.by_reader == [list(range(MESSAGES))] * READERS


class Flags(Received):
    def __init__(self) -> None:
        super().__init__()
        self.is_full = [False] * READERS

    def write(self) -> None:
        for message in range(MESSAGES):
            while True in self.is_full:
                time.sleep(0)
            self.payload = message
            for rank in READER_RANKS:
                self.is_full[rank] = True

    def read(self, rank: int) -> None:
        for _ in range(MESSAGES):
            while not self.is_full[rank]:
                time.sleep(0)
            self.by_reader[rank].append(self.payload)
            self.is_full[rank] = False


class Semaphores(Received):
    def __init__(self) -> None:
        super().__init__()
        self.free = [threading.Semaphore(1) for _ in READER_RANKS]
        self.full = [threading.Semaphore(0) for _ in READER_RANKS]

    def write(self) -> None:
        for message in range(MESSAGES):
            for free in self.free:
                free.acquire()
            self.payload = message
            for full in self.full:
                full.release()

    def read(self, rank: int) -> None:
        for _ in range(MESSAGES):
            self.full[rank].acquire()
            self.by_reader[rank].append(self.payload)
            self.free[rank].release()


def executions_s(slot: Callable[[], Any], **asked: Any) -> float:
    """Per second of the processor. Raises AssertionError where frontrun objects to the program."""
    workers = [lambda made: made.write(), lambda made: made.read(0), lambda made: made.read(1)]
    began = time.process_time()
    result = frontrun.explore(
        slot, workers, lambda made: bool(made.is_all()), detect_io=False, **asked
    )
    seconds = time.process_time() - began
    assert result.property_holds, result.explanation
    return float(result.num_explored / seconds)


def main(executions: int) -> None:
    figures: Dict[str, float] = {
        "frontrun random": executions_s(
            Flags, strategy="random", max_attempts=executions, max_ops=MAX_OPS, seed=0
        ),
        "frontrun dpor": executions_s(Semaphores, strategy="dpor", max_executions=executions),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
