"""The programs of docs/watching-your-program.md: each runs as it stands, and is told of so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest
from pytest_runs import WATCHDOG_S, counts, environment, project
from warm_command import RunPytest

PAGE = Path(__file__).resolve().parents[1] / "docs/watching-your-program.md"

pytestmark = pytest.mark.skipif(
    not PAGE.exists(), reason="the tests run without the source tree"
)


def fenced(language: str) -> List[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def lines_of(report: str) -> List[str]:
    """Without what differs from one run to the next; `...` stands for any lines, or any rest."""
    report = re.sub(r"pid \d+, \w( in [\w.]+)?: .*", "pid", report)
    report = re.sub(r"0x[0-9a-f]+", "0x", report)
    report = re.sub(r'File ".*/', 'File "', report)
    return [line for line in report.splitlines() if line.strip() != "..."]


def test_the_program_of_the_page_goes_on_and_is_told_of_as_shown(tmp_path: Path) -> None:
    program, _ = fenced("python")
    (shown,) = fenced("text")
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        env=environment(),
    )
    assert (done.stdout, done.returncode) == ("one\ntwo\n", 0), done.stderr
    told = iter(lines_of(done.stderr))
    missing = [line for line in lines_of(shown) if line not in told]  # each after the one before
    assert missing == [], done.stderr


def test_the_tests_of_the_page_end_as_it_says(run_pytest: RunPytest, tmp_path: Path) -> None:
    _, tests = fenced("python")
    (project(tmp_path) / "test_page.py").write_text(tests)
    done = run_pytest("test_page.py", cwd=tmp_path)
    assert counts(done) == {"failed": 1, "passed": 1}, done.stdout
    assert 'Stalled: spinbed: "test_child" has made no progress for 2s' in done.stdout
    assert re.search(r"line \d+ in test_child$", done.stdout, re.MULTILINE)
