"""A circle of processes through several rings: from evidence, and by `spinbed attach`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from attached_processes import Attach, end
from named_rings import fresh_name, line_of, process

from cy_kernels.choice import Kernels, kernels
from sim.hang.across import circle
from sim.history.hang_class import HangClass

SLOTS = 4
# Each makes a ring, and reads from the other's before it has written to its own.
WAITER = """
mine, other = sys.argv[2:]
writer = Writer.create(mine, slots=4, slot_bytes=64)
say("made")
sys.stdin.readline()
reader = Reader.attach(other)
say("there")
writer.write(reader.read())
"""


def seat(pid: int, role: str, position: Optional[int]) -> Dict[str, Any]:
    """`position`: of the message that it waits for; None: it is busy with something else."""
    f = "send" if role == "writer" else "receive"
    op = None if position is None else {"f": f, "position": position}
    name, rank = ("writer", None) if role == "writer" else ("reader[0]", 0)
    found = {"name": name, "role": role, "rank": rank, "pid": pid, "state": "running", "op": op}
    return {**found, "threads": []}


def ring(
    name: str, writer: Tuple[int, Optional[int]], reader: Tuple[int, Optional[int]], **more: Any
) -> Dict[str, Any]:
    """Who writes and who reads, each with where it waits; nothing was sent yet."""
    state = {"slots": SLOTS, "readers": 1, "writer": {"position": 0}}
    state["reader"] = [{"owner": "process", "position": 0}]
    seats = [seat(writer[0], "writer", writer[1]), seat(reader[0], "reader", reader[1])]
    region = {"name": name, "moved": False, "window_ns": 1, "region": state}
    region.update(region_before=state, is_changing=False, processes=seats)
    return {**region, **more}


def test_three_that_read_from_the_next_are_a_circle_and_each_is_named() -> None:
    found = circle([ring(f"r{n}", (n, None), ((n + 1) % 3, 0)) for n in range(3)])
    assert found is not None
    rings, hang = found
    assert hang.kind is HangClass.DEADLOCK
    assert rings == "r2, r1, r0"
    assert set(hang.who) == {"process 0", "process 1", "process 2"}
    assert "process 0 waits in receive of message 0 of r2 for process 2" in hang.why


def test_a_chain_that_ends_at_one_who_is_busy_is_none() -> None:
    assert circle([ring(f"r{n}", (n, None), (n + 1, 0)) for n in range(3)]) is None


def test_a_ring_that_moves_is_no_part_of_one() -> None:
    still, moving = ring("r0", (0, None), (1, 0)), ring("r1", (1, None), (0, 0), moved=True)
    assert circle([still, moving]) is None


def test_two_processes_that_read_from_each_other_are_told_by_attach(attach: Attach) -> None:
    on: Kernels = kernels()
    names = [fresh_name(), fresh_name()]
    with ExitStack() as started:
        for name in names:
            started.callback(Path("/dev/shm", name).unlink, missing_ok=True)
        pair = []
        for mine, other in (names, reversed(names)):
            child = process("-", f"sys.argv[2:] = {[mine, other]!r}\n" + WAITER, on)
            started.callback(end, child)
            pair.append(child)
            assert line_of(child) == "made"
        for child in pair:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
            assert line_of(child) == "there"
        told = json.loads(attach.until(3, pair[0].pid, "--json"))
    (hang,) = [each for each in told["told"] if each["is_hang"]]
    assert hang["class"] == told["hang"] == "deadlock"
    assert set(hang["who"]) == {f"process {child.pid}" for child in pair}
    assert all(name in hang["where"] for name in names)
