"""What was found as JSON, as a page, and as lines for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from sim.bench.goals import outcomes
from sim.bench.machine import CALM_LOAD
from sim.bench.plan import Cell
from sim.bench.rows import Rows, Spread
from sim.bench.series import Series
from sim.bench.tables import Table, tables

OTHERS_PERCENT = 20.0  # of a core, in the median repetition: from there on others disturb


def as_data(rows: Rows) -> Dict[str, Any]:
    """Everything: each repetition, rows, goals, limits, and what was the matter."""
    series = rows.series
    return {
        "machine": series.machine,
        "cores": list(series.cores),
        "load_after": series.load_after,
        "seconds": round(series.seconds, 1),
        "disturbed": disturbance(series),
        "left_out": series.left_out,
        "peers": [
            {
                "alias": entry.alias,
                "what": entry.what,
                "version": next((p.version for p in series.peers if p.alias == entry.alias), ""),
                "absent": series.absent.get(entry.alias),
                "given_up": entry.alias in series.given_up,
            }
            for entry in series.entries
        ],
        "limits": series.limits,
        "no_limits": series.no_limits,
        "epochs": {"centres_ns": rows.centres_ns, "repetitions": dict(rows.epochs)},
        "failures": [
            {"peer": alias, "cell": _cell(cell), "why": why}
            for (alias, cell), why in series.failures.items()
        ],
        "repetitions": [
            {
                "round": each.turn.round,
                "peer": each.turn.alias,
                "cell": _cell(each.turn.cell),
                "epoch": rows.epoch_of[id(each)],
                "line_ns": list(each.line_ns),
                "others_cpu_percent": each.others_cpu_percent,
                "note": each.note,
                "figures": each.figures,
            }
            for each in series.repetitions
        ],
        "goals": [
            {
                "of": outcome.goal.part,
                "goal": outcome.goal.text,
                "bound": outcome.goal.bound,
                "verdict": outcome.verdict,
                **{
                    name: {"found": _spread(found), "noise": _spread(noise)}
                    for name, found, noise in outcome.placements
                },
            }
            for outcome in outcomes(rows)
        ],
    }


def _cell(cell: Cell) -> Mapping[str, Any]:
    return {
        "workload": cell.workload,
        "form": cell.form.value,
        "size_bytes": cell.size_bytes,
        "readers": cell.readers,
        "gap_ms": cell.gap_ms,
        "is_pinned": cell.is_pinned,
    }


def _spread(spread: Optional[Spread]) -> Optional[Mapping[str, float]]:
    if spread is None:
        return None
    return {
        "median": spread.median,
        "low": spread.low,
        "high": spread.high,
        "rounds": spread.count,
    }


def disturbance(series: Series) -> str:
    """What else ran, if it was enough to spoil figures."""
    shares = sorted(
        each.others_cpu_percent
        for each in series.repetitions
        if each.others_cpu_percent is not None
    )
    load = series.machine["load_average"][0]
    typical = shares[len(shares) // 2] if shares else 0.0
    if load <= CALM_LOAD and typical <= OTHERS_PERCENT:
        return ""
    return (
        f"Other work ran on this machine: load average {load} before the run; in the median "
        f"repetition other processes used {typical:.0f} % of a core. These figures try the "
        "instrument; they say little about what is measured."
    )


def summary(rows: Rows) -> List[str]:
    series = rows.series
    machine = series.machine
    rounds = max(series.extent.rounds.values())
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"{machine['python']}; {machine['time']}; {series.seconds:.0f} s, {rounds} rounds; "
        f"measured on cores {' and '.join(map(str, series.cores))}",
        f"Load average {machine['load_average'][0]} before, {series.load_after} after.",
    ]
    if rows.centres_ns:
        counts = ", ".join(f"{count} {name}" for name, count in rows.epochs.most_common())
        lines.append(f"Epochs, by a cache line's round trip between both cores: {counts}.")
    elif series.no_limits:
        lines.append(series.no_limits)
    if series.left_out:
        lines.append(f"The time was too short for {series.left_out}.")
    wrong = disturbance(series)
    if wrong:
        lines.append(wrong)
    return lines


def terminal(rows: Rows) -> str:
    parts = ["\n".join(summary(rows))]
    for table in tables(rows):
        parts.append("\n".join([table.title, *_aligned(table)]))
        if table.about:
            parts[-1] += f"\n{table.about}"
    return "\n\n".join(parts)


def _aligned(table: Table) -> List[str]:
    grid = [list(table.header), *(list(row) for row in table.rows)]
    widths = [max(len(row[column]) for row in grid) for column in range(len(table.header))]
    numeric = [
        all(_is_number(row[column]) for row in grid[1:]) for column in range(len(table.header))
    ]
    lines = []
    for row in grid:
        cells = [
            text.rjust(width) if is_numeric else text.ljust(width)
            for text, width, is_numeric in zip(row, widths, numeric)
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text in ("", "-")


def page(rows: Rows, plots: Sequence[Path], folder: Path) -> str:
    """Markdown. Plots are linked from `folder`, where the page lies."""
    parts = [
        "# Performance: this ring beside its peers",
        "`spinbed bench` makes this page on the machine where it runs: `make bench`. Compare "
        "within one page only. [How it is measured](benchmarking.md).",
        "\n".join(f"- {line}" for line in summary(rows)),
    ]
    for plot in plots:
        parts.append(f"![{plot.stem.replace('-', ' ')}]({plot.relative_to(folder).as_posix()})")
    for table in tables(rows):
        parts.append(f"## {table.title}")
        if table.about:
            parts.append(table.about)
        parts.append("\n".join(_markdown(table)))
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> List[str]:
    lines = [_line(table.header), "|" + "---|" * len(table.header)]
    return lines + [_line(row) for row in table.rows]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
