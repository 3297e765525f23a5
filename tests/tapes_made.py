"""Tapes of the virtual world for tests: a scenario explored until it fails."""

from __future__ import annotations

from pathlib import Path

from sim import cli

MISSING_FENCE = Path(__file__).resolve().parents[1] / "scenarios/virtual/missing_fence.toml"


def explored(folder: Path, scenario: Path = MISSING_FENCE, *options: str) -> Path:
    """The tape of its first failure, with PSO unless the options name another model."""
    words = [*options] or ["--model", "pso"]
    assert cli.main(["explore", str(scenario), "--tape-dir", str(folder), *words]) in (1, 3)
    (tape,) = folder.glob("*.tape.json")
    return tape
