"""The check that a test run skips only what is listed, with real test runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import skip_ledger
from expected_skips import EXPECTED
from pytest_runs import LEAN

CONFTEST = """
from skip_ledger import SkipLedger

def pytest_configure(config):
    listed = {("test_one.py::test_listed", "no tape drive"), ("test_one.py", "no tape drive")}
    ledger = SkipLedger(config, "planted", lambda *skip: skip in listed)
    config.pluginmanager.register(ledger)
"""
TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_expected():
    raise ValueError

@pytest.mark.skipif(True, reason="{reason}")
def test_listed():
    pass
"""
FROM_WITHIN = """
def test_of_another_name():
    pytest.skip("no tape drive")
"""
WHOLE_FILE = "import pytest; pytest.skip('{reason}', allow_module_level=True)"


def run_pytest(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(skip_ledger.__file__, folder)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_one.py").write_text(source)
    (folder / "test_two.py").write_text("def test_runs(): pass\n")
    command = [sys.executable, "-m", "pytest", *LEAN, *options, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize(
    ("source", "unlisted"),
    [
        (TESTS.format(reason="no time"), "test_one.py::test_listed: no time"),
        (
            TESTS.format(reason="no tape drive") + FROM_WITHIN,
            "test_one.py::test_of_another_name: no tape drive",
        ),
        (WHOLE_FILE.format(reason="no time"), "test_one.py: no time"),
    ],
    ids=["another reason", "another test", "a whole file"],
)
def test_a_skip_that_is_not_listed_fails_the_run_by_its_name(tmp_path, source, unlisted, options):
    done = run_pytest(tmp_path, source, *options)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert unlisted in done.stdout.splitlines()
    assert " 1 not on the list" in done.stdout


@pytest.mark.parametrize(
    ("source", "collected", "options"),
    [(TESTS, 4, ("-n", "2")), (WHOLE_FILE, 1, ())],
    ids=["one test, xdist", "a whole file, alone"],
)
def test_a_listed_skip_passes_and_is_counted(tmp_path, source, collected, options):
    done = run_pytest(tmp_path, source.format(reason="no tape drive"), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = f"planted: {collected} collected, 1 skipped, 0 not on the list"
    assert counted in done.stdout


@pytest.mark.parametrize("line", EXPECTED, ids=lambda line: f"{line.test} {line.reason}")
def test_every_line_of_the_list_names_tests_that_there_are(line):
    file, _, name = line.test.partition("::")
    sources = [path.read_text() for path in Path(__file__).parent.glob(file)]
    words = [word for word in re.split(r"[*?]", name) if word.startswith("test_")]
    assert sources and all(any(word in source for source in sources) for word in words)
