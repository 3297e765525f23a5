"""logs: nobody warned of something that nothing accounts for."""

from __future__ import annotations

import logging
import re
from typing import Any, ClassVar, List, Mapping

from sim.abc import Result
from sim.checkers.finding import Finding, judged
from sim.history.history import Allowance, History
from sim.history.op import LOG

_BELOW_WARNING = ("NOTSET", "DEBUG", "INFO")


class Logs:
    """Log records of WARNING and above need a fault or an expectation that accounts for them."""

    alias: ClassVar[str] = "logs"
    doc: ClassVar[str] = "no log record of WARNING and above that nothing accounts for"

    def check(self, history: History) -> Result:
        allowances = [a for a in history.header.allowances if a.kind == "log"]
        findings: List[Finding] = []
        for index, op in enumerate(history.ops):
            if op.f != LOG:
                continue
            detail = op.detail or {}
            if not _is_warning(detail.get("level")):
                continue
            if not any(covers(a, op.process, detail) for a in allowances):
                logger, level = detail.get("logger"), detail.get("level")
                message = " ".join(str(detail.get("message")).split())
                why = f"{op.process}: {logger} logged {level}: {message}"
                findings.append(Finding(why, (index,)))
        return judged(self.alias, findings)


def _is_warning(level: Any) -> bool:
    """A level of the program's own making counts as a warning: better asked about than missed."""
    if isinstance(level, int):
        return level >= logging.WARNING
    return level not in _BELOW_WARNING


def covers(allowance: Allowance, process: str, detail: Mapping[str, Any]) -> bool:
    logger = str(detail.get("logger") or "")
    if not allowance.covers(process):
        return False
    if allowance.value not in ("*", logger) and not logger.startswith(allowance.value + "."):
        return False
    if allowance.level is not None and allowance.level != detail.get("level"):
        return False
    message = str(detail.get("message") or "")
    return allowance.pattern is None or re.search(allowance.pattern, message) is not None
