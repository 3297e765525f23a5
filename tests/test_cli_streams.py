"""The command with streams that its caller closed, and names that would break a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_usage import GOOD, WATCHDOG_S

import cy_kernels
from cy_kernels.choice import VARIABLE
from sim.errors import Problem


def in_a_shell(redirections: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "sim.cli", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=WATCHDOG_S,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            VARIABLE: cy_kernels.status().kind,  # asked for, pure kernels are nothing to tell of
        },
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_run_does_without_the_streams_that_its_caller_closed(tmp_path: Path, closed: str) -> None:
    (tmp_path / "good.toml").write_text(GOOD, encoding="utf-8")
    done = in_a_shell(closed, "run", "good.toml", "--report", "json=out.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [run["verdict"] for run in report["scenarios"]] == ["valid"]


def test_bad_input_has_its_status_with_nobody_to_tell(tmp_path: Path) -> None:
    assert in_a_shell(">&- 2>&-", "run", "nowhere.toml", cwd=tmp_path).returncode == 64


def test_a_line_break_in_a_name_stays_in_its_line() -> None:
    problem = Problem("a\nb.toml", 3, "x\t\u202ey", "ünï \udcff 'a\x1b[31m'")
    assert str(problem) == r"a\nb.toml:3: x\t\u202ey: ünï \udcff 'a\x1b[31m'"


def test_an_interpreter_that_fails_at_its_start_is_quoted_in_the_report(tmp_path: Path) -> None:
    broken = 'name = "reader"\nstart = "spawn"\nenv = { PYTHONOPTIMIZE = "1" }'
    scenario = GOOD.replace('name = "reader"', broken)
    (tmp_path / "broken.toml").write_text(scenario, encoding="utf-8")
    done = in_a_shell("", "run", "broken.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert "before it was ready: RuntimeError: spinbed's assertions are part" in done.stdout
    what, *quoted, where, command = done.stdout.splitlines()[1:-2]
    assert what.strip().startswith("start failed: pid ")
    assert any('/sim/__init__.py", line' in line for line in quoted), done.stdout
    assert all(line.startswith(" " * 8 + "| ") for line in quoted)
    assert where.strip() == "no history: the run did not end"
    assert command.strip() == "spinbed run broken.toml --seed 0 --world live"
