"""A program that uses an extension which returns True without a reference of its own.

    before  calls it, and dies once as many calls were made as there were references to True; after
            fewer calls, at its end, when the interpreter gives its own references up
    after   has another process count what 20 calls cost, refuses an extension that takes references
            away, says so in one warning, and does the same work by its twin in Python

    SUBJECT_FOLDER  where `constants` is, as sim.subjects.native.built makes it; else it is looked
                    for on the path
    SUBJECT_CALLS   how many; 2000

Which headers it was built with decides, and which interpreter runs it: native/constants.c has it.
Probes: loaded, result.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from typing import Callable

import spinbed

FOLDER = os.environ.get("SUBJECT_FOLDER")
CALLS = int(os.environ.get("SUBJECT_CALLS", "2000"))

EXTENSION = "constants"
TRIAL_CALLS = 20  # an interpreter holds more references to True than that
TRIAL_DEADLINE_S = 60.0
# In a process of its own, which does not end as interpreters do: one reference too few is enough
# for them to die of.
TRIAL = """
import os, sys
sys.path[:], calls = sys.argv[3:], int(sys.argv[2])
say_true = __import__(sys.argv[1]).say_true
at_first = sys.getrefcount(True)
for _ in range(calls):
    say_true()
print(at_first - sys.getrefcount(True), flush=True)
os._exit(0)
"""

logger = logging.getLogger("sim.subjects.borrowed_constants")


def before() -> None:
    _work("before", _loaded())


def after() -> None:
    say_true = _loaded()
    lost = _lost_in_a_trial()
    if lost >= TRIAL_CALLS:
        logger.warning(
            "%s takes references to True away (%d in %d calls), Python runs instead",
            EXTENSION,
            lost,
            TRIAL_CALLS,
        )
        say_true = _say_true
    _work("after", say_true)


def _loaded() -> Callable[[], bool]:
    if FOLDER is not None:
        sys.path.insert(0, FOLDER)
    extension = importlib.import_module(EXTENSION)
    spinbed.probe("loaded", file=extension.__file__)
    say_true: Callable[[], bool] = extension.say_true
    return say_true


def _say_true() -> bool:
    return True


def _lost_in_a_trial() -> int:
    """References to True that so many calls take away; 0 where it is immortal."""
    tried = subprocess.run(
        [sys.executable, "-c", TRIAL, EXTENSION, str(TRIAL_CALLS), *sys.path],
        stdout=subprocess.PIPE,
        check=True,
        timeout=TRIAL_DEADLINE_S,
    )
    return int(tried.stdout)


def _work(variant: str, say_true: Callable[[], bool]) -> None:
    heard = sum(say_true() for _ in range(CALLS))
    result = {"variant": variant, "calls": CALLS, "heard": heard}
    result["extension_is_used"] = say_true is not _say_true
    spinbed.probe("result", **result)
    print(json.dumps(result))
