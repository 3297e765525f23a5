"""The names that a scenario file may use, and the one that a misspelt name most likely meant."""

from __future__ import annotations

import difflib
import signal
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Optional, Sequence

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from cy_kernels import choice
from sim import checkers, plugin, transport
from sim.abc import Checker
from sim.history import op
from sim.history.hang_class import HangClass

SELECTORS = ("one", "some", "majority", "all")
ROLES = ("writer", "reader")
WORLDS = ("live", "virtual")
STARTS = ("template", "fork", "spawn", "forkserver")
KERNELS = choice.KINDS
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HANG_CLASSES = tuple(kind.value for kind in HangClass)
OUTCOMES = (op.TIMEOUT, op.ENDED, op.CLOSED, op.RAISED, op.EVICTED, op.FENCED)
# Whom the history itself speaks of: no process may be called so.
RESERVED_PROCESS_NAMES = ("nemesis", "watch")

SHOWN_CHARS = 80


def show(value: Any) -> str:
    """The value in one short line."""
    text = repr(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."


def nearest(name: Any, names: Iterable[str]) -> Optional[str]:
    if not isinstance(name, str) or len(name) > 200:
        return None
    folded = {_fold(candidate): candidate for candidate in names}
    close = difflib.get_close_matches(_fold(name), folded, n=1, cutoff=0.55)
    return folded[close[0]] if close else None


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


# The tables are looked up at each use: a scenario is checked against what is registered then.
def transport_names() -> Sequence[str]:
    return tuple(transport.TRANSPORTS)


def checker_names() -> Sequence[str]:
    return tuple(checkers.CHECKERS)


def ring_checker_names() -> Sequence[str]:
    """What runs where a file of a ring has no [[check]]."""
    others = (*checkers.ASKED_FOR, *checkers.OF_CLUSTERS)
    return tuple(name for name in checkers.CHECKERS if name not in others)


def find_checker(name: str) -> Checker:
    """The checker of that alias, or the plug-in "pkg.module:Thing", imported now.

    Raises KeyError for an unknown alias, PluginError for what is no checker.
    """
    if ":" not in name:
        return checkers.CHECKERS[name]
    made: Checker = plugin.make(name, "checker", Checker, taken=checker_names())
    return made


def wait_names() -> Sequence[str]:
    return tuple(transport.STRATEGIES)


def signal_names() -> Sequence[str]:
    return tuple(sorted(member.name for member in signal.Signals))


@dataclass(frozen=True)
class OneOf:
    """Annotates a string that must be one of `names()`; an enum in the JSON Schema."""

    what: str
    names: Callable[[], Sequence[str]]
    beside: Optional[Callable[[str], bool]] = None  # accepts what no table can list
    pattern: Optional[str] = None  # of what `beside` accepts

    def check(self, value: str) -> str:
        names = self.names()
        if value in names or (self.beside is not None and self.beside(value)):
            return value
        raise PydanticCustomError(
            "unknown_name",
            "{message}",
            {
                "message": f"unknown {self.what} {show(value)}; one of {', '.join(names)}",
                "nearest": nearest(value, names),
            },
        )

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> Dict[str, Any]:
        listed = {"type": "string", "enum": list(self.names())}
        if self.pattern is None:
            return listed
        return {"anyOf": [listed, {"type": "string", "pattern": self.pattern}]}
