"""Participants of a ring in interpreters of their own, beside those of the runner's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest
from ring_regions import TAKEOVER

from cy_kernels.choice import PURE, kernels
from sim.errors import WorldError
from sim.history.op import EXIT, OK, READY
from sim.live.execution import run_plan
from sim.live.supervisor import Supervisor
from sim.run import lacks
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan
from sim.verdict import judge

WATCHDOG_S = 120
RING = """
schema = 1
name = "pythons"
deadline = "30s"
[transport]
slots = 4
slot_bytes = 256
[[process]]
name = "writer"
role = "writer"
WRITER
workload = { messages = 100, deadline = "5s" }
[[process]]
name = "other"
role = "reader"
OTHER
workload = { deadline = "5s" }
[[process]]
name = "own"
role = "reader"
workload = { deadline = "5s" }
"""


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[bool], str]:
    """Another virtual environment, which finds the product or not."""

    def make(is_complete: bool) -> str:
        folder = tmp_path / f"environment-{is_complete}"
        words = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(words, check=True, timeout=WATCHDOG_S)
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        packages = folder / "lib" / version / "site-packages"
        if is_complete:
            lines = [entry for entry in sys.path if os.path.isdir(entry)]
            (packages / "ours.pth").write_text("\n".join(lines) + "\n")
        return str(folder / "bin" / "python")

    return make


@pytest.mark.parametrize("whose", ["OTHER", "WRITER"])
@pytest.mark.parametrize("wanted", [None, "pure"])
def test_it_shares_the_ring(
    supervisor: Supervisor, environment: Callable[[bool], str], whose: str, wanted: str | None
) -> None:
    python = environment(True)
    keys = f'python = "{python}"' + (f'\nkernels = "{wanted}"' if wanted else "")
    text = RING.replace(whose, keys, 1).replace("WRITER", "").replace("OTHER", "")
    (scenario,) = load_text(text, "pythons.toml")
    plan = make_plan(scenario, 0)
    history, duration_ns = run_plan(plan, supervisor)
    result = judge(plan, history, duration_ns=duration_ns, reproduce="again")
    assert result.as_expected, result.failure
    for reader in ("other", "own"):
        received = [op for op in history.where("receive", type=OK) if op.process == reader]
        assert len(received) == 100
    name = "other" if whose == "OTHER" else "writer"
    used = {op.process: (op.detail or {}) for op in history.where(READY)}
    assert used[name]["kernels"] == (wanted or kernels().kind)
    assert used[name]["executable"] == python != used["own"]["executable"]


def test_one_without_kernels_is_told_before_the_run_begins(
    supervisor: Supervisor, environment: Callable[[bool], str]
) -> None:
    text = RING.replace("OTHER", f'python = "{environment(False)}"').replace("WRITER", "")
    (scenario,) = load_text(text, "pythons.toml")
    with pytest.raises(WorldError, match="lacks what a ring needs: .*(posix_ipc|cy_kernels)"):
        run_plan(make_plan(scenario, 0), supervisor)


def test_a_run_in_an_interpreter_that_is_not_there_is_skipped() -> None:
    text = RING.replace("OTHER", 'python = "3.77"').replace("WRITER", "")
    (scenario,) = load_text(text, "pythons.toml")
    assert "other: no Python 3.77" in str(lacks(make_plan(scenario, 0)))


def test_a_killed_one_is_taken_over_by_the_next_incarnation_there(
    supervisor: Supervisor, environment: Callable[[bool], str]
) -> None:
    if kernels().kind == PURE:
        pytest.skip(TAKEOVER)
    at = 'at = { process = "other", after_ops = 20 }\nrestart_after = "10ms"\n'
    fault = f'[[fault]]\nkind = "restart"\ntarget = "other"\n{at}'
    text = RING.replace("OTHER", f'python = "{environment(True)}"').replace("WRITER", "") + fault
    (scenario,) = load_text(text, "pythons.toml")
    plan = make_plan(scenario, 0)
    history, duration_ns = run_plan(plan, supervisor)
    result = judge(plan, history, duration_ns=duration_ns, reproduce="again")
    assert result.as_expected, result.failure
    ends = [op.outcome for op in history.where(EXIT) if op.process == "other"]
    assert ends == ["SIGKILL", "0"]
