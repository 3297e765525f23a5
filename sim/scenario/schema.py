"""The JSON Schema of scenario files, with the names that are registered now as enums."""

from __future__ import annotations

from typing import Annotated, Any, Dict, List, Optional, Union

from pydantic import Field, create_model

from sim import transport
from sim.plugin import PATTERN
from sim.scenario.cluster_models import Cluster
from sim.scenario.expect_models import EXPECTATIONS
from sim.scenario.exploring import Explore, SometimesOutcome, SometimesRung, SometimesStep
from sim.scenario.fault_schema import fault_models
from sim.scenario.models import (
    STRICT,
    Check,
    Head,
    ReaderProcess,
    Sweep,
    Transport,
    WriterProcess,
    key,
)
from sim.scenario.program_models import ProgramProcess

# Of a fault that no table lists nobody knows the keys before it is imported.
PLUG_IN = {
    "type": "object",
    "description": "a fault of another package, their_pkg.module:Fault, with its own keys",
    "properties": {"kind": {"type": "string", "pattern": PATTERN}, "target": {"type": "string"}},
    "required": ["kind", "target"],
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> Dict[str, Any]:
    """Names, types, limits, units and defaults; that tables agree is for the loader to check."""
    fault: Any = Annotated[Union[tuple(fault_models().values())], Field(discriminator="kind")]
    process: Any = Union[WriterProcess, ReaderProcess, ProgramProcess]
    expect: Any = Union[tuple(EXPECTATIONS.values())]
    sometimes: Any = Union[SometimesRung, SometimesStep, SometimesOutcome]
    head: Dict[str, Any] = {
        name: (info.annotation, info) for name, info in Head.model_fields.items()
    }
    sections: Dict[str, Any] = {
        "transport": (Transport, key({}, "what the messages go through")),
        "cluster": (Optional[Cluster], key(None, "a job of many hosts, in the place of processes")),
        "process": (List[process], key([], "one writer and 1 to 64 readers, or programs")),
        "fault": (List[fault], key([], "what goes wrong")),
        "check": (List[Check], key([], "checkers that run; absent: the standard ones")),
        "expect": (List[expect], key([], "what must come of it; absent: verdict = valid")),
        "explore": (Explore, key({}, "how the virtual world is searched")),
        "sometimes": (List[sometimes], key([], "what must happen in some execution at least")),
        "sweep": (Optional[Sweep], key(None, "makes this file many runs")),
    }
    model = create_model("Scenario", __config__=STRICT, **head, **sections)
    model.__doc__ = "A spinbed scenario file."
    schema = _without_null(model.model_json_schema())
    faults = schema["properties"]["fault"]
    faults["items"] = {"anyOf": [faults["items"], PLUG_IN]}
    properties = schema["$defs"]["Transport"]["properties"]
    kinds = transport.TRANSPORTS.values()
    for name, listed in (("order", "orders"), ("mutant", "mutants")):
        names = [value for kind in kinds for value in getattr(kind, listed)]
        if names:
            # A transport of one's own has names that no table lists.
            properties[name]["examples"] = list(dict.fromkeys(names))
    return {"$schema": DIALECT, **schema, "title": "spinbed scenario"}


def _without_null(schema: Any) -> Any:
    """TOML has no null: an optional key is one that may be absent."""
    if isinstance(schema, list):
        return [_without_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _without_null(part) for name, part in schema.items()}
    if kept.get("default", ...) is None:
        del kept["default"]
    options = kept.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        rest = [option for option in options if option != {"type": "null"}]
        del kept["anyOf"]
        kept = {**rest[0], **kept} if len(rest) == 1 else {**kept, "anyOf": rest}
    return kept
