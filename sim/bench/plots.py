"""The figures drawn, by matplotlib where it is installed: four plots, each as PNG and SVG."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator  # noqa: E402

from sim.bench.measures import HALF, P99, RATE, READER_CPU, WAKE  # noqa: E402
from sim.bench.peer import SIZES, Form  # noqa: E402
from sim.bench.peers import PEERS  # noqa: E402
from sim.bench.plan import FAN_OUT, PACED, PAIR, Cell, size_text  # noqa: E402
from sim.bench.rows import Row, Rows  # noqa: E402

DPI = 110
OURS_COLOUR = "#c1121f"
COLOURS = (
    *("#1f5fa8", "#2a9d8f", "#e08e0b", "#6a4c93", "#3a7d44", "#8c564b"),
    *("#d6679b", "#5c6b73", "#a3a200", "#17a2c4", "#9a6324", "#404e9b"),
)
MARKERS = "os^Dv<>Phd*X"
WAYS = [alias for alias, entry in PEERS.items() if entry.is_ours and alias != "spinbed"]
TWICE = ("spinbed-again", "spinbed-recorded")  # of the same ring; in the tables
Point = Tuple[float, float]


def draw(rows: Rows, folder: Path) -> List[Path]:
    """The PNG files, those for which there are figures. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    styles = _styles(rows)
    made = []
    for name, figure in (
        ("latency-by-size", _latency(rows, styles)),
        ("throughput-by-size", _throughput(rows, styles)),
        ("cpu-against-latency", _cpu(rows, styles)),
        ("throughput-against-readers", _readers(rows, styles)),
    ):
        if figure is None:
            continue
        for suffix in ("png", "svg"):
            file = folder / f"{name}.{suffix}"
            figure.savefig(file, dpi=DPI, bbox_inches="tight", metadata=_undated(suffix))
        pyplot.close(figure)
        made.append(folder / f"{name}.png")
    return made


def _undated(suffix: str) -> Mapping[str, Any]:
    return {"Date": None} if suffix == "svg" else {}


def _styles(rows: Rows) -> Dict[str, Mapping[str, Any]]:
    """Each peer looks the same in all plots; ours stands out."""
    found: Dict[str, Mapping[str, Any]] = {}
    others = 0
    for entry in rows.series.entries:
        is_first = entry.alias == "spinbed"
        if entry.alias in PEERS and PEERS[entry.alias].is_ours:
            mark = MARKERS[len(found) % len(MARKERS)]
            width = 3.0 if is_first else 1.2
            found[entry.alias] = {
                "color": OURS_COLOUR,
                "marker": "o" if is_first else mark,
                "linewidth": width,
                "linestyle": "-" if is_first else ":",
                "zorder": 5 if is_first else 3,
            }
            continue
        found[entry.alias] = {
            "color": COLOURS[others % len(COLOURS)],
            "marker": MARKERS[others % len(MARKERS)],
            "linewidth": 1.3,
            "zorder": 2,
        }
        others += 1
    return found


def _cells(rows: Rows, workload: str, **wanted: Any) -> List[Row]:
    return [
        row
        for (alias, cell), row in rows.rows.items()
        if cell.workload == workload
        and alias not in TWICE
        and all(getattr(cell, name) == value for name, value in wanted.items())
    ]


def _limit(axes: Any, rows: Rows, name: str) -> None:
    """What C reaches between the same two cores."""
    limits = rows.series.limits
    known = limits.get({HALF: "copy_us", RATE: "stream_per_s"}.get(name, ""), {})
    points = [(int(size), value) for size, value in known.items()]
    if points:
        axes.plot(
            *zip(*points),
            label="limit: C, one copy in, one out",
            color="black",
            linewidth=1.2,
            linestyle=(0, (1, 2)),
            zorder=1,
        )


FORMS = ((Form.BYTES, "bytes, copied out"), (Form.VIEW, "in place"), (Form.OBJECT, "objects"))


def _latency(rows: Rows, styles: Mapping[str, Mapping[str, Any]]) -> Any:
    names = ((HALF, "p50"), (P99, "p99"), ("half_us.p999", "p99.9"))
    return _by_size(rows, styles, names, "half of a round trip, us")


def _throughput(rows: Rows, styles: Mapping[str, Mapping[str, Any]]) -> Any:
    return _by_size(rows, styles, ((RATE, "messages a second"),), "messages a second")


