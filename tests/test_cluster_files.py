"""Files of clusters: what is wrong with them, with line, key and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_runs_text import GOOD, problems_of

from sim.scenario.cluster_names import named
from sim.scenario.loader import load_text

BAD = [
    ("hosts = 20", "host = 20", 4, "cluster.host", "unknown key", "hosts"),
    ("hosts = 20", "hosts = 1001", 4, "cluster.hosts", "at most 1000", None),
    ('reply = "all"', 'reply = "al"', 5, "cluster.reply", "unknown choice", "all"),
    ('kind = "tcp"', 'kind = "udp"', 8, "cluster.link.kind", "unknown link", None),
    ('kind = "phi"', 'kind = "phy"', 11, "cluster.policy.kind", "unknown policy", "phi"),
    (', p99 = "14ms"', "", 6, "cluster.compute", "needs uniform, or both", None),
    ('p99 = "14ms"', 'p99 = "1ms"', 6, "cluster.compute.p99", "less than the median", None),
    ("host[3].reader[1]", "host[20].reader[1]", 14, "fault[0].target", "names nobody",
     "host[19].reader[1]"),
    ("host[3].reader[1]", "host[3].raeder[1]", 14, "fault[0].target", "names nobody",
     "host[3].reader[1]"),
    ("host[3].reader[1]", "reader[1]", 14, "fault[0].target", "names nobody", "host[0].reader[1]"),
    ("host[3].reader[1]", "host:sme", 14, "fault[0].target", "unknown selector", "host:some"),
    ('kind = "stall"', 'kind = "partition"', 14, "fault[0].target", "needs a host", None),
    ('kind = "stall"', 'kind = "freeze"', 13, "fault[0].kind", "a cluster cannot freeze", None),
    ('process = "writer"', 'process = "host[1]"', 15, "fault[0].at.process", "the messages of",
     "writer"),
    ('blame = "host[3]"', 'blame = "host[33]"', 18, "expect[0].blame", "names nobody", "host[19]"),
    ("[cluster.link]", "[transport]", 7, "transport", "[cluster.ring]", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "key", "fragment", "near"), BAD)
def test_a_bad_file_is_told_by_line_key_and_the_nearest_name(
    old: str, new: str, line: int, key: str, fragment: str, near: object
) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    if new == "[transport]":
        text = text.replace('kind = "tcp"', "slots = 3")
    problem = next(each for each in problems_of(text) if each.key == key)
    assert (problem.line, problem.nearest) == (line, near)
    assert fragment in problem.message


def test_the_file_that_the_bad_ones_are_made_from_is_good() -> None:
    (scenario,) = load_text(GOOD, "good.toml")
    assert scenario.worlds == ("virtual",) and scenario.cluster is not None
    assert scenario.cluster.readers == 160


def test_blame_is_for_clusters_alone() -> None:
    smoke = Path(__file__).resolve().parents[1] / "scenarios" / "smoke"
    text = (smoke / "one_writer_one_reader.toml").read_text(encoding="utf-8")
    text += '\n[[expect]]\nblame = "nobody"\n\n[[check]]\nalias = "blames"\n'
    assert {each.key for each in problems_of(text)} == {"expect[0].blame", "check[0].alias"}


@pytest.mark.parametrize(
    ("target", "count", "first"),
    [
        ("writer", 1, "writer"),
        ("host[3]", 1, "host[3]"),
        ("host[3..5]", 3, "host[3]"),
        ("host[0..1].forwarder", 1, "host[1].forwarder"),
        ("host[3].reader:one", 2, "host[3].reader[0]"),
        ("host[3..4].reader[1]", 2, "host[3].reader[1]"),
        ("reader:some", 20, "host[0].reader[0]"),
        ("forwarder:all", 9, "host[1].forwarder"),
    ],
)
def test_a_name_means_hosts_and_processes(target: str, count: int, first: str) -> None:
    found = named(target, 10, 2)
    assert found.problem is None
    assert (len(found.candidates), found.candidates[0]) == (count, first)


@pytest.mark.parametrize(
    "target",
    ["host", "host[3].", "host[5..3]", "host[3]reader[1]", ".reader[1]", "host[3].reader",
     "host[0].forwarder", "host[3].reader[1]:one", "reader", "host[99999999999]", ""],
)  # fmt: skip
def test_what_is_no_name_means_nobody(target: str) -> None:
    assert named(target, 10, 2).problem is not None
