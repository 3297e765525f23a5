"""The shape of [[expect]]: what a scenario says must come of it, one kind a table."""

from __future__ import annotations

import re
from typing import Annotated, Any, Mapping, Optional, Type, Union

from pydantic import BaseModel, BeforeValidator, Field, Tag

from sim.scenario import names
from sim.scenario.cluster_models import ExpectBlame
from sim.scenario.models import (
    PLAIN,
    PROBE,
    STRICT,
    TABLE,
    CheckerName,
    PositiveDuration,
    Target,
    key,
    refuse,
    table_or_plain,
)
from sim.scenario.names import OneOf

ERROR_OUTCOME = r"^error:[A-Za-z_][A-Za-z0-9_.]*$"
STREAMS = ("stdout", "stderr")


def _regular_expression(value: Any) -> Any:
    if not isinstance(value, str):
        return value  # what is no text is refused as such
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as bad:
        raise refuse(f"{names.show(value)} is not a regular expression: {bad}") from None
    return value

class Bounds(BaseModel):
    model_config = STRICT
    min: int = key(0, "at least so many", ge=0)
    max: Optional[int] = key(None, "at most so many; absent: no limit", ge=0)


Count = Annotated[
    Union[Annotated[int, Field(ge=0), Tag(PLAIN)], Annotated[Bounds, Tag(TABLE)]],
    table_or_plain,
]

class ExpectVerdict(BaseModel):
    """What the checkers must say; valid where no [[expect]] names a verdict."""

    model_config = STRICT
    verdict: Annotated[str, OneOf("verdict", lambda: ("valid", "unknown", "invalid"))] = key(
        ..., "the verdict of the whole run"
    )
    checker: Optional[CheckerName] = key(None, "the checker that must say so, among others")


class ExpectOutcome(BaseModel):
    """Operations that end in another way than ok."""

    model_config = STRICT
    process: Target = key(..., "a process, or the name of a [[process]] table for all of it")
    op: Annotated[str, OneOf("operation", lambda: ("send", "receive"))] = key(
        ..., "which operation"
    )
    outcome: Annotated[
        str,
        OneOf(
            "outcome",
            lambda: names.OUTCOMES,
            beside=lambda text: re.fullmatch(ERROR_OUTCOME, text) is not None,
            pattern=ERROR_OUTCOME,
        ),
    ] = key(..., "how it ended; error:<ExceptionType> for what has no name of its own")
    count: Count = key({"min": 1}, "how often: a number, or { min, max }")


class Exit(BaseModel):
    model_config = STRICT
    signal: Optional[Annotated[str, OneOf("signal", names.signal_names)]] = key(
        None, "the signal it dies of, such as SIGKILL"
    )
    status: Optional[int] = key(None, "the status it exits with", ge=0, le=255)


class ExpectExit(BaseModel):
    """A process that ends in another way than with status 0."""

    model_config = STRICT
    process: Target = key(..., "a process, or the name of a [[process]] table for any of it")
    exit: Exit = key(..., "{ signal = ... } or { status = ... }")


class Log(BaseModel):
    model_config = STRICT
    logger: Optional[str] = key(None, "the logger's name; absent: any", min_length=1)
    level: Optional[Annotated[str, OneOf("level", lambda: names.LEVELS)]] = key(
        None, "the record's level; absent: any"
    )
    matches: Optional[Annotated[str, BeforeValidator(_regular_expression)]] = key(
        None, "a regular expression searched in the message; absent: any"
    )
    count: Count = key({"min": 1}, "how often: a number, or { min, max }")


class ExpectLog(BaseModel):
    """A log record of WARNING or above that is part of the story."""

    model_config = STRICT
    process: Target = key(..., "a process, or the name of a [[process]] table for all of it")
    log: Log = key(..., "{ logger, level, matches, count }")

class Output(BaseModel):
    model_config = STRICT
    stream: Annotated[str, OneOf("stream", lambda: STREAMS)] = key(
        "stderr", "which of both; its last 16 KiB are kept"
    )
    matches: Annotated[str, BeforeValidator(_regular_expression)] = key(
        ..., "a regular expression searched in it"
    )
    count: Count = key({"min": 1}, "how often: a number, or { min, max }")


class ExpectOutput(BaseModel):
    """What a program prints."""

    model_config = STRICT
    process: Target = key(..., "a process, or the name of a [[process]] table for all of it")
    output: Output = key(..., "{ stream, matches, count }")


class ExpectProbe(BaseModel):
    """A probe that a program passes."""

    model_config = STRICT
    process: Target = key(..., "a process, or the name of a [[process]] table for all of it")
    probe: str = key(..., "its name", pattern=PROBE)
    count: Count = key({"min": 1}, "how often: a number, or { min, max }")


class ExpectHang(BaseModel):
    """The run ends in a hang of that class: nothing moves for the stall threshold, and this is why.
    What the hang keeps from being done needs no other table."""

    model_config = STRICT
    hang: Annotated[str, OneOf("hang class", lambda: names.HANG_CLASSES)] = key(
        ..., "the class that the evidence must come to"
    )
    waiting: Optional[Target] = key(
        None, "a process among those that wait, or the name of a [[process]] table; absent: any"
    )
    on: Optional[Target] = key(
        None, "a process among those that are waited for, in the same way; absent: any or nobody"
    )
    within: Optional[PositiveDuration] = key(
        None, "at most so long after the last progress it is told; absent: any time"
    )


EXPECTATIONS: Mapping[str, Type[BaseModel]] = {
    "verdict": ExpectVerdict,
    "outcome": ExpectOutcome,
    "exit": ExpectExit,
    "log": ExpectLog,
    "output": ExpectOutput,
    "probe": ExpectProbe,
    "hang": ExpectHang,
    "blame": ExpectBlame,
}
