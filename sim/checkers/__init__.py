"""Checkers: pure functions of a history, one per file. To add one: its file and a line here."""

from __future__ import annotations

from typing import Mapping

from sim.abc import Checker
from sim.checkers.exits import Exits
from sim.checkers.fifo import Fifo
from sim.checkers.leaks import Leaks
from sim.checkers.liveness import Liveness
from sim.checkers.logs import Logs
from sim.checkers.no_duplicates import NoDuplicates
from sim.checkers.no_loss import NoLoss
from sim.checkers.no_tearing import NoTearing

CHECKERS: Mapping[str, Checker] = {
    NoLoss.alias: NoLoss(),
    NoDuplicates.alias: NoDuplicates(),
    Fifo.alias: Fifo(),
    NoTearing.alias: NoTearing(),
    Liveness.alias: Liveness(),
    Exits.alias: Exits(),
    Logs.alias: Logs(),
    Leaks.alias: Leaks(),
}
