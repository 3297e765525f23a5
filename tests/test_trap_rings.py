"""The rings wait by the real instructions, emulated: what they ask of them, and what they stand."""

from __future__ import annotations

import mmap
import threading
import time
from typing import Any, Iterator, Mapping

import pytest
from ring_regions import KINDS, geometry, soon
from trapped import WATCHDOG_S, Shared, ended

from cy_kernels import cpu, features, mutants, trap
from cy_kernels.errors import RingTimeout

WHY_NOT = trap.refusal()
if WHY_NOT is not None:
    pytest.skip(WHY_NOT, allow_module_level=True)

BY_INSTRUCTION = ("mwaitx", "umwait", "tpause")
ARMS = {"mwaitx": "monitorx", "umwait": "umonitor", "best": "monitorx"}
HOLD_NS = 20_000  # as in cy_kernels/protocol/wait.pxi: no wait is longer
MESSAGES = 60
ONE_SLOT = geometry(slots=1)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    """A trap without a limit of the operating system's, on a CPU said to have everything."""
    monkeypatch.setenv(features.VARIABLE, "monitorx,waitpkg")
    made = Shared()
    trap.install(made.block, limit_cycles=0)
    yield made
    trap.calm(made.block)
    trap.uninstall()


def ends(kind: str, wait: str) -> tuple[Any, Any]:
    region = memoryview(mmap.mmap(-1, getattr(mutants, f"{kind}_region_bytes")(**ONE_SLOT)))
    getattr(mutants, f"{kind}_format")(region, **ONE_SLOT)
    writer = getattr(mutants, f"{kind.title()}Writer")(region, wait=wait, **ONE_SLOT)
    reader = getattr(mutants, f"{kind.title()}Reader")(region, rank=0, wait=wait, **ONE_SLOT)
    return writer, reader


def exchange(writer: Any, reader: Any) -> list[bytes]:
    """Messages through one slot, so that both sides wait for each of them."""
    sent = threading.Thread(
        target=lambda: [writer.send(b"%d" % n, soon()) for n in range(MESSAGES)], daemon=True
    )
    sent.start()
    received = [reader.receive(soon()) for _ in range(MESSAGES)]
    sent.join(WATCHDOG_S)
    assert not sent.is_alive()
    return received


def wait_in_vain(shared: Shared, reader: Any) -> None:
    """Until it really waited: what was sent before may have been there at the first look."""
    waited = shared.state()["waits"]
    watchdog = time.monotonic() + WATCHDOG_S
    while shared.state()["waits"] == waited:
        assert time.monotonic() < watchdog
        with pytest.raises(RingTimeout):
            reader.receive(time.monotonic_ns() + 1_000_000)


ALL = [b"%d" % n for n in range(MESSAGES)]


def waits(shared: Shared) -> Mapping[str, int]:
    seen = shared.state()["instructions"]
    return {name: each["emulated"] for name, each in seen.items() if each["emulated"]}


def assert_operands(shared: Shared) -> None:
    """Nothing reserved, always a timer, and never one for longer than a core is held."""
    seen = shared.state()["instructions"]
    hold_cycles = HOLD_NS * cpu.features("").tsc_hz // 1_000_000_000
    for name, each in seen.items():
        assert each["reserved"] == 0, name
        assert each.get("longest_cycles", 0) <= hold_cycles + 1, name
    assert seen["mwaitx"]["unbounded"] == 0
    assert seen["mwaitx"]["extensions"] in (0, 2)
    assert seen["umwait"]["control"] in (0, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wait", [*BY_INSTRUCTION, "best"])
def test_messages_pass_and_every_wait_asks_for_what_it_may(
    shared: Shared, kind: str, wait: str
) -> None:
    writer, reader = ends(kind, wait)
    assert writer.wait == reader.wait == ("mwaitx" if wait == "best" else wait)
    assert exchange(writer, reader) == ALL
    _, fresh = ends(kind, wait)  # the other one may have learnt to park at once
    wait_in_vain(shared, fresh)
    assert_operands(shared)
    names = {name for name in (writer.wait, ARMS.get(writer.wait)) if name}
    assert set(waits(shared)) == names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wait", BY_INSTRUCTION)
def test_a_deadline_that_comes_between_two_looks_makes_no_wait_without_end(
    shared: Shared, kind: str, wait: str
) -> None:
    _, reader = ends(kind, wait)
    trap.limit(shared.block, 2**31)  # so that a wait that is too long fails, and does not hang
    for number in range(300):
        with pytest.raises(RingTimeout):
            reader.receive(time.monotonic_ns() + number * 200)
        assert_operands(shared)
    assert waits(shared)[wait] > 0
    assert_operands(shared)
    assert set(ended(shared.state())) <= {"deadline"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wait", ["mwaitx", "umwait"])
@pytest.mark.parametrize("how", trap.DISTURBANCES)
def test_no_disturbance_loses_a_message(shared: Shared, kind: str, wait: str, how: str) -> None:
    trap.disturb(shared.block, how, cycles=SHORT if how.startswith("raced") else 0)
    writer, reader = ends(kind, wait)
    assert exchange(writer, reader) == ALL
    wait_in_vain(shared, reader)
    assert shared.state()["disturbed"][how] > 0
    assert_operands(shared)


SHORT = 100_000  # cycles that somebody is held for a store which may never come


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_of_the_system_is_waited_out(shared: Shared, kind: str) -> None:
    trap.limit(shared.block, 1)
    writer, reader = ends(kind, "umwait")
    assert exchange(writer, reader) == ALL
    wait_in_vain(shared, reader)
    assert shared.state()["ended"]["limit"] > 0
    assert_operands(shared)


def test_what_is_armed_is_one_word_of_the_region(shared: Shared) -> None:
    for wait, arms in (("mwaitx", "monitorx"), ("umwait", "umonitor")):
        _, reader = ends("cursor", wait)
        wait_in_vain(shared, reader)
        address = shared.seen(arms)["address"]
        assert address > 0 and address % 4 == 0


def test_without_a_trap_the_marked_rings_wait_by_no_instruction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would die of SIGILL, on every host."""
    monkeypatch.setenv(features.VARIABLE, "monitorx,waitpkg")
    for wait in (*BY_INSTRUCTION, "best"):
        writer, reader = ends("flag", wait)
        assert writer.wait == reader.wait == "adaptive"
        assert exchange(writer, reader) == ALL
