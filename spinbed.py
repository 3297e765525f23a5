"""The public face of spinbed: run scenario files from Python, and read what they came to.

    import spinbed

    for result in spinbed.run("scenarios/smoke", seed=7):
        assert result.as_expected, result.failure

Everything else is the command's: see `spinbed --help`. With `pytest -p spinbed` scenario files are
test items (docs/pytest.md).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Union

from sim.arguments import JOURNALS, journals_folder, reproducing
from sim.arguments import version as _version
from sim.cli import main
from sim.commands import crew_for
from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
from sim.run import load_all, plan_all
from sim.verdict import RunResult

__all__ = [
    "ExitStatus",
    "Problem",
    "RunResult",
    "ScenarioError",
    "WorldError",
    "__version__",
    "main",
    "run",
]

__version__ = _version()

pytest_plugins = ("sim.pytest_plugin",)  # imported by pytest alone


def run(
    path: Union[str, os.PathLike[str]],
    seed: int = 0,
    *,
    jobs: int = 1,
    journal_dir: Path = JOURNALS,
) -> List[RunResult]:
    """Run every scenario in a file or folder in the live world, `jobs` of them at a time.

    `seed` is the u64 from which all choices come. Raises ScenarioError, before anything starts,
    with every problem of every file. A run in which the operating system fails is unknown.
    """
    scenarios = load_all([os.fspath(path)])
    plans = plan_all(scenarios, seed)
    journals = journals_folder(journal_dir)
    with crew_for(plans, again=reproducing(scenarios), journals=journals, jobs=jobs) as crew:
        return list(crew.in_order())


if __name__ == "__main__":
    raise SystemExit(main())
