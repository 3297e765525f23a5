"""The table of reports: each turns the results of all runs into one text."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from sim.verdict import RunResult

REPORTS = ("text", "json", "junit")  # a module here each, with its `render`


def rendered(alias: str, results: Sequence[RunResult]) -> str:
    content: str = importlib.import_module(f"sim.report.{alias}").render(results)
    return content
