"""The real command, wrongly used: one clear line, status 64, and nothing is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import List

import jsonschema
import pytest
import scenario_texts
from warm_command import Spinbed, variables

from sim import cli, commands, loading
from sim.arguments import ReportTo, parse
from sim.errors import ScenarioError

WATCHDOG_S = 120  # only against a hang

GOOD = scenario_texts.GOOD.replace("NAME", "good")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


WRONG = [
    ("rnu x", "spinbed: no command 'rnu' (did you mean 'run'?)"),
    ("--verbose", "spinbed: no option '--verbose' (did you mean '--version'?)"),
    ("run --jbos 2 x", "spinbed: run has no option '--jbos' (did you mean '--jobs'?)"),
    ("run --jbos=2", "spinbed: run has no option '--jbos' (did you mean '--jobs'?)"),
    ("run x --see 3", "spinbed: run has no option '--see' (did you mean '--seed'?)"),
    ("list --frobnicate x", "spinbed: list has no option '--frobnicate'"),
    ("doctor x", "spinbed: doctor takes no argument 'x'"),
    ("run", "spinbed run: the following arguments are required: PATH"),
    ("run x --seed", "spinbed run: argument --seed: expected one argument"),
    (
        "run x --seed 1.5",
        "spinbed run: argument --seed: '1.5' is no seed: 0 to 18446744073709551615, or 'random'",
    ),
    (
        "run x --seed 18446744073709551616",
        "spinbed run: argument --seed: '18446744073709551616' is no seed: "
        "0 to 18446744073709551615, or 'random'",
    ),
    (
        "run x --seed -1",
        "spinbed run: argument --seed: '-1' is no seed: 0 to 18446744073709551615, or 'random'",
    ),
    (
        "run x --jobs 0",
        "spinbed run: argument --jobs: '0' is not a whole number from 1 to 256",
    ),
    (
        "run x --repeat many",
        "spinbed run: argument --repeat: 'many' is not a whole number from 1 to 1000000",
    ),
    (
        "run x --world lvie",
        "spinbed run: argument --world: no world 'lvie' (did you mean 'live'?)",
    ),
    (
        "run x --report jnuit=x.xml",
        "spinbed run: argument --report: no report 'jnuit' (did you mean 'junit'?)",
    ),
    ("run x --report json=", "spinbed run: argument --report: 'json=' names no file after '='"),
    (
        "run x --report json --report text",
        "spinbed: --report json and text would both go to standard output: "
        "give one of them a file, --report text=FILE",
    ),
    (
        "run x --report json=gone/x.json",
        "spinbed: --report json=gone/x.json: no folder 'gone'",
    ),
    ("run x --report json=.", "spinbed: --report json=.: that is a folder"),
    (
        "run x --report json=/proc/x.json",
        "spinbed: --report json=/proc/x.json: No such file or directory",
    ),
    ("run x -k not", "spinbed run: argument -k: 'not': a word is missing after 'not'"),
    ("run gone.toml", "gone.toml: no such file or folder"),
    ("list gone.toml", "gone.toml: no such file or folder"),
    ("validate gone.toml", "gone.toml: no such file or folder"),
]


@pytest.mark.parametrize(("words", "line"), WRONG, ids=[words for words, _ in WRONG])
def test_wrong_usage_is_one_line_that_names_the_nearest(words: str, line: str) -> None:
    """In this process, for speed; below the command itself is seen to print it, and its status."""
    with pytest.raises(ScenarioError) as refused:
        arguments = parse(words.split())

        loading.load_all(arguments.paths)
    assert str(refused.value) == line


@pytest.mark.parametrize("command", ["run", "list", "validate"])
def test_an_empty_path_is_not_the_current_folder(
    spinbed: Spinbed, good: Path, command: str
) -> None:
    done = spinbed(command, "", cwd=good.parent)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "'': names no file or folder\n"


def test_an_empty_folder_of_journals_is_not_the_current_one(spinbed: Spinbed, good: Path) -> None:
    done = spinbed("run", good, "--journal-dir", "", cwd=good.parent)
    assert done.returncode == 64
    assert done.stderr == "spinbed run: argument --journal-dir: '' names no folder\n"
    assert os.listdir(good.parent) == ["good.toml"]


def test_a_folder_that_takes_no_journal_is_refused_before_anything_starts(
    spinbed: Spinbed, good: Path
) -> None:
    done = spinbed("run", good, "--journal-dir", "/proc", cwd=good.parent)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("spinbed: --journal-dir /proc: ")


def test_a_report_that_cannot_be_written_is_refused_before_anything_starts(
    spinbed: Spinbed, good: Path
) -> None:
    name = "x" * 300 + ".json"
    done = spinbed("run", good, "--report", f"json={name}", cwd=good.parent)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == f"spinbed: --report json={name}: File name too long\n"
    assert os.listdir(good.parent) == ["good.toml"]


def test_asking_whether_a_report_can_be_written_leaves_files_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    os.mkfifo(tmp_path / "pipe")
    for name in ("old.json", "new.json", "pipe"):
        parse(["run", "x", "--report", f"json={tmp_path / name}"])
    assert sorted(os.listdir(tmp_path)) == ["old.json", "pipe"]
    assert (tmp_path / "old.json").read_text() == "old"


def test_wrong_usage_ends_with_64_and_prints_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", "run", "--jbos", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=WATCHDOG_S,
        env=variables(),
    )
    assert done.returncode == 64
    assert done.stderr == "spinbed: run has no option '--jbos' (did you mean '--jobs'?)\n"
    assert done.stdout == ""


def test_no_command_at_all_prints_the_usage_and_ends_with_64(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    done = spinbed(cwd=tmp_path)
    assert done.returncode == 64
    assert done.stdout == ""
    for command in ("run", "list", "validate", "schema", "doctor", "version"):
        assert f"\n    {command}" in done.stderr


def test_help_ends_with_0_and_lists_the_exit_statuses(spinbed: Spinbed, tmp_path: Path) -> None:
    done = spinbed("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "64 bad input" in " ".join(done.stdout.split())  # however wide a line is


def test_reports_default_to_text_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(["run", "x"]).reports == [ReportTo("text", None)]
    assert parse(["run", "x", "--report", "json"]).reports == [ReportTo("json", None)]
    assert parse(["run", "x", "--report", "junit=a.xml"]).reports == [
        ReportTo("junit", Path("a.xml")),
        ReportTo("text", None),
    ]


def test_a_random_seed_is_a_u64_and_another_one_each_time() -> None:
    seeds: List[int] = [parse(["run", "x", "--seed", "random"]).seed for _ in range(8)]
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert len(set(seeds)) == 8


def test_the_seed_is_0_unless_given() -> None:
    assert parse(["run", "x"]).seed == 0


def test_bad_files_are_all_told_and_nothing_is_started(
    spinbed: Spinbed, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad1.toml").write_text(GOOD.replace("slots = 4", "slot = 4"))
    (tmp_path / "bad2.toml").write_text(GOOD.replace('role = "reader"', 'role = "raeder"') + "x=1")
    done = spinbed("run", good, tmp_path, cwd=tmp_path)
    assert done.returncode == 64
    assert done.stdout == ""
    files = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert set(files) == {str(tmp_path / "bad1.toml"), str(tmp_path / "bad2.toml")}
    assert "did you mean 'slots'?" in done.stderr
    assert "did you mean 'reader'?" in done.stderr
    assert not (tmp_path / ".spinbed").exists()


def test_validate_says_which_files_are_good(spinbed: Spinbed, good: Path, tmp_path: Path) -> None:
    done = spinbed("validate", "good.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "good.toml: ok, 1 run\n", "")


def test_validate_reports_every_problem_of_a_file(spinbed: Spinbed, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(GOOD.replace("slots", "slosts").replace("story", "sotry"))
    done = spinbed("validate", "bad.toml", cwd=tmp_path)
    assert done.returncode == 64
    assert "bad.toml:3: sotry" in done.stderr
    assert "bad.toml:8: transport.slosts" in done.stderr


SWEPT = GOOD.replace('"good"', '"swept"') + '[sweep.product]\n"transport.slots" = [4, 44]\n'


def test_list_names_every_run_and_k_selects_among_them(
    spinbed: Spinbed, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "swept.toml").write_text(SWEPT)
    done = spinbed("list", "good.toml", "swept.toml", cwd=tmp_path)
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["good", "good.toml"],
        ["swept[transport.slots=4]", "swept.toml"],
        ["swept[transport.slots=44]", "swept.toml"],
    ]
    done = spinbed("list", "good.toml", "swept.toml", "-k", "swept not 44", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["swept[transport.slots=4]"]


@pytest.mark.parametrize("command", ["run", "list"])
def test_selecting_nothing_is_bad_input_and_names_the_nearest(
    spinbed: Spinbed, command: str, good: Path, tmp_path: Path
) -> None:
    done = spinbed(command, "good.toml", "-k", "=goood", cwd=tmp_path)
    assert done.returncode == 64
    assert done.stderr == "spinbed: -k '=goood' selects no run of 1 (did you mean 'good'?)\n"


def test_a_folder_without_scenarios_is_bad_input(spinbed: Spinbed, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = spinbed("run", "empty", cwd=tmp_path)
    assert done.returncode == 64
    assert done.stderr == "empty: holds no *.toml file\n"


def test_schema_prints_a_json_schema_that_knows_the_tables(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    done = spinbed("schema", cwd=tmp_path)
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"name", "transport", "process", "fault", "expect"} <= set(schema["properties"])


def test_version_says_whether_the_kernels_are_compiled(spinbed: Spinbed, tmp_path: Path) -> None:
    done = spinbed("version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("spinbed ")
    assert "(compiled)" in done.stdout or "(pure: " in done.stdout


def test_a_reader_that_goes_away_ends_the_command_quietly(good: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", "list", str(good)],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=WATCHDOG_S,
        env=variables(),
    )
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == ""


def test_a_journal_folder_that_cannot_be_made_is_bad_input(
    spinbed: Spinbed, good: Path, tmp_path: Path
) -> None:
    done = spinbed("run", good, "--journal-dir", f"{good}/journals", cwd=tmp_path)
    assert done.returncode == 64
    assert done.stderr == f"spinbed: --journal-dir {good}/journals: Not a directory\n"


def test_a_transport_that_cannot_be_imported_is_bad_input(spinbed: Spinbed, tmp_path: Path) -> None:
    (tmp_path / "their_pkg.py").write_text("raise ZeroDivisionError('planted')\n")
    (tmp_path / "theirs.toml").write_text(GOOD.replace('"cursor_ring"', '"their_pkg:Transport"'))
    done = spinbed("run", "theirs.toml", cwd=tmp_path, path=tmp_path)
    assert done.returncode == 64
    assert done.stderr.startswith("theirs.toml:7: transport.kind: 'their_pkg:Transport'")
    assert "ZeroDivisionError: planted" in done.stderr
    assert "Traceback" not in done.stderr


def test_validate_imports_nothing_that_a_file_names(spinbed: Spinbed, tmp_path: Path) -> None:
    (tmp_path / "their_pkg.py").write_text("raise ZeroDivisionError('planted')\n")
    (tmp_path / "theirs.toml").write_text(GOOD.replace('"cursor_ring"', '"their_pkg:Transport"'))
    done = spinbed("validate", "theirs.toml", cwd=tmp_path, path=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bug_ends_with_70_a_traceback_and_a_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def planted(arguments: object) -> int:
        raise ZeroDivisionError("planted")

    monkeypatch.setitem(commands.COMMANDS, "version", lambda: planted)
    assert cli.main(["version"]) == 70
    told = capsys.readouterr().err
    assert "Traceback" in told and "ZeroDivisionError: planted" in told
    assert told.endswith("Please report it, with the lines above and the command.\n")
