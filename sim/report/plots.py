"""The pictures of clusters: step time against slow hosts, blame, what time-outs cost, depths.

Each picture is of runs that differ in what it shows; what no run shows is not drawn. Needs
matplotlib, the extra `plots`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import matplotlib
from matplotlib.figure import Figure

from sim.checkers.blames import NOBODY
from sim.jobs import Job, Struck, Times
from sim.report.jobs import short
from sim.verdict import RunResult

# Okabe and Ito, Color universal design: told apart by most who cannot tell red from green.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
GREY = "#777777"
TICKS = tuple(digit * 10.0**power for power in range(-4, 6) for digit in (1, 2, 5))
SIZE = (7.2, 4.3)  # inches
DPI = 150
POINTS_MIN = 3  # of a line
DEPTH_MIN = 3  # a ring that never had more says nothing of back-pressure

Named = Sequence[Tuple[str, Job]]


def draw(results: Sequence[RunResult], folder: Path) -> Sequence[Path]:
    """Every picture that the runs have, as PNG and SVG; where they are. Raises OSError."""
    named = [(r.name.partition("[")[0], r.job) for r in results if r.job is not None]
    drawn: Dict[str, Figure] = {}
    with matplotlib.rc_context(STYLE):
        for name, jobs in _by_name(named).items():
            _keep(drawn, f"{name}-steps", slow_hosts(jobs))
            _keep(drawn, f"{name}-cost", time_outs(jobs))
            for index, job in enumerate(jobs):
                suffix = f"-{index}" if len(jobs) > 1 else ""
                _keep(drawn, f"{name}-depth{suffix}", depths(job))
        compared = [jobs for jobs in _by_name(named).values() if _is_of_kinds(jobs)]
        _keep(drawn, "blame", blame([job for jobs in compared for job in jobs]))
        folder.mkdir(parents=True, exist_ok=True)
        return [path for name, figure in drawn.items() for path in save(figure, folder, name)]


STYLE: Dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "spinbed",  # the same picture is the same file
}


def save(figure: Figure, folder: Path, name: str) -> Sequence[Path]:
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    figure.savefig(paths[0], dpi=DPI)
    figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _keep(drawn: Dict[str, Figure], name: str, figure: Optional[Figure]) -> None:
    if figure is not None:
        drawn[name] = figure


def _by_name(named: Named) -> Mapping[str, List[Job]]:
    found: Dict[str, List[Job]] = {}
    for name, job in named:
        found.setdefault(name, []).append(job)
    return found


def figure_of(title: str, x: str, y: str, size: Tuple[float, float] = SIZE) -> Tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def slow_hosts(jobs: Sequence[Job]) -> Optional[Figure]:
    """Step time against the number of slow hosts; 0 is before they were."""
    points: Dict[int, Times] = {}
    for job in jobs:
        if job.during is not None and all(f.alias == "slow_host" for f in job.faults):
            points[len(job.faults)] = job.during
            if job.before is not None:
                points[0] = job.before
    if len(points) < POINTS_MIN + 1:
        return None
    counts = sorted(points)
    places = range(len(counts))
    title = f"Step time of a job of {jobs[0].hosts} hosts x {jobs[0].readers // jobs[0].hosts}"
    figure, axes = figure_of(f"{title} readers", "slow hosts", "step time (ms)")
    lines: Tuple[Tuple[str, Callable[[Times], int]], ...] = (
        ("99th percentile", lambda times: times.p99_ns),
        ("median", lambda times: times.p50_ns),
    )
    for (label, of), colour, marker in zip(lines, COLOURS[1::-1], MARKERS):
        heights = [of(points[count]) / 1e6 for count in counts]
        axes.plot(places, heights, marker=marker, color=colour, linewidth=2)
        axes.annotate(label, (places[-1], heights[-1]), xytext=(-4, 7), color=colour,
                      textcoords="offset points", ha="right")  # fmt: skip
    axes.set_xticks(list(places), [str(count) for count in counts])
    axes.set_ylim(bottom=0, top=1.15 * max(points[count].p99_ns for count in counts) / 1e6)
    return figure


def _is_of_kinds(jobs: Sequence[Job]) -> bool:
    """Of several kinds of policies, each with one setting."""
    kinds = {job.kind for job in jobs}
    return len(kinds) > 1 and len(kinds) == len({job.policy for job in jobs})


def blame(jobs: Sequence[Job]) -> Optional[Figure]:
    """Fault by fault: after how long each policy named whom."""
    rows: Dict[str, Dict[str, Struck]] = {}
    for job in jobs:
        if job.faults:
            rows.setdefault(_what(job.faults[0]), {}).setdefault(job.policy, job.faults[0])
    policies = list(dict.fromkeys(policy for row in rows.values() for policy in row))
    if len(rows) < 2 or len(policies) < 2:
        return None
    size = (SIZE[0] + 1.2, 1.3 + 0.14 * sum(map(len, rows.values())))
    figure, axes = figure_of("Who is blamed, how long after the fault", "time to blame (s)", "",
                             size)  # fmt: skip
    times = [f.after_ns / 1e9 for row in rows.values() for f in row.values() if f.after_ns]
    never = 4 * max(times, default=1.0)
    for place, row in enumerate(rows.values()):
        for policy, struck in row.items():
            index = policies.index(policy)
            y = place + 0.6 * ((index + 0.5) / len(policies) - 0.5)
            _mark_blame(axes, struck, y, never, COLOURS[index % len(COLOURS)], MARKERS[index % 7])
    for index, policy in enumerate(policies):
        axes.plot([], [], MARKERS[index % 7], color=COLOURS[index % len(COLOURS)], label=policy)
    axes.plot([], [], "o", color=GREY, markerfacecolor="white", label="an alarm, no name")
    axes.set_xscale("log")
    axes.axvline(never / 2, color=GREY, linewidth=0.8, linestyle=":")
    axes.text(never, -0.62, "never", ha="center", va="bottom", color=GREY)
    least = 0.6 * min(times, default=0.1)
    axes.set_xlim(least, 1.8 * never)
    ticks = [tick for tick in TICKS if least <= tick < never / 2]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.grid(axis="y", visible=False)
    for place in range(len(rows) - 1):
        axes.axhline(place + 0.5, color="#e4e4e4", linewidth=0.8)
    figure.legend(loc="outside right center")
    return figure


def _mark_blame(
    axes: Any, struck: Struck, y: float, never: float, colour: str, marker: str
) -> None:
    if struck.after_ns is None:
        axes.plot([never], [y], marker, color=colour, alpha=0.55)
        return
    is_named = struck.blamed != NOBODY
    face = colour if is_named else "white"
    seconds = struck.after_ns / 1e9
    axes.plot([seconds], [y], marker, color=colour, markerfacecolor=face)
    if is_named and not struck.is_right:
        axes.annotate("wrong", (seconds, y), xytext=(6, -3), textcoords="offset points")


def _what(struck: Struck) -> str:
    """The fault without its number: "stall of a reader"."""
    last = struck.target.rpartition(".")[2].partition("[")[0]
    alias = struck.alias.replace("_", " ")
    return alias if alias.endswith(last) else f"{alias}\nof a {last}"


def time_outs(jobs: Sequence[Job]) -> Optional[Figure]:
    """False blames against detection time, the mean over faults; a line for each kind of policy."""
    lines: Dict[str, List[Tuple[float, float, str]]] = {}
    for job in jobs:
        after_ns = job.detection_ns
        if after_ns is not None:
            point = (after_ns / 1e9, job.false_blames_per_hour, job.policy)
            lines.setdefault(job.kind, []).append(point)
    if _is_of_kinds(jobs) or min(map(len, lines.values()), default=0) < POINTS_MIN:
        return None
    figure, axes = figure_of(
        f"What a time-out costs: {jobs[0].readers} readers, links with a long tail",
        "time from the fault to the right blame (s)",
        "blames of the healthy, per hour",
        (SIZE[0] + 0.8, SIZE[1] + 0.6),
    )
    for index, (kind, points) in enumerate(lines.items()):
        points.sort(key=lambda each: (-each[1], each[0]))
        colour = COLOURS[index % len(COLOURS)]
        xs, ys = [each[0] for each in points], [each[1] for each in points]
        axes.plot(xs, ys, marker=MARKERS[index], color=colour, linewidth=1.5, label=kind)
        for x, y, policy in points:
            # The first line is the lowest. At zero labels of two lines lie one above the other.
            left = bool(y) and not index
            place = ((-6, -11) if left else (6, 5)) if y else (0, 7 + 11 * (index % 2))
            side = "right" if left else "left" if y else "center"
            axes.annotate(_setting(policy), (x, y), xytext=place, textcoords="offset points",
                          fontsize=8, color=colour, ha=side)  # fmt: skip
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(bottom=-1.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend()
    return figure


def _setting(policy: str) -> str:
    """What it is set to, without what all of its kind have: "phi 8, 100ms" is 8."""
    said = policy.partition(" ")[2].split(",")[0]
    return said.partition("+")[1] + said.partition("+")[2].strip() if "+" in said else said


def depths(job: Job) -> Optional[Figure]:
    """How many messages wait in each host's ring, over time; faults by their hosts."""
    rows = job.depths.rows
    if max((max(row, default=0) for row in rows), default=0) < DEPTH_MIN:
        return None
    figure, axes = figure_of(
        f"Messages in the ring of each host ({len(rows)} of {job.hosts} hosts)",
        "time (s)",
        "host",
        (SIZE[0] + 0.8, 1.8 + 0.16 * len(rows)),
    )
    seconds = len(rows[0]) * job.depths.every_ns / 1e9
    extent = (0, seconds, len(rows) - 0.5, -0.5)
    picture = axes.imshow(rows, aspect="auto", cmap="Blues", vmin=0, extent=extent,
                          interpolation="nearest")  # fmt: skip
    for struck in job.faults:
        host = int("".join(filter(str.isdigit, struck.target.partition("]")[0])) or 0)
        if host in job.depths.hosts:
            place = (struck.at_ns / 1e9, list(job.depths.hosts).index(host))
            text = f"{struck.alias} {struck.target}"
            axes.plot([place[0]], [place[1]], ">", color=COLOURS[1], markersize=7)
            axes.annotate(text, place, xytext=(0, 8), textcoords="offset points", fontsize=8,
                          color=COLOURS[1])  # fmt: skip
    axes.set_yticks(range(len(rows)), [str(host) for host in job.depths.hosts], fontsize=7)
    axes.grid(visible=False)
    figure.colorbar(picture, ax=axes, label="messages that somebody has still to read", pad=0.02)
    if job.blocked_ns:
        axes.set_title(
            f"{axes.get_title(loc='left')}; the writer was held up for {short(job.blocked_ns)}"
        )
    return figure
