"""The command doctor: what this host offers, what is missing, and what dead runs left over."""

from __future__ import annotations

import argparse
import tempfile

from sim.arguments import JOURNALS
from sim.errors import ExitStatus
from sim.live import doctor


def doctor_command(arguments: argparse.Namespace) -> ExitStatus:
    facts = doctor.examine()
    width = max(len(fact.name) for fact in facts)
    for fact in facts:
        print(f"{fact.name:<{width}}  {fact.value}")
    for lack in doctor.missing(facts):
        print(f"missing: {lack}")
    left = doctor.left_overs([str(JOURNALS), tempfile.gettempdir()], reap=arguments.reap)
    print("", *left.lines, sep="\n")
    return ExitStatus.LEAK if left.dead else ExitStatus.OK
