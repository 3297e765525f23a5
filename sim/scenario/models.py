"""The shape of a scenario file: every key with its type, limits, unit, default and one line."""

from __future__ import annotations

import re
from typing import Annotated, Any, Dict, List, Optional, Union

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from cy_kernels import choice
from sim import plugin
from sim.scenario import names, steps
from sim.scenario.durations import PATTERN, BadDuration, parse_duration
from sim.scenario.names import OneOf

# TOML is typed: "8" is no number and 1 is no boolean. Defaults go through the same validators,
# which are built when the first table of their kind is met: a file has few of the kinds.
STRICT = ConfigDict(
    extra="forbid", strict=True, frozen=True, validate_default=True, defer_build=True
)

MESSAGES_MAX = 1_000_000
READERS_MAX = 64
SLOT_BYTES_MAX = 2**30
SLOTS_MAX = 2**20
TIMES_MAX = 1000

SCENARIO_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
PROCESS_NAME = r"^[a-z][a-z0-9_-]{0,31}$"
TARGET = r"^[a-z][a-z0-9_-]*(\[[0-9]+(\.\.[0-9]+)?\])?(\.[a-z]+(\[[0-9]+\])?)?(:[a-z]+)?$"
PROBE = r"^[^\s,]{1,100}$"
PYTHON = r"^(3\.[0-9]{1,2}(\.[0-9]{1,2})?|[^\x00]*/[^\x00]*)$"
# What a pattern says, in words.
EXPLAINED = {
    PYTHON: "is a version (3.10, 3.10.13) or a path with a slash",
    PROBE: "has no space and no comma, at most 100 characters",
    SCENARIO_NAME: "begins with a letter or digit, goes on with those and _ . -, at most 100",
    PROCESS_NAME: "begins with a small letter, goes on with those, digits, _ and -, at most 32",
    TARGET: "a process (writer, reader[1]) or a selector (reader:one)",
}
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ENV_BYTES_MAX = 32 * 4096 - 1  # MAX_ARG_STRLEN of execve(2), less its NUL


def key(default: Any, doc: str, *, unit: Optional[str] = None, **limits: Any) -> Any:
    extra: Any = {"unit": unit} if unit else None
    return Field(default, description=doc, json_schema_extra=extra, **limits)


def refuse(message: str, nearest: Optional[str] = None) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message, "nearest": nearest})


def _duration(value: Any) -> int:
    if not isinstance(value, str):
        raise refuse(f'expected a duration such as "300ms", got {names.show(value)}')
    try:
        return parse_duration(value)
    except BadDuration as bad:
        raise refuse(f"{names.show(value)} {bad}", bad.nearest) from None


def _positive_duration(value: Any) -> int:
    time_ns = _duration(value)
    if time_ns == 0:
        raise refuse(f"{names.show(value)} must be more than 0")
    return time_ns


_AS_TEXT = WithJsonSchema({"type": "string", "pattern": PATTERN})
Duration = Annotated[int, BeforeValidator(_duration), _AS_TEXT]
PositiveDuration = Annotated[int, BeforeValidator(_positive_duration), _AS_TEXT]


# Tags of the unions below. They appear in pydantic's locations and are dropped from ours.
TABLE, PLAIN, STEPPED, PROBED = "<table>", "<plain>", "<step>", "<probe>"
table_or_plain = Discriminator(lambda v: TABLE if isinstance(v, (dict, BaseModel)) else PLAIN)


def _env(value: Any) -> Any:
    for name, text in value.items() if isinstance(value, dict) else ():
        if not ENV_NAME.fullmatch(name):
            raise refuse(f"{names.show(name)} cannot be the name of an environment variable")
        if isinstance(text, str) and "\0" in text:
            raise refuse(f"the value of {name} holds a NUL")
        size_bytes = len(f"{name}={text}".encode("utf-8", "replace"))
        if size_bytes > ENV_BYTES_MAX:
            raise refuse(f"{name} and its value are {size_bytes} bytes; at most {ENV_BYTES_MAX}")
        if name == choice.VARIABLE and isinstance(text, str) and text not in ("", *choice.KINDS):
            known = " or ".join(choice.KINDS)
            raise refuse(f"{name} is {names.show(text)}: not {known}")
    return value


def _not_reserved(value: str) -> str:
    if value in names.RESERVED_PROCESS_NAMES:
        raise refuse(f"{names.show(value)} is what the history calls spinbed's own; choose another")
    return value


