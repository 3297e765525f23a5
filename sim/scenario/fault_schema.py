"""The shape of [[fault]], one per kind, made from the dataclass fields of each registered fault."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Dict, Literal, Mapping, Optional, Tuple, Type, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from sim import faults, plugin
from sim.abc import Fault
from sim.scenario.durations import format_duration
from sim.scenario.models import (
    STRICT,
    TIMES_MAX,
    At,
    Duration,
    PositiveDuration,
    Target,
    key,
)

# A fault that brings a successor says when in its own words; it heals then.
RESTART_FIELD = "restart_after_ns"


class FaultKeys(BaseModel):
    """The keys that every fault has."""

    model_config = STRICT
    target: Target = key(..., "a process (reader[1]) or reader:one, :some, :majority, :all")
    at: Optional[At] = key(
        None, 'when: "1.5s" after all are ready, { process, after_ops } or { step }'
    )
    every: Optional[PositiveDuration] = key(
        None, "again and again, so far apart; needs `times`", unit="duration"
    )
    times: int = key(1, "how often, with `every`", ge=1, le=TIMES_MAX)


class UnreadFault(FaultKeys):
    """A plug-in that is not imported: nobody knows its other keys, nor whether it heals."""

    model_config = ConfigDict(extra="allow")
    kind: str
    heal_after: Optional[PositiveDuration] = None


def fault_models() -> Mapping[str, Type[BaseModel]]:
    """Of the whole table. Each takes 3 ms to make: who needs one of them asks `fault_model`."""
    return {alias: _model(alias, fault) for alias, fault in faults.FAULTS.items()}


def find_fault(kind: str) -> Type[Fault]:
    """The fault of that alias, or the plug-in "pkg.module:Thing", imported now.

    Raises KeyError for an unknown alias, PluginError for what is no fault.
    """
    if ":" not in kind:
        return faults.FAULTS[kind]
    found: Any = plugin.find_class(kind, "fault", Fault)
    fields = dataclasses.fields(found) if dataclasses.is_dataclass(found) else ()
    if "target" not in [field.name for field in fields]:
        raise plugin.PluginError(f"{kind!r} is no fault: no dataclass with a field `target`")
    fault: Type[Fault] = found
    return fault


def fault_model(kind: str) -> Type[BaseModel]:
    """Raises KeyError for an unknown alias, PluginError for a plug-in that makes no model."""
    fault = find_fault(kind)
    try:
        model = _model(kind, fault)
        model.model_rebuild()
        return model
    except Exception as error:  # of annotations that nobody can read, or that pydantic cannot
        why = f"{type(error).__name__}: {error}"
        raise plugin.PluginError(f"{kind!r}: its fields make no keys: {why}") from error


def fault_of(table: Any) -> Optional[Type[Fault]]:
    """Of a checked table; None where it is a plug-in that is not imported."""
    return None if isinstance(table, UnreadFault) else find_fault(table.kind)


def heal_key(fault: Type[Fault]) -> Optional[str]:
    """The key that says when the fault is healed; None where there is nothing to heal."""
    if RESTART_FIELD in _parameters(fault):
        return _key_of(RESTART_FIELD)
    heals: object = fault.heals  # of the class: one that only some of its kind have says how above
    return "heal_after" if heals else None


def parameters_of(fault: Type[Fault], table: BaseModel) -> Mapping[str, Any]:
    """The keyword arguments, without `target`, that the checked table gives to the fault."""
    return {name: getattr(table, _key_of(name)) for name in _parameters(fault)}


def aimed(fault: Type[Fault], target: str, parameters: Mapping[str, Any]) -> Fault:
    """The fault on one process. Raises ValueError where its parameters make no sense together."""
    make: Any = fault
    made: Fault = make(target=target, **parameters)
    return made


@functools.lru_cache(maxsize=256)
def _model(alias: str, fault: Type[Fault]) -> Type[BaseModel]:
    fields: Dict[str, Any] = {
        "kind": (Literal[alias], key(..., fault.doc)),
    }
    if heal_key(fault) == "heal_after":
        fields["heal_after"] = (
            Optional[PositiveDuration],
            key(None, "undone so long after it fired; absent: at the end", unit="duration"),
        )
    for name, field in _parameters(fault).items():
        fields[_key_of(name)] = _parameter(name, field, get_type_hints(fault)[name])
    return create_model(f"fault_{alias}", __base__=FaultKeys, __doc__=fault.doc, **fields)


def _parameters(fault: Type[Fault]) -> Mapping[str, dataclasses.Field[Any]]:
    as_dataclass: Any = fault  # which a protocol cannot say of its classes
    fields = dataclasses.fields(as_dataclass)
    return {field.name: field for field in fields if field.name != "target"}


def _key_of(field_name: str) -> str:
    return field_name[: -len("_ns")] if field_name.endswith("_ns") else field_name


def _parameter(name: str, field: dataclasses.Field[Any], hint: Any) -> Tuple[Any, Any]:
    """Type and pydantic field: `x_ns` is the duration `x`; whole numbers are not negative."""
    default: Any = field.default
    if field.default is dataclasses.MISSING:
        default = ... if field.default_factory is dataclasses.MISSING else field.default_factory()
    doc = field.metadata.get("doc", name)
    if name.endswith("_ns"):
        shown = format_duration(default) if isinstance(default, int) else default
        kind = Optional[Duration] if default is None else Duration
        return kind, key(shown, doc, unit="duration")
    unit = "bytes" if name.endswith("_bytes") else None
    limits = {"ge": 0} if hint is int else {}
    return hint, key(default, doc, unit=unit, **limits)
