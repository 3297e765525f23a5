"""Clusters in virtual time: scenarios, verdicts, and that the seed decides all."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("simpy")

from cluster_runs import files, run, run_scenario, smaller  # noqa: E402

from sim.scenario.loader import load_text  # noqa: E402

STALLED = """
[cluster]
hosts = 4
readers_per_host = 2
steps = 20
compute = { median = "10ms", p99 = "14ms" }
[cluster.policy]
kind = "deadline"
after = "2s"
[[fault]]
kind = "stall"
target = "host[2].reader[1]"
at = { process = "writer", after_ops = 10 }
heal_after = "5s"
"""


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_a_file_of_a_cluster_ends_as_it_expects_with_fewer_hosts(path: Path) -> None:
    for scenario in load_text(smaller(path.read_text(encoding="utf-8"), 12), str(path)):
        done = run_scenario(scenario)
        assert done.result.as_expected, done.result.failure


def test_a_stalled_reader_holds_up_all_and_is_blamed_alone() -> None:
    done = run(STALLED)
    assert done.result.verdict == "valid"
    # At 2 s, and again at 4 s: the step goes on.
    assert done.blamed() == ["host[2].reader[1]"] * 2
    assert 5_000_000_000 < done.duration_ns < 6_000_000_000


def test_the_same_seed_gives_the_same_history_and_another_seed_another() -> None:
    first, second, third = (run(STALLED, seed) for seed in (1, 1, 2))
    assert first.history == second.history
    assert first.history.ops != third.history.ops