ProcessName = Annotated[str, Field(pattern=PROCESS_NAME), BeforeValidator(_not_reserved)]
Target = Annotated[str, Field(pattern=TARGET)]
Env = Annotated[Dict[str, str], BeforeValidator(_env)]
Wait = Annotated[str, OneOf("wait strategy", names.wait_names)]
Kernels = Annotated[str, OneOf("kind of kernels", lambda: names.KERNELS)]
Start = Annotated[str, OneOf("start", lambda: names.STARTS)]
Python = Annotated[str, Field(pattern=PYTHON)]
World = Annotated[str, OneOf("world", lambda: names.WORLDS)]
CheckerName = Annotated[
    str,
    OneOf("checker", names.checker_names, beside=plugin.is_named, pattern=plugin.PATTERN),
]
TransportKind = Annotated[
    str,
    OneOf(
        "transport",
        names.transport_names,
        beside=plugin.is_named,
        pattern=plugin.PATTERN,
    ),
]


class Uniform(BaseModel):
    model_config = STRICT
    uniform: List[Annotated[int, Field(ge=0, le=SLOT_BYTES_MAX)]] = key(
        ..., "smallest and largest size, each as likely", unit="bytes", min_length=2, max_length=2
    )


Size = Annotated[
    Union[
        Annotated[int, Field(ge=0, le=SLOT_BYTES_MAX), Tag(PLAIN)],
        Annotated[Uniform, Tag(TABLE)],
    ],
    table_or_plain,
]


class WriterWorkload(BaseModel):
    model_config = STRICT
    messages: int = key(100, "how many messages the writer sends", ge=0, le=MESSAGES_MAX)
    size_bytes: Size = key(64, "size of a message, or { uniform = [least, most] }", unit="bytes")
    rate_hz: Optional[float] = key(
        None, "messages a second; absent: as fast as possible", unit="per second", gt=0, le=1e9,
        allow_inf_nan=False,
    )  # fmt: skip
    deadline: Optional[PositiveDuration] = key(
        None, "a send may take this long; absent: it waits for ever", unit="duration"
    )
    on_timeout: Annotated[str, OneOf("choice", lambda: ("retry", "drop", "stop"))] = key(
        "retry", "after a send timed out: try again, drop the message, or stop sending"
    )
    finish: Annotated[str, OneOf("choice", lambda: ("end", "shutdown"))] = key(
        "end", "after the last message: readers drain the ring, or everybody stops at once"
    )


class ReaderWorkload(BaseModel):
    model_config = STRICT
    think: Duration = key("0s", "pause after each message", unit="duration")
    deadline: Optional[PositiveDuration] = key(
        None, "a receive may take this long; absent: it waits for ever", unit="duration"
    )
    on_timeout: Annotated[str, OneOf("choice", lambda: ("retry", "stop"))] = key(
        "retry", "after a receive timed out: try again, or stop reading"
    )


class WriterProcess(BaseModel):
    """The one process that sends."""

    model_config = STRICT
    name: ProcessName = key(..., "what targets and the history call it")
    role: Annotated[str, OneOf("role", lambda: ("writer",))] = key(..., "it sends")
    count: int = key(1, "there is one writer", ge=1, le=1)
    wait: Wait = key("park", "wait strategy")
    start: Start = key("template", "how the process is started")
    env: Env = key({}, "environment variables added to the runner's")
    kernels: Optional[Kernels] = key(None, "compiled or pure; absent: what its interpreter has")
    python: Optional[Python] = key(
        None, 'its interpreter: a version ("3.11") or a path; absent: the runner\'s'
    )
    workload: WriterWorkload = key({}, "what it sends")


class ReaderProcess(BaseModel):
    """Processes that receive every message; with `count` they are name[0], name[1], ..."""

    model_config = STRICT
    name: ProcessName = key(..., "what targets and the history call it")
    role: Annotated[str, OneOf("role", lambda: ("reader",))] = key(..., "it receives")
    count: int = key(1, "how many of them", ge=1, le=READERS_MAX)
    wait: Wait = key("park", "wait strategy")
    start: Start = key("template", "how the processes are started")
    env: Env = key({}, "environment variables added to the runner's")
    kernels: Optional[Kernels] = key(None, "compiled or pure; absent: what its interpreter has")
    python: Optional[Python] = key(
        None, 'its interpreter: a version ("3.11") or a path; absent: the runner\'s'
    )
    workload: ReaderWorkload = key({}, "how it receives")
    host: Optional[ProcessName] = key(None, "another host than the writer's that they are on")


