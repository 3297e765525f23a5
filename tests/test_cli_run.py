"""The real command over real runs: statuses, reports, reproduction, and ends by signals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import resource
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, List, Mapping
from xml.etree import ElementTree

import jsonschema
import pytest
from scenario_texts import GOOD
from warm_command import Spinbed, variables

import cy_kernels
from sim.history import journal

pytestmark = pytest.mark.skipif(
    cy_kernels.status().reason is not None, reason=f"kernels: {cy_kernels.status()}"
)

WATCHDOG_S = 120  # only against a hang
SCHEMA = Path(__file__).resolve().parents[1] / "docs" / "report-schema.json"

# Its reader is stopped for good measure, and nobody said that a send may time out.
UNMET = """\
[[fault]]
kind = "stall"
target = "reader"
at = { process = "reader", after_ops = 2 }
heal_after = "400ms"
"""
SLOW = GOOD.replace("messages = 20", "messages = 100, rate_hz = 1")


def write(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.toml").write_text(text.replace("NAME", name), encoding="utf-8")
    return f"{name}.toml"


def unmet(folder: Path, name: str = "unmet") -> str:
    return write(folder, name, GOOD.replace('"20s" }', '"50ms" }', 1) + UNMET)


COMMAND = (sys.executable, "-m", "sim.cli")


def scenarios(done: subprocess.CompletedProcess[str]) -> List[Mapping[str, Any]]:
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    found: List[Mapping[str, Any]] = document["scenarios"]
    return found


def test_a_green_run_is_one_line_and_the_totals(spinbed: Spinbed, tmp_path: Path) -> None:
    done = spinbed("run", write(tmp_path, "green", GOOD), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"ok    valid    green  seed 0  +\d+ ms\n\n"
        r"1 run: 1 as expected, 0 not, 0 skipped  in \d+ ms\n",
        re.sub(r"\d\.\d\d s", "1 ms", done.stdout),
    )


def test_the_real_json_report_satisfies_its_schema(spinbed: Spinbed, tmp_path: Path) -> None:
    paths = [write(tmp_path, "green", GOOD), unmet(tmp_path)]
    done = spinbed("run", *paths, "--report", "json", "--seed", 7, cwd=tmp_path)
    assert done.returncode == 3
    green, red = scenarios(done)
    assert (green["verdict"], green["as_expected"], green["exit_status"]) == ("valid", True, 0)
    assert (red["as_expected"], red["exit_status"], red["seed"]) == (False, 3, 7)
    assert [(fault["alias"], fault["fired"], fault["healed"]) for fault in red["faults"]] == [
        ("stall", True, True)
    ]
    assert {process["name"] for process in red["processes"]} == {"writer", "reader"}
    assert {process["kernels"] for process in red["processes"]} == {"compiled"}
    assert not all(each["met"] for each in red["expectations"])


def test_a_failure_prints_three_lines_and_its_command_reproduces_it(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    done = spinbed("run", unmet(tmp_path), cwd=tmp_path)
    assert done.returncode == 3
    first, what, where, command, *_ = done.stdout.splitlines()
    assert first.startswith("FAIL  ")
    assert "writer" in what
    assert ".jsonl" in where
    assert shlex.split(command)[:2] == ["spinbed", "run"]
    again = spinbed(*shlex.split(command)[1:], cwd=tmp_path)
    assert again.returncode == 3
    assert again.stdout.splitlines()[0].startswith("FAIL  ")
    assert again.stdout.splitlines()[3] == command


def test_the_command_of_a_swept_run_selects_it_and_it_alone(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    """The name of the first run is a part of the second one's, and quotes must survive a shell."""
    text = GOOD + '[sweep.product]\n"transport.slots" = [4, 44]\n'
    done = spinbed("run", write(tmp_path, "swept", text), "--report", "json", cwd=tmp_path)
    runs = scenarios(done)
    names = [run["name"] for run in runs]
    assert names == ["swept[transport.slots=4]", "swept[transport.slots=44]"]
    for run in runs:
        words = shlex.split(run["reproduce"])
        again = spinbed(*words[1:], "--report", "json", cwd=tmp_path)
        assert [each["name"] for each in scenarios(again)] == [run["name"]]
        assert [each["reproduce"] for each in scenarios(again)] == [run["reproduce"]]


