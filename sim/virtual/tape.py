"""The tape file: everything that one simulated execution was made of, to make it again.

One JSON document. Its last key is a checksum over the others, so that a tape which was cut or
edited is told from a whole one; `protocol` names the steps and the machine that the choices were
made on, because on another protocol they mean something else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, Mapping, Optional, Tuple

from pydantic import BaseModel, Field

from cy_kernels import explore
from cy_kernels.pure.layout import LAYOUT_VERSION
from sim.errors import Problem, ScenarioError, WorldError
from sim.scenario.document import read_text
from sim.scenario.lines import Lines
from sim.scenario.loader import load_text
from sim.scenario.models import STRICT
from sim.scenario.names import OneOf, nearest
from sim.scenario.plan import Plan
from sim.scenario.planning import make_plan
from sim.scenario.problems import Collector
from sim.virtual import schedulers
from sim.virtual.lifecycle.version import version
from sim.virtual.program import STEPS_MAX
from sim.virtual.reduction import Reduction

FORMAT = 1
KIND = "spinbed tape"
FILE_MAX_BYTES = 64 << 20  # an execution of the longest kind, every choice of it a deviation
PAIRS_A_LINE = 12
U64_MAX = 2**64 - 1
OPTION_MAX = 255  # a tape has a byte for it
PROGRAMS = "programs"  # in the place of a memory model: no memory was simulated


def protocol(model: str) -> str:
    """Names what a choice means: the steps, the layout, the machine; or the models of programs."""
    facts: Tuple[Any, ...] = (FORMAT, version())
    if model != PROGRAMS:
        machine = (explore.MACHINE_VERSION, explore.STEPS, explore.MODELS)
        facts = (FORMAT, *machine, LAYOUT_VERSION)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """What an execution came to. The finding: name, number of the process, position."""

    stop: str
    finding: Optional[Tuple[str, int, int]]
    steps: int
    hash: int

    @property
    def failure(self) -> Optional[str]:
        """What kind of failure it is; None: it is none."""
        if self.finding is not None:
            return self.finding[0]
        return None if self.stop == "ended" else self.stop


@dataclass(frozen=True)
class Tape:
    path: str  # of the scenario, as it was given
    text: str  # of the scenario
    name: str  # of the run
    plan_seed: int
    reduction: Reduction
    model: str
    scheduler: str  # that made the choices
    seed: int  # of the execution
    choices: bytes  # an option number each
    outcome: Outcome

    @property
    def deviations(self) -> List[Tuple[int, int]]:
        """Position and option of each choice that is not the default."""
        return [(at, option) for at, option in enumerate(self.choices) if option]

    def plan(self) -> Plan:
        """Raises ScenarioError where the scenario cannot be had here."""
        scenarios = load_text(self.text, self.path)
        for scenario in scenarios:
            if scenario.name == self.name:
                return self.reduction.applied_to(make_plan(scenario, self.plan_seed))
        near = nearest(self.name, [scenario.name for scenario in scenarios])
        message = f"the tape's scenario makes no run {self.name!r}"
        raise ScenarioError([Problem(self.path, None, "scenario.name", message, near)])


# The shape of the file.

U64 = Annotated[int, Field(ge=0, le=U64_MAX)]
Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
Model = Annotated[str, OneOf("model", lambda: (*explore.MODELS, PROGRAMS))]
Stop = Annotated[str, OneOf("stop", lambda: explore.STOPS)]
Finding = Annotated[str, OneOf("finding", lambda: explore.FINDINGS)]


class _Table(BaseModel):
    model_config = STRICT


class _Scenario(_Table):
    path: str
    name: str
    seed: U64
    text: str


class _Reduction(_Table):
    readers: Optional[List[Count]]
    injections: Optional[List[Count]]
    messages: Optional[Count]
    size_bytes: Optional[Count]
    after_ops: Optional[Count]


class _Choices(_Table):
    length: Annotated[int, Field(ge=0, le=STEPS_MAX)]
    deviations: List[Annotated[List[Count], Field(min_length=2, max_length=2)]]


class _Found(_Table):
    name: Finding
    process: Annotated[int, Field(ge=0, le=63)]
    position: U64


class _Outcome(_Table):
    stop: Stop
    finding: Optional[_Found]
    steps: U64
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _Document(_Table):
    kind: Literal["spinbed tape"]
    format: int
    protocol: str
    scenario: _Scenario
    reduction: _Reduction
    model: Model
    scheduler: str
    seed: U64
    choices: _Choices
    outcome: _Outcome
    checksum: str


# Writing.


def dump(tape: Tape) -> str:
    found = tape.outcome.finding
    document: Dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "protocol": protocol(tape.model),
        "scenario": {
            "path": tape.path,
            "name": tape.name,
            "seed": tape.plan_seed,
            "text": tape.text,
        },
        "reduction": asdict(tape.reduction),
        "model": tape.model,
        "scheduler": tape.scheduler,
        "seed": tape.seed,
        "choices": {
            "length": len(tape.choices),
            "deviations": [list(pair) for pair in tape.deviations],
        },
        "outcome": {
            "stop": tape.outcome.stop,
            "finding": found and dict(zip(("name", "process", "position"), found)),
            "steps": tape.outcome.steps,
            "hash": f"{tape.outcome.hash:016x}",
        },
    }
    document["checksum"] = _checksum(document)
    text = json.dumps(document, indent=2)
    return re.sub(r'"deviations": \[[^"]*\]', _in_rows(tape), text, count=1) + "\n"


def _in_rows(tape: Tape) -> str:
    pairs = [f"[{at}, {option}]" for at, option in tape.deviations]
    rows = [
        ", ".join(pairs[start : start + PAIRS_A_LINE])
        for start in range(0, len(pairs), PAIRS_A_LINE)
    ]
    return '"deviations": [' + ",\n      ".join(rows) + "]"


def _checksum(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def save(tape: Tape, path: Path) -> None:
    """Whole or not at all. Raises WorldError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.parent / f".{path.name[:100]}-{secrets.token_hex(8)}"
        try:
            with open(name, "x", encoding="utf-8") as stream:
                stream.write(dump(tape))
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise WorldError("writing a tape", errno=error.errno, detail=str(path)) from error


