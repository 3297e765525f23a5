"""`spinbed attach` comes to the class that a hang's scenario is labelled with, from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from attached_processes import Attach
from warm_command import variables

from sim.live.procfs import descendants, read
from sim.scenario.loader import load

HANGS = Path(__file__).resolve().parents[1] / "scenarios" / "hangs"
# Of rings that know their owners: of flags nobody outside can tell who is who.
LABELLED = (
    *("reader_killed", "reader_stopped", "reader_stopped_before_release", "reader_never_came"),
    *("writer_killed", "writer_stopped", "writer_stopped_before_commit", "writer_never_came"),
    *("reader_died_before_release", "writer_died_before_commit", "reader_frozen"),
)
WATCHDOG_S = 120


def mappers(root: int) -> List[int]:
    """Of the processes below, those that have a ring of a run mapped."""
    return [pid for pid in descendants(root) if b"/dev/shm/spinbed." in read(pid, "maps")]


@pytest.mark.parametrize("name", LABELLED)
def test_it_says_what_the_label_says(name: str, attach: Attach, tmp_path: Path) -> None:
    path = HANGS / f"{name}.toml"
    first = load(str(path))[0]
    (label,) = [each for each in first.expectations if each.hang is not None]
    text = path.read_text(encoding="utf-8")
    text = text.replace('stall_threshold = "1s"', 'stall_threshold = "10min"')
    (tmp_path / "hangs.toml").write_text(text.replace('deadline = "20s"', 'deadline = "10min"'))
    command = [sys.executable, "-m", "sim.cli", "run", "hangs.toml", "-k", f"={first.name}"]
    runner = subprocess.Popen(
        command, cwd=tmp_path, env=variables(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + WATCHDOG_S
        hangs: List[Dict[str, Any]] = []
        while not hangs and time.monotonic() < deadline:
            assert runner.poll() is None
            pids = mappers(runner.pid)
            done = attach(*pids[:1], "--json") if pids else None
            if done is not None and done.returncode == 3:  # else it is gone, or just coming
                # Before anybody waits in the ring, one that is stopped is only a stopped program.
                told = json.loads(done.stdout)["told"]
                hangs = [each for each in told if each["is_hang"] and each["where"][0] == "/"]
        (hang,) = hangs
        assert hang["class"] == label.hang
        assert any(who.startswith(str(label.waited_for)) for who in hang["on"])
    finally:
        os.kill(runner.pid, signal.SIGINT)
        runner.wait(WATCHDOG_S)
