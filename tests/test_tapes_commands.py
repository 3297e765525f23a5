"""explore, replay, shrink and diff, as a person calls them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tapes_made import MISSING_FENCE, explored

from sim import cli, exploration
from sim.virtual import tape as tapes

# One that TSO shows, and one that needs weaker memory: test_shrinking.py has them all.
MUTANTS = ("flag-before-reset", "no-data-fence")
WATCHDOG_S = 600


@pytest.fixture(autouse=True)
def shrinking_has_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what other work leaves over, a budget of real time may be anything."""
    monkeypatch.setattr("sim.tapes.time", SimpleNamespace(monotonic=time.process_time))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored(tmp_path_factory.mktemp("tapes"))


def explore(tmp_path: Path, *words: str) -> int:
    return cli.main(["explore", str(MISSING_FENCE), "--tape-dir", str(tmp_path / "t"), *words])


def without_time(text: str) -> str:
    text = re.sub(r" in [0-9.]+ s: .*", "", text)
    return re.sub(r"about .*", "", text)


def test_the_missing_fence_is_found_on_pso_and_ra_and_not_on_tso(tmp_path, capsys):
    assert explore(tmp_path, "--model", "tso", "--executions", "3000") == 0
    assert not (tmp_path / "t").exists()
    assert explore(tmp_path, "--model", "pso", "--scheduler", "random") == 1
    assert "torn at position" in capsys.readouterr().out
    assert explore(tmp_path, "--model", "ra", "--scheduler", "random") == 1
    assert len(list((tmp_path / "t").iterdir())) == 2


def test_the_same_seed_finds_the_same_however_many_jobs_there_are(tmp_path, capsys):
    said = []
    for jobs in "1", "2", "3":
        assert explore(tmp_path, "--model", "pso", "--jobs", jobs) == 1
        said.append(without_time(capsys.readouterr().out))
        (tape,) = (tmp_path / "t").iterdir()
        said.append(tape.read_text())
        tape.unlink()
    assert said[:2] == said[2:4] == said[4:]


def test_shards_together_make_the_executions_of_the_whole(tmp_path, capsys):
    words = ["--model", "pso", "--scheduler", "pos", "--executions", "2000", "--all"]

    def counts(*more: str) -> tuple[int, int]:
        assert explore(tmp_path, *words, *more) == 1
        out = capsys.readouterr().out
        (executions,) = re.findall(r"(\d+) executions  ", out)
        return int(executions), sum(map(int, re.findall(r"(\d+) (?:torn|wrong-\w+)", out)))

    whole = counts()
    parts = [counts("--shard", f"{n}/3") for n in (1, 2, 3)]
    assert whole[0] == 2000
    assert tuple(map(sum, zip(*parts))) == whole


def test_a_budget_ends_an_exploration_that_finds_nothing(tmp_path, capsys):
    many = 10**9 - 1
    words = ["--model", "sc", "--budget", "300ms", "--executions", str(many)]
    assert explore(tmp_path, *words) == 0
    told = re.search(r"^(\d+) executions, .* steps in [0-9.]+ s", capsys.readouterr().out, re.M)
    assert told is not None and 0 < int(told[1]) < many


def test_a_replay_is_the_same_in_every_process(made, capsys):
    assert cli.main(["replay", str(made), "--trace"]) == 1
    here = capsys.readouterr().out
    environment = {**os.environ, "PYTHONHASHSEED": "7", "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-m", "sim.cli", "replay", str(made), "--trace"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=WATCHDOG_S,
    )
    assert (done.stdout, done.returncode) == (here, 1), done.stderr
    assert f"hash {tapes.load(made).outcome.hash:016x}" in here


def test_a_whole_tape_that_comes_to_something_else_is_a_bug(made, tmp_path, capsys):
    document = json.loads(made.read_text())
    document["outcome"]["hash"] = "0" * 16
    document["checksum"] = tapes._checksum(document)
    other = tmp_path / "other.tape.json"
    other.write_text(json.dumps(document))
    assert cli.main(["replay", str(other)]) == 70
    assert "diverged" in capsys.readouterr().out


def test_shrinking_keeps_the_failure_and_names_both_sizes(made, tmp_path, capsys):
    small = tmp_path / "small.tape.json"
    assert cli.main(["shrink", str(made), "-o", str(small)]) == 1
    out = capsys.readouterr().out
    tape = tapes.load(small)
    assert tape.outcome.failure == tapes.load(made).outcome.failure
    assert len(tape.deviations) <= 5
    assert [p.name for p in tape.plan().processes] == ["writer", "reader[0]"]
    assert re.search(r"^before .* 20 deviations|^after .* 5 deviations", out, re.M)
    assert "no execution of it with fewer fails alike" in out
    assert cli.main(["replay", str(small)]) == 1


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutants_failure_becomes_small(mutant, tmp_path):
    scenario = tmp_path / "mutant.toml"
    scenario.write_text(MISSING_FENCE.read_text().replace("no-data-fence", mutant))
    tape = explored(tmp_path, scenario, "--model", "tso,pso")
    assert cli.main(["shrink", str(tape), "-o", str(tmp_path / "small.json")]) in (1, 3)
    small = tapes.load(tmp_path / "small.json")
    assert len(small.deviations) <= 5
    assert small.outcome.failure == tapes.load(tape).outcome.failure


