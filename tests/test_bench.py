"""The benchmark's whole command: it ends, tells the truth of bad peers, and leaves nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, Dict

import pytest
from pytest_runs import await_nothing_left, poll
from test_cli_run import regions_of, started
from warm_command import Spinbed

from sim.arguments import parse
from sim.bench import machine
from sim.errors import ScenarioError, WorldError
from sim.live.procfs import descendants

PLANTED = ("Crashes", "Hangs", "Raises", "Forgets", "Garbles", "Dies", "Gone")
LITTLE = ("--quick", "--messages", "64", "--sizes", "64", "--rounds", "1")


@pytest.fixture(scope="module")
def told(spinbed: Spinbed, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """One run with every bad peer in it: what it printed, its page, and its figures."""
    folder = tmp_path_factory.mktemp("bench")
    peers = ["spinbed", "spinbed-again", "pipe", *(f"planted_peers:{name}" for name in PLANTED)]
    words = ("--peers", ",".join(peers), "--workloads", "pair,paced", "--patience", "2")
    out = ("--json", folder / "x.json", "--page", folder / "x.md")
    done = spinbed("bench", *LITTLE, *words, *out, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: Dict[str, Any] = json.loads((folder / "x.json").read_text("utf-8"))
    return {"printed": done.stdout, "page": (folder / "x.md").read_text("utf-8"), **figures}


def figures_of(told: Dict[str, Any], peer: str, workload: str = "pair") -> Any:
    cell = {"workload": workload, "form": "bytes"}
    for each in told["repetitions"]:
        if each["peer"] == peer and cell.items() <= each["cell"].items():
            return each["figures"]
    raise AssertionError(f"no figures of {peer}")


def failure_of(told: Dict[str, Any], peer: str) -> str:
    found = [each["why"] for each in told["failures"] if each["peer"] == f"planted_peers:{peer}"]
    assert found, told["failures"]
    return str(found[0])


@pytest.mark.parametrize("peer", ["spinbed", "spinbed-again", "pipe"])
def test_good_peers_are_measured_beside_bad_ones(told: Dict[str, Any], peer: str) -> None:
    figures = figures_of(told, peer)
    assert (figures["sent"], figures["lost"], figures["wrong"]) == (64, 0, 0)
    assert 0 < figures["half_us"]["p50"] <= figures["half_us"]["p99"]
    assert figures_of(told, peer, "paced")["wakes"] == 64


@pytest.mark.parametrize(
    ("peer", "why"),
    [
        ("Crashes", "reader 0 died by SIGSEGV"),
        ("Hangs", "hangs: "),
        ("Raises", ": OSError: no such cable (planted_peers.py:"),  # whichever side is first
    ],
)
def test_a_peer_that_breaks_has_a_row_that_says_so(
    told: Dict[str, Any], peer: str, why: str
) -> None:
    assert why in failure_of(told, peer)
    assert why in told["printed"] and why in told["page"]


def test_a_peer_that_cannot_be_loaded_is_named_with_the_reason(told: Dict[str, Any]) -> None:
    absent = {each["alias"]: each["absent"] for each in told["peers"]}
    assert "SIGABRT" in absent["planted_peers:Dies"]
    assert "has no 'Gone'" in absent["planted_peers:Gone"]
    assert absent["spinbed"] is None


def test_lost_and_wrong_messages_are_counted_by_who_reads(told: Dict[str, Any]) -> None:
    paced = figures_of(told, "planted_peers:Forgets", "paced")
    assert (paced["lost"], paced["wrong"]) == (12, 0)
    garbled = figures_of(told, "planted_peers:Garbles", "paced")
    assert (garbled["lost"], garbled["wrong"]) == (0, 1)
    assert "came back with other bytes" in failure_of(told, "Garbles")
    assert "12 messages were lost" in [each["note"] for each in told["repetitions"]]


def test_every_goal_has_a_line_and_the_machine_s_state_is_told(told: Dict[str, Any]) -> None:
    assert len(told["goals"]) > 20
    for goal in told["goals"]:
        assert goal["goal"] in told["printed"] and goal["goal"] in told["page"]
    assert told["machine"]["load_average"] and told["limits"] or told["no_limits"]
    assert "Load average" in told["page"]


def test_a_misspelt_peer_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(["bench", "--peers", "spinbed,kikmsg"])
    assert "no peer 'kikmsg' (did you mean 'kickmsg'?)" in str(refused.value)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--workloads pear", "no workload 'pear' (did you mean 'pair'?)"),
        ("--sizes 65", "no size '65'"),
        ("--json gone/x.json", "no folder 'gone'"),
        ("--page gone/x.md", "no folder 'gone'"),
    ],
)
def test_other_wrong_usage_is_refused_too(words: str, why: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(["bench", *words.split()])
    assert why in str(refused.value)


def test_a_machine_of_one_core_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3})
    with pytest.raises(WorldError, match="2 cores needed, 1 here"):
        machine.cores()


def test_memory_that_is_too_small_is_refused() -> None:
    with pytest.raises(WorldError, match="MiB needed in /dev/shm"):
        machine.check_room(1 << 60)


def test_the_list_names_every_peer_and_starts_nothing(spinbed: Spinbed, tmp_path: Path) -> None:
    done = spinbed("bench", "--list", cwd=tmp_path)
    assert done.returncode == 0
    assert {"spinbed", "iceoryx2", "vllm"} <= {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_signal_in_the_middle_leaves_nothing(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    words = ("--peers", "planted_peers:Hangs,spinbed", "--workloads", "pair")
    with started("bench", *LITTLE, *words, "--patience", "3000", cwd=tmp_path) as process:
        poll(lambda: len(list(descendants(process.pid))) >= 4, "the ends are not started")
        below = list(descendants(process.pid))
        process.send_signal(number)
        assert process.wait(60) == status
        await_nothing_left(process.pid, below)
        assert not regions_of(process.pid)
