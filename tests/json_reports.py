"""What one asks of the JSON report of several runs."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping

NEEDED = "the host offers what the run needs: "


def skipped(runs: Iterable[Mapping[str, Any]]) -> Dict[str, str]:
    """Name -> reason of every run that was skipped."""
    return {
        run["name"]: each["what"][len(NEEDED) :]
        for run in runs
        for each in run["expectations"]
        if run["verdict"] is None and each["what"].startswith(NEEDED)
    }