def _by_size(
    rows: Rows,
    styles: Mapping[str, Mapping[str, Any]],
    names: Sequence[Tuple[str, str]],
    unit: str,
) -> Any:
    """A row of plots for each figure, a column for each form; what loses messages is dashed."""
    forms = [each for each in FORMS if _cells(rows, PAIR, form=each[0], is_pinned=False)]
    if not forms:
        return None
    size = (4.6 * len(forms) + 1.6, 3.7 * len(names) + 0.6)
    figure, grid = pyplot.subplots(
        len(names), len(forms), figsize=size, sharey="row", sharex=True, squeeze=False
    )
    for line, (name, title) in zip(grid, names):
        for axes, (form, what) in zip(line, forms):
            for alias, points in _lines(rows, form, name).items():
                style = dict(styles[alias])
                if not _is_lossless(rows, alias, form):
                    style["linestyle"] = "--"
                axes.plot(*zip(*points), label=alias, markersize=4, **style)
            if form is not Form.OBJECT:
                _limit(axes, rows, name)
            axes.set_title(f"{what}: {title}", fontsize=10)
            axes.set_yscale("log")
            _sizes(axes)
        line[0].set_ylabel(unit)
    _finish(figure, grid, "One writer, one reader, not pinned (dashed: messages were lost)")
    return figure


def _lines(rows: Rows, form: Form, name: str) -> Dict[str, List[Point]]:
    found: Dict[str, List[Point]] = {}
    for row in _cells(rows, PAIR, form=form, is_pinned=False):
        value = row.median(name)
        if value and row.alias not in WAYS:
            found.setdefault(row.alias, []).append((row.cell.size_bytes, value))
    return {alias: sorted(points) for alias, points in found.items()}


def _is_lossless(rows: Rows, alias: str, form: Form) -> bool:
    return all(rows.is_lossless(alias, Cell(PAIR, form, size, 1, 0, False)) for size in SIZES)


def _sizes(axes: Any) -> None:
    axes.set_xscale("log", base=4)
    axes.xaxis.set_major_locator(FixedLocator(SIZES))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: size_text(int(size))))
    axes.set_xlim(SIZES[0] / 1.6, SIZES[-1] * 1.6)
    axes.grid(True, which="major", alpha=0.3)


def _cpu(rows: Rows, styles: Mapping[str, Mapping[str, Any]]) -> Any:
    """Of one message a ms: what a short latency costs. Names stand at the points."""
    gaps = sorted({row.cell.gap_ms for row in _cells(rows, PACED, is_pinned=False)})
    if not gaps:
        return None
    figure, grid = pyplot.subplots(
        1, len(gaps), figsize=(6.2 * len(gaps), 5.2), sharey=True, squeeze=False
    )
    for axes, gap in zip(grid[0], gaps):
        for row in _cells(rows, PACED, is_pinned=False, gap_ms=gap):
            latency, used = row.median(WAKE), row.median(READER_CPU)
            if latency is None or used is None:
                continue
            style = styles[row.alias]
            axes.plot(
                [latency],
                [max(used, 0.01)],
                label=row.alias,
                color=style["color"],
                marker=style["marker"],
                markersize=10 if row.alias == "spinbed" else 7,
                linestyle="none",
                zorder=style["zorder"],
            )
        _decades(axes)
        axes.set_title(f"a message every {gap} ms", fontsize=10)
        axes.set_xlabel("from the writer's call to the reader, p50, us")
        axes.set_ylim(top=150)
        axes.grid(True, which="major", alpha=0.3)
    grid[0][0].set_ylabel("the reader's share of a core, %")
    _finish(figure, grid, "Processor time against latency: left and low is best")
    return figure


def _decades(axes: Any) -> None:
    """Both axes logarithmic, from a power of ten to another, and only those have numbers."""
    for axis, limits, setter, scale in (
        (axes.xaxis, axes.get_xlim, axes.set_xlim, axes.set_xscale),
        (axes.yaxis, axes.get_ylim, axes.set_ylim, axes.set_yscale),
    ):
        scale("log")
        low, high = limits()
        setter(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _readers(rows: Rows, styles: Mapping[str, Mapping[str, Any]]) -> Any:
    cells = [row for row in _cells(rows, FAN_OUT, size_bytes=64, gap_ms=0, is_pinned=False)]
    if not cells:
        return None
    figure, grid = pyplot.subplots(1, 1, figsize=(7.2, 4.8), squeeze=False)
    axes = grid[0][0]
    found: Dict[str, List[Point]] = {}
    for row in cells:
        value = row.median(RATE)
        if value:
            found.setdefault(row.alias, []).append((row.cell.readers, value))
    for alias, points in found.items():
        style = dict(styles[alias])
        lost = any(not rows.is_lossless(alias, row.cell) for row in cells if row.alias == alias)
        if lost:
            style["linestyle"] = "--"
        axes.plot(*zip(*sorted(points)), label=alias, markersize=5, **style)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({row.cell.readers for row in cells})))
    axes.set_xlabel("readers, on two cores")
    axes.set_ylabel("messages a second that every reader has got")
    axes.grid(True, which="major", alpha=0.3)
    _finish(figure, grid, "64 B to several readers (dashed: messages were lost)")
    return figure


def _finish(figure: Any, grid: Any, title: str) -> None:
    """One legend for all, beside them."""
    handles: Dict[str, Any] = {}
    for line in grid:
        for axes in line:
            for handle, label in zip(*axes.get_legend_handles_labels()):
                handles.setdefault(label, handle)
    figure.suptitle(title, fontsize=12)
    figure.tight_layout()
    figure.legend(
        handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9
    )
