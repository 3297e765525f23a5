"""Checkers: pure functions of a history, one per file. To add one: its file and a line here."""

from __future__ import annotations

from typing import Mapping

from sim.abc import Checker
from sim.checkers.blames import Blames
from sim.checkers.degradation import Degradation
from sim.checkers.environ import Environ
from sim.checkers.exits import Exits
from sim.checkers.fifo import Fifo
from sim.checkers.imports import Imports
from sim.checkers.leaks import Leaks
from sim.checkers.liveness import Liveness
from sim.checkers.logs import Logs
from sim.checkers.no_duplicates import NoDuplicates
from sim.checkers.no_loss import NoLoss
from sim.checkers.no_tearing import NoTearing
from sim.checkers.refcounts import Refcounts

CHECKERS: Mapping[str, Checker] = {
    NoLoss.alias: NoLoss(),
    NoDuplicates.alias: NoDuplicates(),
    Fifo.alias: Fifo(),
    NoTearing.alias: NoTearing(),
    Liveness.alias: Liveness(),
    Exits.alias: Exits(),
    Logs.alias: Logs(),
    Leaks.alias: Leaks(),
    Degradation.alias: Degradation(),
    Imports.alias: Imports(),
    Environ.alias: Environ(),
    Refcounts.alias: Refcounts(),
    Blames.alias: Blames(),
}
# Of what happens to programs as they start. They know nothing without what they ask for, so they
# run only where a [[check]] names them.
ASKED_FOR = (Degradation.alias, Imports.alias, Environ.alias, Refcounts.alias)
OF_CLUSTERS = (Blames.alias,)  # they run in files of a [cluster], and in no other
