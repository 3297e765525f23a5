"""Small rings searched exhaustively: executions and CPU time until all are made, or enough."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Dict, List, Optional, Sequence

from cy_kernels import explore

# kind, wait, readers, slots, messages
RINGS = (
    ("flag_ring", "busy_spin", 1, 1, 2),
    ("flag_ring", "busy_spin", 1, 2, 3),
    ("flag_ring", "busy_spin", 2, 1, 2),
    ("flag_ring", "park", 1, 1, 2),
    ("flag_ring", "park", 1, 2, 3),
    ("flag_ring", "park", 2, 1, 1),
    ("cursor_ring", "busy_spin", 1, 1, 2),
    ("cursor_ring", "busy_spin", 1, 2, 3),
    ("cursor_ring", "busy_spin", 2, 1, 2),
    ("cursor_ring", "park", 1, 1, 2),
    ("cursor_ring", "park", 1, 2, 3),
    ("cursor_ring", "park", 2, 1, 1),
)
SLOT_BYTES = 32
MESSAGE_BYTES = 8


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Each ring on each model; exits nonzero where a search finds anything."""
    options = _parser().parse_args(argv)
    figures: List[Dict[str, Any]] = []
    if not options.json:
        print("ring        wait       readers slots messages model executions      cut   CPU s")
    for ring in RINGS:
        for model in options.model or explore.MODELS:
            figures.append(_searched(model, *ring, options.max_executions))
            if not options.json:
                print(_line(figures[-1]), flush=True)
    if options.json:
        print(json.dumps(figures, indent=2))


def _line(figure: Dict[str, Any]) -> str:
    return (
        f"{figure['kind']:<11} {figure['wait']:<10} {figure['readers']:>7} "
        f"{figure['slots']:>5} {figure['messages']:>8} {figure['model']:<5} "
        f"{figure['executions']:>10} {figure['cut']:>8} {figure['cpu_s']:>7.2f} "
        f"{'all' if figure['is_complete'] else 'not all'}"
    )


def _searched(
    model: str, kind: str, wait: str, readers: int, slots: int, messages: int, max_executions: int
) -> Dict[str, Any]:
    simulation = explore.Simulation(1 + readers, model=model)
    simulation.set_ring(
        kind, slots=slots, slot_bytes=SLOT_BYTES, readers=readers, sizes=(MESSAGE_BYTES,)
    )
    simulation.set_writer(messages=messages, wait=wait)
    for rank in range(readers):
        simulation.set_reader(1 + rank, rank=rank, wait=wait)
    simulation.limit(patience=0)
    began_ns = time.process_time_ns()
    explored = simulation.explore_all(max_executions=max_executions)
    took_ns = time.process_time_ns() - began_ns
    if list(explored.stops) != ["ended"] or explored.findings:
        raise SystemExit(f"{kind} on {model}: {explored.stops} {explored.findings}")
    return {
        "kind": kind,
        "wait": wait,
        "readers": readers,
        "slots": slots,
        "messages": messages,
        "model": model,
        "executions": explored.executions,
        "cut": explored.cut,
        "is_complete": explored.is_complete,
        "cpu_s": took_ns / 1e9,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", action="append", choices=explore.MODELS, help="only this one (repeatable)"
    )
    parser.add_argument(
        "--max-executions", type=int, default=200_000, help="of one search (default 200000)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


if __name__ == "__main__":
    main()
