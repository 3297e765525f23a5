"""Ctrl-C at the real command: while it still imports, while it runs, and more than once."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import List

import pytest
from live_ends import WITHIN_S, await_gone
from pytest_runs import is_alive
from test_cli_run import SLOW, regions_of, started, wait_for_region, write

import cy_kernels
from cy_kernels.choice import VARIABLE
from sim.live.procfs import descendants, stat
from sim.live.termination import STILL_STOPPING

# Waits at the import of a module for as long as we like, and says when it is there.
STOPS_AT_AN_IMPORT = """
import os, sys

class Stop:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == os.environ["STOP_AT"]:
            os.write(1, b"importing\\n")
            os.read(0, 1)

sys.meta_path.insert(0, Stop)
"""
IMPORTS = ("sim.commands", "rich.console", "pydantic", "posix_ipc", "sim.live.supervisor")
GAPS_MS = (0, 1, 3, 10, 30, 100)


@pytest.fixture(autouse=True)
def kernels_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pure ones are nothing to warn of then."""
    monkeypatch.setenv(VARIABLE, cy_kernels.status().kind)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("module", IMPORTS)
def test_a_signal_while_the_command_imports_ends_it_without_a_word(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    number: signal.Signals,
    status: int,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(STOPS_AT_AN_IMPORT, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("STOP_AT", module)
    ours, theirs = os.pipe()
    with started("run", "slow.toml", cwd=tmp_path, stdin=ours) as process:
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=WITHIN_S)
        os.close(theirs)
        assert (process.returncode, out, err) == (status, "", "")


@pytest.mark.parametrize("gap_ms", GAPS_MS)
def test_a_second_ctrl_c_does_not_break_off_what_the_first_began(
    tmp_path: Path, gap_ms: int
) -> None:
    path = write(tmp_path, "endless", SLOW)
    with started("run", path, cwd=tmp_path) as process:
        wait_for_region(process)
        below = list(descendants(process.pid))
        process.send_signal(signal.SIGINT)
        select.select([], [], [], gap_ms / 1000)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 130, err
        assert "0 runs" in out
        told = err.replace(STILL_STOPPING.decode(), "")
        assert told == "1 of 1 runs did not finish\n"
        assert regions_of(process.pid) == []
        assert [pid for pid in below if is_alive(pid)] == []


def test_a_third_ctrl_c_ends_a_shutdown_that_hangs_and_the_watcher_cleans_up(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "endless", SLOW)
    with started("run", path, cwd=tmp_path) as process:
        assert process.stderr is not None
        wait_for_region(process)
        below = list(descendants(process.pid))
        watcher = children(process.pid)[0]
        os.kill(watcher, signal.SIGSTOP)  # the shutdown waits for it
        try:
            process.send_signal(signal.SIGINT)
            while not select.select([process.stderr], [], [], 0.5)[0]:
                process.send_signal(signal.SIGINT)  # two that come at once are one
            assert os.read(process.stderr.fileno(), 1000) == STILL_STOPPING
            process.send_signal(signal.SIGINT)
            assert process.wait(WITHIN_S) == 130
        finally:
            os.kill(watcher, signal.SIGCONT)
        await_gone(below, f"/spinbed.{process.pid}.")


def children(pid: int) -> List[int]:
    found = {below: stat(below) for below in descendants(pid)}
    return [below for below, seen in found.items() if seen is not None and seen.parent == pid]
