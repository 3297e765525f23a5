"""Imports go wrong where they are told to, as the interpreter itself would have them go wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from heard_programs import Ended, run_inside

from sim.inside import import_hooks, module_bodies

SHOW_WHERE = """
import json, traceback
try:
    {statement}
except BaseException as error:
    frames = traceback.extract_tb(error.__traceback__)
    print(json.dumps([type(error).__name__, str(error), getattr(error, "name", None),
                      frames[-1].filename, frames[-1].line]))
"""
BODY = '"""Doc."""\nfrom __future__ import annotations\nEARLY = 1\nLATE = 2\nNAMES = dir()\n'
IN_THE_BACKGROUND = """
import sys, threading
def work():
    try:
        __import__({module!r})
    except ImportError:
        pass
thread = threading.Thread(target=work, name="background")
thread.start()
while {module!r} not in sys.modules and thread.is_alive():
    pass
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Where the program runs: `python -c` finds its modules there."""
    folder = tmp_path / "modules"
    (folder / "package").mkdir(parents=True)
    (folder / "m.py").write_text(BODY, encoding="utf-8")
    (folder / "other.py").write_text("import m\n", encoding="utf-8")
    (folder / "empty.py").write_text("", encoding="utf-8")
    (folder / "package" / "__init__.py").write_text("EARLY = 1\nLATE = 2\n", encoding="utf-8")
    (folder / "package" / "sub.py").write_text("HERE = 3\n", encoding="utf-8")
    return folder


def ended(modules: Path, code: str, *specs: Dict[str, Any], **how: Any) -> Ended:
    done = run_inside(
        modules.parent / "inside", {"imports": specs}, ["-c", code], cwd=modules, **how
    )
    assert done.of("start") and done.of("start")[0]["event"] == "ended", done
    return done


def show(modules: Path, statement: str, *specs: Dict[str, Any]) -> List[Any]:
    done = ended(modules, SHOW_WHERE.format(statement=statement), *specs)
    assert done.status == 0, done.err
    shown: List[Any] = json.loads(done.out)
    return shown


@pytest.mark.parametrize(
    ("statement", "module"),
    [
        ("import m", "m"),
        ("import other", "m"),
        ("import package.sub", "package"),
        ("import package.sub", "package.sub"),
        ("from package import sub", "package"),
        ("import importlib; importlib.import_module('m')", "m"),
    ],
)
def test_a_missing_module_is_missing_as_if_its_file_were(
    modules: Path, statement: str, module: str
) -> None:
    hidden = show(modules, statement, {"kind": "missing", "module": module})
    path = modules.joinpath(*module.split("."))
    path.rename(path.with_name("gone")) if path.is_dir() else path.with_suffix(".py").unlink()
    assert hidden == show(modules, statement)  # with the innermost frame
    assert hidden[:3] == ["ModuleNotFoundError", f"No module named {module!r}", module]


def test_a_module_is_missing_for_those_too_who_only_look_for_it(modules: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('m'), u.find_spec('other') is None)"
    done = ended(modules, code, {"kind": "missing", "module": "m"})
    assert (done.out, done.events("missing", "m")) == ("None False\n", ["raised"])


def test_a_module_is_missing_also_for_finders_that_were_put_in_front(modules: Path) -> None:
    code = "import sys, importlib.machinery as i; sys.meta_path.insert(0, i.PathFinder); import m"
    done = ended(modules, code, {"kind": "missing", "module": "m"})
    assert done.last_line() == "ModuleNotFoundError: No module named 'm'"


def test_nothing_is_said_to_be_hidden_where_another_list_asks_the_others(modules: Path) -> None:
    code = "import sys; sys.meta_path = list(sys.meta_path); import m; print(m.LATE)"
    done = ended(modules, code, {"kind": "missing", "module": "m"})
    assert (done.out, done.events("missing", "m")) == ("2\n", ["impossible"])


def test_it_happens_as_often_as_it_is_told_to(modules: Path) -> None:
    code = """
for _ in range(3):
    try:
        import m
    except ImportError as error:
        print(error)
