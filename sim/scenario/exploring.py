"""The shape of [explore] and [[sometimes]]: how the virtual world is searched for this scenario."""

from __future__ import annotations

from typing import Annotated, Any, List, Mapping, Optional, Type

from pydantic import BaseModel, BeforeValidator

from sim.scenario import names, plan
from sim.scenario.models import STRICT, Step, Target, key, refuse
from sim.scenario.names import OneOf
from sim.scenario.schedulers import SCHEDULERS, BadScheduler, parsed

MODELS = ("sc", "tso", "pso", "ra")
EXECUTIONS_MAX = 10**12
# Wait strategies with a last resort in which they sleep, and the site of it.
RUNGS: Mapping[str, str] = {
    "park": "wait.park.futex_wait",
    "backoff": "wait.backoff.nap",
    "tpause": "wait.tpause.wait",
    "mwaitx": "wait.mwaitx.wait",
    "umwait": "wait.umwait.wait",
    "wfe": "wait.wfe.wait",
    "wfet": "wait.wfet.wait",
}


def _scheduler(value: Any) -> Any:
    if isinstance(value, str):
        try:
            parsed(value)
        except BadScheduler as bad:
            name = value.partition(":")[0]
            near = None if name in SCHEDULERS else names.nearest(name, SCHEDULERS)
            raise refuse(str(bad).split(" (did you mean")[0], near) from None
    return value


Model = Annotated[str, OneOf("memory model", lambda: MODELS)]
SchedulerText = Annotated[str, BeforeValidator(_scheduler)]


class Explore(BaseModel):
    """How the virtual world is searched; the first model and scheduler are those of one run."""

    model_config = STRICT
    models: List[Model] = key(["tso", "pso", "ra"], "memory models: sc, tso, pso, ra", min_length=1)
    schedulers: List[SchedulerText] = key(
        ["random", "pct:3"], "random, pct:D, pos, delay:D, round_robin", min_length=1
    )
    executions: int = key(10_000, "how many, of each model and scheduler", ge=1, le=EXECUTIONS_MAX)


class SometimesRung(BaseModel):
    """A process went to sleep in its wait strategy's last resort, at least once."""

    model_config = STRICT
    rung: Annotated[str, OneOf("rung", lambda: tuple(RUNGS))] = key(
        ..., "the strategy that went to sleep"
    )


class SometimesStep(BaseModel):
    """A process came to this step of the protocol, at least once."""

    model_config = STRICT
    step: Step = key(..., "a step of the protocol")


class SometimesOutcome(BaseModel):
    """An operation ended so, at least once."""

    model_config = STRICT
    outcome: Annotated[str, OneOf("outcome", lambda: names.OUTCOMES)] = key(
        ..., "how an operation ended"
    )
    process: Optional[Target] = key(None, "whose; absent: anybody's")
    op: Optional[Annotated[str, OneOf("operation", lambda: ("send", "receive"))]] = key(
        None, "which operation; absent: any"
    )


SOMETIMES: Mapping[str, Type[BaseModel]] = {
    "rung": SometimesRung,
    "step": SometimesStep,
    "outcome": SometimesOutcome,
}


def explored(table: Optional[Explore]) -> plan.Explore:
    if table is None:
        return plan.Explore()
    return plan.Explore(tuple(table.models), tuple(table.schedulers), table.executions)


def sometimes(index: int, table: BaseModel) -> plan.Sometimes:
    return plan.Sometimes(f"sometimes[{index}]", **table.model_dump())
