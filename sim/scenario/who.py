"""Whom the names in a scenario mean: processes, tables of them, roles, selectors."""

from __future__ import annotations

import re
from typing import Mapping, Optional, Sequence, Tuple

from sim.scenario.names import ROLES, SELECTORS, nearest, show
from sim.scenario.tables import Process

_INDEXED = re.compile(r"(.*)\[([0-9]+)\]")

Crew = Mapping[str, Process]  # by the name of its table


def members(process: Process) -> Sequence[str]:
    """The full names of the processes of one table."""
    if process.count == 1:
        return (process.name,)
    return tuple(f"{process.name}[{index}]" for index in range(process.count))


def named_by(crew: Crew, table_or_role: str) -> Sequence[str]:
    """Full names of a table's processes, or else of a role's."""
    if table_or_role in crew:
        return members(crew[table_or_role])
    return tuple(n for process in crew.values() if process.role == table_or_role
                 for n in members(process))  # fmt: skip


def everybody_in(crew: Crew) -> Sequence[str]:
    return [name for process in crew.values() for name in members(process)]


def candidates_of(target: str, crew: Crew) -> Tuple[Sequence[str], Optional[str], Optional[str]]:
    """Whom a target may mean; or why it names nobody, with the nearest name that does."""
    everybody = everybody_in(crew)
    if target in everybody:
        return (target,), None, None
    name, colon, selector = target.partition(":")
    if colon:
        found = named_by(crew, name)
        if not found:
            known = [*crew, *ROLES]
            near = nearest(name, known)
            return (), _names_nobody(target, everybody), near and f"{near}:{selector}"
        if selector not in SELECTORS:
            near = nearest(selector, SELECTORS)
            message = f"unknown selector in {show(target)}; one of {', '.join(SELECTORS)}"
            return (), message, near and f"{name}:{near}"
        return found, None, None
    if target in crew:
        message = f"{show(target)} is {crew[target].count} processes: name one, or choose with :one"
        return (), message, members(crew[target])[0]
    match = _INDEXED.fullmatch(target)
    near = nearest(target, everybody)
    if match and match.group(1) in crew:
        near = members(crew[match.group(1)])[-1]
    return (), _names_nobody(target, everybody), near


def _names_nobody(target: str, everybody: Sequence[str]) -> str:
    shown = list(everybody[:8]) + (["..."] if len(everybody) > 8 else [])
    return f"{show(target)} names nobody; there are {', '.join(shown)}"


def chosen_max(target: str, candidates: int) -> int:
    selector = target.partition(":")[2]
    if selector == "majority":
        return candidates // 2 + 1
    if selector == "some":
        return max(1, candidates - 1)
    return candidates if selector == "all" else 1
