"""Checks each table of a document by itself, so that one bad table hides no other's problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Type, Union

from pydantic import BaseModel

from sim import faults
from sim.plugin import PluginError, is_named
from sim.scenario.cluster_models import Cluster
from sim.scenario.expect_models import EXPECTATIONS
from sim.scenario.exploring import SOMETIMES, Explore
from sim.scenario.fault_schema import (
    UnreadFault,
    fault_model,
    fault_models,
    find_fault,
    heal_key,
)
from sim.scenario.lines import Path
from sim.scenario.models import (
    Check,
    Head,
    ReaderProcess,
    Transport,
    WriterProcess,
)
from sim.scenario.names import find_checker, nearest, show
from sim.scenario.problems import Collector, kind_of
from sim.scenario.program_models import ProgramProcess
from sim.scenario.programs import check_programs

LISTS = ("process", "fault", "check", "expect", "sometimes")
SECTIONS = ("transport", "explore", "cluster", *LISTS, "sweep")
TABLES_MAX = 256  # of each list: a page of [[fault]] is more than anybody reads

ROLES: Mapping[str, Type[BaseModel]] = {"writer": WriterProcess, "reader": ReaderProcess}
Process = Union[WriterProcess, ReaderProcess, ProgramProcess]


@dataclass
class Tables:
    """What is right in a document, by index; None stands for a table that has problems."""

    head: Optional[Head]
    transport: Optional[Transport]
    processes: List[Optional[Process]] = field(default_factory=list)
    faults: List[Optional[Any]] = field(default_factory=list)  # of fault_models()
    checks: List[Optional[Check]] = field(default_factory=list)
    expects: List[Optional[Any]] = field(default_factory=list)  # of EXPECTATIONS
    explore: Optional[Explore] = None
    sometimes: List[Optional[Any]] = field(default_factory=list)  # of SOMETIMES
    cluster: Optional[Cluster] = None
    is_of_cluster: bool = False


def checked_tables(keys: Mapping[str, Any], problems: Collector, *, imports: bool) -> Tables:
    """`imports`: plug-ins are, and checked in full; if not, the form of their names is checked, and
    of their faults the keys that all faults have."""
    head_keys = {name: value for name, value in keys.items() if name not in SECTIONS}
    tables = Tables(
        head=_head(head_keys, problems),
        transport=problems.validated(Transport, keys.get("transport", {}), ("transport",)),
    )
    for path, raw in _each(keys, "process", problems):
        tables.processes.append(_process(raw, path, problems))
    for path, table in _each(keys, "fault", problems):
        tables.faults.append(_fault(table, path, problems, imports=imports))
    for path, raw in _each(keys, "check", problems):
        tables.checks.append(_check(raw, path, problems, imports=imports))
    for path, raw in _each(keys, "expect", problems):
        expected = _expect(raw, path, problems)
        named = getattr(expected, "checker", None) if imports else None
        is_there = named is None or _has_checker(named, (*path, "checker"), problems)
        tables.expects.append(expected if is_there else None)
    if "cluster" in keys:
        tables.is_of_cluster = True
        tables.cluster = problems.validated(Cluster, keys["cluster"], ("cluster",))
    if "explore" in keys:
        tables.explore = problems.validated(Explore, keys["explore"], ("explore",))
    for path, raw in _each(keys, "sometimes", problems):
        tables.sometimes.append(_sometimes(raw, path, problems))
    check_programs(tables, keys, problems)
    return tables


def _head(keys: Mapping[str, Any], problems: Collector) -> Optional[Head]:
    """Head knows only its own keys: the sections are near names for misspelt ones too."""
    known = {info.alias or name for name, info in Head.model_fields.items()}
    unknown = [name for name in keys if name not in known]
    for name in unknown:
        near = nearest(name, known.union(SECTIONS))
        listed = "" if near else f"; known: {', '.join(sorted(known.union(SECTIONS)))}"
        problems.add((name,), f"unknown key {show(name)}{listed}", near)
    known_keys = {name: value for name, value in keys.items() if name in known}
    return problems.validated(Head, known_keys, ())


def _each(keys: Mapping[str, Any], section: str, problems: Collector) -> Sequence[Tuple[Path, Any]]:
    raw = keys.get(section, [])
    if not isinstance(raw, list):
        got = f"got {show(raw)} ({kind_of(raw)})"
        problems.add((section,), f"expected [[{section}]], a table in double brackets; {got}")
        return ()
    if len(raw) > TABLES_MAX:
        problems.add((section, TABLES_MAX), f"{len(raw)} tables; at most {TABLES_MAX}")
        return ()
    return [((section, index), table) for index, table in enumerate(raw)]


def _one_of(
    models: Mapping[str, Type[BaseModel]],
    tag: str,
    what: str,
    raw: Any,
    path: Path,
    problems: Collector,
) -> Optional[Any]:
    """Checks the table by the model that its tag names; without one, by what all have in common."""
    if not isinstance(raw, dict):
        problems.add(path, f"expected a table, got {show(raw)} ({kind_of(raw)})")
        return None
    name = raw.get(tag)
    if isinstance(name, str) and name in models:
        return problems.validated(models[name], raw, path)
    if tag not in raw:
        other = "; a program has `program` or `argv`" if tag == "role" else ""
        problems.add((*path, tag), f"is required: one of {', '.join(models)}{other}")
    elif not isinstance(name, str):
        problems.add((*path, tag), f"expected a string, got {show(name)} ({kind_of(name)})")
    else:
        message = f"unknown {what} {show(name)}; one of {', '.join(models)}"
        problems.add((*path, tag), message, nearest(name, models))
    # Judged as each of the models would; problems that all of them see are real.
    tagged = [{**raw, tag: alias} for alias in models]
    problems.refused_by_all(zip(models.values(), tagged), path)
    return None


def _process(raw: Any, path: Path, problems: Collector) -> Optional[Any]:
    if isinstance(raw, dict) and "role" not in raw and ("program" in raw or "argv" in raw):
        return problems.validated(ProgramProcess, raw, path)
    return _one_of(ROLES, "role", "role", raw, path, problems)


def _fault(raw: Any, path: Path, problems: Collector, *, imports: bool) -> Optional[Any]:
    """A plug-in's own keys are its fields, which are known once it is imported."""
    name = raw.get("kind") if isinstance(raw, dict) else None
    if not isinstance(name, str) or not (is_named(name) or name in faults.FAULTS):
        return _one_of(fault_models(), "kind", "fault", raw, path, problems)
    if is_named(name) and not imports:
        return problems.validated(UnreadFault, raw, path)
    try:
        model = fault_model(name)
    except PluginError as error:
        problems.add((*path, "kind"), str(error), error.nearest)
        return None
    return problems.validated(model, _without_vain_healing(raw, path, problems), path)


