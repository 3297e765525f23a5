"""The runs of all the scenario files that somebody names; nothing is started for that."""

from __future__ import annotations

from typing import Callable, List, Mapping, Sequence, TypeVar

from sim.errors import Problem, ScenarioError
from sim.scenario.loader import count_runs, discover, load
from sim.scenario.scenario import Scenario

T = TypeVar("T")
U = TypeVar("U")


def load_all(paths: Sequence[str]) -> Sequence[Scenario]:
    """Every run of every file. Raises ScenarioError with the problems of all files."""
    return of_all(load, discover(paths))


def count_all(paths: Sequence[str]) -> Mapping[str, int]:
    """How many runs each file makes; nothing that a file names is imported. Raises ScenarioError
    with the problems of all files."""
    return dict(of_all(lambda path: [(str(path), count_runs(path))], discover(paths)))


def of_all(make: Callable[[T], Sequence[U]], sources: Sequence[T]) -> Sequence[U]:
    """What is made of each. Raises ScenarioError with the problems of all."""
    made: List[U] = []
    problems: List[Problem] = []
    for source in sources:
        try:
            made += make(source)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(tuple(dict.fromkeys(problems)))
    return made
