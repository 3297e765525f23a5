"""The bundle of a hang: one folder with all that is known of it, beside the run's journal."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shlex
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NoReturn, Optional, Sequence

from sim.errors import Problem, ScenarioError, WorldError
from sim.history.history import History
from sim.history.journal import Journal
from sim.history.op import EXIT, HANG
from sim.live.program_evidence import stacks
from sim.report import evidence
from sim.scenario.plan import Plan
from sim.scenario.writing import text_of
from sim.verdict import RunResult

SCHEMA = 1
SUFFIX = ".hang"
FACTS, TEXT, SCENARIO, JOURNAL = "hang.json", "hang.txt", "scenario.toml", "journal.jsonl"
TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


def beside(journal: Path) -> Path:
    return journal.with_suffix(SUFFIX)


def keep(
    place: Path, plan: Plan, history: History, result: RunResult, temporaries: Optional[str]
) -> None:
    """Replaces what is there as a whole. `temporaries` as for a journal. Raises WorldError where
    the disk fails; then, and on any error, nothing is left."""
    hang = next(history.where(HANG))
    detail = hang.detail or {}
    files = _files(place, plan, history, result, detail)
    with _aside(place, temporaries) as aside:
        made = aside / "new"
        (made / "stacks").mkdir(parents=True)
        with Journal.create(made / JOURNAL, history.header) as journal:
            journal.write(history.ops)
        for name, content in files.items():
            (made / name).write_bytes(content.encode("utf-8", "backslashreplace"))
        sizes = {
            str(each.relative_to(made)): each.stat().st_size
            for each in sorted(made.rglob("*"))
            if each.is_file()
        }
        facts = {"schema": SCHEMA, "name": plan.name, "path": plan.path, "seed": plan.seed}
        facts.update(world=plan.world, reproduce=result.reproduce, files=sizes, hang=detail)
        (made / FACTS).write_text(json.dumps(facts, indent=1), encoding="ascii")
        while True:
            _move_away(place, aside)
            try:
                made.rename(place)
                return
            except OSError as error:
                if error.errno not in TAKEN:  # another run of this name was quicker
                    raise


def discard(place: Path, temporaries: Optional[str]) -> None:
    """An earlier run's bundle says nothing of this one. Raises WorldError."""
    if os.path.lexists(place):
        with _aside(place, temporaries) as aside:
            _move_away(place, aside)


@dataclass(frozen=True)
class Bundle:
    place: Path
    seed: int
    world: str
    text: str
    scenario: Optional[str]  # None: the run was of no file


def read(place: Path) -> Bundle:
    """Raises ScenarioError where it is not whole, with the file and what is wrong with it."""
    if not place.is_dir():
        _refuse(place, "no such folder" if not os.path.lexists(place) else "is no folder")
    facts = _facts(place / FACTS)
    problems: List[Problem] = []
    for name, size in facts["files"].items():
        wrong = _wrong(place / name, size)
        if wrong is not None:
            problems.append(Problem(str(place / name), None, None, wrong))
    if problems:
        raise ScenarioError(problems)
    found = {
        name: (place / name).read_text(encoding="utf-8", errors="replace")
        for name in (TEXT, SCENARIO)
        if name in facts["files"]
    }
    return Bundle(place, facts["seed"], facts["world"], found.get(TEXT, ""), found.get(SCENARIO))


def _wrong(file: Path, size: int) -> Optional[str]:
    try:
        there = file.stat()
    except OSError as error:
        return "is missing" if error.errno == errno.ENOENT else f"{error.strerror}"
    if not stat.S_ISREG(there.st_mode):
        return "is no regular file"
    if there.st_size != size:
        state = "is cut" if there.st_size < size else "was changed"
        return f"{state}: it has {there.st_size} bytes, and had {size}"
    return None


# By key, what it has to be.
KINDS: Mapping[str, type] = {"seed": int, "world": str, "files": dict, "hang": dict}


def _facts(file: Path) -> Dict[str, Any]:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            _refuse(file, "is no regular file")
        facts = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        _refuse(file, "is missing: this is no bundle of a hang")
    except OSError as error:
        _refuse(file, str(error.strerror))
    except (ValueError, RecursionError) as error:
        _refuse(file, f"is cut, or no JSON: {error}")
    if not isinstance(facts, dict) or "schema" not in facts:
        _refuse(file, "has no schema: this is no bundle of a hang")
    if facts["schema"] != SCHEMA or isinstance(facts["schema"], bool):
        _refuse(file, f"is of schema {facts['schema']!r}, but this spinbed reads {SCHEMA}")
    for key, kind in KINDS.items():
        if not isinstance(facts.get(key), kind):
            _refuse(file, f"{key}: is missing, or no {kind.__name__}")
    if not {TEXT, JOURNAL} <= set(facts["files"]):
        _refuse(file, f"files: does not name {TEXT} and {JOURNAL}")
    return facts


