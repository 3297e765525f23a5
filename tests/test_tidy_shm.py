"""The check that a test run leaves no shared memory, with real test runs."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import left_over_regions
import pytest
from pytest_runs import LEAN

# Not "spinbed.": tests beside this one have regions of that name, and so may these, run twice.
OWN_PREFIX = f"tidy.{uuid.uuid4().hex}."

LEAKS = """
import pathlib
def test_leaks():
    pathlib.Path("/dev/shm/{name}").write_bytes(b"x")
"""
CLEANS_UP = LEAKS + "    pathlib.Path('/dev/shm/{name}').unlink()\n"


@pytest.fixture
def region(tmp_path: Path):
    name = f"{OWN_PREFIX}{uuid.uuid4().hex}"
    yield name
    Path("/dev/shm", name).unlink(missing_ok=True)


def run_pytest(tmp_path: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    conftest = Path(left_over_regions.__file__).read_text()
    assert conftest.count('PREFIX = "spinbed."') == 1
    conftest = conftest.replace('PREFIX = "spinbed."', f"PREFIX = {OWN_PREFIX!r}")
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_one.py").write_text(source)
    command = [sys.executable, "-m", "pytest", *LEAN, *options, str(tmp_path)]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_test_that_leaves_a_region_fails_the_run_by_its_name(tmp_path, region, options):
    done = run_pytest(tmp_path, LEAKS.format(name=region), *options)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert region in done.stdout


def test_a_test_that_removes_its_region_passes(tmp_path, region):
    done = run_pytest(tmp_path, CLEANS_UP.format(name=region), "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
