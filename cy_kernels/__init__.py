"""The face of the compiled kernels: status() says compiled or pure, and exactly why.

Importing this package loads no kernel, so that a broken one cannot take down a process that never
asked for it. Two exceptions to "pure is fine": SPINBED_REQUIRE_EXT=1, and damage that Python cannot
catch (a truncated file is a SIGBUS, a foreign ABI may be a SIGSEGV).
"""

from __future__ import annotations

import importlib
import importlib.machinery
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

__all__ = ["KERNELS", "REQUIRE", "Reason", "Status", "status"]

# One .pyx each, in the order in which they are loaded.
KERNELS = (
    *("clock", "cpu", "spinloop", "recorder", "ring"),
    *("mutants", "gate", "explore", "trap"),
)
REQUIRE = "SPINBED_REQUIRE_EXT"
NOTE = "_build_note.txt"  # written by setup.py into an installation without kernels

# Without it an application that configured no logging would find our warning on its stderr.
logging.getLogger("cy_kernels").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Reason:
    """Why a kernel could not be loaded: what was raised, by which file, and what the build said."""

    exception: str  # the type's name, "ImportError"
    text: str
    file: str  # the file that failed, or that was looked for and is not there
    build_note: Optional[str] = None

    def __str__(self) -> str:
        note = f"; the build said: {self.build_note}" if self.build_note else ""
        return f"{self.exception}: {self.text} ({self.file}){note}"


@dataclass(frozen=True)
class Status:
    """What this process runs on."""

    kind: str  # "compiled" | "pure"
    reason: Optional[Reason]  # None when compiled
    required: bool  # SPINBED_REQUIRE_EXT=1: pure would have been an ImportError

    def __str__(self) -> str:
        return self.kind if self.reason is None else f"{self.kind}: {self.reason}"


# Filled once. dict.setdefault is atomic, so that of racing threads one wins and one warns; a lock
# around imports could deadlock, and would be inherited locked by a fork.
_known: dict[str, Status] = {}


def status() -> Status:
    """Load the kernels, once; if one cannot be, say so once as a warning of logger "cy_kernels"."""
    if "status" in _known:
        return _known["status"]
    found, _ = _load()
    kept = _known.setdefault("status", found)
    if kept is found and found.reason is not None:
        logging.getLogger("cy_kernels").warning(
            "the compiled kernels could not be loaded, running pure: %s", found.reason
        )
    return kept


def _load() -> tuple[Status, Optional[Exception]]:
    required = os.environ.get(REQUIRE) == "1"
    for name in KERNELS:
        try:
            importlib.import_module(f"{__name__}.{name}")
        except Exception as error:  # a PyInit may raise anything, not only ImportError
            return Status("pure", _reason(name, error), required), error
    return Status("compiled", None, required), None


def _reason(name: str, error: Exception) -> Reason:
    here = Path(__file__).resolve().parent
    spec = importlib.machinery.PathFinder.find_spec(f"{__name__}.{name}", [str(here)])
    # Not sysconfig's EXT_SUFFIX: threads that race through its lazy start find None.
    expected = here / (name + importlib.machinery.EXTENSION_SUFFIXES[0])
    file = spec.origin if spec is not None and spec.origin else str(expected)
    text = str(error)
    if spec is None and not any(here.glob("*.so")):
        text += " (no compiled kernel is installed)"
    elif spec is None:
        text += f" (no file with a suffix of {importlib.machinery.EXTENSION_SUFFIXES})"
    note = here / NOTE
    build_note = note.read_text(encoding="utf-8").strip() if note.is_file() else None
    return Reason(type(error).__name__, text, file, build_note)


def _require() -> None:
    """At import, under SPINBED_REQUIRE_EXT=1: compiled, or no import at all."""
    found, cause = _load()
    if cause is not None:
        text = f"{REQUIRE}=1, but the kernels cannot be loaded: {found.reason}"
        raise ImportError(text) from cause
    _known["status"] = found


if os.environ.get(REQUIRE) == "1":
    _require()