def test_jobs_report_in_the_order_of_the_files(spinbed: Spinbed, tmp_path: Path) -> None:
    slowest_first = [
        write(tmp_path, f"run{index}", GOOD.replace("messages = 20", f"messages = {messages}"))
        for index, messages in enumerate((3000, 300, 30, 3, 1))
    ]
    done = spinbed("run", *slowest_first, "--jobs", 4, "--report", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [run["name"] for run in scenarios(done)] == [f"run{index}" for index in range(5)]


def test_repeat_runs_the_selection_so_many_times_over(spinbed: Spinbed, tmp_path: Path) -> None:
    paths = [write(tmp_path, "one", GOOD), write(tmp_path, "two", GOOD)]
    done = spinbed("run", *paths, "--repeat", 3, "--jobs", 2, "--report", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [run["name"] for run in scenarios(done)] == ["one", "two"] * 3


def test_fail_fast_starts_nothing_after_the_first_failure(spinbed: Spinbed, tmp_path: Path) -> None:
    paths = [write(tmp_path, "one", GOOD), unmet(tmp_path), write(tmp_path, "two", GOOD)]
    done = spinbed("run", *paths, "--fail-fast", "--report", "json", cwd=tmp_path)
    assert done.returncode == 3
    assert [run["name"] for run in scenarios(done)] == ["one", "unmet"]
    assert done.stderr == "1 of 3 runs did not finish\n"


def test_a_world_that_a_scenario_does_not_name_is_a_skip_and_with_require_a_failure(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    text = GOOD.replace("deadline =", 'worlds = ["virtual"]\ndeadline =', 1)
    path = write(tmp_path, "elsewhere", text)
    done = spinbed("run", path, "--world", "live", cwd=tmp_path)
    reason = "it is for the world virtual, not for live"
    assert done.returncode == 0
    assert done.stdout.startswith("skip  -        elsewhere  seed 0")
    assert "1 run: 0 as expected, 0 not, 1 skipped" in done.stdout
    assert f"skipped 1 (elsewhere): {reason}" in done.stdout
    done = spinbed("run", path, "--world", "live", "--require", "--report", "json", cwd=tmp_path)
    assert done.returncode == 1
    (run,) = scenarios(done)
    assert (run["verdict"], run["as_expected"]) == (None, False)


def test_reports_to_files_come_beside_the_text(spinbed: Spinbed, tmp_path: Path) -> None:
    path = write(tmp_path, "green", GOOD)
    done = spinbed("run", path, "--report", "json=r.json", "--report", "junit=r.xml", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("ok    valid    green")
    assert json.loads((tmp_path / "r.json").read_text())["scenarios"][0]["name"] == "green"
    assert ElementTree.parse(str(tmp_path / "r.xml")).getroot()[0].get("tests") == "1"


def test_the_journal_of_a_run_is_kept_and_git_does_not_see_it(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    path = write(tmp_path, "green", GOOD)
    done = spinbed("run", path, "--seed", 5, cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / ".spinbed" / ".gitignore").read_text() == "*\n"
    (kept,) = (tmp_path / ".spinbed" / "journals").iterdir()
    assert re.fullmatch(r"green-[0-9a-f]{8}-seed5\.jsonl", kept.name)
    history = journal.read(kept)
    assert history.header.seed == 5
    assert len([op for op in history.ops if (op.f, op.type) == ("receive", "ok")]) == 20


def test_a_journal_folder_of_ones_own_gets_no_gitignore(spinbed: Spinbed, tmp_path: Path) -> None:
    path = write(tmp_path, "green", GOOD)
    assert spinbed("run", path, "--journal-dir", "kept/here", cwd=tmp_path).returncode == 0
    assert len(list((tmp_path / "kept" / "here").iterdir())) == 1
    assert not (tmp_path / ".spinbed").exists()
    assert not (tmp_path / "kept" / ".gitignore").exists()


def test_a_run_in_which_the_system_fails_is_unknown_and_the_others_go_on(tmp_path: Path) -> None:
    """No file of more than 1 MiB may be made, and the ring of one of them is larger."""
    limit = 1 << 20
    large = GOOD.replace("slots = 4", "slots = 64").replace("bytes = 256", "bytes = 65536", 1)
    paths = [write(tmp_path, "large", large), write(tmp_path, "green", GOOD)]
    done = subprocess.run(
        [*COMMAND, "run", *paths, "--report", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=WATCHDOG_S,
        env=variables(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2, done.stderr
    lost, green = scenarios(done)
    assert (lost["verdict"], lost["as_expected"], lost["exit_status"]) == ("unknown", False, 2)
    (world,) = lost["checkers"]
    assert (world["alias"], world["result"]) == ("world", "unknown")
    assert "EFBIG" in world["why"]
    assert green["as_expected"] is True


@contextlib.contextmanager
def started(*words: str, cwd: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    def default_signals() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it

    process = subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=variables(),
        preexec_fn=default_signals,
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(WATCHDOG_S)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def regions_of(pid: int) -> List[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"spinbed.{pid}.")]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reports_what_has_finished_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, status: int, jobs: str
) -> None:
    paths = [write(tmp_path, "green", GOOD), write(tmp_path, "endless", SLOW)]
    with started("run", *paths, "--jobs", jobs, "--report", "text", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ok    valid    green")
        wait_for_region(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=WATCHDOG_S)
        assert process.returncode == status, err
        assert "1 run: 1 as expected" in out
        assert err == "1 of 2 runs did not finish\n"
        assert regions_of(process.pid) == []


def wait_for_region(process: subprocess.Popen[str]) -> None:
    """The endless run has begun. Polls: nothing tells of a name in /dev/shm but looking."""
    deadline = time.monotonic() + WATCHDOG_S
    while not regions_of(process.pid):
        assert process.poll() is None
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


def test_a_pipe_that_nobody_reads_ends_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    paths = [write(tmp_path, "green", GOOD), write(tmp_path, "endless", SLOW)]
    with started("run", *paths, "--jobs", "2", cwd=tmp_path) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.wait(WATCHDOG_S)
        assert process.returncode == 141
        assert process.stderr.read() == ""
        assert regions_of(process.pid) == []


def on_a_terminal(path: str, cwd: Path, **changes: str) -> tuple[str, int]:
    """What a terminal of 120 columns gets to see, on stdout and stderr together."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "run", path],
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**variables(), "TERM": "xterm-256color", "COLUMNS": "120", **changes},
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + WATCHDOG_S
    while time.monotonic() < deadline:
        try:
            received = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not received:
            break
        seen += received
    os.close(ours)
    return seen.decode(), process.wait(WATCHDOG_S)


def test_a_terminal_gets_colour_and_progress(tmp_path: Path) -> None:
    a_second_long = GOOD.replace("messages = 20", "messages = 21, rate_hz = 20")
    seen, status = on_a_terminal(write(tmp_path, "green", a_second_long), tmp_path)
    assert status == 0
    assert "\x1b[32mok" in seen
    assert re.search(r"0/1  green \d s", seen)


def test_no_color_is_honoured_on_a_terminal(tmp_path: Path) -> None:
    seen, status = on_a_terminal(write(tmp_path, "green", GOOD), tmp_path, NO_COLOR="1")
    assert status == 0
    assert "ok    valid    green" in seen
    styles = set(re.findall(r"\x1b\[([0-9;]*)m", seen))
    assert styles <= {"", "0", "1", "2"}  # bold and dim are no colours


def test_without_a_terminal_there_is_no_escape_and_no_progress(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    done = spinbed("run", write(tmp_path, "green", GOOD), cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_the_public_face_gives_the_results_as_data(tmp_path: Path) -> None:
    import spinbed as face

    write(tmp_path, "green", GOOD)
    unmet(tmp_path)
    green, red = face.run(tmp_path, seed=3, jobs=2, journal_dir=tmp_path / "journals")
    assert (green.name, green.seed, green.as_expected) == ("green", 3, True)
    assert (red.name, red.exit_status) == ("unmet", face.ExitStatus.LIVENESS)
    assert len(red.failure) == 3
    assert set(face.__all__) <= set(dir(face))
