"""What holds for the test run as a whole: the installed kernels run, no shared memory is left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

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
    """The living processes that map a region."""
    found = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if f"{SHARED_MEMORY}/{region}" in maps.read_text():
                found.append(int(maps.parent.name))
        except OSError:  # it ended, or is not ours to read
            continue
    return found


def is_from_this_run(pid: int) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{MARK}={os.environ[MARK]}".encode() in environment


def left_over(before: frozenset) -> list:
    """New regions, without those that only processes of somebody else's run have mapped."""
    left = []
    for region in sorted(regions() - before):
        pids = holders(region)
        if not pids or any(is_from_this_run(pid) for pid in pids):
            left.append(f"{region} (mapped by {pids or 'nobody'})")
    return left


@pytest.fixture(scope="session", autouse=True)
def away_from_the_checkout() -> Iterator[None]:
    """`python -c` and `-m` search the working directory first: here it holds no package of ours."""
    before = os.getcwd()
    os.chdir(Path(__file__).parent)
    yield
    os.chdir(before)


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
