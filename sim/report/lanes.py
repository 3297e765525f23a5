"""An execution as lanes: a column a process, a line a step, and when stores become visible.

Read from top to bottom. A store that waits in its process's buffer is seen by nobody else until
its line "visible"; a load says what it read, and whether somebody had stored something newer.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cy_kernels.explore import ORDERS, STATES, STEPS

TraceLine = Tuple[str, int, int, int, int, int, int, int]  # of Simulation.trace()

STEP_NAMES = dict(STEPS)
ORDER_NAMES = {number: name for name, number in ORDERS.items()}
LANE_LEAST_COLUMNS = 17
NUMBER_COLUMNS = 8
BETWEEN_COLUMNS = 2
SVG_COLUMNS = 140

NOT_SHOWN = ("turn",)


class Step(NamedTuple):
    """One line of the diagram."""

    number: int  # of the steps, from 1
    process: int
    is_deviation: bool  # chosen otherwise than the default schedule would
    event: str
    site: str
    what: str
    note: str

    def text(self, detail: int) -> str:
        """With less detail it is shorter: 2 all, 1 without the site, 0 abbreviated."""
        what = self.what
        if detail == 0:
            for long, short in SHORTER:
                what = what.replace(long, short)
            what = LONG_HEX.sub(r"\1..", what)
        site = f"{self.site.split('.')[-1]}: " if detail == 2 and self.site else ""
        note = f" {self.note}" if self.note else ""
        return f"{site}{what}{note}"


LONG_HEX = re.compile(r"(0x[0-9a-f]{6})[0-9a-f]{4,}")
SHORTER = (("slot[", "s["), (".written", ".W"), (".read[", ".R["), (".data[", ".d["),
           ("reader[", "r["), (".position", ".pos"), (".sequence", ".seq"),
           ("shutdown", "shut"), (".parked", ".park"), (" visible", " vis."))  # fmt: skip

STYLES = {
    "load": "cyan",
    "store": "yellow",
    "exchange": "magenta",
    "flush": "bold green",
    "fence": "dim",
    "block": "dim",
    "wake": "blue",
    "timer": "blue",
    "trigger": "magenta",
    "finding": "bold red",
}


@dataclass(frozen=True)
class Execution:
    """What the diagram is made of."""

    names: Sequence[str]  # of the processes, by number
    name_at: Callable[[int], str]  # of a location, by its offset
    value_at: Callable[[int, int], str]  # what a location's value says
    model: str
    trace: Sequence[TraceLine]
    choices: bytes
    finding: Optional[Tuple[str, int, int]]
    stop: str

    @property
    def steps(self) -> Sequence[TraceLine]:
        """What happened, without who was given the turn."""
        return [line for line in self.trace if line[0] not in NOT_SHOWN]


def lines(execution: Execution) -> List[Step]:
    """The lines of the diagram. A deviation stands at the first line that it led to."""
    found: List[Step] = []
    pending: Counter[Tuple[int, int]] = Counter()  # process, offset: stores in its buffer
    choices_before = 0
    for number, line in enumerate(execution.steps, 1):
        event, process, site, offset, value, _, choices, age = line
        note = ""
        is_buffered = execution.model in ("tso", "pso")
        if event == "store" and is_buffered:
            pending[process, offset] += 1
        elif event == "flush":
            pending[process, offset] -= 1
        elif age:
            note = "(old)"
        elif event == "load" and any(
            count > 0 and at == offset and who != process for (who, at), count in pending.items()
        ):
            note = "(old)"
        if event == "block" and STATES[value] == "done":
            continue  # it left, as the line before says
        deviates = any(execution.choices[choices_before:choices])
        choices_before = choices
        what = _what(execution, line)
        name = STEP_NAMES.get(site, "")
        found.append(Step(number, process, deviates, event, name, what, note))
    return [*found, *_end(execution, len(execution.steps) + 1)]


def _what(execution: Execution, line: TraceLine) -> str:
    event, _, site, offset, value, order, *_ = line
    where = execution.name_at(offset) if offset else ""
    ordered = {"acquire": " acq", "release": " rel", "acq_rel": "", "seq_cst": " sc"}.get(
        ORDER_NAMES.get(order, ""), ""
    )
    shown = execution.value_at(offset, value) if offset else str(value)
    if event == "load":
        return f"{where} -> {shown}{ordered}"
    if event == "store":
        return f"{where} <- {shown}{ordered}"
    if event == "flush":
        return f"{where} = {shown} visible"
    if event == "exchange":
        return f"{where} <-> {shown}"
    if event == "fence":
        return f"fence {ORDER_NAMES.get(order, '')}"
    if event == "block":
        return BLOCKED.get(STATES[value], STATES[value])
    if event == "wake":
        return f"wakes {where}" if where else "woken for nothing"
    if event == "trigger":
        return f"comes to {STEP_NAMES.get(site, 'its trigger')}"
    return PLAIN.get(event, event)


def in_words(execution: Execution, line: TraceLine) -> str:
    """One line of a trace as a sentence: process, site, value."""
    event, process, site = line[:3]
    who = execution.names[process]
    where = f" at {STEP_NAMES[site]}" if site in STEP_NAMES else ""
    return f"{who}{where}: {_what(execution, line)}"


BLOCKED = {
    "watching": "waits for a change",
    "parked": "parks",
    "napping": "sleeps",
    "held": "HELD for a fault",
    "dead": "KILLED",
}
PLAIN = {
    "timer": "timer fires",
    "started": "starts",
    "finished": "leaves",
    "stopped": "STOPPED",
    "continued": "goes on",
}


def _end(execution: Execution, number: int) -> Iterator[Step]:
    if execution.finding is not None:
        name, process, position = execution.finding
        said = f"{name.upper()} at position {position}"
        yield Step(number, process, False, "finding", "", said, "")
    elif execution.stop == "stuck":
        for process in range(len(execution.names)):
            last = [line for line in execution.trace if line[1] == process and line[0] == "block"]
            if last and STATES[last[-1][4]] in ("watching", "parked"):
                yield Step(number, process, False, "finding", "", "WAITS FOR EVER", "")


def table(shown: Sequence[Step], names: Sequence[str], *, columns: int) -> Table:
    """As wide as fits, with as much detail as fits. Where there is no room for a lane for each,
    they share one, and every line begins with its process."""
    room = (columns - NUMBER_COLUMNS) // max(len(names), 1) - BETWEEN_COLUMNS
    if room < LANE_LEAST_COLUMNS:
        return _shared(shown, names)
    detail = next((d for d in (2, 1, 0) if all(len(step.text(d)) <= room for step in shown)), 0)
    made = _empty()
    for name in names:
        narrowest = min(len(name), room)
        made.add_column(
            name, no_wrap=True, overflow="ellipsis", min_width=narrowest, max_width=room
        )
    for step in shown:
        cells = [Text("")] * len(names)
        cells[step.process] = Text(step.text(detail), style=STYLES.get(step.event, ""))
        made.add_row(_number(step), *cells)
    return made


def _shared(shown: Sequence[Step], names: Sequence[str]) -> Table:
    made = _empty()
    made.add_column("process", no_wrap=True, min_width=max(map(len, names), default=0))
    made.add_column("step", overflow="fold")
    for step in shown:
        text = Text(step.text(1), style=STYLES.get(step.event, ""))
        made.add_row(_number(step), names[step.process], text)
    return made


def _empty() -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    made.add_column("step", no_wrap=True, min_width=NUMBER_COLUMNS - 1)
    return made


def _number(step: Step) -> Text:
    text = Text(f"{step.number:>4}")
    text.append(" *" if step.is_deviation else "", style="bold red")
    return text


LEGEND = {
    "sc": "x <- 1 stores, x -> 1 reads",
    "tso": "x <- 1 stores into the buffer, 'visible' when it leaves it; x -> 1 reads, (old) where "
    "a newer store is still in a buffer",
    "ra": "x <- 1 stores, x -> 1 reads, (old) where it reads an older message",
}
LEGEND["pso"] = LEGEND["tso"]


def render(execution: Execution, console: Console, *, last: Optional[int] = None) -> None:
    """Print the diagram; `last`: only so many lines of its end."""
    shown = lines(execution)
    left_out = max(0, len(shown) - last) if last is not None else 0
    if left_out:
        console.print(f"... {left_out} lines before", style="dim")
    console.print(table(shown[left_out:], execution.names, columns=console.width))
    legend = f"* a deviation from the default schedule; {LEGEND[execution.model]}"
    console.print(legend, style="dim")
