"""The pytest plugin: scenario files as test items, and a fixture that runs one.

Opt-in, by `pytest -p spinbed`. Every process of pytest, so every xdist worker, has one supervisor.
It is started by the first run and closed when the session ends; if the process is killed, the
watcher cleans up all the same.
"""

from __future__ import annotations

import os
import re
import threading
from argparse import ArgumentTypeError
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

import pytest

import cy_kernels
from sim import run as story
from sim.argument_types import SEED_MAX, nearest
from sim.argument_types import seed as seed_of
from sim.arguments import JOURNALS, journal_name, journals_folder, reproducing
from sim.crew import failed
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
from sim.live.cpu import check_environments
from sim.loading import load_all
from sim.report.text import failure_lines
from sim.scenario.plan import Plan
from sim.verdict import RunResult
from sim.worlds import Worlds

pytest_plugins = ("sim.pytest_watch",)
PathLike = Union[str, "os.PathLike[str]"]
Planned = Sequence[Tuple[Plan, str]]  # each with the command that reproduces it

# A folder of tests holds other TOML files too. Two of the lines that scenarios begin with make one,
# so that a file in which one of them is missing or misspelt is an error, and not left out.
MARKS = (
    rb"^schema[ \t]*=",
    rb"^\[[ \t]*transport[ \t]*\]",
    rb"^\[\[[ \t]*process[ \t]*\]\]",
    rb"^\[[ \t]*cluster[ \t]*\]",
)
MARKS_MIN = 2
NEVER = ("pyproject.toml",)


class Unmet(AssertionError):
    """A run did not end as its scenario expects; the text is the three lines of a failure."""


class World:
    """This process's worlds, from its first run on; replaced when one has failed."""

    def __init__(self, journals: Path) -> None:
        self._journals = journals
        self._opened = ExitStack()
        self._worlds: Optional[Worlds] = None
        self._lock = threading.Lock()  # a supervisor serves one thread at a time

    def run(self, plan: Plan, *, reproduce: str) -> RunResult:
        with self._lock:
            try:
                return self._run(plan, reproduce)
            except WorldError as error:
                self._discard()
                return failed(plan, error, reproduce=reproduce)
            except BaseException:  # a bug, or Ctrl-C in the middle of the run
                self._discard()
                raise

    def close(self) -> None:
        with self._lock:
            self._discard()

    def _run(self, plan: Plan, reproduce: str) -> RunResult:
        if self._worlds is None:
            self._worlds = self._opened.enter_context(Worlds())
        journal = journals_folder(self._journals) / journal_name(plan)
        return story.run(plan, self._worlds, reproduce=reproduce, journal=journal)

    def _discard(self) -> None:
        self._worlds = None
        self._opened.close()


_world = pytest.StashKey[World]()


class ScenarioFile(pytest.File):
    """One scenario file; a wrong one is an error of the collection, with all its problems."""

    def collect(self) -> Iterator[ScenarioItem]:
        try:
            planned = _plans(self.path, self.config.option.spinbed_seed, self.config)
        except ScenarioError as error:
            raise self.CollectError(str(error)) from None
        for plan, reproduce in planned:
            yield ScenarioItem.from_parent(self, name=plan.name, plan=plan, reproduce=reproduce)


class ScenarioItem(pytest.Item):
    """One run."""

    def __init__(self, *, plan: Plan, reproduce: str, **of_pytest: object) -> None:
        super().__init__(**of_pytest)  # type: ignore[arg-type]
        self.plan = plan
        self.reproduce = reproduce
        lack = story.lacks(plan)
        if lack is not None:
            self.add_marker(pytest.mark.skip(reason=lack))

    def runtest(self) -> None:
        result = self.config.stash[_world].run(self.plan, reproduce=self.reproduce)
        self.user_properties += [("seed", result.seed), ("verdict", result.verdict or "none")]
        if result.journal is not None:
            self.user_properties.append(("journal", result.journal))
        _check(result)

    def repr_failure(self, excinfo: Any) -> Any:  # type: ignore[override]
        if isinstance(excinfo.value, (Unmet, ScenarioError)):  # the latter of the journals' folder
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> Tuple[Path, int, str]:
        return self.path, 0, self.name


