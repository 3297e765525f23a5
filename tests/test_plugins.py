"""Faults and checkers of another package, named in a scenario as "their_pkg.module:Thing"."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import jsonschema
import pytest
from scenario_texts import GOOD
from warm_command import Spinbed, variables

from sim.scenario.document import read_document
from sim.scenario.schema import json_schema

WITHIN_S = 120.0  # a watchdog, not a claim

THEIRS = '''
from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Sequence

from sim.abc import INVALID, VALID, Capability, Evidence, Result, World
from sim.faults.stall import Stall
from sim.history.history import Allowance, History


@dataclass(frozen=True)
class Nap(Stall):
    """Stopped like a stall, and it says for how long it would like to be."""

    alias: ClassVar[str] = "nap"
    doc: ClassVar[str] = "the process naps"
    wish_ns: int = field(default=1_000_000, metadata={"doc": "how long it would like to sleep"})

    def inject(self, world: World) -> Evidence:
        proven = super().inject(world)
        return Evidence(proven.proven, f"{proven.what}, wishes {self.wish_ns} ns", proven.data)


class NoReceive:
    alias: ClassVar[str] = "no_receive"
    doc: ClassVar[str] = "nobody receives anything"

    def check(self, history: History) -> Result:
        seen = [i for i, op in enumerate(history.ops) if op.f == "receive" and op.type == "ok"]
        why = f"{len(seen)} were received"
        return Result(self.alias, INVALID if seen else VALID, why, seen[:1])


class NeedsArguments(NoReceive):
    def __init__(self, what: str) -> None:
        self.what = what


class Taken(NoReceive):
    alias = "fifo"


class NotDataclass:
    alias, doc, requires, fatal, roles, heals, target = "n", "d", frozenset(), False, (), False, ""

    def inject(self, world): ...

    def heal(self, world): ...

    def accounts_for(self, because): ...


@dataclass(frozen=True)
class OtherArguments(Nap):
    def __init__(self) -> None:
        pass


@dataclass(frozen=True)
class Unreadable(Nap):
    what: "Nothing" = None


A_NUMBER = 1
'''
FAULT = """
[[fault]]
kind = "their_pkg.things:Nap"
target = "reader"
at = { process = "writer", after_ops = 5 }
heal_after = "20ms"
wish = "7ms"
"""
CHECK = """
[[check]]
alias = "no_loss"
[[check]]
alias = "their_pkg.things:NoReceive"
"""
EXPECT = """
[[expect]]
verdict = "invalid"
checker = "their_pkg.things:NoReceive"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "path" / "their_pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "things.py").write_text(THEIRS, encoding="utf-8")
    return tmp_path