def _without_vain_healing(raw: Any, path: Path, problems: Collector) -> Any:
    kind = find_fault(raw["kind"])
    if heal_key(kind) is not None or "heal_after" not in raw:
        return raw
    problems.add((*path, "heal_after"), f"{kind.alias} has nothing to heal")
    return {name: value for name, value in raw.items() if name != "heal_after"}


def _check(raw: Any, path: Path, problems: Collector, *, imports: bool) -> Optional[Check]:
    check: Optional[Check] = problems.validated(Check, raw, path)
    if check is None or not imports or _has_checker(check.alias, (*path, "alias"), problems):
        return check
    return None


def _has_checker(name: str, path: Path, problems: Collector) -> bool:
    try:
        find_checker(name)
    except PluginError as error:
        problems.add(path, str(error), error.nearest)
        return False
    return True


def _expect(raw: Any, path: Path, problems: Collector) -> Optional[Any]:
    if not isinstance(raw, dict):
        problems.add(path, f"expected a table, got {show(raw)} ({kind_of(raw)})")
        return None
    given = [name for name in EXPECTATIONS if name in raw]
    if not given and "checker" in raw:
        given = ["verdict"]
    if not given and "op" in raw:
        given = ["outcome"]
    if len(given) == 1:
        return problems.validated(EXPECTATIONS[given[0]], raw, path)
    if given:
        message = f"{given[0]} and {given[1]} are two expectations: each in its own [[expect]]"
        problems.add((*path, given[1]), message)
        return None
    fields = {name for model in EXPECTATIONS.values() for name in model.model_fields}
    for name in raw:
        if name not in fields:
            problems.add((*path, name), f"unknown key {show(name)}", nearest(name, fields))
    if all(name in fields for name in raw):
        problems.add(path, f"expects nothing: give one of {', '.join(EXPECTATIONS)}")
    return None


def _sometimes(raw: Any, path: Path, problems: Collector) -> Optional[Any]:
    if not isinstance(raw, dict):
        problems.add(path, f"expected a table, got {show(raw)} ({kind_of(raw)})")
        return None
    given = [name for name in SOMETIMES if name in raw]
    if len(given) == 1:
        return problems.validated(SOMETIMES[given[0]], raw, path)
    if given:
        message = f"{given[0]} and {given[1]} are two things: each in its own [[sometimes]]"
        problems.add((*path, given[1]), message)
        return None
    near = next((nearest(name, SOMETIMES) for name in raw if nearest(name, SOMETIMES)), None)
    problems.add(path, f"names nothing: give one of {', '.join(SOMETIMES)}", near)
    return None
