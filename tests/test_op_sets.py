"""The protocol is one source over named ops: here compiled over a second op set and traced."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cy_kernels import mutants, ring

ROOT = Path(__file__).resolve().parent.parent
BUILD = """
from setuptools import Extension, setup
from Cython.Build import cythonize
setup(name="tracing", ext_modules=cythonize(
    [Extension("tracing", ["tracing.pyx"], include_dirs=[{include!r}],
               extra_compile_args=["-O0", "-g0"])],
    include_path=[{include!r}, {root!r}],
    compiler_directives={{"language_level": 3}}), script_args=["-q", "build_ext", "--inplace"])
"""


@pytest.fixture(scope="module")
def tracing(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("op_set")
    (folder / "tracing.pyx").write_bytes((ROOT / "tests/op_sets/tracing.pyx").read_bytes())
    code = BUILD.format(include=str(ROOT / "cy_kernels"), root=str(ROOT))
    built = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stdout + built.stderr
    path = next(folder.glob("tracing*.so"))
    spec = importlib.util.spec_from_file_location("tracing", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stores(steps: list[str]) -> list[str]:
    """The last words of the steps that are not polls."""
    return [step.rsplit(".", 1)[1] for step in steps if ".poll_" not in step]


def test_every_build_has_the_same_step_table(tracing: ModuleType) -> None:
    assert tracing.STEPS == ring.STEPS == mutants.STEPS
    numbers = [number for number, _ in ring.STEPS]
    names = [name for _, name in ring.STEPS]
    assert numbers == list(range(1, len(names) + 1))
    assert len(set(names)) == len(names)
    assert all(len(name.split(".")) == 3 for name in names)


SENT = {
    ("none", False): "clear_written copy_header copy_payload reset_read_flag data_fence"
    " set_written",
    ("none", True): "acquire clear_written copy_header copy_payload reset_fence reset_read_flag"
    " data_fence set_written",
    ("flag-before-data", True): "acquire clear_written reset_fence reset_read_flag data_fence"
    " set_written copy_header copy_payload widen widen copy_payload",
    ("reset-before-data", True): "acquire reset_read_flag copy_header copy_payload widen widen"
    " copy_payload clear_written data_fence set_written",
    ("flag-before-reset", True): "acquire clear_written copy_header copy_payload reset_fence"
    " data_fence set_written widen widen reset_read_flag",
    ("no-data-fence", True): "acquire clear_written copy_header copy_payload"
    " reset_read_flag set_written",
}


@pytest.mark.parametrize(("mutant", "fenced"), SENT)
def test_the_writers_order_is_the_one_that_is_written_down(
    tracing: ModuleType, mutant: str, fenced: bool
) -> None:
    chosen = 0 if mutant == "none" else 1 + mutants.MUTANTS.index(mutant)
    sent, _, payload = tracing.flag_message(chosen, fenced)
    assert payload == b"hello"
    assert stores(sent) == f"{SENT[mutant, fenced]} final_fence load_parked".split()


def test_the_readers_order_is_the_one_that_is_written_down(tracing: ModuleType) -> None:
    orders = {
        (0, False): "copy_header copy_payload set_read_flag final_fence load_parked",
        (0, True): "acquire copy_header copy_payload set_read_flag final_fence load_parked",
        (1 + mutants.MUTANTS.index("release-before-read"), True): "acquire copy_header"
        " set_read_flag final_fence load_parked widen widen copy_payload",
    }
    for (mutant, fenced), order in orders.items():
        assert stores(tracing.flag_message(mutant, fenced)[1]) == order.split()


def test_cursor_ring_commits_after_the_payload_and_counts_after_the_commit(
    tracing: ModuleType,
) -> None:
    sent, received, payload = tracing.cursor_message()
    assert payload == b"hello"
    order = "store_length copy_payload commit store_position fence load_parked"
    assert stores(sent) == order.split()
    assert stores(received) == "load_length copy_payload release fence load_parked".split()


def test_park_loads_the_event_before_it_raises_its_flag_and_then_fences(
    tracing: ModuleType,
) -> None:
    steps, _, parked = tracing.wait_steps(ring.STRATEGIES.index("park"), 31)
    assert parked == 1
    assert steps[-5:] == [
        "wait.park.load_event",
        "wait.park.raise_parked",
        "wait.park.fence",
        "wait.park.futex_wait",
        "wait.clock.now",
    ]


@pytest.mark.parametrize("strategy", ring.STRATEGIES)
def test_every_strategy_comes_to_look_at_the_clock(tracing: ModuleType, strategy: str) -> None:
    steps, _, _ = tracing.wait_steps(ring.STRATEGIES.index(strategy), 64)
    assert "wait.clock.now" in steps


def test_the_product_knows_no_mutant() -> None:
    assert ring.MUTANTS == ()
    assert len(mutants.MUTANTS) == 15
    region = memoryview(bytearray(0))
    with pytest.raises(ValueError, match="not one of this build's: none"):
        ring.FlagWriter(region, slots=1, slot_bytes=64, readers=1, mutant="flag-before-data")


PARKED_BY = {
    "none": "load_event raise_parked fence",
    "event-after-parked": "raise_parked load_event fence",
    "no-waiter-fence": "load_event raise_parked",
    "no-recheck": "load_event raise_parked fence futex_wait",
}
WOKEN_BY = {
    "none": "clear_parked bump_event futex_wake",
    "bump-after-wake": "clear_parked futex_wake bump_event",
    "clear-after-bump": "bump_event clear_parked futex_wake",
}


@pytest.mark.parametrize("mutant", PARKED_BY)
def test_a_waiter_arms_in_the_order_that_is_written_down(tracing: ModuleType, mutant: str) -> None:
    chosen = 0 if mutant == "none" else 1 + mutants.MUTANTS.index(mutant)
    armed = tracing.wait_steps(ring.STRATEGIES.index("park"), 30, chosen)[0]
    named = [step.rsplit(".", 1)[1] for step in armed if step.startswith("wait.park.")]
    assert named[28:] == PARKED_BY[mutant].split()  # after spins and yields


@pytest.mark.parametrize("mutant", WOKEN_BY)
@pytest.mark.parametrize("who", ["readers", "writer"])
def test_a_waker_goes_in_the_order_that_is_written_down(
    tracing: ModuleType, mutant: str, who: str
) -> None:
    chosen = 0 if mutant == "none" else 1 + mutants.MUTANTS.index(mutant)
    steps = tracing.wake_steps(chosen, who == "readers")
    assert steps == [f"wake.{who}.{step}" for step in WOKEN_BY[mutant].split()]


US = 1_000


def test_adaptive_waits_on_its_core_for_a_pace_that_it_can_keep(tracing: ModuleType) -> None:
    for gap_ns in (1 * US, 10 * US, 20 * US):
        assert set(tracing.adaptive_waits([gap_ns] * 100)) == {-1}


def test_adaptive_parks_at_once_where_traffic_is_slow(tracing: ModuleType) -> None:
    parked = tracing.adaptive_waits([1_000 * US] * 200)
    assert 30 * US <= parked[0] < 35 * US  # it knows nothing yet: as long as parking costs
    spun = [each for each in parked[1:] if each > 3 * US]
    # Now and then it looks whether the pace has changed; that is all that it spends.
    assert len(spun) == 199 // 16 and max(spun) < 35 * US
    assert sum(parked) < 200 * 1_000 * US // 100


def test_adaptive_learns_of_a_pace_that_has_become_fast(tracing: ModuleType) -> None:
    parked = tracing.adaptive_waits([1_000 * US] * 100 + [20 * US] * 200)
    assert min(parked[90:100]) >= 0
    assert set(parked[-50:]) == {-1}


def test_what_adaptive_spends_in_vain_falls_with_the_square_of_the_pace(
    tracing: ModuleType,
) -> None:
    shares = {}
    for gap_ns in (100 * US, 300 * US):
        parked = tracing.adaptive_waits([gap_ns] * 400)[100:]
        shares[gap_ns] = sum(parked) / (len(parked) * gap_ns)
    assert shares[100 * US] < 0.12
    assert shares[300 * US] < 0.03


def test_adaptive_parks_where_somebody_else_wants_its_core(tracing: ModuleType) -> None:
    # A wait of 20 us it would spend on its core, were it its own.
    parked = tracing.adaptive_waits([20 * US] * 100, taken_ns=8 * US)
    assert min(parked) >= 0
