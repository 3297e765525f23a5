"""The arguments of `spinbed try` and `spinbed new`."""

from __future__ import annotations

import argparse

from sim.argument_types import file
from sim.scenario.examples import EXAMPLES
from sim.scenario.shorthand import SHORTHANDS


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
    parser.add_argument(
        "--of",
        choices=tuple(EXAMPLES),
        default="program",
        help="what the scenario is of (default program)",
    )
