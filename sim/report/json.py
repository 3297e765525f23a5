"""The JSON report: docs/report-schema.json says what each key is."""

from __future__ import annotations

import json
from typing import Any, Dict, Sequence

from sim.report import jobs
from sim.verdict import RunResult

SCHEMA = 1


def render(results: Sequence[RunResult]) -> str:
    document = {"schema": SCHEMA, "scenarios": [_scenario(result) for result in results]}
    return json.dumps(document, indent=2) + "\n"


def _scenario(result: RunResult) -> Dict[str, Any]:
    return {
        "name": result.name,
        "path": result.path,
        "world": result.world,
        "seed": result.seed,
        "verdict": result.verdict,
        "as_expected": result.as_expected,
        "exit_status": int(result.exit_status),
        "checkers": [
            {"alias": checker.alias, "result": checker.result, "why": checker.why}
            for checker in result.checkers
        ],
        "expectations": _expectations(result),
        "hang": result.hang,
        "job": None if result.job is None else jobs.as_json(result.job),
        "faults": [
            {
                "alias": fault.alias,
                "target": fault.target,
                "fired": fault.fired,
                "healed": fault.healed,
            }
            for fault in result.faults
        ],
        "processes": [
            {
                "name": process.name,
                "incarnation": process.incarnation,
                "pid": process.pid,
                "python": process.python,
                "kernels": process.kernels,
                "wait": process.wait,
                "wait_asked_for": process.wait_asked_for,
                "rung": process.rung,
                "exit": process.exit,
            }
            for process in result.processes
        ],
        "duration_ns": result.duration_ns,
        "reproduce": result.reproduce,
    }


def _expectations(result: RunResult) -> Sequence[Dict[str, Any]]:
    """A skipped run expected something of the host: that is the place where its reason is told."""
    met = [{"what": each.what, "met": each.met} for each in result.expectations]
    if result.skipped is not None:
        met.append({"what": f"the host offers what the run needs: {result.skipped}", "met": False})
    return met
