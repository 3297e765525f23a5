"""The other process of the wait kit: one end of a ring, driven by lines on its standard input.

    python -m sim.testing.wait_peer '{"role": "reader", "wait": "park", ...}'

Every line is a command in JSON, and so is the answer to it. Started by sim.testing.wait_kit alone.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import mmap
import sys
from typing import Any, Callable, Dict, Mapping

from cy_kernels import gate
from cy_kernels.clock import monotonic_ns
from cy_kernels.errors import RingEnded, RingTimeout

PAYLOAD = b"message"


def mapped(fd: int, size_bytes: int) -> memoryview:
    return memoryview(mmap.mmap(fd, size_bytes))


def opened(told: Mapping[str, Any]) -> Any:
    """The end that is asked for, with its gate and, where instructions are emulated, a trap."""
    gate.install(mapped(told["gate_fd"], told["gate_bytes"]))
    if told["is_emulated"]:
        from cy_kernels import trap

        faulthandler.enable()  # first: it would take the trap's signal otherwise
        block = mapped(told["trap_fd"], told["trap_bytes"])
        trap.install(block, limit_cycles=told["limit_cycles"])
    ring = importlib.import_module(told["ring"])
    make = getattr(ring, told["kind"].capitalize() + told["role"].capitalize())
    more: Dict[str, Any] = dict(told["geometry"], wait=told["wait"])
    if told["role"] == "reader":
        more["rank"] = told["rank"]
    if told["mutant"] is not None:
        more["mutant"] = told["mutant"]
    return make(mapped(told["region_fd"], told["region_bytes"]), **more)


class Peer:
    def __init__(self, end: Any) -> None:
        self.end = end
        self.commands: Dict[str, Callable[..., Any]] = {
            "receive": self.receive,
            "receive_all": self.receive_all,
            "send": self.send,
            "rescued": lambda: self.end.rescued,
        }

    def receive(self, within_ns: int) -> str:
        """How a receive ends; a deadline is relative, and may lie in the past."""
        deadline_ns = monotonic_ns() + within_ns
        try:
            payload = self.end.receive(deadline_ns)
        except RingTimeout:
            return "timeout" if monotonic_ns() >= deadline_ns else "early timeout"
        except KeyboardInterrupt:
            return "interrupted"
        return "message" if payload == PAYLOAD else f"other message {payload!r}"

    def receive_all(self, within_ns: int) -> int:
        """Messages until the ring ended, each within so long."""
        count = 0
        while True:
            try:
                self.end.receive(monotonic_ns() + within_ns)
            except RingEnded:
                return count
            count += 1

    def send(self, count: int, within_ns: int) -> str:
        for _ in range(count):
            try:
                self.end.send(PAYLOAD, monotonic_ns() + within_ns)
            except RingTimeout:
                return "timeout"
        return "sent"


def main() -> None:
    peer = Peer(opened(json.loads(sys.argv[1])))
    sys.stdout.write(json.dumps(peer.end.wait) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        answer = peer.commands[command](*arguments)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
