"""Faults, checkers and transports of other packages, named as "their_pkg.module:Thing"."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import re
from typing import Any, Iterable, Optional, Sequence

PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"


class PluginError(Exception):
    """What is wrong with the name, or with what it names."""

    def __init__(self, message: str, nearest: Optional[str] = None) -> None:
        super().__init__(message)
        self.nearest = nearest


def is_named(text: str) -> bool:
    return re.fullmatch(PATTERN, text) is not None


def find_class(name: str, what: str, seam: type) -> Any:
    """The class, imported now, which has what `seam`, a protocol, asks for. Raises PluginError."""
    found = _imported(name)
    if not isinstance(found, type):
        raise PluginError(f"{name!r} is no {what}: it is no class")
    _check_lacks(name, what, seam, _members(found) | set(dir(found)))
    return found


def make(name: str, what: str, seam: type, *, taken: Sequence[str] = ()) -> Any:
    """What the class, or another callable, makes without arguments. Raises PluginError; `taken`
    are aliases that mean something else."""
    factory = _imported(name)
    if isinstance(factory, type):
        find_class(name, what, seam)
    elif not callable(factory):
        raise PluginError(f"{name!r} is no {what}: it is no class")
    try:
        made = factory()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise PluginError(f"{name!r} cannot be made without arguments: {why}") from error
    _check_lacks(name, what, seam, set(dir(made)))
    if made.alias in taken:
        raise PluginError(f"{name!r} has the alias of another {what}, {made.alias!r}")
    return made


def _imported(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever their own code raises
        why = f"{type(error).__name__}: {error}"
        raise PluginError(f"{name!r} cannot be imported: {why}") from error
    if not hasattr(module, attribute):
        near = _nearest(attribute, (each for each in vars(module) if not each.startswith("_")))
        raise PluginError(
            f"{name!r}: module {module_name!r} has no {attribute!r}",
            near and f"{module_name}:{near}",
        )
    return getattr(module, attribute)


def _check_lacks(name: str, what: str, seam: type, has: set[str]) -> None:
    lacks = sorted(_members(seam) - has)
    if lacks:
        raise PluginError(f"{name!r} is no {what}: it has no {', '.join(lacks)}")


def _members(of: type) -> set[str]:
    """Of a protocol what it asks for; of a class what its instances get beside its attributes."""
    names = {*getattr(of, "__annotations__", ()), *vars(of)}
    if dataclasses.is_dataclass(of):
        names.update(field.name for field in dataclasses.fields(of))
    return {name for name in names if not name.startswith("_")}


def _nearest(name: str, names: Iterable[str]) -> Optional[str]:
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)
