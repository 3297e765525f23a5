"""What is told of clusters: the table, the JSON report, the pictures, and what these need."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from warm_command import Spinbed

pytest.importorskip("simpy")

from cluster_runs import SCENARIOS, run, run_scenario, small  # noqa: E402

from sim.arguments import parse  # noqa: E402
from sim.errors import ScenarioError  # noqa: E402
from sim.jobs import Struck  # noqa: E402
from sim.pytest_plugin import is_scenario  # noqa: E402
from sim.report import rendered  # noqa: E402
from sim.report.jobs import rows  # noqa: E402
from sim.run import plan_all  # noqa: E402
from sim.scenario.loader import load  # noqa: E402
from sim.verdict import RunResult  # noqa: E402

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "docs" / "report-schema.json").read_text(encoding="utf-8")
)


def test_a_job_is_told_in_a_row_and_in_json() -> None:
    (scenario,) = small(SCENARIOS / "killed_reader_given_up.toml", 9)
    result = run_scenario(scenario).result
    heading, row = rows([result])
    assert heading.startswith("cluster ")
    for cell in ("9 x 8", "deadline 1s, evict", "kill host[7].reader[5]", "it", "71 of 72"):
        assert f"  {cell}" in row, cell
    document = json.loads(rendered("json", [result]))
    jsonschema.validate(document, SCHEMA)
    job = document["scenarios"][0]["job"]
    assert (job["evicted"], job["false_blames"], job["deliveries"]) == (1, 0, 72 * 60 - 30)
    assert job["faults"][0]["blamed"] == "host[7].reader[5]"


def test_pytest_knows_the_file_of_a_cluster() -> None:
    assert is_scenario(SCENARIOS / "slow_hosts.toml")


def test_steps_are_told_apart_by_the_fault() -> None:
    job = run(
        '[cluster]\nhosts = 1\nreaders_per_host = 1\nsteps = 9\ncompute = "10ms"\n[[fault]]\n'
        'kind = "slow_host"\ntarget = "host[0]"\nfactor = 3.0\nheal_after = "65ms"\n'
        'at = { process = "writer", after_ops = 3 }\n'
    ).result.job
    assert job is not None and job.before and job.during and job.after
    assert (job.before.count, job.during.count, job.after.count) == (3, 3, 3)
    assert job.before.p50_ns < 11_000_000 < 30_000_000 < job.during.p50_ns
    assert job.after.p99_ns < 11_000_000


def test_pictures_of_each_kind_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from sim.report.plots import draw

    (scenario,) = small(SCENARIOS / "back_pressure.toml", 2)
    full = run_scenario(replace(scenario, faults=scenario.faults[2:])).result
    assert full.job is not None and full.job.before is not None
    flat, times = replace(full.job.depths, rows=((0, 1),)), full.job.before

    def told(name: str, kind: str, setting: str, *faults: Struck) -> RunResult:
        job = replace(
            full.job,
            kind=kind,
            policy=f"{kind} {setting}",
            during=times,
            depths=flat,
            faults=faults,
        )
        return replace(full, name=name, job=job)

    slow = [Struck("slow_host", f"host[{index}]", 1, None, None) for index in range(9)]
    stall = Struck("stall", "host[1].reader[0]", 10**9, "host[1].reader[0]", 2 * 10**9)
    made = draw(
        [
            full,
            *(told("slow[x]", "none", "", *slow[:count]) for count in (1, 2, 9)),
            *(
                told("who[x]", kind, "", each)
                for kind in ("phi", "chen")
                for each in (stall, slow[0])
            ),
            *(told("cost[x]", "phi", str(level), stall) for level in (1, 3, 8)),
        ],
        tmp_path,
    )
    names = ("back-pressure-depth", "slow-steps", "cost-cost", "blame")
    assert {path.name for path in made} == {f"{n}.{kind}" for n in names for kind in ("png", "svg")}
    for path in made:
        begin = b"\x89PNG" if path.suffix == ".png" else b"<?xml"
        assert path.read_bytes().startswith(begin)


def test_a_cluster_without_simpy_and_pictures_without_matplotlib_name_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = importlib.util.find_spec
    missing = ("simpy", "matplotlib")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *of: None if name in missing else there(name, *of)
    )
    path = SCENARIOS / "partition_heals.toml"
    with pytest.raises(ScenarioError, match=r"toml:8: cluster: .*pip install 'spinbed\[cluster\]'"):
        plan_all(load(path), 0)
    with pytest.raises(ScenarioError, match=r"pip install 'spinbed\[plots\]'"):
        parse(["run", str(path), "--report", f"plots={tmp_path}"])


def test_the_command_runs_a_cluster_and_refuses_to_explore_it(
    spinbed: Spinbed, tmp_path: Path
) -> None:
    path = SCENARIOS / "unhealed_partition_hangs.toml"
    done = spinbed("run", path, cwd=tmp_path)
    assert done.returncode == 0 and "partition host[7]" in done.stdout, done.stdout + done.stderr
    refused = spinbed("explore", path, cwd=tmp_path)
    assert refused.returncode == 64 and "no schedules" in refused.stderr
