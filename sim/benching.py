"""`spinbed bench`: transports side by side on this machine, as tables, JSON, plots and a page."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import List, Optional, Sequence

from sim.bench import plan, writing
from sim.bench.peers import ENTRIES, PEERS, Entry
from sim.bench.rows import Rows
from sim.bench.series import measure
from sim.errors import ExitStatus, WorldError

BUDGET_S, QUICK_BUDGET_S = 18 * 60.0, 85.0  # then what is left is left out, and said
NO_PLOTS = "no plots: matplotlib is not installed (pip install 'spinbed[peers]')"


def bench_command(arguments: argparse.Namespace) -> ExitStatus:
    """UNKNOWN where no peer could be measured at all."""
    if arguments.list:
        _list(arguments.peers)
        return ExitStatus.OK
    plots = _plots_module() if arguments.plots or arguments.page else None
    extent = plan.QUICK if arguments.quick else plan.WHOLE
    extent = replace(extent, messages=arguments.messages, sizes=arguments.sizes)
    if arguments.rounds is not None:
        extent = replace(extent, rounds=dict.fromkeys(extent.rounds, arguments.rounds))
    show = _Progress()
    found = measure(
        _entries(arguments.peers),
        arguments.workloads,
        extent,
        budget_s=QUICK_BUDGET_S if arguments.quick else BUDGET_S,
        patience_s=arguments.patience,
        progress=show.say,
    )
    show.end()
    rows = Rows(found)
    print(writing.terminal(rows))
    _write(arguments, rows, plots)
    return ExitStatus.OK if found.repetitions else ExitStatus.UNKNOWN


def _entries(names: Sequence[str]) -> List[Entry]:
    """What is not in the table is imported by its own process alone: it may die of it."""
    return [PEERS.get(name) or Entry(name, name, name) for name in names]


def _plots_module() -> Optional[ModuleType]:
    if importlib.util.find_spec("matplotlib") is None:
        print(NO_PLOTS, file=sys.stderr)
        return None
    return importlib.import_module("sim.bench.plots")


def _write(arguments: argparse.Namespace, rows: Rows, plots: Optional[ModuleType]) -> None:
    """Raises WorldError."""
    try:
        if arguments.json is not None:
            text = json.dumps(writing.as_data(rows), indent=1)
            arguments.json.write_text(text + "\n", encoding="utf-8")
        if arguments.plots is not None and plots is not None:
            plots.draw(rows, arguments.plots)
        if arguments.page is not None:
            page: Path = arguments.page
            drawn = [] if plots is None else plots.draw(rows, page.parent / page.stem)
            page.write_text(writing.page(rows, drawn, page.parent), encoding="utf-8")
    except OSError as error:
        raise WorldError("write", errno=error.errno, detail=str(error.filename)) from error


def _list(names: Sequence[str]) -> None:
    wide = max(len(entry.alias) for entry in ENTRIES)
    for entry in _entries(names):
        print(f"{entry.alias:{wide}}  {entry.what}{_installed(entry)}")


def _installed(entry: Entry) -> str:
    if not entry.distribution:
        return ""
    try:
        return f" ({entry.distribution} {metadata.version(entry.distribution)})"
    except metadata.PackageNotFoundError:
        return f" (not installed: pip install {entry.distribution})"


class _Progress:
    """One line on a terminal, which is written over; nothing elsewhere."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self._is_shown:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        self.say("")
