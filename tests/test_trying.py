"""`spinbed try` and `spinbed new`: words to faults, what is said, what is kept, what is refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Dict, Optional

import pytest
from warm_command import Spinbed

from sim.scenario.examples import EXAMPLES
from sim.scenario.loader import load, load_text
from sim.scenario.shorthand import SHORTHANDS, BadShorthand, fault_keys, scenario_text

PYTHON = sys.executable


APP = {"target": "app"}
WORDS: Dict[str, Dict[str, Any]] = {
    "stall:2s": {"kind": "stall", "heal_after": "2s", "at": "500ms"},
    "stall@1s": {"kind": "stall", "at": "1s"},
    "stall:2s@ready": {"kind": "stall", "heal_after": "2s", "at": {"probe": "ready"}},
    "kill": {"kind": "kill", "at": "500ms"},
    "env:X=1=2": {"kind": "env_var", "variable": "X", "value": "1=2"},
    "env:X=": {"kind": "env_var", "variable": "X", "value": ""},
    "env:X=a@b": {"kind": "env_var", "variable": "X", "value": "a@b"},
    "env:X": {"kind": "env_var", "variable": "X"},
    "missing:a.b": {"kind": "missing_module", "module": "a.b"},
    "failing:a=OSError": {"kind": "failing_import", "module": "a", "exception": "OSError"},
    "slow:a=5ms": {"kind": "slow_import", "module": "a", "duration": "5ms"},
    "twice:a": {"kind": "import_twice", "module": "a"},
    "limit:NOFILE=20": {"kind": "limit", "resource": "NOFILE", "limit": 20},
    "break:a=empty": {"kind": "break_extension", "module": "a", "how": "empty"},
    "foreign:a=3.9": {"kind": "foreign_abi", "module": "a", "built_by": "3.9"},
    "method:fork": {"kind": "start_method_twice", "method": "fork"},
    "noguard": {"kind": "no_main_guard"},
    "preload:error": {"kind": "preload_broken", "how": "error"},
    "fork:plain=a:b": {"kind": "fork_with_threads", "lock": "plain", "name": "a:b"},
    "fork:logging": {"kind": "fork_with_threads", "lock": "logging"},
    "unlink@ready": {"kind": "resource_tracker_unlink", "at": {"probe": "ready"}},
    "break:a=truncated_to=64": {
        "kind": "break_extension", "module": "a", "how": {"truncated_to": 64},
    },
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_a_fault_that_the_loader_takes(word: str) -> None:
    keys = fault_keys(word)
    assert keys == {**APP, **WORDS[word]}
    text = scenario_text(['a"b', "\\", "ä\n"], [keys], name="t", deadline="5s")
    (scenario,) = load_text(text, "t.toml")
    (process,) = scenario.processes
    workload: Any = process.workload
    assert workload.argv == ('a"b', "\\", "ä\n")
    assert len(scenario.faults) == 1


def test_every_shorthand_has_a_word_here() -> None:
    assert {re.split("[:@]", word)[0] for word in WORDS} == set(SHORTHANDS)


BAD = [
    ("stal:2s", "no fault 'stal'", "stall"),
    ("", "no fault ''", None),
    ("missing", "it is missing:MODULE", None),
    ("missing:", "nothing after ':'; it is missing:MODULE", None),
    ("failing:a", "it is failing:MODULE=EXCEPTION", None),
    ("kill:1s", "it is kill[@WHEN]", None),
    ("env:X@1s", "takes no '@'", None),
    ("stall:2s@", "nothing after '@'", None),
    ("stall:", "nothing after ':'", None),
    ("kill@-1s", "'-1s' is neither a time", None),
    ("stall:2s@5", "'5' is neither a time", None),
    ("limit:NOFILE=many", "'many' is not a whole number", None),
]


@pytest.mark.parametrize(("word", "fragment", "nearest"), BAD)
def test_a_word_that_is_none_says_why(word: str, fragment: str, nearest: Optional[str]) -> None:
    with pytest.raises(BadShorthand, match=re.escape(fragment)) as caught:
        fault_keys(word)
    assert caught.value.nearest == nearest


REFUSED = [
    (["try"], "COMMAND"),
    (["try", "--fault", "stal:2s", "--", "true"], "did you mean 'stall'?"),
    (["try", "--fault", "stall:2x", "--", "true"], "--fault stall:2x: '2x'"),
    (["try", "--fault", "limit:NOFLE=2", "--", "true"], "--fault limit:NOFLE=2: `resource` is"),
    (["try", "--deadline", "0s", "--", "true"], "--deadline: '0s' must be more than 0"),
    (["try", "--", ""], "spinbed try COMMAND: an empty string is no command"),
    (["try", "--deadline", "soon", "--", "true"], "--deadline: 'soon'"),
    (["try", "--sav", "x", "--", "true"], "did you mean '--save'?"),
    (["try", "--save", "there.toml", "--", "true"], "there.toml: it exists already"),
    (["new", "there.toml"], "there.toml: it exists already"),
    (["new", "no/folder/x.toml"], "No such file or directory"),
    (["new"], "FILE.toml"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_bad_input_is_refused_and_nothing_is_started(
    spinbed: Spinbed, words: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "there.toml").write_text("mine")
    done = spinbed(*words, cwd=tmp_path)
    assert done.returncode == 64 and said in done.stderr, done.stderr
    assert (tmp_path / "there.toml").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.toml"]


def test_it_says_what_happened_in_the_order_in_which_it_did(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    code = "import spinbed; print('up', flush=True); spinbed.probe('ready'); print('done')"
    faults = ("--fault", "stall:50ms@ready", "--fault", "env:X=1")
    done = spinbed("try", *faults, "--", PYTHON, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [re.sub(r"^ +([\d.]+ s +)?", "", line) for line in done.stdout.splitlines()]
    events = ("app started", "app passed ready", "stall fired", "stall healed", "app ended: 0")
    places = [next(i for i, line in enumerate(told) if line.startswith(each)) for each in events]
    assert places == sorted(places)
    assert "env_var fired: X=1" in told and "stdout | done" in told
    assert told[-1].startswith("verdict: valid; journal: ")


def test_what_it_prints_moves_no_cursor_and_a_long_name_is_cut(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    code = "import os; os.write(int(os.environ['SPINBED_PROBE_FD']), b'x' * 9000)"
    code += "; print('\\x1b[2Jgone')"
    done = spinbed("try", "--", PYTHON, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\\x1b[2Jgone" in done.stdout and "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 400


GARBAGE = (b"\xff", b'{"log": 3}', b'{"probe": ["a"]}', b'{"hook": {}}',
           b'{"probe": "a", "time_ns": true}', b"[" * 30_000)  # fmt: skip


def test_what_is_no_message_is_the_name_of_a_probe(spinbed: Spinbed, tmp_path: Path) -> None:
    fd = "int(os.environ['SPINBED_PROBE_FD'])"
    code = f"import os; [os.write({fd}, said) for said in {GARBAGE!r}]"
    done = spinbed("try", "--", "python3", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.findall("app passed (.+)", done.stdout)
    assert passed[:4] == ["\ufffd", '{"log": 3}', '{"probe": ["a"]}', '{"hook": {}}']
    assert len(passed) == len(GARBAGE)


def test_a_time_counts_from_the_start(spinbed: Spinbed, tmp_path: Path) -> None:
    words = ("--fault", "kill@100ms", "--", "sleep", "60")
    done = spinbed("try", *words, cwd=tmp_path)
    (struck_s,) = re.findall(r"([\d.]+) s  kill fired", done.stdout)
    assert float(struck_s) >= 0.1, done.stdout


@pytest.mark.parametrize("value", ["=/x", "=", ""])
def test_a_path_of_its_modules_is_seen_beside_our_own(
    value: str, spinbed: Spinbed, tmp_path: Path
) -> None:
    done = spinbed("try", "--fault", f"env:PYTHONPATH{value}", "--", "true", cwd=tmp_path)
    assert done.returncode == 0 and "env_var fired" in done.stdout, done.stdout


def test_what_is_unaccounted_for_is_said_and_is_the_status(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    done = spinbed("try", "--", PYTHON, "-c", "raise SystemExit(3)", cwd=tmp_path)
    assert done.returncode == 4
    assert "app ended: 3" in done.stdout and "unaccounted for: " in done.stdout


def test_what_is_saved_runs_again(spinbed: Spinbed, tmp_path: Path) -> None:
    words = ("--fault", "env:X=1", "--save", "kept.toml", "--", "sh", "-c", "echo $X")
    assert spinbed("try", *words, cwd=tmp_path).returncode == 0
    (scenario,) = load(tmp_path / "kept.toml")
    assert scenario.name == "kept"
    assert spinbed("run", "kept.toml", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_new_scenario_is_as_expected(spinbed: Spinbed, kind: str, tmp_path: Path) -> None:
    done = spinbed("new", "--of", kind, "mine.toml", cwd=tmp_path)
    assert done.returncode == 0 and "next: spinbed run mine.toml" in done.stdout
    assert (tmp_path / "mine.toml").read_text().count("# ") >= 5
    done = spinbed("run", "mine.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