class Theirs(Protocol):
    def __call__(
        self, command: str, tables: str, *, text: str = GOOD
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def theirs(spinbed: Spinbed, folder: Path) -> Theirs:
    """The command on a scenario with these tables, where their package can be imported."""

    def run(command: str, tables: str, *, text: str = GOOD) -> subprocess.CompletedProcess[str]:
        words = [command, write(folder, tables, text)]
        return spinbed(*words, cwd=folder, path=folder / "path")

    return run


def write(folder: Path, tables: str, text: str = GOOD) -> str:
    (folder / "theirs.toml").write_text(text.replace("NAME", "theirs") + tables, encoding="utf-8")
    return "theirs.toml"


def test_a_fault_and_a_checker_of_another_package_do_what_ours_do(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", "run", write(folder, FAULT + CHECK + EXPECT)]
        + ["--report", "json"],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=WITHIN_S,
        env=variables(folder / "path"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads(done.stdout)["scenarios"]
    assert [fault["alias"] for fault in run["faults"]] == ["nap"]
    assert [(fault["fired"], fault["healed"]) for fault in run["faults"]] == [(True, True)]
    results = {each["alias"]: each for each in run["checkers"]}
    assert results["no_loss"]["result"] == "valid"
    assert results["no_receive"]["result"] == "invalid"
    assert results["no_receive"]["why"] == "20 were received"
    assert run["verdict"] == "invalid" and run["as_expected"]
    (journal,) = (folder / ".spinbed" / "journals").glob("*.jsonl")
    assert "wishes 7000000 ns" in journal.read_text(encoding="ascii")


def test_what_their_checker_objects_to_is_a_matter_of_safety(theirs: Theirs) -> None:
    done = theirs("run", CHECK)
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("things:Nap", "thinks:Nap", "'their_pkg.thinks:Nap' cannot be imported: ModuleNotFound"),
        ("things:Nap", "things:Nab", "(did you mean 'their_pkg.things:Nap'?)"),
        ("things:Nap", "things:A_NUMBER", "'their_pkg.things:A_NUMBER' is no fault: it is no"),
        ("things:Nap", "things:NoReceive", "is no fault: it has no accounts_for, fatal, heal"),
        ("things:Nap", "things:NotDataclass", "no dataclass with a field `target`"),
        ("things:Nap", "things:Unreadable", "its fields make no keys: NameError"),
    ],
)
def test_a_fault_that_is_none_is_refused_at_its_kind(
    theirs: Theirs, was: str, now: str, said: str
) -> None:
    done = theirs("list", FAULT.replace(was, now))
    assert (done.returncode, done.stdout) == (64, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("theirs.toml:20: fault[0].kind: ") and said in line


def test_the_keys_of_their_fault_are_its_fields(theirs: Theirs) -> None:
    done = theirs("list", FAULT.replace("wish =", "wihs ="))
    assert done.returncode == 64
    said = "theirs.toml:24: fault[0].wihs: unknown key 'wihs' (did you mean 'wish'?)\n"
    assert done.stderr == said


def test_a_fault_that_takes_other_arguments_is_refused_with_what_python_says(
    theirs: Theirs,
) -> None:
    done = theirs("list", FAULT.replace("things:Nap", "things:OtherArguments"))
    assert done.returncode == 64
    assert done.stderr.startswith("theirs.toml:19: fault[0]: ") and "argument" in done.stderr


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("things:NoRecieve", "(did you mean 'their_pkg.things:NoReceive'?)"),
        ("things:Nap", "'their_pkg.things:Nap' is no checker: it has no check"),
        ("things:NeedsArguments", "cannot be made without arguments: TypeError"),
        ("things:Taken", "has the alias of another checker, 'fifo'"),
    ],
)
def test_a_checker_that_is_none_is_refused_at_its_alias(
    theirs: Theirs, now: str, said: str
) -> None:
    done = theirs("list", CHECK.replace("things:NoReceive", now))
    assert (done.returncode, done.stdout) == (64, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("theirs.toml:22: check[1].alias: ") and said in line


def test_validate_imports_nothing_that_a_file_names(folder: Path, theirs: Theirs) -> None:
    trace = folder / "imported"
    (folder / "path" / "their_pkg" / "__init__.py").write_text(f"open({str(trace)!r}, 'w').close()")
    transport = GOOD.replace('kind = "cursor_ring"', 'kind = "their_pkg.things:Ring"')
    assert transport != GOOD
    for text in (GOOD, transport):
        done = theirs("validate", FAULT + CHECK + EXPECT, text=text)
        assert (done.returncode, done.stdout) == (0, "theirs.toml: ok, 1 run\n"), done.stderr
        assert not trace.exists()
    done = theirs("list", FAULT + CHECK + EXPECT)
    assert done.returncode == 0 and trace.exists()


def test_validate_takes_names_that_lead_nowhere_and_keys_that_nobody_knows(
    theirs: Theirs,
) -> None:
    nowhere = (FAULT + CHECK + EXPECT).replace("their_pkg", "nobodys_pkg").replace("wish", "wihs")
    done = theirs("validate", nowhere)
    assert (done.returncode, done.stdout) == (0, "theirs.toml: ok, 1 run\n"), done.stderr
    assert theirs("list", nowhere).returncode == 64


def test_validate_counts_the_runs_of_a_sweep_over_steps_and_of_a_plug_in(theirs: Theirs) -> None:
    by_step = FAULT.replace('{ process = "writer", after_ops = 5 }', '{ step = "every" }')
    swept = "[sweep.product]\n'fault[0].wish' = ['1ms', '2ms', '3ms']\n"
    done = theirs("validate", by_step + swept)
    listed = theirs("list", by_step + swept)
    count = len(listed.stdout.splitlines())
    assert count > 3 and count % 3 == 0, listed.stderr
    assert done.stdout == f"theirs.toml: ok, {count} runs\n"


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("their_pkg.things:Nap", "their_pkg.things:", "20: fault[0].kind: unknown fault "),
        ("their_pkg.things:Nap", "their-pkg:Nap", "20: fault[0].kind: unknown fault "),
        ("their_pkg.things:Nap", "their_pkg:Nap\\n", "20: fault[0].kind: unknown fault "),
        ('target = "reader"\n', "", "19: fault[0].target: is required"),
        ('target = "reader"', 'target = "raeder"', "21: fault[0].target: 'raeder' names nobody"),
        ('s = "writer"', 's = "wirter"', "22: fault[0].at.process: 'wirter' names nobody"),
        ("at = {", "every = {", "22: fault[0].every: expected a duration"),
        ('at = { process = "writer", after_ops = 5 }', 'at = "1ms"\ntimes = 2', "fault[0].times: "),
        ('{ process = "writer", after_ops = 5 }', '{ step = "no" }', "unknown step 'no'"),
        ('"20ms"', "20", '23: fault[0].heal_after: expected a duration such as "300ms", got 20'),
        ('alias = "their_pkg.things:NoReceive"', 'alias = "their_pkg.things:"', "unknown checker"),
        ('checker = "their_pkg', 'checker = "her_pkg', "does not run: it is in no [[check]]"),
    ],
)
def test_validate_checks_all_that_is_not_their_own(
    theirs: Theirs, was: str, now: str, said: str
) -> None:
    text = FAULT + CHECK + EXPECT
    assert was in text
    done = theirs("validate", text.replace(was, now, 1))
    assert (done.returncode, done.stdout) == (64, "")
    lines = done.stderr.splitlines()
    assert any(line.startswith("theirs.toml:") and said in line for line in lines), done.stderr


@pytest.mark.parametrize(("name", "is_valid"), [("things:Nap", True), ("things", False)])
def test_the_schema_takes_what_the_loader_takes(tmp_path: Path, name: str, is_valid: bool) -> None:
    path = tmp_path / "theirs.toml"
    text = GOOD.replace("NAME", "theirs") + FAULT.replace("things:Nap", name) + CHECK + EXPECT
    path.write_text(text, encoding="utf-8")
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(read_document(path).keys) is is_valid
