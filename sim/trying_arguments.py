"""The arguments of `spinbed try`, `spinbed new` and `spinbed matrix`."""

from __future__ import annotations

import argparse
import re
from typing import List

from sim.argument_types import JOBS_MAX, JOURNALS, count, file, folder, seed
from sim.live.interpreters import MINORS
from sim.scenario.examples import EXAMPLES
from sim.scenario.shorthand import SHORTHANDS

REPEAT_MAX = 10_000


def try_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        dest="faults",
        metavar="FAULT",
        help="; ".join(each.usage for each in SHORTHANDS.values()) + "; WHEN is a time or a probe",
    )
    parser.add_argument(
        "--deadline", default="60s", metavar="TIME", help="it is ended then (default 60s)"
    )
    parser.add_argument(
        "--save", type=file, default=None, metavar="FILE.toml", help="keep it as a scenario"
    )
    parser.add_argument("argv", nargs="+", metavar="COMMAND", help="after --: what is run")


def new_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=file, metavar="FILE.toml", help="what is written")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--of",
        choices=tuple(EXAMPLES),
        default="program",
        help="what the scenario is of (default program)",
    )
    either.add_argument(
        "--from",
        type=folder,
        dest="bundle",
        default=None,
        metavar="BUNDLE",
        help="the bundle of a hang: the scenario makes its run again, and expects the hang",
    )


def matrix_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--python",
        type=_pythons,
        default=[f"3.{minor}" for minor in MINORS],
        dest="pythons",
        metavar="3.9,3.10,...",
        help="versions, or paths of interpreters (default: all that spinbed is tested with)",
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of each (default 0)")
    parser.add_argument(
        "--jobs", type=count(JOBS_MAX), default=1, metavar="N", help="runs at a time (default 1)"
    )
    parser.add_argument(
        "--repeat", type=count(REPEAT_MAX), default=1, metavar="N", help="of each cell (default 1)"
    )
    parser.add_argument(
        "--require", action="store_true", help="an interpreter that is not there is a failure"
    )
    parser.add_argument(
        "--journal-dir",
        type=folder,
        default=JOURNALS,
        metavar="DIR",
        help=f"where journals are kept (default {JOURNALS})",
    )


def _pythons(text: str) -> List[str]:
    pythons = text.split(",")
    for python in pythons:
        if "/" not in python and re.fullmatch(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", python) is None:
            why = f"{python!r} is neither a version (3.10, 3.10.13) nor a path with a slash"
            raise argparse.ArgumentTypeError(why)
    return list(dict.fromkeys(pythons))


OPTIONS = {"try": try_options, "new": new_options, "matrix": matrix_options}
