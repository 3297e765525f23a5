"""What explore makes of a scenario's [explore] and [[sometimes]], and how it ends."""

from __future__ import annotations

import re
import select
import signal
import time
from pathlib import Path
from typing import Iterator

import pytest
from test_cli_run import started
from test_explore_judging import TEXT

from sim import cli
from sim.errors import ExitStatus

SMALL = TEXT.format(kind="flag_ring", transport="").replace("yielding", "park")
WITHIN_S = 60
WORK_TICKS = 30  # of 10 ms each; a first execution takes less than one


def explore(tmp_path: Path, more: str, *words: str) -> int:
    path = tmp_path / "small.toml"
    path.write_text(SMALL + more, encoding="utf-8")
    files = [word for word in words if word.endswith(".toml")]
    options = [word for word in words if word not in files]
    words = ("--tape-dir", str(tmp_path / "t"), *options)
    return cli.main(["explore", str(path), *files, *words])


def explored(out: str) -> list[tuple[str, str, int]]:
    lines = re.findall(r"^ok +small +(\w+) +(\S+) +(\d+) executions", out, re.M)
    return [(model, scheduler, int(executions)) for model, scheduler, executions in lines]


EXPLORE = '[explore]\nmodels = ["sc", "ra"]\nschedulers = ["pos", "delay:2"]\nexecutions = 300\n'


def test_what_the_command_line_does_not_say_the_file_does(tmp_path, capsys):
    assert explore(tmp_path, EXPLORE) == 0
    pairs = [(model, by) for model in ("sc", "ra") for by in ("pos", "delay:2")]
    assert explored(capsys.readouterr().out) == [(*pair, 300) for pair in pairs]
    assert explore(tmp_path, EXPLORE, "--model", "pso", "--executions", "20") == 0
    assert explored(capsys.readouterr().out) == [("pso", "pos", 20), ("pso", "delay:2", 20)]


def test_without_a_word_of_either_it_is_tso_pso_and_ra(tmp_path, capsys):
    assert explore(tmp_path, "", "--executions", "10") == 0
    pairs = [(model, by) for model in ("tso", "pso", "ra") for by in ("random", "pct:3")]
    assert explored(capsys.readouterr().out) == [(*pair, 10) for pair in pairs]


def test_an_exploration_of_nothing_is_no_good_news(tmp_path, capsys):
    assert explore(tmp_path, "", "--budget", "1us") == ExitStatus.UNKNOWN
    assert "no execution was made, so nothing is known" in capsys.readouterr().out


def sometimes(*facts: str) -> str:
    return EXPLORE + "".join(f"[[sometimes]]\n{fact}\n" for fact in facts)


HAPPENS = ('rung = "park"', 'step = "flag.send.acquire"')
NEVER = {
    'rung = "backoff"': "rung backoff",
    'step = "cursor.send.commit"': "step cursor.send.commit",
    'outcome = "timeout"\nprocess = "reader"': "process reader, outcome timeout",
}


@pytest.mark.parametrize("never", NEVER)
def test_what_must_happen_sometimes_and_never_did_fails(tmp_path, capsys, never):
    assert explore(tmp_path, sometimes(*HAPPENS)) == 0
    assert capsys.readouterr().out.count("ok    small  sometimes[") == 2
    assert explore(tmp_path, sometimes(*HAPPENS, never)) == 1
    out = capsys.readouterr().out
    assert f"FAIL  small  sometimes[2]: {NEVER[never]} never happened in any execution" in out
    assert not (tmp_path / "t").exists()


def test_each_of_two_scenarios_of_one_name_has_its_own_sometimes(tmp_path, capsys):
    other = tmp_path / "z.toml"
    other.write_text(SMALL + sometimes(*HAPPENS), encoding="utf-8")
    assert explore(tmp_path, sometimes(*NEVER), str(other)) == 1
    out = capsys.readouterr().out
    assert out.count("FAIL  small  sometimes[") == 3 and out.count("ok    small  sometimes[") == 2


def test_an_outcome_that_does_happen_is_seen(tmp_path, capsys):
    impatient = SMALL.replace(
        "size_bytes = 16", 'size_bytes = 16, deadline = "1us", on_timeout = "retry"'
    )
    path = tmp_path / "impatient.toml"
    facts = ('outcome = "timeout"', 'outcome = "timeout"\nprocess = "writer"\nop = "send"')
    path.write_text(impatient + sometimes(*facts), encoding="utf-8")
    assert cli.main(["explore", str(path), "--tape-dir", str(tmp_path / "t")]) == 0
    assert capsys.readouterr().out.count("ok    small  sometimes[") == 2


def test_a_part_of_an_exploration_cannot_say_that_something_never_happens(tmp_path, capsys):
    assert explore(tmp_path, sometimes(*NEVER), "--shard", "1/2") == 0
    assert "sometimes[" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ('outcome = "timeout"\nprocess = "wrtier"', "sometimes[0].process: 'wrtier'"),
        ('outcome = "timeout"\nprocess = "reader"\nop = "send"', "sometimes[0].op: 'send', but"),
        ('step = "flag.send.acquir"', "did you mean 'flag.send.acquire'?"),
    ],
)
def test_what_could_never_happen_is_refused_by_name(tmp_path, capsys, fact, said):
    assert explore(tmp_path, sometimes(fact)) == 64
    out, err = capsys.readouterr()
    assert said in err and out == ""


def test_a_path_that_is_not_there_is_named(tmp_path, capsys):
    assert cli.main(["explore", "no/such.toml", "--tape-dir", str(tmp_path / "t")]) == 64
    assert capsys.readouterr().err == "no/such.toml: no such file or folder\n"


def test_what_is_for_the_live_world_alone_is_skipped(tmp_path, capsys):
    path = tmp_path / "live.toml"
    path.write_text(SMALL.replace('name = "small"', 'name = "live"\nworlds = ["live"]'))
    assert explore(tmp_path, EXPLORE, str(path)) == 0
    assert "skip  live  it is for the world live, not for virtual" in capsys.readouterr().out
    assert cli.main(["explore", str(path), "--tape-dir", str(tmp_path / "t")]) == 64
    assert "it is for the world live, not for virtual" in capsys.readouterr().err


def user_ticks(pid: int) -> Iterator[int]:
    """The time that each thread but the first had on a core."""
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        if path.parent.name != str(pid):
            yield int(path.read_text().rpartition(")")[2].split()[11])


def await_work(pid: int, threads: int) -> None:
    ends_s = time.monotonic() + WITHIN_S
    while sum(ticks >= WORK_TICKS for ticks in user_ticks(pid)) < threads:
        assert time.monotonic() < ends_s, "it does not begin to explore"
        select.select([], [], [], 0.01)


def test_ctrl_c_ends_it_with_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL + sometimes(*NEVER), encoding="utf-8")
    words = ["explore", "small.toml", "--executions", "900000000", "--jobs", "2"]
    with started(*words, cwd=tmp_path) as process:
        await_work(process.pid, 2)  # it says nothing of its own while nobody looks
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, err) == (130, "")
    assert explored(out) and all(count > 0 for *_, count in explored(out)[:1])
    assert re.search(r"^\d+ executions, .* steps/s$", out, re.M)
    assert "sometimes[" not in out
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]
