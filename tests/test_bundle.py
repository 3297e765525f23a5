"""The bundle of a hang: what is in it, the file that makes the hang again, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest
from live_ends import await_gone, with_our_path
from warm_command import Spinbed

from sim import bundle
from sim.errors import ScenarioError, WorldError
from sim.history import journal
from sim.history.hang_class import REMEDIES, HangClass
from sim.history.op import HANG
from sim.live.procfs import descendants
from sim.loading import load_all
from sim.report.evidence import Told, render
from sim.run import plan_all, run
from sim.scenario.loader import load_text
from sim.scenario.writing import text_of
from sim.verdict import judge
from sim.worlds import Worlds

ROOT = Path(__file__).resolve().parents[1]
WATCHDOG_S = 120  # only against a hang
RING = """
schema = 1
name = "ring"
stall_threshold = "500ms"
deadline = "20s"
[transport]
kind = "cursor_ring"
slots = 4
slot_bytes = 256
[[process]]
name = "writer"
role = "writer"
wait = "park"
workload = { messages = 200, size_bytes = { uniform = [1, 200] } }
[[process]]
name = "reader"
role = "reader"
count = 3
wait = "park"
[[fault]]
kind = "KIND"
target = "reader[1]"
at = { process = "reader[1]", after_ops = 30 }
[sweep.product]
"transport.kind" = ["cursor_ring", "flag_ring"]
"""
# One thread holds the lock that the other wants.
PROGRAM = """
schema = 1
name = "program"
deadline = "3s"
[[process]]
name = "app"
program = "sim.subjects.hanging:crossed_locks"
"""
HANG_LINES = 10
FILES = {"hang.json", "hang.txt", "journal.jsonl", "scenario.toml"}


def of_ring(kind: str = "stall", expect: str = "") -> str:
    return RING.replace("KIND", kind) + expect


def kept_by(
    spinbed: Spinbed, text: str, folder: Path, *words: str, status: int = 3
) -> Tuple[Path, str]:
    """The bundle of the last run of that file, and what was printed."""
    (folder / "made.toml").write_text(text, encoding="utf-8")
    done = spinbed("run", "made.toml", "--seed", "7", *words, cwd=folder)
    assert done.returncode == status, done.stdout + done.stderr
    found = sorted((folder / ".spinbed/journals").glob("*.hang"))
    assert found, done.stdout
    return found[-1].relative_to(folder), done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ring's, with all its kinds of files."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "ring.toml").write_text(of_ring(), encoding="utf-8")
    plan = plan_all(load_all([str(folder / "ring.toml")]), 7)[0]
    with Worlds() as worlds:
        result = run(plan, worlds, reproduce="spinbed run it", journal=folder / "j.jsonl")
    assert result.bundle == str(folder / "j.hang")
    assert result.failure[-2:] == (f"spinbed report {folder / 'j.hang'}", "spinbed run it")
    return folder / "j.hang"


def refused(place: Path) -> List[str]:
    with pytest.raises(ScenarioError) as caught:
        bundle.read(place)
    return [str(each).replace(str(place), "B") for each in caught.value.problems]


def copy(made: Path, folder: Path) -> Path:
    place = folder / "B"
    for file in [each for each in made.rglob("*") if each.is_file()]:
        (place / file.relative_to(made)).parent.mkdir(parents=True, exist_ok=True)
        (place / file.relative_to(made)).write_bytes(file.read_bytes())
    return place


def test_the_bundle_of_a_ring_has_all_that_is_known(made: Path) -> None:
    there = {str(each.relative_to(made)) for each in made.rglob("*") if each.is_file()}
    assert {*FILES, "region.json", "stacks/writer.txt"} <= there
    history = journal.read(made / "journal.jsonl")
    assert history == journal.read(made.with_suffix(".jsonl"))
    (hang,) = history.where(HANG)
    facts = json.loads((made / "hang.json").read_text())
    assert facts["schema"] == 1 and facts["hang"] == hang.detail
    region = json.loads((made / "region.json").read_text())
    assert region["region"]["slots"] == 4
    assert "workload.py" in (made / "stacks/writer.txt").read_text()
    assert "stacks/reader[1].txt" not in there  # it is stopped


def test_the_first_lines_say_what_to_act_on(made: Path) -> None:
    text = bundle.read(made).text
    first, rest = text.split("\n\n", 1)
    lines = first.splitlines()
    assert len(lines) <= HANG_LINES
    assert lines[0].startswith("ring[transport.kind=cursor_ring], seed 7: peer-stopped, proven; ")
    said = {line[:7].strip(): line[8:] for line in lines[1:]}
    assert said["proof:"].startswith("reader[1] went on, and ")
    who = r"^who:    writer waits for reader\[1\], in send of message \d+ \(slot \d\)$"
    assert re.search(who, first, re.MULTILINE), first
    assert said["to do:"] == REMEDIES[HangClass.PEER_STOPPED]
    assert said["again:"] == "spinbed run it"
    assert said["file:"] == f"spinbed new --from {made} again.toml"
    order = [rest.index(word) for word in ("PROCESSES", "STACKS", "REGION")]
    assert order == sorted(order)
    assert re.search(r"^reader\[1\] +\d+ +stopped ", rest, re.MULTILINE)
    assert re.search(r'^writer\.owner +"process"$', rest, re.MULTILINE)


def told(made: Path, **changes: object) -> List[str]:
    """The first lines of the same hang, with another detail."""
    detail = json.loads((made / "hang.json").read_text())["hang"]
    for key, value in changes.items():
        detail.pop(key) if value is None else detail.update({key: value})
    text = render(Told("it", detail, {}, "again", "new"))
    return text.split("\n\n")[0].splitlines()


def test_they_are_ten_however_many_wait(made: Path) -> None:
    (one,) = journal.read(made / "journal.jsonl").where(HANG)
    evidence = dict((one.detail or {})["evidence"])
    waiter = next(each for each in evidence["processes"] if each["op"] is not None)
    evidence["processes"] = [
        {**waiter, "name": f"reader[{n}]", "op": {"f": "receive", "position": n}} for n in range(20)
    ]
    lines = told(made, evidence=evidence)
    assert len(lines) == HANG_LINES
    assert lines[-4] == "who:    and 18 more, see below"


def test_signals_that_are_pending_or_blocked_are_shown(made: Path) -> None:
    detail = json.loads((made / "hang.json").read_text())["hang"]
    (writer,) = (each for each in detail["evidence"]["processes"] if each["name"] == "writer")
    assert "SIGUSR1" in writer["signals"]["caught"]
    writer["signals"]["pending"] = ["SIGTERM", "signal 40"]
    text = render(Told("it", detail, {}, "again", "new"))
    assert "\nwriter: pending signals: SIGTERM, signal 40\n" in text


def test_a_hang_of_no_class_is_called_so(made: Path) -> None:
    gone = dict.fromkeys(["class", "proof", "waits", "peers"])
    lines = told(made, **gone, why="deadline")
    assert lines[0] == "it: no class; not over by its deadline"
    assert lines[-3] == f"to do:  {REMEDIES[HangClass.UNKNOWN]}"


@pytest.mark.parametrize(
    "text", [of_ring(), of_ring("kill"), PROGRAM], ids=["stopped", "dead", "program"]
)
def test_the_file_from_a_bundle_makes_the_hang_again(
    text: str, spinbed: Spinbed, tmp_path: Path
) -> None:
    place, printed = kept_by(spinbed, text, tmp_path)
    commands = f"\n      spinbed report {shlex.quote(str(place))}\n      spinbed run made.toml"
    assert commands in printed
    (tmp_path / "made.toml").unlink()
    shown = spinbed("report", place, cwd=tmp_path)
    assert shown.returncode == 0 and shown.stdout == (tmp_path / place / "hang.txt").read_text()
    written = spinbed("new", "--from", place, "again.toml", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    command = re.search("next: spinbed (.+)", written.stdout)
    assert command is not None
    again = spinbed(*shlex.split(command.group(1)), cwd=tmp_path)
    assert again.returncode == 0, again.stdout
    assert "1 run: 1 as expected" in again.stdout
    assert spinbed("new", "--from", place, "again.toml", cwd=tmp_path).returncode == 64


def test_of_the_expectations_those_that_were_met_are_kept(spinbed: Spinbed, tmp_path: Path) -> None:
    """A sweep over one of them goes with it."""
    expects = """
    "expect[0].count" = [5]
    [[expect]]
    process = "writer"
    op = "send"
    outcome = "timeout"
    count = 5
    [[expect]]
    process = "writer"
    op = "send"
    outcome = "evicted"
    count = 0
    """
    place, _ = kept_by(spinbed, of_ring(expect=expects), tmp_path, "-k", "cursor_ring")
    (again,) = load_text((tmp_path / place / "scenario.toml").read_text(), "again.toml")
    expected = [(each.outcome, each.hang) for each in again.expectations]
    assert expected == [("evicted", None), (None, "peer-stopped")]


def test_an_expected_hang_is_kept_only_if_asked_for_and_a_new_run_replaces_it(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    expected = of_ring(expect='[[expect]]\nhang = "peer-stopped"\n')
    place, _ = kept_by(spinbed, expected, tmp_path, "--keep-hangs", "-k", "flag_ring", status=0)
    (tmp_path / place / "old").touch()
    kept_by(spinbed, expected, tmp_path, "--keep-hangs", "-k", "flag_ring", status=0)
    assert not (tmp_path / place / "old").exists()
    assert spinbed("run", "made.toml", "--seed", "7", cwd=tmp_path).returncode == 0
    folder = tmp_path / ".spinbed/journals"
    assert {each.suffix for each in folder.iterdir()} == {".jsonl"}


def test_a_command_of_ones_own_that_hangs_can_be_made_a_file(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    words = ("--deadline", "1s", "--", "sleep", "60")
    done = spinbed("try", *words, cwd=tmp_path)
    found = re.search(r"^the hang: spinbed (report .+)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    shown = spinbed(*found.group(1).split(), cwd=tmp_path)
    assert "\nagain:  spinbed try --deadline 1s -- sleep 60\n" in shown.stdout
    place = found.group(1).split()[1]
    assert spinbed("new", "--from", place, "again.toml", cwd=tmp_path).returncode == 0
    done = spinbed("run", "again.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_every_file_that_is_cut_is_named(made: Path, tmp_path: Path) -> None:
    place = copy(made, tmp_path)
    bundle.read(place)
    files = [each for each in place.rglob("*") if each.is_file()]
    assert len(files) >= 7
    for file in files:
        whole = file.read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:length])
            (said,) = refused(place)
            assert said.startswith(f"B/{file.relative_to(place)}: is cut"), (length, said)
        file.unlink()
        (said,) = refused(place)
        assert said.startswith(f"B/{file.relative_to(place)}: is missing"), said
        file.write_bytes(whole)


def test_what_is_no_bundle_is_refused(made: Path, spinbed: Spinbed, tmp_path: Path) -> None:
    place = copy(made, tmp_path)
    assert refused(tmp_path / "nowhere") == ["B: no such folder"]
    assert refused(place / "hang.txt") == ["B: is no folder"]
    assert refused(place / "stacks") == ["B/hang.json: is missing: this is no bundle of a hang"]
    (place / "hang.txt").write_bytes((place / "hang.txt").read_bytes() + b"!")
    assert "B/hang.txt: was changed: it has " in refused(place)[0]
    facts = json.loads((place / "hang.json").read_text())
    for changed, what in [
        ({"schema": 2}, "is of schema 2, but this spinbed reads 1"),
        ({"schema": True}, "is of schema True, but this spinbed reads 1"),
        ({"files": []}, "files: is missing, or no dict"),
        ({"files": {}}, "files: does not name hang.txt and journal.jsonl"),
    ]:
        (place / "hang.json").write_text(json.dumps({**facts, **changed}))
        assert refused(place) == [f"B/hang.json: {what}"]
    (place / "hang.json").write_text("[]")
    assert refused(place) == ["B/hang.json: has no schema: this is no bundle of a hang"]
    for words in (("report", place), ("new", "--from", place, "x.toml")):
        done = spinbed(*words, cwd=tmp_path)
        assert done.returncode == 64 and "hang.json: has no schema" in done.stderr
    assert not (tmp_path / "x.toml").exists()


def kept_again(made: Path, place: Path, temporaries: str) -> None:
    plan = plan_all(load_all([str(made.parent / "ring.toml")]), 7)[0]
    history = journal.read(made / "journal.jsonl")
    result = judge(plan, history, duration_ns=1, reproduce="spinbed run it")
    bundle.keep(place, plan, history, result, temporaries)


def test_a_folder_that_cannot_be_written_is_the_systems_failure(made: Path) -> None:
    with pytest.raises(WorldError, match="keeping a hang's bundle failed.*/proc/x.hang"):
        kept_again(made, Path("/proc/x.hang"), "/proc/spinbed.x.")


@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()], ids=["disk", "^C"])
@pytest.mark.parametrize("name", ["write_bytes", "write_text", "rename"])
def test_whatever_ends_it_nothing_half_is_left(
    name: str, error: BaseException, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Path, name, fails)
    with pytest.raises((WorldError, KeyboardInterrupt)):
        kept_again(made, tmp_path / "it.hang", str(tmp_path / "spinbed.x."))
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from sim.loading import load_all
from sim.report.evidence import Told, render
from sim.run import plan_all, run
from sim.worlds import Worlds

def die(*_):
    print("dies", *sorted(each.name for each in Path(sys.argv[2]).iterdir()), flush=True)
    sys.stdin.read(1)
    os.kill(os.getpid(), signal.SIGKILL)

plan = plan_all(load_all([sys.argv[1]]), 7)[0]
with Worlds() as worlds:
    print(worlds.supervisor.prefix, flush=True)
    Path.rename = die
    run(plan, worlds, reproduce="", journal=Path(sys.argv[2]) / "j.jsonl")
"""


