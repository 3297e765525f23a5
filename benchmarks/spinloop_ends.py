"""What a call of spinloop costs, how late it ends, and what other threads get meanwhile.

One process. A call whose callback is true at once; the time beyond a time-out of 1 ms; the time
from a signal, sent by another process, until the exception of its handler is out of a wait without
limit; and how fast a thread counts beside a wait, against counting alone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from cy_kernels import spinloop

CALLS = 100_000
TIMEOUTS = 200
TIMEOUT_S = 0.001
INTERRUPTS = 100
SHARE_S = 0.3
BUFFER = memoryview(bytearray(64))[:8]


class Interrupted(Exception):
    """What the handler of the signal raises."""


def call_ns() -> float:
    callback = [1].__len__
    began_ns = time.perf_counter_ns()
    for _ in range(CALLS):
        spinloop.spinloop(BUFFER, callback, 0.1)
    return (time.perf_counter_ns() - began_ns) / CALLS


def late_us(strategy: str) -> List[float]:
    late = []
    for _ in range(TIMEOUTS):
        began_ns = time.monotonic_ns()
        spinloop.spinloop(BUFFER, [].__len__, TIMEOUT_S, strategy=strategy)
        late.append((time.monotonic_ns() - began_ns) / 1e3 - TIMEOUT_S * 1e6)
    return late


WAITS: Dict[str, Callable[[], object]] = {
    "spinloop": lambda: spinloop.spinloop(BUFFER, [].__len__),
    "wait_until": lambda: spinloop.wait_until(BUFFER, 0, "differs", 0),
}


def interrupts_us(wait: Callable[[], object]) -> List[float]:
    """The sender writes the time at which it sends into a pipe, and goes on when that is read."""

    def raises(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, raises)
    took: List[float] = []
    told, telling = os.pipe()
    heard, hearing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        for _ in range(INTERRUPTS):
            os.read(heard, 1)
            time.sleep(0.004)  # the parent waits by then
            os.write(telling, time.monotonic_ns().to_bytes(8, "little"))
            os.kill(parent, signal.SIGUSR1)
        os._exit(0)
    for _ in range(INTERRUPTS):
        try:
            os.write(hearing, b"x")
            wait()
        except Interrupted:
            ended_ns = time.monotonic_ns()
            took.append((ended_ns - int.from_bytes(os.read(told, 8), "little")) / 1e3)
    os.waitpid(child, 0)
    for end in (told, telling, heard, hearing):
        os.close(end)
    signal.signal(signal.SIGUSR1, before)
    return took


def beside_percent() -> float:
    """Two turns of counting: while the main thread waits for a lock, and while it spins."""
    counts = [_counted(lambda: time.sleep(SHARE_S))]
    counts.append(_counted(lambda: spinloop.spinloop(BUFFER, [].__len__, SHARE_S)))
    return 100 * counts[1] / counts[0]


def _counted(wait: Callable[[], object]) -> float:
    stops = threading.Event()
    count = [0]

    def work() -> None:
        while not stops.is_set():
            count[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    began = time.monotonic()
    wait()
    took = time.monotonic() - began
    stops.set()
    thread.join()
    return count[0] / took


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    figures: Dict[str, Any] = {"rung": spinloop.rung(), "a call, ns": call_ns()}
    for strategy in ("pause", "adaptive"):
        figures[f"beyond 1 ms, us, {strategy}"] = _spread(late_us(strategy))
    for name, wait in WAITS.items():
        figures[f"signal to exception, us, {name}"] = _spread(interrupts_us(wait))
    figures["a thread beside it, % of alone"] = beside_percent()
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:40} {figure if isinstance(figure, (str, dict)) else round(figure, 1)}")


def _spread(values: List[float]) -> Dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[len(ordered) * 99 // 100], 1),
        "max": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    main()