class ScenarioFixture:
    """Runs scenario files from inside a test: `result = scenario("lost_message.toml", seed=7)`.

    A path is relative to the folder of the test's file. A run that cannot be had here skips the
    test. Raises ScenarioError for bad input.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config = request.config
        self._folder = request.path.parent

    def __call__(
        self, path: PathLike, seed: Optional[int] = None, *, run: Optional[str] = None
    ) -> RunResult:
        """`seed` is --spinbed-seed's unless given; `run` names one of the runs of a sweep."""
        if seed is None:
            seed = self._config.option.spinbed_seed
        if not 0 <= seed <= SEED_MAX:
            raise ValueError(f"{seed} is no seed: 0 to {SEED_MAX}")
        planned = _plans(Path(os.path.abspath(self._folder / path)), seed, self._config)
        plan, reproduce = _the_one(planned, run, str(path))
        lack = story.lacks(plan)
        if lack is not None:
            pytest.skip(lack)
        return self._config.stash[_world].run(plan, reproduce=reproduce)

    def check(
        self, path: PathLike, seed: Optional[int] = None, *, run: Optional[str] = None
    ) -> RunResult:
        """Raises AssertionError, with the three lines of a failure, unless all is as expected."""
        __tracebackhide__ = True
        result = self(path, seed, run=run)
        _check(result)
        return result


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> ScenarioFixture:
    """`scenario(path, seed=0)` runs a scenario file, `scenario.check` also judges."""
    return ScenarioFixture(request)


def _check(result: RunResult) -> None:
    __tracebackhide__ = True
    if not result.as_expected or result.exit_status is not ExitStatus.OK:
        raise Unmet("\n".join(failure_lines(result)))


def _plans(path: Path, seed: int, config: pytest.Config) -> Planned:
    """Every run of a file. Raises ScenarioError."""
    started_in = config.invocation_params.dir
    shown = path.relative_to(started_in) if path.is_relative_to(started_in) else path
    scenarios = [replace(each, path=str(shown)) for each in load_all([str(path)])]
    again = reproducing(scenarios)
    plans = story.plan_all(scenarios, seed)
    check_environments(plans)
    return [(plan, again(plan)) for plan in plans]


def _the_one(planned: Planned, name: Optional[str], path: str) -> Tuple[Plan, str]:
    found = {plan.name: (plan, reproduce) for plan, reproduce in planned}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    asked = "name one with run=" if name is None else f"none of them is {name!r}"
    near = None if name is None else nearest(name, found)
    message = f"makes {len(found)} runs, {asked}: {', '.join(found)}"
    raise ScenarioError([Problem(path, None, None, message, near)])


def is_scenario(path: Path) -> bool:
    """Whether a file that nobody named is one. What cannot be read is, so that it is told."""
    if path.suffix != ".toml" or path.name in NEVER:
        return False
    try:
        text = path.read_bytes()
    except OSError:
        return True
    return sum(bool(re.search(mark, text, re.MULTILINE)) for mark in MARKS) >= MARKS_MIN


def _seed(text: str) -> int:
    try:
        return seed_of(text)
    except ArgumentTypeError as error:
        raise pytest.UsageError(f"--spinbed-seed: {error}") from None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("spinbed")
    group.addoption(
        "--spinbed-seed",
        type=_seed,
        default=0,
        metavar="N",
        help="the u64 all choices come from (default 0); 'random' draws one and prints it",
    )
    group.addoption(
        "--spinbed-journal-dir",
        default=str(JOURNALS),
        metavar="DIR",
        help=f"where the journals of runs are kept (default {JOURNALS})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # or each worker would draw a random seed of its own
        config.option.spinbed_seed = config.workerinput["spinbed_seed"]
    config.stash[_world] = World(config.invocation_params.dir / config.option.spinbed_journal_dir)
    # xdist 3.8 may never end if it replaces a worker that died (pytest-dev/pytest-xdist#1323).
    if getattr(config.option, "maxworkerrestart", "0") is None:
        config.option.maxworkerrestart = "0"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist's, in the controller, before it starts a worker."""
    node.workerinput["spinbed_seed"] = node.config.option.spinbed_seed


def pytest_report_header(config: pytest.Config) -> List[str]:
    return [f"spinbed: {cy_kernels.status()}, seed {config.option.spinbed_seed}"]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Optional[ScenarioFile]:
    is_named = file_path.suffix == ".toml" and parent.session.isinitpath(file_path)
    is_ours = is_named or is_scenario(file_path)
    return ScenarioFile.from_parent(parent, path=file_path) if is_ours else None


@pytest.hookimpl(trylast=True)  # fixtures of the session's scope may still run something
def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[_world].close()
