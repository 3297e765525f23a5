"""What holds for the test run as a whole: its kernels, its skips, and what it leaves behind."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Iterator, Optional

import hypothesis
import pytest
from attached_processes import attach, psm  # noqa: F401 - fixtures
from expected_skips import EXPECTED, has_small_shm, is_not_root
from left_over_regions import (  # noqa: F401 - hooks
    pytest_sessionfinish,
    pytest_sessionstart,
    pytest_terminal_summary,
)
from named_rings import pair, ring_name  # noqa: F401 - fixtures
from ring_regions import ALL_KERNELS, PURE_LACKS
from selections import SELECTIONS, is_left_out
from skip_ledger import SkipLedger
from warm_command import RunPytest, Spinbed, warm_pytest, warm_spinbed

import cy_kernels
from cy_kernels.choice import PURE, Kernels, kernels
from sim.live.region import names_with
from sim.live.supervisor import Supervisor
from sim.worlds import Worlds

# Left out, and said so, where nothing was compiled. SPINBED_REQUIRE_EXT=1 makes that an error.
NEED_KERNELS = [
    "test_explore_command.py",
    "test_explore_coverage.py",
    "test_explore_deadlines.py",
    "test_explore_evidence.py",
    "test_explore_exhaustive.py",
    "test_explore_judging.py",
    "test_explore_monitors.py",
    "test_explore_programs.py",
    "test_explore_reduction.py",
    "test_explore_small_rings.py",
    "test_explore_views.py",
    "test_gate.py",
    "test_gate_batches.py",
    "test_gate_raise.py",
    "test_fault_wakes.py",
    "test_imports.py",
    "test_golden_tapes.py",
    "test_litmus.py",
    "test_litmus_live.py",
    "test_litmus_random.py",
    "test_op_sets.py",
    "test_portable_fibers.py",
    "test_steps_live.py",
    "test_shrinking.py",
    "test_references.py",
    "test_scenarios_startup.py",
    "test_spinloop_mutants.py",
    "test_spinloop_replaces.py",
    "test_spinloop_rungs.py",
    "test_startup_scenarios.py",
    "test_stubs.py",
    "test_subject_kernel_loader.py",
    "test_tape.py",
    "test_tapes_commands.py",
    "test_trap.py",
    "test_trap_disturbed.py",
    "test_trap_instructions.py",
    "test_trap_rings.py",
    "test_trap_signals.py",
    "test_trap_storm.py",
    "test_virtual_cli.py",
    "test_virtual_determinism.py",
    "test_virtual_hang_runs.py",
    "test_virtual_hangs.py",
    "test_virtual_mutants.py",
    "test_virtual_schedulers.py",
    "test_virtual_swarm.py",
    "test_virtual_waits.py",
    "test_wait_kit.py",
    "test_virtual_world.py",
]
IS_PURE = cy_kernels.status().kind == "pure"
# It has been heeded by now; the kernels that tests break on purpose are not to be required.
os.environ.pop("SPINBED_REQUIRE_EXT", None)

WORKERS_PER_CORE = 2  # much of a test is waiting: for a stall to end, for a deadline to pass

# A shell that puts the tests in the background has them ignore SIGINT, and every process that they
# start inherits that: none could be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine may be as slow as it is, and what is tried is the same in every run.
hypothesis.settings.register_profile(
    "same",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same")
collect_ignore = NEED_KERNELS if IS_PURE else []


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "only what tests/selections.py has for such an environment of tox"
    parser.addoption("--selection", choices=SELECTIONS, help=words)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> Optional[bool]:
    selection = config.getoption("selection")
    return True if selection and is_left_out(selection, collection_path.name) else None


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` is."""
    return int((os.cpu_count() or 1) * WORKERS_PER_CORE) or 1


@pytest.fixture(params=ALL_KERNELS)
def on(request: pytest.FixtureRequest) -> Kernels:
    """The kernels that a test runs on: both kinds, where both are to be had."""
    lack = PURE_LACKS.get(request.node.originalname)
    if request.param == PURE and lack is not None:
        pytest.skip(lack)
    return kernels(request.param)


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    with Worlds() as made:
        yield made


@pytest.fixture(scope="module")
def supervisor(worlds: Worlds) -> Supervisor:
    return worlds.supervisor


@pytest.fixture(scope="session")
def spinbed() -> Iterator[Spinbed]:
    """The command, for what it says and does; how it starts is asked of a fresh one."""
    with warm_spinbed() as command:
        yield command


@pytest.fixture(scope="session")
def run_pytest() -> Iterator[RunPytest]:
    """pytest with our plugin; how both end by signals is asked of a fresh one."""
    with warm_pytest() as command:
        yield command


@pytest.fixture
def nothing_is_left(supervisor: Supervisor) -> Iterator[None]:
    """What a module uses whose runs must leave no shared memory behind, whatever befell them."""
    yield
    assert names_with(supervisor.prefix + ".") == []


def pytest_configure(config: pytest.Config) -> None:
    user = "not root" if is_not_root() else "root"
    shm = ", small /dev/shm" if has_small_shm() else ""
    config.pluginmanager.register(
        SkipLedger(
            config,
            host=f"{cy_kernels.status().kind}, {user}{shm}",
            allows=lambda test, reason: any(each.allows(test, reason) for each in EXPECTED),
        ),
        "skip-ledger",
    )


def pytest_collection_finish() -> None:
    """Thousands of items stay till the end: no collection of garbage need look at them again."""
    gc.collect()
    gc.freeze()


def pytest_report_header(config: pytest.Config) -> list[str]:
    selection = config.getoption("selection") or "all"
    left_out = [f"left out without kernels: {' '.join(NEED_KERNELS)}"] if IS_PURE else []
    return [f"kernels: {cy_kernels.status()}", f"selection: {selection}", *left_out]


@pytest.fixture(scope="session", autouse=True)
def away_from_the_checkout() -> Iterator[None]:
    """`python -c` and `-m` search the working directory first: here it holds no package of ours."""
    before = os.getcwd()
    os.chdir(Path(__file__).parent)
    yield
    os.chdir(before)