class Transport(BaseModel):
    """What the messages go through."""

    model_config = STRICT
    kind: TransportKind = key("cursor_ring", "a name from the table, or their_pkg.module:Transport")
    slots: int = key(8, "messages that fit at once", ge=1, le=SLOTS_MAX)
    slot_bytes: int = key(
        4096, "size of a slot, with the transport's own bytes", unit="bytes", ge=1,
        le=SLOT_BYTES_MAX,
    )  # fmt: skip
    order: Optional[str] = key(
        None, "order of memory operations; absent: fenced, where the transport has orders"
    )
    mutant: Optional[str] = key(None, "a planted bug, by name")
    reserve: bool = key(True, "reserve all pages at creation; false leaves them lazy")
    evict_dead: bool = key(False, "the writer gives up on readers that are proven dead")
    remote_queue: int = key(
        1000, "messages that may wait for a reader on another host, at each end", ge=1,
        le=MESSAGES_MAX,
    )  # fmt: skip


class AfterOps(BaseModel):
    model_config = STRICT
    process: Optional[Target] = key(None, "whose operations are counted; absent: the target's own")
    after_ops: int = key(..., "operations completed, ok or fail", ge=0, le=10**9)


def _step(value: Any) -> Any:
    if isinstance(value, str) and value != steps.EVERY and value not in steps.NAMES:
        raise refuse(f"unknown step {names.show(value)}", names.nearest(value, steps.NAMES))
    return value


Step = Annotated[
    str,
    BeforeValidator(_step),
    WithJsonSchema({"type": "string", "enum": [steps.EVERY, *steps.NAMES]}),
]


class AtStep(BaseModel):
    model_config = STRICT
    process: Optional[Target] = key(None, "who comes to the step; absent: the target")
    step: Step = key(..., 'a step of the protocol; "every": one run for each step of the path')
    occurrence: int = key(1, "which passing of the step within one message", ge=1, le=READERS_MAX)
    path: Optional[Annotated[str, OneOf("path", lambda: steps.PATHS)]] = key(
        None, "the way through the protocol; absent: message, or the step's own"
    )
    after_ops: int = key(0, "not before so many operations are completed", ge=0, le=10**9)


class AtProbe(BaseModel):
    model_config = STRICT
    process: Optional[Target] = key(None, "who passes it; absent: the target")
    probe: str = key(..., "the name that the program gives it: spinbed.probe(name)", pattern=PROBE)
    occurrence: int = key(1, "which passing of it", ge=1, le=10**6)


def _one_place(value: Any) -> Any:
    keys = value if isinstance(value, dict) else {}
    others = [name for name in ("step", "path", "after_ops") if name in keys]
    if others:
        raise refuse(f"names a probe and {others[0]}: two places, and it strikes at one")
    return value


def _at_tag(value: Any) -> str:
    if isinstance(value, AtProbe) or (isinstance(value, dict) and "probe" in value):
        return PROBED
    if isinstance(value, AtStep):
        return STEPPED
    if isinstance(value, dict) and any(name in value for name in ("step", "path", "occurrence")):
        return STEPPED
    return TABLE if isinstance(value, (dict, BaseModel)) else PLAIN


At = Annotated[
    Union[
        Annotated[Duration, Tag(PLAIN)],
        Annotated[AfterOps, Tag(TABLE)],
        Annotated[AtStep, Tag(STEPPED)],
        Annotated[AtProbe, BeforeValidator(_one_place), Tag(PROBED)],
    ],
    Discriminator(_at_tag),
]


class Check(BaseModel):
    """Runs this checker; without any [[check]] the standard set runs."""

    model_config = STRICT
    alias: CheckerName = key(..., "a checker of the table, or their_pkg.module:Checker")


class Head(BaseModel):
    """The keys of a file that are in no table."""

    model_config = STRICT
    schema_: int = key(..., "version of this format: 1", alias="schema", ge=1, le=1)
    name: str = key(..., "names the scenario in reports", pattern=SCENARIO_NAME)
    story: str = key("", "what happens and why, for people")
    reference: List[str] = key([], "where the story comes from; documentation only")
    variant: str = key("", "which side of a regression this is; documentation only")
    worlds: List[World] = key(
        ["live", "virtual"], "worlds it may run in, where they have what it needs", min_length=1
    )
    deadline: PositiveDuration = key("30s", "last resort for the whole run", unit="duration")
    stall_threshold: PositiveDuration = key(
        "5s", "no progress for this long although an operation is due is a hang", unit="duration"
    )


Values = Dict[str, Annotated[List[Any], Field(min_length=1)]]


class Sweep(BaseModel):
    """Makes one file many runs, each with other values for keys that are in the file."""

    model_config = STRICT
    product: Optional[Values] = key(
        None, 'every combination: "fault[0].target" = ["writer", "reader[0]"]', min_length=1
    )
    zip: Optional[Values] = key(
        None, "the first values together, then the second, ...: lists of one length", min_length=1
    )
