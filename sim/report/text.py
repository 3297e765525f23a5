"""The report for people: a line a run, three lines a failure, then the totals."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from rich.text import Text

from sim.errors import ExitStatus
from sim.history.op import INJECT
from sim.report import jobs
from sim.report.hangs import confusion
from sim.report.wording import duration, plain
from sim.verdict import RunResult

NAME_WIDTH_MAX = 60  # a longer name pushes its own line out, not everybody's
INDENT = " " * 6
NAMES_MAX = 3  # of the skipped, with each reason
STYLES = {"ok": "green", "FAIL": "bold red", "skip": "yellow"}


def render(results: Sequence[RunResult]) -> str:
    name_width = width_of(result.name for result in results)
    parts = [run_line(result, name_width=name_width).plain for result in results]
    return "\n".join([*parts, totals(results).plain]) + "\n"


def width_of(names: Iterable[str]) -> int:
    """How wide the column of names is."""
    return min(max(map(len, names), default=0), NAME_WIDTH_MAX)


def run_line(result: RunResult, *, name_width: int) -> Text:
    """What one run came to; a failure has three lines more, a skip its reason in the totals."""
    mark = _mark(result)
    line = Text()
    line.append(f"{mark:<4}  ", style=STYLES[mark])
    line.append(f"{result.verdict or '-':<7}  {plain(result.name):<{name_width}}  ")
    line.append(f"seed {result.seed}  {duration(result.duration_ns):>8}", style="dim")
    if mark == "FAIL":
        for part in failure_lines(result):
            line.append(f"\n{INDENT}{part}")
    return line


def failure_lines(result: RunResult) -> Sequence[str]:
    """What, where in the history, and the exact command that reproduces it."""
    if result.failure:
        return [plain(line) for line in result.failure]
    blamed = [f"{each.alias}: {each.why}" for each in result.checkers if each.result != "valid"]
    unmet = [f"unmet: {each.what}" for each in result.expectations if not each.met]
    return [plain(line) for line in [*(unmet or blamed or ["not as expected"]), result.reproduce]]


def totals(results: Sequence[RunResult], *, elapsed_ns: Optional[int] = None) -> Text:
    """How many came out how, and why the skipped were skipped."""
    marks = Counter(_mark(result) for result in results)
    line = Text("\n")
    line.append(f"{len(results)} run{'' if len(results) == 1 else 's'}: ")
    line.append(f"{marks['ok']} as expected", style="green" if marks["ok"] else "")
    line.append(", ")
    line.append(f"{marks['FAIL']} not", style="bold red" if marks["FAIL"] else "")
    line.append(", ")
    line.append(f"{marks['skip']} skipped", style="yellow" if marks["skip"] else "")
    if elapsed_ns is not None:
        line.append(f"  in {duration(elapsed_ns)}", style="dim")
    for reason, names in _reasons(results).items():
        more = ", ..." if len(names) > NAMES_MAX else ""
        named = ", ".join(names[:NAMES_MAX]) + more
        line.append(f"\n  skipped {len(names)} ({named}): {reason}", style="yellow")
    for ran, asked_for in waits(results).items():
        line.append(f"\n  waits: {', '.join(asked_for)} ran as {ran}", style="dim")
    for row in confusion(results):
        line.append(f"\n  {row}")
    for index, row in enumerate(jobs.rows(results)):
        line.append(f"\n  {row}" if index else f"\n\n  {row}", style="" if index else "dim")
    reached = steps(results)
    if reached:
        missed = sorted({step for step, is_there in reached if not is_there})
        line.append(f"\n  steps covered: {sum(there for _, there in reached)} of {len(reached)}")
        line.append(f"; never come to: {', '.join(missed)}" if missed else "", style="bold red")
    return line


def waits(results: Sequence[RunResult]) -> Mapping[str, Sequence[str]]:
    """By the strategies that processes really waited by: the others that they had been told."""
    found: Dict[str, List[str]] = {}
    for result in results:
        for process in result.processes:
            asked_for = found.setdefault(process.wait, [])
            if process.wait_asked_for not in (process.wait, *asked_for):
                asked_for.append(process.wait_asked_for)
    return {ran: sorted(asked_for) for ran, asked_for in found.items() if asked_for}


def steps(results: Sequence[RunResult]) -> Sequence[Tuple[str, bool]]:
    """Each step at which a run meant something to happen, and whether it did, there and nowhere
    else."""
    found: List[Tuple[str, bool]] = []
    for result in results:
        for fault in result.faults:
            for each in fault.evidence:
                said = each.get("evidence", {})
                if each.get("f") == INJECT and "step" in said:
                    name = f"{fault.target} {said['step']}"
                    occurrence = said.get("occurrence", 1)
                    name += f" ({occurrence})" if occurrence > 1 else ""
                    found.append((name, fault.fired and bool(said["is_there"])))
    return found


def _mark(result: RunResult) -> str:
    if result.as_expected is None:
        return "skip"
    return "ok" if result.as_expected and result.exit_status is ExitStatus.OK else "FAIL"


def _reasons(results: Sequence[RunResult]) -> Mapping[str, Sequence[str]]:
    """Which runs were skipped for it: one reason often stands for all of them."""
    reasons: Dict[str, List[str]] = {}
    for result in results:
        if _mark(result) == "skip":
            reasons.setdefault(plain(result.skipped or ""), []).append(plain(result.name))
    return reasons
