"""`spinbed matrix`: one table of scenarios and interpreters, and what is not there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from warm_command import WATCHDOG_S, Spinbed, variables

from cy_kernels.pure.wait import really_runs

MINE = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROGRAM = """\
schema = 1
name = "NAME"
[[process]]
name = "app"
program = "colorsys:rgb_to_hsv"
[[expect]]
process = "app"
exit = { status = STATUS }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A call without arguments is a TypeError: status 1."""
    for name, status in (("right", 1), ("wrong", 2)):
        text = PROGRAM.replace("NAME", name).replace("STATUS", str(status))
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def test_each_cell_is_a_run_in_that_interpreter(spinbed: Spinbed, folder: Path) -> None:
    done = spinbed("matrix", ".", "--python", f"{MINE},{sys.executable}", cwd=folder)
    assert done.returncode == 4, done.stderr
    head, right, wrong = done.stdout.splitlines()[:3]
    assert head.split() == [MINE, sys.executable]
    assert right.split("  ", 1)[0] == "right" and right.count("ok valid") == 2
    assert wrong.split("  ", 1)[0] == "wrong" and wrong.count("FAIL invalid") == 2
    assert "TypeError" in done.stdout
    assert f"spinbed matrix wrong.toml --python {MINE} -k =wrong" in done.stdout
    assert len(list((folder / ".spinbed/journals").glob("*.jsonl"))) == 4  # each cell has its own


def with_variables(path: Path, table: str) -> None:
    text = path.read_text()
    path.write_text(text.replace("[[expect]]", f"env = {{ {table} }}\n[[expect]]"))


@pytest.mark.parametrize("cpu", ["-monitorx,-waitpkg", "-monitorx,waitpkg"])
def test_a_cell_names_the_kernels_and_the_rung_as_doctor_does(
    spinbed: Spinbed, folder: Path, cpu: str
) -> None:
    with_variables(folder / "right.toml", f'SPINBED_CPU = "{cpu}"')
    doctor = subprocess.run(
        [sys.executable, "-m", "sim.cli", "doctor"],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
        env={**variables(), "SPINBED_CPU": cpu},
    )
    kernels = re.search(r"^kernels +(\w+)", doctor.stdout, re.MULTILINE)
    best = re.search(r"^wait best +runs (\w+)", doctor.stdout, re.MULTILINE)
    assert kernels is not None and best is not None, doctor.stdout + doctor.stderr
    done = spinbed("matrix", "right.toml", "--python", MINE, cwd=folder)
    cell = done.stdout.splitlines()[1].split("  ")[-1]
    assert cell == f"ok valid {kernels[1]} {best[1]}", done.stdout + done.stderr


def test_a_program_that_is_to_be_pure_waits_as_pure_kernels_do(
    spinbed: Spinbed, folder: Path
) -> None:
    with_variables(folder / "right.toml", 'SPINBED_KERNELS = "pure", SPINBED_CPU = "waitpkg"')
    done = spinbed("matrix", "right.toml", "--python", MINE, cwd=folder)
    assert f"ok valid pure {really_runs('best')}\n" in done.stdout, done.stderr


def test_a_cell_of_several_runs_says_how_many_were_as_expected(
    spinbed: Spinbed, folder: Path
) -> None:
    done = spinbed("matrix", ".", "--python", MINE, "--repeat", "3", "--jobs", "2", cwd=folder)
    assert done.returncode == 4, done.stderr
    assert "ok 3/3 valid" in done.stdout and "FAIL 0/3 invalid" in done.stdout


def test_an_interpreter_that_is_not_there_is_said_and_fails_only_where_required(
    spinbed: Spinbed,
    folder: Path,
) -> None:
    words = ("right.toml", "--python", f"{MINE},3.77")
    done = spinbed("matrix", *words, cwd=folder)
    assert done.returncode == 0 and "no 3.77: no Python 3.77" in done.stdout
    assert spinbed("matrix", *words, "--require", cwd=folder).returncode == 1


def test_scenarios_without_a_program_are_left_out_and_counted(
    spinbed: Spinbed, folder: Path
) -> None:
    other = PROGRAM.replace('program = "colorsys:rgb_to_hsv"', 'argv = ["false"]')
    (folder / "command.toml").write_text(other.replace("NAME", "c").replace("STATUS", "1"))
    done = spinbed("matrix", "right.toml", "command.toml", "--python", MINE, cwd=folder)
    assert done.returncode == 0 and "left out: 1 of 2" in done.stdout
    done = spinbed("matrix", "command.toml", "--python", MINE, cwd=folder)
    assert done.returncode == 64 and "no scenario here has a `program`" in done.stderr


@pytest.mark.parametrize("text", ["3", "2.7", "3.10,", "pypy", "python3.10"])
def test_what_names_no_interpreter_is_refused(spinbed: Spinbed, folder: Path, text: str) -> None:
    done = spinbed("matrix", "right.toml", "--python", text, cwd=folder)
    assert done.returncode == 64 and "is neither a version (3.10, 3.10.13) nor" in done.stderr
