"""From [sweep] to the runs of a file: each is the document with other values at some keys."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from sim.scenario.lines import Lines, Path, spell
from sim.scenario.models import Sweep
from sim.scenario.names import nearest, show
from sim.scenario.problems import Collector

RUNS_MAX = 1000

# Sweeping these would change what a run is called or means, not what it does.
FIXED = frozenset({"schema", "name", "story", "reference", "variant", "sweep"})

_PLAIN_TEXT = re.compile(r"[^\s,=\[\]\"\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Run:
    suffix: str  # "[key=value,...]", empty without a sweep
    keys: Mapping[str, Any]
    moved: Mapping[Path, int]  # replaced keys -> line of the value that took their place
    alone: Mapping[str, Any]  # a document that makes this run and no other


# One step of the sweep: which keys get which values together.
Choice = Sequence[Tuple[Path, Any, int]]


def runs_of(keys: Mapping[str, Any], problems: Collector) -> Sequence[Run]:
    """Every run of the document; empty where its [sweep] is wrong, with the problems added."""
    if "sweep" not in keys:
        return (Run("", keys, {}, keys),)
    before = len(problems.found)
    sweep: Optional[Sweep] = problems.validated(Sweep, keys["sweep"], ("sweep",))
    if sweep is None:
        return ()
    if sweep.product is None and sweep.zip is None:
        problems.add(("sweep",), "is empty: give [sweep.product] or [sweep.zip]")
    axes = _axes(keys, sweep, problems)
    if len(problems.found) > before:
        return ()
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > RUNS_MAX:
        problems.add(("sweep",), f"makes {count} runs; at most {RUNS_MAX}")
        return ()
    return [_run(keys, choices) for choices in itertools.product(*axes)]


def _axes(keys: Mapping[str, Any], sweep: Sweep, problems: Collector) -> Sequence[Sequence[Choice]]:
    known = {spell(path): path for path in _paths(keys) if path[0] not in FIXED}
    axes: List[Sequence[Choice]] = []
    for name, values in (sweep.product or {}).items():
        path: Path = ("sweep", "product", name)
        column = _column(name, values, path, known, problems)
        _refuse_repeats([_spelled(value) for value in values], path, problems)
        axes.append([[cell] for cell in column])
    columns = [
        _column(name, values, ("sweep", "zip", name), known, problems)
        for name, values in (sweep.zip or {}).items()
    ]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1 and all(columns):
        spelled = ", ".join(f"{n}: {len(c)}" for n, c in zip(sweep.zip or {}, columns))
        problems.add(("sweep", "zip"), f"needs lists of one length, has {spelled}")
    elif columns:
        axes.append(list(zip(*columns)))
        name = next(iter(sweep.zip or {}))
        rows = [", ".join(_spelled(cell[1]) for cell in row) for row in axes[-1]]
        _refuse_repeats(rows, ("sweep", "zip", name), problems)
    _refuse_overlaps(sweep, problems)
    return axes


def _column(
    name: str, values: List[Any], at: Path, known: Mapping[str, Path], problems: Collector
) -> List[Tuple[Path, Any, int]]:
    if name not in known:
        fixed = name.split(".")[0].split("[")[0] in FIXED
        message = "cannot be swept" if fixed else f"{show(name)} names no key of this file"
        problems.add(at, message, None if fixed else _nearest_key(name, known))
        return []
    lines = problems.lines
    return [(known[name], v, _line(lines, (*at, i))) for i, v in enumerate(values)]


def _refuse_repeats(spelled: Sequence[str], at: Path, problems: Collector) -> None:
    """Two runs of one name. Of lists that go together, each may say a thing again."""
    for index, text in enumerate(spelled):
        if text in spelled[:index]:
            problems.add((*at, index), f"{text} is listed twice")


def _nearest_key(name: str, known: Mapping[str, Path]) -> Optional[str]:
    """Within the same table, where that exists: "transport." in common is nothing in common."""
    table, _, last = name.rpartition(".")
    if table not in known:
        return nearest(name, known)
    siblings = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == table]
    near = nearest(last, siblings)
    return near and f"{table}.{near}"


def _line(lines: Lines, path: Path) -> int:
    return lines.nearest(path) or 1


def _refuse_overlaps(sweep: Sweep, problems: Collector) -> None:
    """A key swept together with a table around it would depend on the order of the two."""
    names = [("product", name) for name in sweep.product or {}]
    names += [("zip", name) for name in sweep.zip or {}]
    for (_, outer), (table, inner) in itertools.permutations(names, 2):
        if inner.startswith((outer + ".", outer + "[")):
            problems.add(("sweep", table, inner), f"is swept already by {show(outer)}")
    for name in set(sweep.product or {}) & set(sweep.zip or {}):
        problems.add(("sweep", "zip", name), "is swept already by [sweep.product]")


def _run(keys: Mapping[str, Any], choices: Sequence[Choice]) -> Run:
    cells = [cell for choice in choices for cell in choice]
    changed: Any = {name: value for name, value in keys.items() if name != "sweep"}
    for path, value, _ in cells:
        changed = _replaced(changed, path, value)
    suffix = ",".join(f"{spell(path)}={_spelled(value)}" for path, value, _ in cells)
    moved = {path: line for path, _, line in cells}
    # A sweep of one value keeps the name, and with it all that the seed decides.
    values = {spell(path): [value] for path, value, _ in cells}
    swept = {
        axes: {name: values[name] for name in names} for axes, names in keys["sweep"].items()
    }
    return Run(f"[{suffix}]", changed, moved, {**keys, "sweep": swept})


def _replaced(table: Any, path: Path, value: Any) -> Any:
    """A copy of what lies on the path, with the value at its end."""
    if not path:
        return value
    copy: Any = dict(table) if isinstance(table, dict) else list(table)
    copy[path[0]] = _replaced(copy[path[0]], path[1:], value)
    return copy


def _spelled(value: Any) -> str:
    """The value in the name of a run: one word, and different values differ."""
    if isinstance(value, str) and _PLAIN_TEXT.fullmatch(value):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every key path of the document. Its depth is bounded by the scanner."""
    items: Dict[Any, Any] = {}
    if isinstance(value, dict):
        items = value
    elif isinstance(value, list):
        items = dict(enumerate(value))
    for part, inner in items.items():
        yield (*path, part)
        yield from _paths(inner, (*path, part))
