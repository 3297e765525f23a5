"""Each test file is in one list of selections.py, and a selection runs what is in its lists."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from pytest_runs import LEAN, WATCHDOG_S
from selections import ENDS, EVERY, ONCE, PURE, SELECTIONS

FOLDER = Path(__file__).parent
FILES = {path.stem[len("test_") :] for path in FOLDER.glob("test_*.py")}
IN_ONE = [*EVERY, *ENDS, *(file for files in ONCE.values() for file in files)]


def test_every_test_file_is_in_one_list():
    assert Counter(FILES) == Counter(IN_ONE)


def test_the_pure_selection_names_files_that_there_are_and_each_once():
    assert {*PURE} <= FILES
    assert max(Counter(PURE).values()) == 1


def test_a_selection_collects_its_files_and_no_others():
    command = [sys.executable, "-m", "pytest", *LEAN, "--collect-only", "-qq", "--selection=every"]
    done = subprocess.run(
        [*command, "."], cwd=FOLDER, capture_output=True, text=True, timeout=WATCHDOG_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = set(re.findall(r"test_(\w+)\.py: \d+$", done.stdout, re.MULTILINE))
    assert {"ring", "imports", "live_run"} < found <= SELECTIONS["every"]