print(m.LATE)
"""
    done = ended(modules, code, {"kind": "missing", "module": "m", "times": 2})
    assert done.out == "No module named 'm'\n" * 2 + "2\n"
    failing = {"kind": "failing", "module": "m", "exception": "ImportError", "message": "no"}
    done = ended(modules, code, {**failing, "times": 1})
    assert (done.out, done.events("failing")) == ("no\n2\n", ["raised"])


@pytest.mark.parametrize(
    ("at", "line"),
    [(0, "EARLY = 1"), (1, "EARLY = 1"), (3, "LATE = 2"), (-1, "NAMES = dir()"), (99, None)],
)
def test_an_import_fails_within_the_body_of_the_module(modules: Path, at: int, line: Any) -> None:
    spec = {"kind": "failing", "module": "m", "exception": "OSError", "message": "gone", "at": at}
    shown = show(modules, "import m", spec)
    assert shown == ["OSError", "gone", None, str(modules / "m.py"), line or "NAMES = dir()"]


def test_an_exception_may_be_one_of_a_module(modules: Path) -> None:
    spec = {"kind": "failing", "module": "m", "exception": "json.JSONDecodeError", "at": 3}
    assert show(modules, "import m", spec)[0] == "TypeError"  # it wants more than a message
    spec["exception"] = "subprocess.SubprocessError"
    assert show(modules, "import m", spec)[0] == "SubprocessError"


def test_after_a_failed_import_the_module_is_gone(modules: Path) -> None:
    code = "import sys\ntry:\n    import m\nexcept OSError:\n    print('m' in sys.modules)"
    spec = {"kind": "failing", "module": "m", "exception": "OSError", "at": -1}
    assert ended(modules, code, spec).out == "False\n"


def test_a_body_sees_nothing_of_what_was_inserted(modules: Path) -> None:
    code = "import m; print(m.NAMES)"
    spec = {"kind": "slow", "module": "m", "seconds": 0, "at": 3}
    done = ended(modules, code, spec)
    assert done.events("slow", "m") == ["began", "ended"]
    assert done.out == ended(modules, code).out


def test_a_loader_still_looks_like_the_one_it_stands_for(modules: Path) -> None:
    code = """
import importlib.machinery, inspect, m, pkgutil
print(isinstance(m.__loader__, importlib.machinery.SourceFileLoader))
print(inspect.getsource(m) == open("m.py").read(), pkgutil.get_data("m", "m.py")[:4])
"""
    done = ended(modules, code, {"kind": "slow", "module": "m", "seconds": 0})
    assert (done.out, done.err) == ('True\nTrue b\'"""D\'\n', "")


def test_a_slow_import_takes_its_time_and_keeps_its_lock(modules: Path) -> None:
    code = IN_THE_BACKGROUND.format(module="m") + "import m; print(m.LATE); thread.join()"
    done = ended(modules, code, {"kind": "slow", "module": "m", "seconds": 0.2, "at": 2})
    began, stopped = done.of("slow", "m")
    assert (began["event"], stopped["event"], done.out) == ("began", "ended", "2\n")
    assert stopped["time_ns"] - began["time_ns"] >= 200_000_000
    assert (began["thread"], began["is_main"]) == ("background", False)


def test_an_empty_module_can_be_held_and_fail(modules: Path) -> None:
    slow = {"kind": "slow", "module": "empty", "seconds": 0}
    failing = {"kind": "failing", "module": "empty", "exception": "OSError", "at": -1}
    done = ended(modules, "import empty", slow, failing)
    assert (done.last_line(), done.events("slow")) == ("OSError", ["began", "ended"])


def test_a_thread_is_held_until_the_main_thread_waits_for_its_module(modules: Path) -> None:
    code = IN_THE_BACKGROUND.format(module="m") + "import m; print(m.LATE); thread.join()"
    watch = {"kind": "watch", "modules": ["m"]}
    gate = {"kind": "gated", "module": "m", "at": 3, "until": "main_waits"}
    done = ended(modules, code, watch, gate)
    assert (done.out, done.events("gated", "m")) == ("2\n", ["held", "released"])
    obtained = [each for each in done.of("watch", "m") if each["event"] == "obtained"]
    assert [(e["is_main"], e["partial"], e["replaced"]) for e in obtained] == [(True, False, False)]


def test_who_waits_for_a_module_that_replaces_itself_keeps_the_old_one(modules: Path) -> None:
    body = "import sys, types\nEARLY = 1\nnew = types.ModuleType('lazy')\nnew.LATE = 2\n"
    (modules / "lazy.py").write_text(body + "sys.modules[__name__] = new\n", encoding="utf-8")
    code = IN_THE_BACKGROUND.format(module="lazy") + "from lazy import LATE"
    watch = {"kind": "watch", "modules": ["lazy"]}
    gate = {"kind": "gated", "module": "lazy", "at": 2, "until": "main_waits"}
    done = ended(modules, code, watch, gate)
    began, end, obtained = done.of("watch", "lazy")
    assert (end["replaced"], obtained["replaced"], obtained["is_main"]) == (True, True, True)
    assert began["id"] == obtained["id"] != end["id"]
    # An interpreter that looks again after the wait gets the new one: the observer saw it anyway.
    assert done.status == 0 or "cannot import name 'LATE' from 'lazy'" in done.last_line()


