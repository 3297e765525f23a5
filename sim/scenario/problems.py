"""Collects what is wrong with a file: pydantic's errors and our own, as one line each."""

from __future__ import annotations

import datetime
import re
from typing import (
    Any,
    Iterable,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    Type,
    Union,
    get_args,
)

from pydantic import BaseModel, ValidationError

from sim.errors import Problem
from sim.scenario.lines import Lines, Path, spell
from sim.scenario.models import EXPLAINED, PLAIN, PROBED, STEPPED, TABLE
from sim.scenario.names import nearest, show

KINDS = (
    (bool, "a boolean"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
    ((datetime.date, datetime.time), "a date"),
)
EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def kind_of(value: Any) -> str:
    return next((kind for types, kind in KINDS if isinstance(value, types)), type(value).__name__)


class Collector:
    """Problems of one file, or of one run of its sweep, whose values stand at lines of their own.

    `moved` has the line of the swept value for each key that the sweep replaced.
    """

    def __init__(self, file: str, lines: Lines, moved: Optional[Mapping[Path, int]] = None) -> None:
        self.file = file
        self.lines = lines
        self.moved = moved or {}
        self.found: List[Problem] = []

    def add(self, path: Path, message: str, near: Optional[str] = None) -> None:
        self.found.append(Problem(self.file, self._line(path), spell(path) or None, message, near))

    def _line(self, path: Path) -> Optional[int]:
        for length in range(len(path), 0, -1):
            if path[:length] in self.moved:
                return self.moved[path[:length]]
        return self.lines.nearest(path) or 1

    def validated(self, model: Type[BaseModel], raw: Any, path: Path) -> Optional[Any]:
        """The model's instance, or None with every problem of this table added."""
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            self._add_errors(model, error.errors(include_url=False), raw, path)
            return None

    def refused_by_all(
        self, candidates: Iterable[Tuple[Type[BaseModel], Mapping[str, Any]]], path: Path
    ) -> None:
        """Adds the problems of a table that it has by every model it may have been meant for."""
        seen: List[Set[Any]] = []
        for model, raw in candidates:
            try:
                model.model_validate(raw)
                return
            except ValidationError as error:
                errors = error.errors(include_url=False)
            seen.append({(e["loc"], e["type"]) for e in errors})
        common = set.intersection(*seen) if seen else set()
        shared = [e for e in errors if (e["loc"], e["type"]) in common] if seen else []
        if shared:
            self._add_errors(model, shared, raw, path)

    def _add_errors(self, model: Type[BaseModel], errors: Any, raw: Any, path: Path) -> None:
        placed = [(path + _location(error["loc"], raw), error) for error in errors]
        for place, error in placed:
            message, near = _said(error, _fields(model, place[len(path) : -1]))
            self.add(place, message, near)


def _location(loc: Tuple[Union[str, int], ...], raw: Any) -> Path:
    """pydantic's location without the tags of unions, which are no keys of the file."""
    path: Path = ()
    for part in loc:
        is_key = isinstance(raw, dict) and part in raw
        if part in (TABLE, PLAIN, STEPPED, PROBED) and not is_key:
            continue
        path += (part,)
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
    return path


def _said(error: Mapping[str, Any], fields: Set[str]) -> Tuple[str, Optional[str]]:
    """The message, which names the value, and the nearest valid name."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if "message" in context:
        return context["message"], context["nearest"]
    if kind == "missing":
        return "is required", None
    if kind == "extra_forbidden":
        name = str(error["loc"][-1])
        near = nearest(name, fields)
        listed = "" if near else f"; known: {', '.join(sorted(fields))}"
        return f"unknown key {show(name)}{listed}", near
    known = re.findall(r"'([^']*)'", context["expected"]) if kind == "literal_error" else []
    if known:
        return f"{show(value)} is not one of {', '.join(known)}", nearest(value, known)
    if kind in EXPECTED:
        return f"expected {EXPECTED[kind]}, got {show(value)} ({kind_of(value)})", None
    return _out_of_limits(kind, value, context) or f"{show(value)}: {error['msg']}", None


def _out_of_limits(kind: str, value: Any, context: Mapping[str, Any]) -> Optional[str]:
    if kind in ("greater_than_equal", "greater_than"):
        limit = context.get("ge", context.get("gt"))
        return f"{show(value)} is too small: {'at least' if 'ge' in context else 'above'} {limit}"
    if kind in ("less_than_equal", "less_than"):
        return f"{show(value)} is too large: at most {context.get('le', context.get('lt'))}"
    if kind in ("too_short", "string_too_short"):
        count = "is empty" if not value else f"has {len(value)}"
        return f"{show(value)} {count}: at least {context['min_length']} needed"
    if kind == "too_long":
        return f"{show(value)} has {len(value)}: at most {context['max_length']} allowed"
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"{show(value)} is not valid: {EXPLAINED.get(pattern, f'it must match {pattern}')}"
    if kind == "finite_number":
        return f"{show(value)} is not a finite number"
    return None


def _fields(model: Type[BaseModel], path: Path) -> Set[str]:
    """The keys that are valid in the table at `path` inside the model."""
    models = {model}
    for part in path:
        if isinstance(part, str):
            models = set().union(*(_models_in(m.model_fields[part].annotation) for m in models
                                   if part in m.model_fields))  # fmt: skip
    return {field.alias or name for m in models for name, field in m.model_fields.items()}


def _models_in(annotation: Any) -> Set[Type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return set().union(*(_models_in(part) for part in get_args(annotation)))
