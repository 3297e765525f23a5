"""The commands that read scenario files and start nothing: list, validate, schema."""

from __future__ import annotations

import argparse
import json

from sim.arguments import selected
from sim.errors import ExitStatus
from sim.loading import count_all, load_all
from sim.report import text
from sim.scenario.schema import json_schema


def list_command(arguments: argparse.Namespace) -> ExitStatus:
    runs = selected(load_all(arguments.paths), arguments)
    name_width = text.width_of(run.name for run in runs)
    for run in runs:
        print(f"{run.name:<{name_width}}  {run.path}")
    return ExitStatus.OK


def validate_command(arguments: argparse.Namespace) -> ExitStatus:
    for path, count in count_all(arguments.paths).items():
        print(f"{path}: ok, {count} run{'' if count == 1 else 's'}")
    return ExitStatus.OK


def schema_command(arguments: argparse.Namespace) -> ExitStatus:
    print(json.dumps(json_schema(), indent=2))
    return ExitStatus.OK
