"""`spinbed attach`: why processes stand still that spinbed has not started. It only looks."""

from __future__ import annotations

import argparse
from typing import Dict, List

from sim.errors import ExitStatus, Problem, ScenarioError
from sim.hang.attached import tell
from sim.live.foreign_evidence import collect
from sim.live.foreign_flags import Asked
from sim.live.foreign_processes import NotAttachable, checked_pid
from sim.live.foreign_regions import BadRegion
from sim.report import attached
from sim.scenario.durations import BadDuration, parse_duration

STALL_MIN_NS = 200_000_000
STALL_MAX_NS = 600 * 10**9
WHO = "spinbed attach"


def attach_command(arguments: argparse.Namespace) -> ExitStatus:
    """LIVENESS: a hang."""
    problems: List[Problem] = []
    pids: Dict[int, None] = {}
    for word in arguments.pids:
        try:
            pids[checked_pid(word)] = None
        except NotAttachable as bad:
            problems.append(Problem(WHO, None, None, str(bad), bad.nearest))
    stall_ns = _stall_ns(arguments.stall, problems)
    if problems:
        raise ScenarioError(problems)
    asked = Asked(arguments.slots, arguments.slot_bytes, arguments.readers)
    try:
        evidence = collect(list(pids), asked, stall_ns)
    except BadRegion as bad:
        raise ScenarioError([Problem(WHO, None, None, str(bad))]) from None
    findings = tell(evidence)
    if arguments.json:
        print(attached.as_json(evidence, findings))
    else:
        for line in attached.lines(evidence, findings):
            print(line)
    return ExitStatus.LIVENESS if any(each.hang for each in findings) else ExitStatus.OK


def _stall_ns(text: str, problems: List[Problem]) -> int:
    flag = f"{WHO} --stall"
    try:
        stall_ns = parse_duration(text)
    except BadDuration as bad:
        problems.append(Problem(flag, None, None, f"{text!r} {bad}", bad.nearest))
        return 0
    if not STALL_MIN_NS <= stall_ns <= STALL_MAX_NS:
        problems.append(Problem(flag, None, None, f"{text!r} is not between 200ms and 10min"))
    return stall_ns
