"""The body that changes the environment is the one that is named, and only what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from heard_programs import Ended, plain_environment, run_inside

WATCH = {"kind": "environ"}

# Of each: the body, and what of it is told.
BODIES: Dict[str, Tuple[str, List[Tuple[str, str]]]] = {
    "sets": ("os.environ['NEW'] = '1'", [("set", "NEW")]),
    "changes": ("os.environ['OLD'] = '2'", [("changed", "OLD")]),
    "unsets": ("del os.environ['OLD']", [("unset", "OLD")]),
    "pops": ("os.environ.pop('OLD')", [("unset", "OLD")]),
    "sets_bytes": ("os.environb[b'NEW'] = b'1'", [("set", "NEW")]),
    "puts": ("os.putenv('NEW', '1')", [("set", "NEW")]),
    "unputs": ("os.unsetenv('OLD')", [("unset", "OLD")]),
    "updates": ("os.environ.update(A='1', B='2')", [("set", "A"), ("set", "B")]),
    "raises": ("os.environ['NEW'] = '1'; 1 / 0", [("set", "NEW")]),
    "sets_the_same": ("os.environ['OLD'] = os.environ['OLD']", []),
    "puts_back": ("old = os.environ.pop('OLD'); os.environ['OLD'] = old", []),
    "sets_and_unsets": ("os.environ['NEW'] = '1'; del os.environ['NEW']", []),
    "reads": ("os.environ.get('OLD'); os.environ.setdefault('OLD', '2')", []),
    "defines": ("def f():\n    os.environ['NEW'] = '1'", []),
    "lets_a_thread": (
        "import threading\nt = threading.Thread(target=os.putenv, args=('NEW', '1'))\n"
        "t.start(); t.join()",
        [],
    ),
}


def run(tmp_path: Path, code: str, watch: Any = WATCH) -> Ended:
    done = run_inside(
        tmp_path / "inside",
        {"imports": [watch]},
        ["-c", code],
        plain_environment(OLD="1"),
        cwd=tmp_path,
    )
    assert done.of("start")[0]["imports"] == ["environ"]
    return done


@pytest.mark.parametrize("body", BODIES)
def test_what_a_body_leaves_changed_is_told(tmp_path: Path, body: str) -> None:
    source, expected = BODIES[body]
    tmp_path.joinpath("m.py").write_text(f"import os\n{source}\n", encoding="utf-8")
    code = "try:\n    import m\nexcept ZeroDivisionError:\n    pass\nprint('done')"
    done = run(tmp_path, code)
    assert (done.status, done.out, done.err) == (0, "done\n", "")
    assert [(each["event"], each["variable"]) for each in done.of("environ", "m")] == expected
    assert len(done.of("environ")) == len(expected)


def test_it_is_counted_to_the_innermost_body(tmp_path: Path) -> None:
    tmp_path.joinpath("outer.py").write_text(
        "import os, inner\nos.environ['OUTER'] = '1'\ninner.later()\n", encoding="utf-8"
    )
    inner = "import os\nos.environ['INNER'] = '1'\ndef later():\n    os.environ['LATER'] = '1'\n"
    tmp_path.joinpath("inner.py").write_text(inner, encoding="utf-8")
    done = run(tmp_path, "import outer")
    told = [(each["module"], each["variable"]) for each in done.of("environ")]
    assert told == [("inner", "INNER"), ("outer", "OUTER"), ("outer", "LATER")]


def test_what_a_program_does_outside_of_imports_is_its_own(tmp_path: Path) -> None:
    tmp_path.joinpath("m.py").write_text("", encoding="utf-8")
    done = run(tmp_path, "import os, m; os.environ['NEW'] = '1'; del os.environ['OLD']")
    assert done.status == 0 and done.of("environ") == []


def test_only_modules_that_are_meant_are_watched(tmp_path: Path) -> None:
    for name in ("m", "n"):
        text = f"import os\nos.environ['{name}'] = '1'\n"
        tmp_path.joinpath(f"{name}.py").write_text(text, encoding="utf-8")
    done = run(tmp_path, "import m, n", {"kind": "environ", "modules": ["n"]})
    assert [each["module"] for each in done.of("environ")] == ["n"]


def test_wrong_values_are_refused_as_before(tmp_path: Path) -> None:
    code = "import os\nfor put in (lambda: os.putenv('A=', '1'), lambda: os.putenv(1, '1')):\n"
    code += "    try:\n        put()\n    except (ValueError, TypeError) as error:\n"
    code += "        print(type(error).__name__)"
    assert run(tmp_path, code).out == "ValueError\nTypeError\n"
