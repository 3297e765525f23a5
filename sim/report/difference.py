"""Where two executions part: the first step that is not the same, and what surrounds it."""

from __future__ import annotations

from itertools import zip_longest
from typing import List, Optional, Sequence

from rich.console import Console

from sim.report import lanes

CONTEXT = 3  # lines before the first difference
AFTER = 4


def first_difference(
    one: Sequence[lanes.TraceLine], other: Sequence[lanes.TraceLine]
) -> Optional[int]:
    """The 0-based line of both; None: they are the same."""
    for index, (a, b) in enumerate(zip_longest(one, other)):
        if a is None or b is None or _essence(a) != _essence(b):
            return index
    return None


def _essence(line: lanes.TraceLine) -> object:
    """All but how many choices had been made: one that changed nothing is no difference."""
    return line[:6] + line[7:]


def render(
    one: lanes.Execution, other: lanes.Execution, console: Console, *, called: List[str]
) -> bool:
    """Print it; whether they are the same."""
    index = first_difference(one.steps, other.steps)
    if index is None:
        console.print(f"the same in all {len(one.steps)} steps")
        return True
    console.print(f"first difference at step {index + 1}:", style="bold")
    width = max(map(len, called))
    for name, execution in zip(called, (one, other)):
        console.print(f"  {name:<{width}}  {_said(execution, index)}", soft_wrap=True)
    for name, execution in zip(called, (one, other)):
        shown = [
            step
            for step in lanes.lines(execution)
            if index - CONTEXT < step.number <= index + 1 + AFTER
        ]
        console.print(f"\n{name}", style="bold", soft_wrap=True)
        console.print(lanes.table(shown, execution.names, columns=console.width))
    return False


def _said(execution: lanes.Execution, index: int) -> str:
    if index >= len(execution.steps):
        return f"had ended ({execution.stop})"
    return lanes.in_words(execution, execution.steps[index])
