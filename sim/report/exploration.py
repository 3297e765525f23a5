"""What an exploration says: a line while it runs, a line a combination, and the totals."""

from __future__ import annotations

import sys
from typing import Callable, Optional, Sequence, Tuple

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sim.virtual.exploring import Combination, Coverage, Found

REFRESHES_PER_SECOND = 4
NAME_WIDTH_MAX = 50

Rate = Tuple[int, int, float]  # executions, steps, seconds


class Ticker:
    """One line on a terminal's standard error, which goes away at the end."""

    def __init__(self, rate: Callable[[], Rate]) -> None:
        self._rate = rate
        self._live: Optional[Live] = None

    def __enter__(self) -> Ticker:
        console = Console(stderr=True, highlight=False)
        if sys.stderr.isatty() and console.is_terminal:
            self._live = Live(
                get_renderable=lambda: Text(_rate_in_words(*self._rate()), no_wrap=True),
                console=console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                refresh_per_second=REFRESHES_PER_SECOND,
            )
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()


def outcome_line(
    combination: Combination, found: Found, what: str, beside: Sequence[Combination]
) -> Text:
    """`beside`: the combinations whose lines stand below each other."""
    width = min(max(len(each.plan.name) for each in beside), NAME_WIDTH_MAX)
    by = max(len(str(each.scheduler)) for each in beside)
    line = Text()
    failed = found.first is not None
    mark = "FAIL" if failed else "ok" if found.executions else "-"
    line.append(f"{mark:<6}", style={"FAIL": "bold red", "ok": "green"}.get(mark, "dim"))
    line.append(f"{combination.plan.name:<{width}}  {combination.model:<3}  ")
    line.append(f"{str(combination.scheduler):<{by}}  {found.executions:>9} executions  ")
    line.append(what)
    if sum(found.failures.values()) > 1:
        each = ", ".join(f"{count} {name}" for name, count in sorted(found.failures.items()))
        line.append(f"; in all {each}")
    return line


def totals_line(total: Found, elapsed_s: float, covered: Coverage) -> Text:
    line = Text(f"\n{_rate_in_words(total.executions, total.steps, elapsed_s)}", style="dim")
    if covered.sketch:  # of programs no memory is looked at
        pairs = len(covered.reads_from)
        line.append(f"\nabout {covered.states} distinct states, {pairs} reads-from pairs")
    return line


def _rate_in_words(executions: int, steps: int, elapsed_s: float) -> str:
    per_s = 1 / max(elapsed_s, 1e-3)
    return (
        f"{executions} executions, {_short(steps)} steps in {elapsed_s:.1f} s: "
        f"{_short(executions * per_s)} executions/s, {_short(steps * per_s)} steps/s"
    )


def _short(count: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f}"
