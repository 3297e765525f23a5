"""The pytest plugin's watch: a test that stands still fails, with the stacks of all its processes.

`@pytest.mark.watch(stall="2s", deadline="20s")`, or the fixture `watched`. Each phase of such a
test is a wait (spinbed.watch). When it is told, its process gets a signal whose handler raises in
the main thread; when that does not help, the processes that the phase has started are ended, and
at last the process itself (sim.watch.monitor).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time
from typing import Any, ContextManager, Dict, Generator, Iterator, List, Optional

import pytest

from sim.argument_types import hint
from sim.watch.answering import free_signal
from sim.watch.ending import end_below, next_tick, now_ticks
from sim.watch.family import Family
from sim.watch.monitor import LAST
from sim.watch.owner import owner
from sim.watch.watched import Watch, duration_ns, stall_ns

MARK = "watch"
FIXTURE = "watched"
SETTINGS = ("stall", "deadline")
FIXTURE_STALL = "60s"  # without the marker: a test may stay in one place for that long
SECTION = "stacks"
TEXT_BYTES_MAX = 1 << 24
STDERR = 2

SETUP, CALL, TEARDOWN = "setup", "call", "teardown"


class Stalled(pytest.fail.Exception):  # type: ignore[name-defined]
    """A watched test stood still, or was not over in time. No `except Exception` takes it."""


class WatchedTest:
    """One test's waits; what the fixture gives."""

    def __init__(self, item: pytest.Item, last: int) -> None:
        """`last`: where a report goes that the process does not survive. Raises ValueError and
        TypeError for settings that cannot be."""
        settings = _settings(item)
        self._item = item
        self._last = last
        self._file = os.memfd_create("spinbed-stacks", os.MFD_CLOEXEC)
        fcntl.fcntl(self._file, fcntl.F_SETFL, os.O_APPEND)  # the monitor writes, we empty it
        self._signal = free_signal()
        signal.signal(self._signal, self._raise)
        self._watch = Watch(
            item.name,
            stall_ns=settings["stall"],
            deadline_ns=settings["deadline"],
            fd=self._file,
            signal=self._signal,
        )
        self._since_ticks = now_ticks()
        self._may_raise = False

    def progress(self) -> None:
        """Something has moved."""
        self._watch.progress()

    def idle(self) -> ContextManager[None]:
        """While it is entered nothing is due."""
        return self._watch.idle()

    @contextlib.contextmanager
    def phase(self, when: str) -> Iterator[None]:
        """Raises Stalled where the phase was given up and nothing else is raised."""
        __tracebackhide__ = True
        owner().send(LAST, self._last)
        if when == CALL:  # what fixtures have started is theirs to end
            self._watch.since_ticks = next_tick()
        else:
            self._watch.since_ticks = self._since_ticks
        if when == TEARDOWN:  # set-up and call have one deadline together, this has its own
            self._watch.spent_ns = 0
        began_ns = time.monotonic_ns()
        text = ""
        try:
            with self._watch:
                self._may_raise = True
                try:
                    yield
                finally:
                    self._may_raise = False
                    self._watch.await_report()
        finally:
            self._watch.spent_ns += time.monotonic_ns() - began_ns
            if self._watch.stalls:
                text = self._text()
                self._end_processes(when, text)
        if text:  # and nothing else was raised: to be asked for its stacks has set it free
            raise Stalled(_headline(text), pytrace=False)

    def leave(self) -> None:
        """Nothing is due in this phase any more."""
        self._watch.leave()

    def close(self) -> None:
        signal.signal(self._signal, signal.SIG_DFL)
        os.close(self._file)

    def _raise(self, number: int, frame: Any) -> None:
        __tracebackhide__ = True
        if self._may_raise:  # else the phase has ended by itself meanwhile
            raise Stalled(_headline(self._text()))

    def _text(self) -> str:
        return os.pread(self._file, TEXT_BYTES_MAX, 0).decode("utf-8", "replace")

    def _end_processes(self, when: str, text: str) -> None:
        os.ftruncate(self._file, 0)
        family = Family(os.getpid())
        ended = end_below(family, self._watch.since_ticks, but=owner().monitor)
        if "multiprocessing" in sys.modules:
            sys.modules["multiprocessing"].active_children()  # waits for those that have ended
        if ended:
            text += f"ended by SIGKILL: pid {', '.join(map(str, ended))}\n"
        self._item.add_report_section(when, SECTION, text)


_test = pytest.StashKey[WatchedTest]()
_wrong = pytest.StashKey[str]()
_current = pytest.StashKey[WatchedTest]()
_stderr = pytest.StashKey[int]()


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> WatchedTest:
    """The test fails where it stands still: `watched.progress()`, `with watched.idle():`."""
    if _test not in request.node.stash:
        pytest.fail(f"{FIXTURE!r} is an argument of the test or of a fixture, not asked for later")
    return request.node.stash[_test]


def _headline(text: str) -> str:
    return f"{text.partition(chr(10))[0]} (where: see the stacks)"


def _is_watched(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARK) is not None or FIXTURE in getattr(
        item, "fixturenames", ()
    )


def _settings(item: pytest.Item) -> Dict[str, int]:
    """In nanoseconds, 0 for none. Raises ValueError and TypeError."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        return {"stall": stall_ns(FIXTURE_STALL), "deadline": 0}
    problems: List[str] = [f"{each!r} has no name, such as stall" for each in mark.args]
    found = dict.fromkeys(SETTINGS, 0)
    readers = {"stall": stall_ns, "deadline": lambda text: duration_ns(text, "deadline")}
    for name, text in mark.kwargs.items():
        if name not in readers:
            problems.append(f"there is no {name!r}{hint(name, SETTINGS)}")
            continue
        try:
            found[name] = readers[name](text)
        except (TypeError, ValueError) as error:
            problems.append(str(error))
    if not mark.args and not mark.kwargs:
        found["stall"] = stall_ns(FIXTURE_STALL)
    if problems:
        raise ValueError("; ".join(problems))
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f'{MARK}(stall="2s", deadline="20s"): the test fails, with the stacks of its processes, '
        "when it makes no progress for so long, or is not over",
    )
    config.stash[_stderr] = os.dup(STDERR)  # nothing is captured at this moment


def pytest_unconfigure(config: pytest.Config) -> None:
    if _stderr in config.stash:
        os.close(config.stash[_stderr])
        del config.stash[_stderr]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: Optional[pytest.Item]
) -> Generator[None, object, object]:
    if not _is_watched(item):
        return (yield)
    try:
        test = WatchedTest(item, item.config.stash[_stderr])
    except (OSError, TypeError, ValueError) as error:
        item.stash[_wrong] = f"@pytest.mark.{MARK}: {error}"
        return (yield)
    item.stash[_test] = item.config.stash[_current] = test
    try:
        return (yield)
    finally:
        del item.stash[_test], item.config.stash[_current]
        test.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if _wrong in item.stash:
        pytest.fail(item.stash[_wrong], pytrace=False)
    return (yield from _in_phase(item, SETUP))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _in_phase(item, CALL))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _in_phase(item, TEARDOWN))


def _in_phase(item: pytest.Item, when: str) -> Generator[None, object, object]:
    __tracebackhide__ = True
    if _test not in item.stash:
        return (yield)
    with item.stash[_test].phase(when):
        return (yield)


def pytest_enter_pdb(config: pytest.Config) -> None:
    """A person looks at the test: it may stand as long as that takes."""
    if _current in config.stash:
        config.stash[_current].leave()