def test_a_hold_that_outlasts_its_deadline_is_late_and_ends(modules: Path) -> None:
    code = IN_THE_BACKGROUND.format(module="m") + "thread.join(); print('on')"
    gate = {"kind": "gated", "module": "m", "until": "main_waits", "seconds_max": 0.1}
    done = ended(modules, code, gate)
    assert (done.out, done.events("gated")) == ("on\n", ["held", "late"])


def test_the_main_thread_cannot_be_held_until_it_waits_for_itself(modules: Path) -> None:
    gate = {"kind": "gated", "module": "m", "until": "main_waits"}
    done = ended(modules, "import m; print(m.LATE)", gate)
    assert (done.out, done.events("gated")) == ("2\n", ["impossible"])


def test_a_thread_is_held_until_a_probe_is_answered(modules: Path) -> None:
    gate = {"kind": "gated", "module": "m", "until": "probe:half_way", "at": 3}
    done = ended(modules, "import m; print(m.LATE)", gate)
    assert (done.out, done.events("gated")) == ("2\n", ["held", "released"])
    [probe] = [each for each in done.said if each.get("probe")]
    assert (probe["probe"], probe["ask"]) == ("half_way", True)
    done = ended(modules, "import m", {**gate, "seconds_max": 0.1}, answer=lambda message: False)
    assert done.events("gated") == ["held", "late"]


def test_one_gate_waits_for_the_other(modules: Path) -> None:
    code = IN_THE_BACKGROUND.format(module="package") + "import other, package; thread.join()"
    first = {"kind": "gated", "module": "package", "at": 1, "until": "main_waits"}
    second = {"kind": "gated", "module": "other", "until": "held:package"}
    done = ended(modules, code, first, second)
    gates = [(e["module"], e["event"]) for e in done.of("gated")]
    assert gates.index(("package", "held")) < gates.index(("other", "released"))
    assert gates[-1] == ("package", "released") and done.status == 0


def test_half_a_package_is_seen_when_another_thread_takes_it(modules: Path) -> None:
    code = (
        IN_THE_BACKGROUND.format(module="package")
        + """
import importlib
sub = importlib.import_module("package.sub")
print(sub.HERE, hasattr(sys.modules["package"], "LATE"))
import m
thread.join()
"""
    )
    watch = {"kind": "watch", "prefix": "package"}
    gate = {"kind": "gated", "module": "package", "at": 1, "until": "began:m", "seconds_max": 2}
    done = ended(modules, code, watch, gate, {"kind": "slow", "module": "m", "seconds": 0})
    obtained = [each for each in done.of("watch", "package") if each["event"] == "obtained"]
    assert [(e["is_main"], e["partial"], e["through"]) for e in obtained[:1]] == [
        (True, done.out == "3 False\n", "package.sub")
    ]
    assert done.events("watch", "package.sub") == ["began", "ended"]


def test_a_package_that_imports_its_own_parts_is_not_half_taken(modules: Path) -> None:
    (modules / "package" / "__init__.py").write_text("from . import sub\n", encoding="utf-8")
    done = ended(modules, "import package.sub", {"kind": "watch", "prefix": "package"})
    assert done.events("watch") == ["began", "began", "ended", "ended"]


def test_a_watch_sees_what_fails_and_what_is_absent(modules: Path) -> None:
    code = "try:\n    import m\nexcept OSError:\n    import nowhere"
    failing = {"kind": "failing", "module": "m", "exception": "OSError", "message": "gone"}
    done = ended(modules, code, {"kind": "watch", "modules": ["m", "nowhere"]}, failing)
    assert done.events("watch", "m") == ["began", "raised"]
    assert done.of("watch", "m")[1]["exception"] == "OSError('gone')"
    assert done.events("watch", "nowhere") == ["absent"]


@pytest.mark.parametrize("module", ["m", "package", "package.sub"])
def test_a_module_is_executed_twice_and_there_are_two_of_it(modules: Path, module: str) -> None:
    code = f"""
import importlib
first = importlib.import_module({module!r})
second = importlib.import_module({module!r})
third = importlib.import_module({module!r})
print(first is second, second is third)
import package.sub
"""
    watch = {"kind": "watch", "modules": [module]}
    done = ended(modules, code, {"kind": "twice", "module": module}, watch)
    assert (done.out, done.err) == ("False True\n", "")
    assert done.events("watch", module) == ["began", "ended"] * 2
    first, second = done.of("twice", module)[1]["ids"]
    assert [each["id"] for each in done.of("watch", module)] == [first] * 2 + [second] * 2


