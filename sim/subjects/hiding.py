"""A program that may not be looked into: SUBJECT_DUMPABLE=0 has it say so to the OS as it begins.

As what handles keys does it, and what has changed its user: see PR_SET_DUMPABLE in prctl(2). What
/proc then shows of it to others than root is in docs/evidence.md.
"""

from __future__ import annotations

import ctypes
import os

PR_SET_DUMPABLE = 4


def hide_if_asked() -> None:
    if os.environ.get("SUBJECT_DUMPABLE") == "0":
        hide()


def hide() -> None:
    """Forks of it are hidden with it; what they execute is not. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
