"""The arguments of the commands on simulated executions: explore, replay, shrink, diff."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path
from typing import Any, Callable, Sequence, Tuple, TypeVar

from sim.argument_types import JOBS_MAX, WORLDS, count, file, folder, hint, seed, world
from sim.scenario.durations import BadDuration, parse_duration

TAPES = Path(".spinbed") / "tapes"
EXECUTIONS_MAX = 10**9 - 1
TRIES_MAX = 1_000_000

T = TypeVar("T")


def explore_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        type=_models,
        default=None,
        dest="models",
        metavar="M,...",
        help="memory models, of sc,tso,pso,ra (default: the file's, else tso,pso,ra)",
    )
    parser.add_argument(
        "--scheduler",
        type=_schedulers,
        default=None,
        dest="schedulers",
        metavar="S,...",
        help="of random,pct:D,pos,delay:D,round_robin (default: the file's, else random,pct:3)",
    )
    parser.add_argument(
        "--executions",
        type=count(EXECUTIONS_MAX),
        default=None,
        metavar="N",
        help="of each scenario, model and scheduler (default: the file's, else 10000)",
    )
    parser.add_argument(
        "--budget",
        type=_budget,
        default=None,
        dest="budget_ns",
        metavar="TIME",
        help="as many executions as this time suffices for, such as 10s",
    )
    parser.add_argument(
        "--jobs", type=count(JOBS_MAX), default=1, metavar="N", help="threads (default 1)"
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        default=(1, 1),
        metavar="I/N",
        help="the I-th of N parts of the executions",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="what plans and executions come from (default 0); 'random' draws one and prints it",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        dest="counts_all",
        help="count every failure instead of ending with the first",
    )
    parser.add_argument(
        "--tape-dir",
        type=folder,
        default=TAPES,
        metavar="DIR",
        help=f"where tapes are kept (default {TAPES})",
    )


def replay_options(parser: argparse.ArgumentParser) -> None:
    _tape(parser)
    parser.add_argument(
        "--trace", action="store_true", help="print a lane for each process, a line for each step"
    )
    parser.add_argument(
        "--svg", type=file, default=None, metavar="FILE", help="the lanes as a picture"
    )
    parser.add_argument(
        "--world",
        type=world,
        default="virtual",
        metavar="|".join(WORLDS),
        help="live: drive real processes through the tape's order (default virtual)",
    )
    parser.add_argument(
        "--tries",
        type=count(TRIES_MAX),
        default=20,
        metavar="N",
        help="how often, in the live world (default 20)",
    )


def shrink_options(parser: argparse.ArgumentParser) -> None:
    _tape(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=file,
        default=None,
        metavar="FILE",
        help="the tape to write (default: beside the other, NAME.shrunk.tape.json)",
    )
    parser.add_argument(
        "--budget",
        type=_budget,
        default=10 * 10**9,
        dest="budget_ns",
        metavar="TIME",
        help="it may take this long (default 10s)",
    )


def diff_options(parser: argparse.ArgumentParser) -> None:
    _tape(parser)
    parser.add_argument("other", type=file, metavar="TAPE", help="another one")


def _tape(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tape", type=file, metavar="TAPE", help="a tape file")


def explorer() -> Any:
    """The simulated machine. Raises argparse.ArgumentTypeError where it could not be compiled."""
    try:
        return importlib.import_module("cy_kernels.explore")
    except ImportError as error:
        said = f"the virtual world needs compiled kernels: {error}"
        raise argparse.ArgumentTypeError(said) from None


def _each_of(text: str, check: Callable[[str], T]) -> Sequence[T]:
    return tuple(dict.fromkeys(check(part.strip()) for part in text.split(",")))


def _models(text: str) -> Sequence[str]:
    models = explorer().MODELS

    def check(name: str) -> str:
        if name not in models:
            raise argparse.ArgumentTypeError(f"no memory model {name!r}{hint(name, models)}")
        return name

    return _each_of(text, check)


def _schedulers(text: str) -> Sequence[Any]:
    explorer()
    from sim.virtual import schedulers

    try:
        return _each_of(text, schedulers.parse)
    except schedulers.BadScheduler as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _budget(text: str) -> int:
    try:
        budget_ns = parse_duration(text)
    except BadDuration as error:
        hint = f" (did you mean {error.nearest!r}?)" if error.nearest else ""
        raise argparse.ArgumentTypeError(f"{text!r} {error}{hint}") from None
    if budget_ns == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time at all")
    return budget_ns


def _shard(text: str) -> Tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    index, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= of:
        raise argparse.ArgumentTypeError(f"{text!r} is no shard: 1/4 to 4/4 are the parts of four")
    return index, of


OPTIONS = {
    "explore": explore_options,
    "replay": replay_options,
    "shrink": shrink_options,
    "diff": diff_options,
}
