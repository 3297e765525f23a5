"""The public face of spinbed: run scenario files from Python, and use its ring in yours.

    import spinbed

    for result in spinbed.run("scenarios/smoke", seed=7):
        assert result.as_expected, result.failure

    with spinbed.Writer.create("orders", slots=64, slot_bytes=4096) as writer:
        writer.write(b"payload", timeout_s=1.0)

A program under test says `spinbed.probe("ready")` where something may be waited for or injected:
a no-op outside of the bed. A program of yours that may hang says so where it waits
(docs/watching-your-program.md):

    with spinbed.watch("decode", stall="2s") as watched:
        ...

Everything else is the command's: see `spinbed --help`. With `pytest -p spinbed` scenario files are
test items (docs/pytest.md). A name is imported when it is first used: who wants the ring alone
(docs/ring-api.md) does not load the test bed.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Union

if TYPE_CHECKING:
    from cy_kernels.errors import (
        RingBusy,
        RingClosed,
        RingEnded,
        RingError,
        RingEvicted,
        RingFenced,
        RingGarbled,
        RingMismatch,
        RingTimeout,
    )
    from sim.cli import main
    from sim.errors import ExitStatus, Problem, ScenarioError, WorldError
    from sim.inside.probing import probe
    from sim.live.named_region import unlink
    from sim.live.ring_reader import Reader
    from sim.live.ring_writer import Writer
    from sim.verdict import RunResult
    from sim.watch.answering import watchable
    from sim.watch.watched import watch

    __version__: str

__all__ = [
    "ExitStatus",
    "Problem",
    "Reader",
    "RingBusy",
    "RingClosed",
    "RingEnded",
    "RingError",
    "RingEvicted",
    "RingFenced",
    "RingGarbled",
    "RingMismatch",
    "RingTimeout",
    "RunResult",
    "ScenarioError",
    "WorldError",
    "Writer",
    "__version__",
    "main",
    "probe",
    "run",
    "unlink",
    "watch",
    "watchable",
]

_HOMES = {
    **dict.fromkeys(("ExitStatus", "Problem", "ScenarioError", "WorldError"), "sim.errors"),
    **{name: "cy_kernels.errors" for name in __all__ if name.startswith("Ring")},
    "Reader": "sim.live.ring_reader",
    "RunResult": "sim.verdict",
    "Writer": "sim.live.ring_writer",
    "main": "sim.cli",
    "probe": "sim.inside.probing",
    "unlink": "sim.live.named_region",
    "watch": "sim.watch.watched",
    "watchable": "sim.watch.answering",
}

pytest_plugins = ("sim.pytest_plugin",)  # imported by pytest alone


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = importlib.import_module("sim.arguments").version()
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'spinbed' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})


def run(
    path: Union[str, os.PathLike[str]],
    seed: int = 0,
    *,
    jobs: int = 1,
    journal_dir: Optional[Path] = None,
) -> List[RunResult]:
    """Run every scenario in a file or folder in the live world, `jobs` of them at a time.

    `seed` is the u64 from which all choices come; `journal_dir` is .spinbed/journals unless given.
    Raises ScenarioError, before anything starts, with every problem of every file. A run in which
    the operating system fails is unknown.
    """
    from sim.arguments import JOURNALS, journals_folder, reproducing
    from sim.loading import load_all
    from sim.run import plan_all
    from sim.running import crew_for

    scenarios = load_all([os.fspath(path)])
    plans = plan_all(scenarios, seed)
    journals = journals_folder(JOURNALS if journal_dir is None else journal_dir)
    with crew_for(plans, again=reproducing(scenarios), journals=journals, jobs=jobs) as crew:
        return list(crew.in_order())


if __name__ == "__main__":
    from sim.cli import main

    raise SystemExit(main())
