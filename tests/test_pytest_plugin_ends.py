"""The plugin in many processes, and their ends: by signals, by Ctrl-C, by a world that fails."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import List

import pytest
from pytest_runs import (
    ENDLESS,
    GOOD,
    SWEPT,
    UNMET,
    WATCHDOG_S,
    await_nothing_left,
    counts,
    poll,
    project,
    regions_of,
    started,
    write,
)
from warm_command import RunPytest

import cy_kernels
from sim.history import journal
from sim.live.procfs import descendants, stat

pytestmark = pytest.mark.skipif(
    cy_kernels.status().reason is not None, reason=f"kernels: {cy_kernels.status()}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def test_xdist_workers_share_items_seed_and_outcomes(run_pytest: RunPytest, folder: Path) -> None:
    for index in range(3):
        write(folder, f"green{index}", GOOD)
    write(folder, "swept", SWEPT)
    write(folder, "unmet", UNMET)
    done = run_pytest("-n", "2", ".", "--spinbed-seed=random", "-v", cwd=folder)
    assert (done.returncode, counts(done)) == (1, {"failed": 1, "passed": 5}), done.stdout
    seeds = {journal.read(p).header.seed for p in (folder / ".spinbed" / "journals").iterdir()}
    assert len(seeds) == 1
    assert f"spinbed run unmet.toml --seed {seeds.pop()} --world live" in done.stdout
    assert "[gw0] PASSED" in done.stdout or "[gw0] [" in done.stdout


def test_a_killed_worker_leaves_nothing_and_pytest_ends(folder: Path) -> None:
    paths = [write(folder, "endless", ENDLESS), write(folder, "green", GOOD)]
    with started("-n", "2", *paths, cwd=folder) as process:
        output = folder / "output"
        poll(lambda: "PASSED green.toml" in output.read_text(), output.read_text())
        working: List[int] = []

        def is_running() -> bool:
            assert process.poll() is None, output.read_text()
            working[:] = [pid for pid in descendants(process.pid) if regions_of(pid)]
            return bool(working)

        poll(is_running, "the endless run does not begin")
        (worker,) = working
        below: List[int] = []

        def are_all_there() -> bool:  # watcher, template, writer, reader
            below[:] = descendants(worker)
            return len(below) >= 4

        poll(are_all_there, "a process of the run does not start")
        os.kill(worker, signal.SIGKILL)
        process.wait(WATCHDOG_S)
        assert process.returncode == pytest.ExitCode.TESTS_FAILED
        await_nothing_left(worker, below)
    text = output.read_text()
    assert "crashed while running 'endless.toml::endless'" in text
    assert "worker restarting disabled" in text


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 2), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_a_signal_to_pytest_leaves_nothing(
    folder: Path, number: signal.Signals, status: int
) -> None:
    with started(write(folder, "endless", ENDLESS), cwd=folder) as process:
        poll(lambda: regions_of(process.pid) or process.poll() is not None, "it does not begin")
        assert process.poll() is None, (folder / "output").read_text()
        below = list(descendants(process.pid))
        process.send_signal(number)
        assert process.wait(WATCHDOG_S) == status
        if number == signal.SIGINT:  # what ends in order, cleans up before it has ended
            assert regions_of(process.pid) == []
        await_nothing_left(process.pid, below)


def test_a_world_that_fails_costs_the_run_that_met_it_and_no_other(folder: Path) -> None:
    paths = [write(folder, "endless", ENDLESS), write(folder, "green", GOOD)]
    with started(*paths, cwd=folder) as process:
        poll(lambda: regions_of(process.pid) or process.poll() is not None, "it does not begin")
        assert process.poll() is None, (folder / "output").read_text()
        # Where it dies before it was asked for all of them, it is another call that fails.
        poll(lambda: len(list(descendants(process.pid))) >= 4, "a process does not start")
        (template,) = (
            pid
            for pid in descendants(process.pid)
            if (found := stat(pid))
            and (above := stat(found.parent))
            and above.parent == process.pid  # pytest, watcher, template
        )
        os.kill(template, signal.SIGKILL)
        assert process.wait(WATCHDOG_S) == pytest.ExitCode.TESTS_FAILED
    text = (folder / "output").read_text()
    assert "template failed: it died: SIGKILL\nno history: the run did not end\n" in text
    assert "1 failed, 1 passed" in text


def test_ctrl_c_reaches_workers_and_leaves_nothing(folder: Path) -> None:
    paths = [write(folder, "endless0", ENDLESS), write(folder, "endless1", ENDLESS)]
    with started("-n", "2", *paths, cwd=folder) as process:
        workers: List[int] = []

        def are_running() -> bool:
            assert process.poll() is None, (folder / "output").read_text()
            workers[:] = [pid for pid in descendants(process.pid) if regions_of(pid)]
            return len(workers) == 2

        poll(are_running, "the endless runs do not begin")
        below = list(descendants(process.pid))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(WATCHDOG_S) == pytest.ExitCode.INTERRUPTED
        for worker in workers:
            await_nothing_left(worker, below)
