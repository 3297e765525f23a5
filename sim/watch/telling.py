"""The text of a report: what stands still, where each process is, and who could not be asked."""

from __future__ import annotations

import os
import textwrap
from typing import Iterator, Sequence

from sim.scenario.durations import format_duration
from sim.watch.asking import Seen

INDENT = "  "


def standstill(name: str, stall_ns: int) -> str:
    return f'spinbed: "{name}" has made no progress for {format_duration(stall_ns)}'


def overdue(name: str, deadline_ns: int) -> str:
    return f'spinbed: "{name}" is not over after {format_duration(deadline_ns)}'


def report(headline: str, seen: Sequence[Seen]) -> str:
    asked = [each for each in seen if each.stacks]
    others = [each for each in seen if not each.stacks]
    lines = [headline]
    for each in asked:
        lines += [_process(each), textwrap.indent("\n".join(_without_pytest(each.stacks)), INDENT)]
    lines += [f"{_process(each)}\n{INDENT}no stacks: {each.lack}" for each in others]
    return "\n".join(lines) + "\n"


def _without_pytest(stacks: str) -> Iterator[str]:
    """A stack ends where pytest has called a test: the fifty frames below are always the same."""
    is_left_out = False
    for line in stacks.splitlines():
        is_frame = line.lstrip().startswith("File ")
        is_left_out = is_frame and (is_left_out or f"{os.sep}_pytest{os.sep}" in line)
        if not is_left_out:
            yield line


def _process(seen: Seen) -> str:
    where = f" in {seen.waits_in}" if seen.waits_in else ""
    return f"pid {seen.pid}, {seen.state}{where}: {seen.command}"
