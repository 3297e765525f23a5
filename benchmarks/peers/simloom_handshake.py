"""A flag handshake of asyncio tasks under simloom: executions a second, as JSON.

One slot, a writer, two readers, four messages; a spin yields to the loop, which chooses at random.

python benchmarks/peers/simloom_handshake.py 200
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import List

import simloom

MESSAGES = 4
READERS = 2


async def handshake() -> None:
    payload = -1
    is_full = [False] * READERS
    received: List[List[int]] = [[] for _ in range(READERS)]

    async def write() -> None:
        nonlocal payload
        for message in range(MESSAGES):
            while True in is_full:
                await asyncio.sleep(0)
            payload = message
            for rank in range(READERS):
                is_full[rank] = True

    async def read(rank: int) -> None:
        for _ in range(MESSAGES):
            while not is_full[rank]:
                await asyncio.sleep(0)
            received[rank].append(payload)
            is_full[rank] = False

    await asyncio.gather(write(), *(read(rank) for rank in range(READERS)))
    assert received == [list(range(MESSAGES))] * READERS


def main(executions: int) -> None:
    began = time.process_time()
    explored = simloom.explore(handshake, runs=executions)
    seconds = time.process_time() - began
    assert not explored.failed, explored.summary()
    print(json.dumps({"simloom random": explored.runs / seconds}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
