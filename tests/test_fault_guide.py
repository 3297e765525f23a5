"""The guide's example fault, added to a copy of the package, keeps every promise and runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest
from live_ends import WITHIN_S, with_our_path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "adding-a-fault.md"
TABLE = "FAULTS: Mapping[str, Type[Fault]] = {\n"

KIT = """
import sim
from sim.faults import FAULTS
from sim.live.supervisor import Supervisor
from sim.testing.fault_kit import check_fault

observations = {{
{observation}
}}
with Supervisor() as supervisor:
    for target in ("writer", "reader[1]"):
        check_fault(FAULTS[{alias!r}](target), supervisor, observe=observations[{alias!r}])
print(sim.__path__[0])
"""


def blocks(language: str) -> List[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
    return [str(block) for block in found]


def module_named_by_the_guide() -> str:
    found = re.search(r"Write `(sim/faults/(\w+)\.py)`", GUIDE.read_text("utf-8"))
    assert found is not None
    return found.group(2)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of sim in which the guide was followed, to the letter."""
    folder = tmp_path_factory.mktemp("guide")
    # Not what somebody else is just byte-compiling.
    shutil.copytree(ROOT / "sim", folder / "sim", ignore=shutil.ignore_patterns("*.pyc.*"))
    alias = module_named_by_the_guide()
    source, line, _ = blocks("python")
    (folder / "sim" / "faults" / f"{alias}.py").write_text(source, encoding="utf-8")
    table = folder / "sim" / "faults" / "__init__.py"
    text = table.read_text(encoding="utf-8")
    assert TABLE in text and alias not in text
    name = line.strip().split(".")[0]
    text = text.replace(TABLE, f"from sim.faults.{alias} import {name}\n\n{TABLE}{line}")
    table.write_text(text, encoding="utf-8")
    return folder


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = with_our_path()
    env["PYTHONPATH"] = os.pathsep.join([str(copy), env["PYTHONPATH"]])
    return subprocess.run(
        [sys.executable, *command],
        env=env,
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )


def test_the_guides_fault_keeps_the_promises_of_every_fault(copy: Path) -> None:
    script = KIT.format(alias=module_named_by_the_guide(), observation=blocks("python")[2])
    done = run(copy, "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(copy / "sim")


def test_the_guides_scenario_runs_the_guides_fault(copy: Path) -> None:
    (scenario,) = blocks("toml")
    path = copy / f"{module_named_by_the_guide()}.toml"
    path.write_text(scenario, encoding="utf-8")
    done = run(copy, "-m", "sim.cli", "run", str(path), "--report", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(done.stdout)["scenarios"]
    assert (result["verdict"], result["as_expected"]) == ("valid", True)
    (fault,) = result["faults"]
    assert (fault["alias"], fault["fired"], fault["healed"]) == ("newer_version", True, True)


def test_without_the_line_in_the_table_the_scenario_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "refused.toml"
    path.write_text(blocks("toml")[0], encoding="utf-8")
    done = run(tmp_path, "-m", "sim.cli", "run", str(path))
    assert done.returncode == 64
    assert "newer_version" in done.stderr
