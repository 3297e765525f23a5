"""Clusters in virtual time: scenarios, verdicts, and that the seed decides all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("simpy")

from cluster_runs import files, run, run_scenario, small  # noqa: E402

from sim.history.op import EVICTED, EXIT, HANG, RECEIVE, SEND, STEP, TIMEOUT  # noqa: E402

SIZE = """
[cluster]
hosts = 4
readers_per_host = 2
steps = 20
compute = { median = "10ms", p99 = "14ms" }
"""
DEADLINE = """
[cluster.policy]
kind = "deadline"
after = "2s"
"""
STALL = """
[[fault]]
kind = "stall"
target = "host[2].reader[1]"
at = { process = "writer", after_ops = 10 }
heal_after = "5s"
"""


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_a_file_of_a_cluster_ends_as_it_expects_with_fewer_hosts(path: Path) -> None:
    # The sweep of this one is over names of many hosts.
    hosts = {"slow_hosts": 101, "partition_heals": 51}.get(path.stem, 12)
    scenario = small(path, hosts)[0]  # of a sweep one: `spinbed run scenarios/cluster` does all
    done = run_scenario(scenario)
    assert done.result.as_expected, done.result.failure


def test_every_safety_checker_and_blames_has_a_cluster_that_it_catches() -> None:
    caught = {
        each.checker
        for path in files()
        if path.parent.name == "negative"
        for each in small(path)[0].expectations
    }
    assert caught == {"no_loss", "no_duplicates", "fifo", "blames"}


def test_a_stalled_reader_holds_up_all_and_is_blamed_alone() -> None:
    done = run(SIZE + DEADLINE + STALL)
    assert done.result.verdict == "valid"
    # At 2 s, and again at 4 s: the step goes on.
    assert done.blamed() == ["host[2].reader[1]"] * 2
    assert 5_000_000_000 < done.duration_ns < 6_000_000_000


def test_a_stopped_reader_goes_on_with_the_work_it_was_at() -> None:
    """The step takes as long as the stop, and what was left of the work, no more."""
    text = SIZE.replace('{ median = "10ms", p99 = "14ms" }', '"1s"')
    done = run(text.replace("steps = 20", "steps = 3") + STALL.replace("after_ops = 10 }", "x }")
               .replace('{ process = "writer", x }', '"1500ms"'))  # fmt: skip
    ended = [op.detail for op in done.history.ops if op.f == STEP and op.detail]
    took_ns = [detail["took_ns"] for detail in ended]
    assert [round(ns / 1e9, 2) for ns in took_ns] == [1.0, 6.0, 1.0]


def test_without_a_policy_a_death_is_a_hang_that_names_who_died() -> None:
    kill = STALL.replace("stall", "kill").replace('heal_after = "5s"', "")
    done = run(SIZE + kill)
    (hang,) = [op for op in done.history.ops if op.f == HANG]
    assert hang.detail and hang.detail["class"] == "peer-dead"
    assert (hang.detail["waiting"], hang.detail["on"]) == (["writer"], ["host[2].reader[1]"])
    assert [op.process for op in done.history.ops if op.f == EXIT] == ["host[2].reader[1]"]
    assert done.result.verdict == "invalid" and done.blamed() == []


def test_an_evicted_host_is_not_waited_for_and_the_rest_get_everything() -> None:
    kill = STALL.replace("stall", "kill").replace(".reader[1]", "").replace('heal_after = "5s"', "")
    done = run(SIZE + DEADLINE + 'then = "evict"\n' + kill)
    evicted = {op.process for op in done.history.ops if op.outcome == EVICTED}
    assert evicted == {"host[2].reader[0]", "host[2].reader[1]"}
    assert done.blamed() == ["host[2]"]
    ends = [op for op in done.history.ops if op.f == RECEIVE and op.outcome == "ended"]
    assert len(ends) == 6 and done.result.verdict == "valid"


def test_a_full_ring_of_its_own_host_holds_the_writer_up_and_a_remote_one_does_not() -> None:
    text = SIZE.replace("steps = 20", 'steps = 60\nreply = "none"') + "[cluster.ring]\nslots = 4\n"
    text += 'deadline = "300ms"\n'
    for target, timeouts in (("host[0].reader[1]", 3), ("host[2].reader[1]", 0)):
        stall = STALL.replace("host[2].reader[1]", target).replace('"5s"', '"1s"')
        # The readers' work is the pace, so that the writer waits for it all the time.
        done = run(text + stall)
        sends = [op for op in done.history.ops if op.f == SEND and op.outcome == TIMEOUT]
        assert len(sends) == timeouts, target


def test_a_mended_link_carries_nothing_before_tcp_tries_again() -> None:
    """Sent again 0.2, 0.6, 1.4, 3.0, 6.2 s after it was first: a cut of 5 s lasts 6 s."""
    cut = STALL.replace("stall", "partition").replace(".reader[1]", "")
    done = run(SIZE + cut)
    slowest_ns = max((op.detail or {})["took_ns"] for op in done.history.ops
                     if op.f == STEP and op.detail)  # fmt: skip
    assert 6_200_000_000 < slowest_ns < 6_300_000_000
    assert done.result.verdict == "valid"


def test_the_same_seed_gives_the_same_history_and_another_seed_another() -> None:
    first, second, third = (run(SIZE + DEADLINE + STALL, seed) for seed in (1, 1, 2))
    assert first.history == second.history
    assert first.history.ops != third.history.ops


def test_every_interpreter_makes_the_same_run_of_a_seed() -> None:
    """Of draws that are arithmetic alone: exp and log may differ in the last bit from one C library
    to the next. Where the model changes, so does this."""
    text = SIZE.replace('{ median = "10ms", p99 = "14ms" }', '{ uniform = ["9ms", "12ms"] }')
    text += '[cluster.link]\nlatency = { uniform = ["50us", "90ms"] }\nloss = 0.05\n'
    text += '[cluster.policy]\nkind = "chen"\nevery = "100ms"\nmargin = "50ms"\n'
    done = run(text + STALL, seed=7)
    assert len(done.blamed()) > 2
    made = hashlib.sha256(repr(done.history.ops).encode()).hexdigest()
    assert made == "29759a400d07e1fd5221702a17fbf80a3459d482f7b61720db3f8d8d3ac52ec7"