# Reading.


def load(path: Path) -> Tape:
    """Raises ScenarioError with every problem of the file."""
    file = str(path)
    text = read_text(path, what="tape", bytes_max=FILE_MAX_BYTES)
    raw = _parsed(text, file)
    problems = Collector(file, _lines_of(text))
    if raw.get("kind") != KIND:
        problems.add(("kind",) if "kind" in raw else (), f"is no tape: no kind {KIND!r}")
        raise ScenarioError(problems.found)
    if raw.get("format") != FORMAT:
        said = f"is of format {raw.get('format')!r}; this version reads format {FORMAT}"
        problems.add(("format",), said)
        raise ScenarioError(problems.found)
    is_whole = raw.get("checksum") == _checksum(raw)
    if not is_whole:
        said = "does not fit the rest: the tape was edited, or a part of it is gone"
        problems.add(("checksum",), said)
    elif raw.get("protocol") != (own := protocol(str(raw.get("model")))):
        problems.add(
            ("protocol",),
            f"was made on protocol {raw.get('protocol')}; this version of spinbed has "
            f"{own}: its choices mean nothing here; explore the scenario anew",
        )
        raise ScenarioError(problems.found)
    document = problems.validated(_Document, raw, ())
    if document is not None:
        _check(document, problems)
    if problems.found or document is None:
        raise ScenarioError(problems.found)
    return _tape(document, file)


def _parsed(text: str, file: str) -> Dict[str, Any]:
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        said = "is cut: it ends in the middle" if is_cut else f"is no tape: {error.msg} (JSON)"
        raise ScenarioError([Problem(file, error.lineno, None, said)]) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets
        raise ScenarioError([Problem(file, None, None, f"is no tape: {error}")]) from None
    if not isinstance(raw, dict):
        raise ScenarioError([Problem(file, 1, None, "is no tape: no JSON object")])
    return raw


def _lines_of(text: str) -> Lines:
    """Of the keys as `dump` indents them; elsewhere a problem is told without the exact line."""
    lines = Lines()
    outer = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'( +)"(\w+)":', line)
        if found and len(found.group(1)) == 2:
            outer = found.group(2)
            lines.of[(outer,)] = number
        elif found:
            lines.of.setdefault((outer, found.group(2)), number)
    return lines


def _check(document: _Document, problems: Collector) -> None:
    try:
        schedulers.parse(document.scheduler)
    except schedulers.BadScheduler as error:
        problems.add(("scheduler",), str(error))
    last = -1
    for index, (at, option) in enumerate(document.choices.deviations):
        where = ("choices", "deviations", index)
        if at <= last or at >= document.choices.length:
            said = f"position {at} is not between {last} and the length {document.choices.length}"
            problems.add(where, said)
            return
        if not 1 <= option <= OPTION_MAX:
            problems.add(where, f"option {option} is not from 1 to {OPTION_MAX}")
        last = at


def _tape(document: _Document, file: str) -> Tape:
    choices = bytearray(document.choices.length)
    for at, option in document.choices.deviations:
        choices[at] = option
    found = document.outcome.finding
    less = document.reduction
    tape = Tape(
        path=document.scenario.path,
        text=document.scenario.text,
        name=document.scenario.name,
        plan_seed=document.scenario.seed,
        reduction=Reduction(
            readers=None if less.readers is None else tuple(less.readers),
            injections=None if less.injections is None else tuple(less.injections),
            messages=less.messages,
            size_bytes=less.size_bytes,
            after_ops=less.after_ops,
        ),
        model=document.model,
        scheduler=document.scheduler,
        seed=document.seed,
        choices=bytes(choices),
        outcome=Outcome(
            stop=document.outcome.stop,
            finding=None if found is None else (found.name, found.process, found.position),
            steps=document.outcome.steps,
            hash=int(document.outcome.hash, 16),
        ),
    )
    try:
        processes = len(tape.plan().processes)
    except ValueError as error:
        message = f"the scenario has no such processes or faults: {error}"
        raise ScenarioError([Problem(file, None, "reduction", message)]) from None
    if found is not None and found.process >= processes:
        message = f"process {found.process}; the scenario has 0 to {processes - 1}"
        raise ScenarioError([Problem(file, None, "outcome.finding.process", message)])
    return tape
