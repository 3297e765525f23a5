"""Scenario files of programs: what they may say, and where they are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from sim.abc import NO_TRANSPORT
from sim.checkers import ASKED_FOR
from sim.errors import ScenarioError
from sim.faults import break_extension
from sim.live import damage
from sim.scenario import programs
from sim.scenario.loader import load
from sim.scenario.plan import AtProbe, AtTime, ProgramWorkload
from sim.scenario.planning import make_plan

GOOD = """\
schema = 1
name = "good"
deadline = "10s"

[[process]]
name = "app"
program = "pkg.module:function"
count = 2
python = "3.11"

[[process]]
name = "tool"
argv = ["sleep", "1"]
cwd = "/"

[[fault]]
kind = "env_var"
target = "app[0]"
variable = "X"

[[fault]]
kind = "kill"
target = "tool"
at = { process = "app[1]", probe = "ready", occurrence = 2 }

[[expect]]
process = "app"
output = { matches = "^Error" }
"""


def test_a_plan_says_what_is_started_and_when_what_goes_wrong(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    (scenario,) = load(path)
    plan = make_plan(scenario, 0)
    assert plan.is_of_programs and plan.transport is NO_TRANSPORT and plan.worlds == ("live",)
    works = [process.workload for process in plan.processes]
    app = ProgramWorkload("pkg.module:function", (), None)
    assert works == [app, app, ProgramWorkload(None, ("sleep", "1"), "/")]
    assert [process.python for process in plan.processes] == ["3.11", "3.11", None]
    assert [process.name for process in plan.processes] == ["app[0]", "app[1]", "tool"]
    triggers = {injection.fault.alias: injection.trigger for injection in plan.injections}
    assert triggers == {"env_var": AtTime(0), "kill": AtProbe("app[1]", "ready", 2)}
    assert "no_loss" not in plan.checkers and "exits" in plan.checkers


PROGRAM = 'program = "pkg.module:function"'
FAULT = 'kind = "env_var"\ntarget = "app[0]"\nvariable = "X"'
BREAK = 'kind = "break_extension"\ntarget = "app[0]"\n'
IMPORT = 'target = "app[0]"\n'
BAD = [
    # (what is replaced, by what, line, key, part of the message, nearest)
    (PROGRAM + "\ncount = 2\npython = \"3.11\"\n", "", 5, "process[0].role",
     "a program has `program` or `argv`", None),
    (PROGRAM, PROGRAM + '\nargv = ["x"]', 7, "process[0].program", "one of program and argv", None),
    (PROGRAM, 'program = "pkg.module"', 7, "process[0].program", 'names a function as "pkg', None),
    (PROGRAM, 'program = "pkg module:f"', 7, "process[0].program", "names a function", None),
    (PROGRAM, PROGRAM + '\nwait = "park"', 8, "process[0].wait", "unknown key 'wait'", None),
    (PROGRAM, PROGRAM + '\nstart = "frok"', 8, "process[0].start", "unknown start 'frok'", "fork"),
    (PROGRAM, PROGRAM + '\nstart = "fork"', 8, "process[0].start", "not of '3.11'", None),
    (PROGRAM, PROGRAM + "\nenv = { SPINBED_RUN = 'x' }", 8, "process[0].env", "own to set", None),
    ('argv = ["sleep", "1"]', "argv = []", 13, "process[1].argv", "at least 1 needed", None),
    ('argv = ["sleep", "1"]', 'argv = ["a\\u0000"]', 13, "process[1].argv[0]", "holds a NUL", None),
    ('cwd = "/"', 'python = "3.11"', 14, "process[1].python", "names its own interpreter", None),
    ("[[fault]]", "[transport]\n[[fault]]", 16, "transport", "nobody talks over it", None),
    ("[[fault]]", "[explore]\n[[fault]]", 16, "explore", "must name the virtual one", None),
    ('kind = "kill"', 'kind = "slow"', 23, "fault[1].target", "slow needs a reader or", None),
    ('probe = "ready"', 'probe = "rea dy"', 24, "fault[1].at.probe", "has no space", None),
    ('probe = "ready", occurrence = 2', "after_ops = 1", 24, "fault[1].at", "has no operat", None),
    ('process = "app[1]", probe', 'process = "apq[1]", probe', 24, "fault[1].at.process",
     "names nobody", "app[1]"),
    ('variable = "X"', 'variable = "X=1"', 16, "fault[0]", "can be no variable's name", None),
    ('variable = "X"', "", 16, "fault[0].variable", "is required", None),
    (FAULT, BREAK + 'how = "emtpy"', 16, "fault[0]", "did you mean 'empty'?", None),
    (FAULT, BREAK + 'how = { undefined_symbol = "a\\u0000" }', 16, "fault[0]",
     "takes a name of letters", None),
    (FAULT, IMPORT + 'kind = "failing_import"\nmodule = "a"\nexception = "OsError"', 16, "fault[0]",
     "did you mean 'OSError'?", None),
    (FAULT, BREAK + 'how = "empty"\nmodule = ""', 16, "fault[0]", "the name of a module", None),
    (FAULT, IMPORT + 'kind = "missing_module"\nmodule = "a b"', 16, "fault[0]",
     "`module` is 'a b', not the name of a module", None),
    (FAULT, IMPORT + 'kind = "import_twice"\nmodule = "a..b"', 16, "fault[0]", "`module`", None),
    (FAULT, IMPORT + 'kind = "missing_module"\nmodule = "a"\nimports_max = 0', 16, "fault[0]",
     "`imports_max` is 0", None),
    (FAULT, IMPORT + 'kind = "failing_import"\nmodule = "a"\nexception = "Nope"', 16, "fault[0]",
     "`exception` is 'Nope', no built-in exception", None),
    (FAULT, IMPORT + 'kind = "gated_import"\nmodule = "a"\nuntil = "x"', 16, "fault[0]",
     "`until` is 'x', no condition", None),
    (FAULT, IMPORT + 'kind = "limit"\nresource = "AS"\nlimit = 9223372036854775808', 16, "fault[0]",
     "is the most", None),
    ('variable = "X"', 'variable = "X"\nvalue = "\\u0000"', 16, "fault[0]", "holds a NUL", None),
    ('variable = "X"', 'variable = "SPINBED_RUN"', 16, "fault[0]", "own to set", None),
    ('argv = ["sleep", "1"]', 'argv = [""]', 13, "process[1].argv[0]", "is no command", None),
    ('"^Error"', "3", 28, "expect[0].output.matches", "expected a string", None),
    (FAULT, BREAK + "how = { empty = 1 }", 16, "fault[0]", "takes no argument, not 1", None),
    (FAULT, BREAK + "how = { truncated_to = -1 }", 16, "fault[0]", "a number of bytes", None),
    (FAULT, BREAK + "how = { empty = 1, text = 1 }", 16, "fault[0]", "has 2 keys", None),
    ("matches", "stream = 'sdterr', matches", 28, "expect[0].output.stream", "unknown stream",
     "stderr"),
    ("^Error", "(", 28, "expect[0].output.matches", "is not a regular expression", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "key", "fragment", "nearest"), BAD)
def test_names_line_key_and_the_nearest_name(
    old: str, new: str, line: int, key: str, fragment: str, nearest: Optional[str], tmp_path: Path
) -> None:
    assert old in GOOD
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key, problem.nearest) == (line, key, nearest), str(problem)
    assert fragment in problem.message


def test_the_ways_to_break_an_extension_are_those_that_can_be_done() -> None:
    with_argument = {kind for kind, made in damage.KINDS.items() if made.check is not None}
    assert set(break_extension.KINDS) == set(damage.KINDS)
    assert {kind for kind, wanted in break_extension.KINDS.items() if wanted} == with_argument


def test_a_checker_of_programs_runs_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD + '[[check]]\nalias = "imports"\n')
    (scenario,) = load(path)
    assert scenario.checkers == ("imports",)
    assert not set(ASKED_FOR) & set(programs.CHECKERS)


def test_a_checker_of_programs_has_no_place_in_a_ring(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    ring = 'schema = 1\nname = "ring"\n'
    for name in ("writer", "reader"):
        ring += f'[[process]]\nname = "{name}"\nrole = "{name}"\n'
    path.write_text(ring + '[[check]]\nalias = "environ"\n')
    with pytest.raises(ScenarioError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (10, "check[0].alias")
    assert "'environ' is of programs" in problem.message


def test_a_file_has_programs_or_a_ring(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    ring = '[[process]]\nname = "writer"\nrole = "writer"\n'
    path.write_text(GOOD + ring)
    with pytest.raises(ScenarioError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (5, "process[0]")
    assert "a file has programs or a ring" in problem.message
