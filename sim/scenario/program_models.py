"""The shape of a [[process]] that is a program of anybody's, and of what to expect of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, List, Optional

from pydantic import BaseModel, Field

from sim.scenario.models import (
    EXPLAINED,
    STRICT,
    Env,
    ProcessName,
    Python,
    Start,
    key,
)

PROGRAM = "program"  # its role
FUNCTION = r"^[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*:[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*$"
COPIES_MAX = 64
EXPLAINED[FUNCTION] = 'names a function as "pkg.module:function"'

Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]
EXPLAINED[r"^[^\x00]*$"] = "holds a NUL"


class ProgramProcess(BaseModel):
    """A program of anybody's, in an interpreter or by a command of its own."""

    model_config = STRICT
    role: ClassVar[str] = PROGRAM
    wait: ClassVar[str] = ""
    name: ProcessName = key(..., "what targets and the history call it")
    program: Optional[Annotated[str, Field(pattern=FUNCTION)]] = key(
        None, 'a function that is called without arguments, "pkg.module:function"'
    )
    argv: Optional[List[Word]] = key(None, "a command and its arguments", min_length=1)
    count: int = key(1, "how many of them", ge=1, le=COPIES_MAX)
    python: Optional[Python] = key(
        None, 'the interpreter of `program`: a version ("3.11") or a path; absent: the runner\'s'
    )
    start: Start = key(
        "template", "template: called in a fresh interpreter; else by multiprocessing, from one"
    )
    cwd: Optional[Word] = key(None, "working directory; absent: the runner's", min_length=1)
    env: Env = key({}, "environment variables added to the runner's")
