"""The command report: what is known of a hang, from its bundle."""

from __future__ import annotations

import argparse

from sim import bundle
from sim.errors import ExitStatus


def report_command(arguments: argparse.Namespace) -> ExitStatus:
    print(bundle.read(arguments.bundle).text, end="")
    return ExitStatus.OK
