"""The table of reports: each turns the results of all runs into one text."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from sim.verdict import RunResult

REPORTS = ("text", "json", "junit")  # a module here each, with its `render`
DRAWN = ("plots",)  # into a folder: a module here each, with its `draw`, which needs matplotlib


def drawn(alias: str, results: Sequence[RunResult], folder: Path) -> Sequence[Path]:
    """The files that were made. Raises OSError."""
    made: Sequence[Path] = importlib.import_module(f"sim.report.{alias}").draw(results, folder)
    return made


def rendered(alias: str, results: Sequence[RunResult]) -> str:
    content: str = importlib.import_module(f"sim.report.{alias}").render(results)
    return content