def test_a_runner_that_is_killed_leaves_no_temporary(made: Path, tmp_path: Path) -> None:
    scenario = made.parent / "ring.toml"
    runner = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(scenario), str(tmp_path)],
        env=with_our_path(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert runner.stdout is not None
    prefix = runner.stdout.readline().strip()
    said = runner.stdout.readline().split()
    below = list(descendants(runner.pid))
    assert said[0] == "dies" and len(said) == 3 and f"{prefix[1:]}." in said[2], said
    runner.communicate("x", timeout=WATCHDOG_S)
    assert runner.returncode == -signal.SIGKILL
    await_gone(below, prefix)
    assert os.listdir(tmp_path) == ["j.jsonl"]


@pytest.mark.parametrize("folder", ["smoke", "fast", "hangs", "startup", "negative"])
def test_the_document_of_a_run_makes_it_and_no_other(folder: str) -> None:
    plans = plan_all(load_all([str(ROOT / "scenarios" / folder)]), 3)
    assert plans
    for plan in plans:
        (again,) = plan_all(load_text(text_of(plan.source), plan.path), 3)
        assert again == plan


def test_every_class_has_a_remedy_and_the_page_shows_it() -> None:
    assert set(REMEDIES) == set(HangClass)
    page = (ROOT / "docs/hangs.md").read_text(encoding="utf-8")
    for kind, remedy in REMEDIES.items():
        assert f"| `{kind.value}` | {remedy} |" in page
