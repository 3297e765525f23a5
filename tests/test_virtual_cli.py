"""`run --world virtual`: verdicts, the command that repeats them, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scenario_texts import GOOD
from warm_command import Spinbed, variables

from sim.errors import ExitStatus

SMOKE = Path(__file__).resolve().parents[1] / "scenarios" / "smoke"
WATCHDOG_S = 120  # only against a hang


def write(folder: Path, text: str) -> Path:
    path = folder / "named.toml"
    path.write_text(text.replace("NAME", "named"))
    return path


def test_smoke_runs_green_and_starts_no_process(spinbed: Spinbed, tmp_path: Path) -> None:
    done = spinbed("run", SMOKE, "--world", "virtual", "--report", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["scenarios"]
    assert len(runs) == len(list(SMOKE.glob("*.toml")))
    for run in runs:
        assert (run["world"], run["verdict"], run["as_expected"]) == ("virtual", "valid", True)
        assert {each["kernels"] for each in run["processes"]} == {"simulated"}


def test_a_failure_names_the_command_that_repeats_it_and_the_same_seed_is_the_same_history(
    spinbed: Spinbed,
    tmp_path: Path,
) -> None:
    path = write(tmp_path, GOOD + '[[expect]]\nverdict = "invalid"\nchecker = "fifo"\n')
    words = ["run", path.name, "--world", "virtual", "--seed", "5", "--journal-dir"]
    done = spinbed(*words, "one", cwd=tmp_path)
    assert done.returncode == ExitStatus.SAFETY
    assert "spinbed run named.toml --seed 5 --world virtual" in done.stdout
    afresh = subprocess.run(
        [sys.executable, "-m", "sim.cli", *words, "two"],
        capture_output=True,
        cwd=tmp_path,
        timeout=WATCHDOG_S,
        env=variables(),
    )
    assert afresh.returncode == ExitStatus.SAFETY
    one, two = (next((tmp_path / name).glob("*.jsonl")) for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_scenario_that_names_only_the_virtual_world_runs_there(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    path = write(tmp_path, GOOD.replace("deadline =", 'worlds = ["virtual"]\ndeadline =', 1))
    done = spinbed("run", path, "--report", "json", cwd=tmp_path)
    (run,) = json.loads(done.stdout)["scenarios"]
    assert (run["world"], run["as_expected"]) == ("virtual", True)


def test_one_that_names_only_the_live_world_is_skipped_there(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    path = write(tmp_path, GOOD.replace("deadline =", 'worlds = ["live"]\ndeadline =', 1))
    done = spinbed("run", path, "--world", "virtual", cwd=tmp_path)
    assert done.returncode == 0
    assert "it is for the world live, not for virtual" in done.stdout


REFUSED = {
    "fault[0].kind: freeze needs a world that can freeze":
        GOOD + '[[fault]]\nkind = "freeze"\ntarget = "reader"\nat = "1ms"\n',
    "fault[0].kind: disturb_wakes needs a world that can disturb wake-ups":
        GOOD.replace('role = "reader"', 'role = "reader"\nwait = "umwait"')
        + '[[fault]]\nkind = "disturb_wakes"\ntarget = "reader"\nat = "1ms"\n',
    "process[0].kernels: ": GOOD.replace('role = "writer"', 'role = "writer"\nkernels = "pure"'),
    "process[1].start: 'fork'": GOOD.replace('role = "reader"', 'role = "reader"\nstart = "fork"'),
    "process[1].env: ": GOOD.replace('role = "reader"', 'role = "reader"\nenv = { A = "b" }'),
    "process[0].workload.size_bytes: messages of 20000 bytes":
        GOOD.replace("size_bytes = 8", "size_bytes = 20000").replace("256", "20000"),
    "transport.kind: ": GOOD.replace('"cursor_ring"', '"sim.testing.planted:LeakyRing"'),
    "process: 65 processes": GOOD.replace('role = "reader"', 'role = "reader"\ncount = 64'),
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_only_the_live_world_can_do_is_refused_by_file_line_and_key(
    spinbed: Spinbed, tmp_path: Path, said: str
) -> None:
    path = write(tmp_path, REFUSED[said])
    done = spinbed("run", path, "--world", "virtual", cwd=tmp_path)
    assert done.returncode == ExitStatus.BAD_INPUT
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    place, _, _ = line.partition(": ")
    assert said in line and place.startswith(f"{path}:") and int(place.rsplit(":", 1)[1]) >= 1
    assert not (tmp_path / ".spinbed").exists()  # nothing was started