def test_a_second_execution_that_fails_leaves_no_module(modules: Path) -> None:
    body = "import json\nassert not hasattr(json, 'seen'), 'again'\njson.seen = True\n"
    (modules / "m.py").write_text(body, encoding="utf-8")
    code = "import sys\ntry:\n    import m\nexcept AssertionError as e:\n"
    code += "    print(e, 'm' in sys.modules)"
    done = ended(modules, code, {"kind": "twice", "module": "m"})
    assert (done.out, done.events("twice")) == ("again False\n", ["began"])


def test_modules_without_source_can_be_slow_gated_and_fail(modules: Path) -> None:
    extension = "_elementtree"  # of the standard library; loaded by nobody who does not want XML
    slow = {"kind": "slow", "module": extension, "seconds": 0}
    failing = {"kind": "failing", "module": extension, "exception": "OSError", "at": 5}
    done = ended(modules, f"import {extension}", slow, failing)
    assert (done.last_line(), done.events("slow")) == ("OSError", ["began", "ended"])
    code = f"try:\n    import {extension}\nexcept ImportError as e: print(e)"
    done = ended(modules, code, {"kind": "missing", "module": extension})
    assert done.out == f"No module named '{extension}'\n"
    compile_it = f"import py_compile; py_compile.compile({str(modules / 'm.py')!r}, 'bare.pyc')"
    assert ended(modules, compile_it).status == 0
    gate = {"kind": "gated", "module": "bare", "until": "probe:x", "at": -1}
    done = ended(modules, "import bare; print(bare.LATE)", gate)
    assert (done.out, done.events("gated")) == ("2\n", ["held", "released"])


def test_what_is_imported_already_is_said_to_be_out_of_reach(modules: Path) -> None:
    for kind, more in (("missing", {}), ("twice", {}), ("slow", {"seconds": 9})):
        done = ended(modules, "import os", {"kind": kind, "module": "os", **more})
        assert done.events(kind, "os") == ["impossible"] and done.status == 0


def test_what_has_no_body_is_said_to_be_out_of_reach(modules: Path) -> None:
    (modules / "spaces").mkdir()
    done = ended(modules, "import spaces", {"kind": "slow", "module": "spaces", "seconds": 9})
    assert done.events("slow", "spaces") == ["impossible"] and done.status == 0


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"kind": "mising", "module": "m"}, "kind is 'mising', not one of missing, failing"),
        ({"module": "m"}, "kind is None"),
        ({"kind": "missing"}, "missing needs 'module'"),
        ({"kind": "missing", "module": "m", "at": 1}, "missing knows no 'at'"),
        ({"kind": "slow", "module": "m", "seconds": -1}, "seconds is -1, not a number of seconds"),
        ({"kind": "slow", "module": "m-n", "seconds": 1}, "module is 'm-n', not the name of a"),
        ({"kind": "slow", "module": "m", "seconds": 1, "at": 0.5}, "at is 0.5, not a count of"),
        ({"kind": "missing", "module": "m", "times": 0}, "times is 0, not a count above 0"),
        ({"kind": "failing", "module": "m", "exception": "int"}, "not a built-in exception"),
        ({"kind": "failing", "module": "m", "exception": "OsError"}, "not a built-in exception"),
        ({"kind": "gated", "module": "m", "until": "probe:"}, "until is 'probe:', not main_waits"),
        ({"kind": "gated", "module": "m", "until": "hold:n"}, "until is 'hold:n', not main_waits"),
        ({"kind": "watch", "modules": "m"}, "modules is 'm', not a list of modules"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(spec: Dict[str, Any], complaint: str) -> None:
    right = {"kind": "missing", "module": "no_such_module"}
    [problem] = import_hooks.problems([right, spec])
    assert problem.startswith("imports[1]: ") and complaint in problem
    with pytest.raises(ValueError, match="imports.1"):
        import_hooks.install([right, spec])


def test_every_key_of_every_kind_has_a_check() -> None:
    named = {key for needed, optional in import_hooks.KEYS.values() for key in (*needed, *optional)}
    assert named == set(import_hooks.VALUES)


def test_statements_are_counted_from_where_something_may_stand() -> None:
    def first_free(source: str) -> int:
        tree = compile(source, "m.py", "exec", module_bodies.ONLY_AST)
        return module_bodies._first_free(tree.body)

    texts = ["", "x = 1", "'doc'", "'doc'\nfrom __future__ import annotations\nx = 1", "1\n'no'"]
    assert [first_free(text) for text in texts] == [0, 0, 1, 2, 0]
