"""The hooks of conftest.py that fail a test run which leaves shared memory behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "spinbed."
# Inherited by everything that the tests start: tells our left-overs from another run's regions.
MARK = "SPINBED_TEST_RUN"

_before = pytest.StashKey[frozenset]()
_left = pytest.StashKey[list]()


def is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def regions() -> frozenset:
    return frozenset(path.name for path in SHARED_MEMORY.glob(PREFIX + "*"))


def holders(region: str) -> list[int]:
    """The living processes that map a region, and the runner that its name tells, if it lives."""
    found = []
    runner = region.split(".")[1:3]  # spinbed.<pid>.<start time>....
    for process in Path("/proc").glob("[0-9]*"):
        try:
            started = (process / "stat").read_text().rpartition(")")[2].split()[19]
            maps = (process / "maps").read_text()
        except OSError:  # it ended, or is not ours to read
            continue
        if runner == [process.name, started] or f"{SHARED_MEMORY}/{region}" in maps:
            found.append(int(process.name))
    return found


def is_from_this_run(pid: int) -> bool:
    if pid == os.getpid():
        return True
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={os.environ[MARK]}".encode() in environment


def left_over(before: frozenset) -> list:
    """New regions, without those that belong to processes of somebody else's run."""
    left = []
    for region in sorted(regions() - before):
        pids = holders(region)
        is_ours = not pids or any(is_from_this_run(pid) for pid in pids)
        if is_ours and region in regions():  # another run may have ended meanwhile
            left.append(f"{region} (of processes {pids or 'that ended'})")
    return left


def pytest_sessionstart(session: pytest.Session) -> None:
    if not is_xdist_worker(session.config):
        os.environ[MARK] = f"{os.getpid()}.{os.urandom(8).hex()}"
        session.config.stash[_before] = regions()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In the xdist controller all workers have ended by now; a worker alone cannot tell."""
    if is_xdist_worker(session.config):
        return
    session.config.stash[_left] = left_over(session.config.stash[_before])
    if session.config.stash[_left] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left = terminalreporter.config.stash.get(_left, [])
    if left:
        terminalreporter.section("left in /dev/shm", red=True)
        for line in left:
            terminalreporter.line(line)
        terminalreporter.line("A test must end what it starts, and await the watcher's clean-up.")
