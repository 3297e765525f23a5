"""The table of reports: each turns the results of all runs into one text."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from sim.report import json, junit, text
from sim.verdict import RunResult

REPORTS: Mapping[str, Callable[[Sequence[RunResult]], str]] = {
    "text": text.render,
    "json": json.render,
    "junit": junit.render,
}
