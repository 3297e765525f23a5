"""A script that starts a spawned process with and without the guard of its main part.

    before  without: the spawned process runs the script again, and would start one of its own.
            RuntimeError there, status 1 there and here
    after   with it

The scripts are packages/unguarded.py and packages/guarded.py: they can be run as they are, too.
"""

from __future__ import annotations

import runpy
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages"


def before() -> None:
    runpy.run_path(str(PACKAGES / "unguarded.py"), run_name="__main__")


def after() -> None:
    runpy.run_path(str(PACKAGES / "guarded.py"), run_name="__main__")