def test_a_tape_is_the_same_as_itself_and_differs_from_its_shrunk_one(made, tmp_path, capsys):
    assert cli.main(["diff", str(made), str(made)]) == 0
    assert re.match(r"the same in all \d+ steps", capsys.readouterr().out)
    small = tmp_path / "small.tape.json"
    cli.main(["shrink", str(made), "-o", str(small)])
    capsys.readouterr()
    assert cli.main(["diff", str(made), str(small)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("reduction differs: none; readers (0,), messages 1, size_bytes 9\n")
    assert "first difference at step 3:" in out
    assert re.search(r"reader\[1\]: starts$", out, re.M)
    assert re.search(r"writer at flag.send.poll_shutdown: shutdown -> 0$", out, re.M)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "tzo"], "no memory model 'tzo' (did you mean 'tso'?)"),
        (["--model", ""], "no memory model ''"),
        (["--scheduler", "randm"], "unknown scheduler 'randm' (did you mean 'random'?)"),
        (["--scheduler", "random,pcs:3"], "unknown scheduler 'pcs' (did you mean 'pos'?)"),
        (["--scheduler", "pct:0"], "the depth is a whole number from 1"),
        (["--shard", "0/2"], "'0/2' is no shard"),
        (["--shard", "0/3"], "1/4 to 4/4 are the parts of four"),
        (["--shard", "3/2"], "'3/2' is no shard"),
        (["--shard", "half"], "'half' is no shard"),
        (["--budget", "10"], "'10' is not a duration"),
        (["--budget", "10sec"], "did you mean '10s'?"),
        (["--budget", "1x"], "'1x' is not a duration"),
        (["--budget", "0s"], "'0s' is no time at all"),
        (["--executions", "0"], "'0' is not a whole number from 1"),
        (["--jobs", "0"], "'0' is not a whole number from 1"),
        (["--sheduler", "random"], "did you mean '--scheduler'?"),
        (["-k", "nobody"], "selects no run"),
    ],
)
def test_wrong_usage_is_refused_by_name(tmp_path, capsys, words, said):
    assert explore(tmp_path, *words) == 64
    out, err = capsys.readouterr()
    assert said in err and out == ""
    assert not (tmp_path / "t").exists()


def test_what_only_the_live_world_can_do_is_refused(tmp_path, capsys):
    scenario = MISSING_FENCE.parents[1] / "fast/small_shm.toml"
    assert cli.main(["explore", str(scenario), "--tape-dir", str(tmp_path / "t")]) == 64
    assert "fault[0].kind: small_shm needs a world that can" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explore", "FENCE", "--tape-dir", "file"], "--tape-dir file: Not a directory"),
        (["explore", "FENCE", "--tape-dir", "file/t"], "--tape-dir file/t: Not a directory"),
        (["shrink", "TAPE", "-o", "folder"], "--output folder: that is a folder"),
        (["shrink", "TAPE", "-o", "fifo"], "--output fifo: that is no regular file"),
        (["shrink", "TAPE", "-o", "file/x"], "--output file/x: Not a directory"),
        (["shrink", "TAPE", "-o", "n" * 300], "File name too long"),
        (["shrink", ""], "argument TAPE: '' names no file"),
        (["replay", "TAPE", "--svg", "none/x.svg"], "--svg none/x.svg: no folder 'none'"),
    ],
)
def test_what_cannot_be_written_is_refused_first(made, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("folder").mkdir()
    os.mkfifo("fifo")
    here = {"FENCE": str(MISSING_FENCE), "TAPE": str(made)}
    assert cli.main([here.get(word, word) for word in words]) == 64
    out, err = capsys.readouterr()
    assert said in err and out == ""
    assert sorted(os.listdir()) == ["fifo", "file", "folder"]
    assert Path("file").read_text() == "kept" and Path("fifo").is_fifo()


def test_a_picture_needs_no_trace(made, tmp_path, capsys):
    assert cli.main(["replay", str(made), "--svg", str(tmp_path / "x.svg")]) == 1
    assert (tmp_path / "x.svg").read_text().startswith("<svg")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_narrow_terminal_loses_no_word(made, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    assert cli.main(["replay", str(made), "--trace"]) == 1
    out = capsys.readouterr().out
    assert "reader[0]" in out and "reader[1]" in out and "\u2026" not in out


def test_a_tape_holds_the_scenario_that_was_explored(tmp_path, monkeypatch, capsys):
    scenario = tmp_path / "fence.toml"
    text = MISSING_FENCE.read_text()
    scenario.write_text(text)
    chunks = exploration.chunks

    def edited(*arguments):
        scenario.write_text(text.replace("slots = 2", "slots = 4"))
        return chunks(*arguments)

    monkeypatch.setattr(exploration, "chunks", edited)
    tape = explored(tmp_path / "t", scenario)
    assert tapes.load(tape).text == text != scenario.read_text()