def _refuse(file: Path, message: str) -> NoReturn:
    raise ScenarioError([Problem(str(file), None, None, message)])


def _files(
    place: Path, plan: Plan, history: History, result: RunResult, detail: Mapping[str, Any]
) -> Mapping[str, str]:
    """By their names in the bundle."""
    seen = detail["evidence"]
    printed = _stacks(seen, history)
    scenario = _scenario(plan, result, detail)
    words = ["spinbed", "new", "--from", str(place), "again.toml"]
    told = evidence.Told(
        title=f"{plan.name}, seed {plan.seed}",
        detail=detail,
        stacks=printed,
        reproduce=result.reproduce,
        keep_as_file=shlex.join(words) if scenario is not None else "",
    )
    files = {TEXT: evidence.render(told)}
    if scenario is not None:
        files[SCENARIO] = scenario
    if "region" in seen:
        both = {"region": seen["region"], "region_before": seen["region_before"]}
        files["region.json"] = json.dumps(both, indent=1)
    for process, threads in printed.items():
        lines = evidence.stack_lines({process: threads})
        files[f"stacks/{_file_name(process)}.txt"] = "".join(f"{line}\n" for line in lines)
    for each in seen["processes"]:
        if each.get("native", {}).get("threads"):
            lines = evidence.native_lines([each])
            name = _file_name(each["name"] or f"process {each['pid']}")
            files[f"stacks/{name}.native.txt"] = "".join(f"{line}\n" for line in lines)
    return files


def _file_name(process: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.\[\]-]+", "_", process)


def _stacks(seen: Mapping[str, Any], history: History) -> evidence.Stacks:
    """A program's are in the evidence; a participant prints them, which is told of its end."""
    ends = {op.process: str((op.detail or {}).get("stderr") or "") for op in history.where(EXIT)}
    found = {
        each["name"] or f"process {each['pid']}": (
            each["stacks"] if "stacks" in each else stacks(ends.get(each["name"], ""))
        )
        for each in seen["processes"]
    }
    return {process: threads for process, threads in found.items() if threads}


def _scenario(plan: Plan, result: RunResult, detail: Mapping[str, Any]) -> Optional[str]:
    """The file that makes this run again and expects this hang; None: the run was of no file."""
    if not plan.source:
        return None
    keys = dict(plan.source)
    verdicts = [each for each in plan.expectations if each.verdict is not None]
    others = [each for each in plan.expectations if each.verdict is None]
    judged = result.expectations[len(verdicts) or 1 :]
    met = {each.key for each, was in zip(others, judged) if was.met and each.hang is None}
    expects = [
        table for index, table in enumerate(keys.get("expect", ())) if f"expect[{index}]" in met
    ]
    if "class" in detail:
        names = [process.name for process in plan.processes]
        hang = {"hang": detail["class"]}
        waiting = _one_name(detail["who"], names)
        on = _one_name(detail["on"], names)
        hang.update({} if waiting is None else {"waiting": waiting})
        hang.update({} if on is None else {"on": on})
        expects.append(hang)
    keys["expect"] = expects
    if "sweep" in keys:
        keys["sweep"] = _without_expectations(keys["sweep"])
    return text_of({name: value for name, value in keys.items() if value != []})


def _one_name(told: Sequence[str], names: Sequence[str]) -> Optional[str]:
    """That an expectation can have: of a process, or of a table whose processes all of them are."""
    there = [name for name in told if name in names]
    tables = {name.split("[")[0] for name in there}
    if len(there) > 1 and len(tables) == 1:
        return tables.pop()
    return there[0] if there else None


def _without_expectations(sweep: Mapping[str, Any]) -> Mapping[str, Any]:
    """They are others now."""
    return {
        axes: {name: values for name, values in named.items() if not name.startswith("expect[")}
        for axes, named in sweep.items()
    }


@contextlib.contextmanager
def _aside(place: Path, temporaries: Optional[str]) -> Iterator[Path]:
    """A folder beside it, gone at the end."""
    folder, name = os.path.split(temporaries or f"{os.path.abspath(place)}.tmp-")
    try:
        made = Path(tempfile.mkdtemp(prefix=name, dir=folder))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        detail = str(place)
        raise WorldError("keeping a hang's bundle", errno=error.errno, detail=detail) from error


def _move_away(place: Path, aside: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        place.rename(Path(tempfile.mkdtemp(dir=aside)) / "old")
