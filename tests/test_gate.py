"""The step gate: a live process stops, dies or waits exactly where it is told to."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
from typing import Iterator, Tuple

import pytest
from ring_regions import STRATEGIES, SharedRegion, await_sleep, soon

from cy_kernels import gate, ring

INSTALL = """
from cy_kernels import gate
control = memoryview(mmap.mmap({fd}, 4096))
gate.install(control)
"""
ONE_MESSAGE = {
    "flag": (
        "flag.send.poll_shutdown flag.send.poll_fence flag.send.poll_written flag.send.acquire"
        " flag.send.clear_written flag.send.copy_header flag.send.copy_payload"
        " flag.send.reset_fence flag.send.reset_read_flag flag.send.data_fence"
        " flag.send.set_written flag.send.final_fence flag.send.load_parked"
    ).split(),
    "cursor": (
        "cursor.send.poll_shutdown cursor.send.store_length cursor.send.copy_payload"
        " cursor.send.commit cursor.send.store_position cursor.send.fence cursor.send.load_parked"
    ).split(),
}


class Gated:
    """A ring, a control block, and processes that pass through it."""

    def __init__(self, kind: str, **shape: int) -> None:
        self.region = SharedRegion(kind, **shape)
        self.fd = os.memfd_create("gate")
        os.ftruncate(self.fd, 4096)
        self.control = memoryview(mmap.mmap(self.fd, 4096))

    def process(self, code: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.region.command(INSTALL.format(fd=self.fd) + code),
            pass_fds=[self.region.fd, self.fd],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self.region.close()
        os.close(self.fd)


@pytest.fixture(params=["flag", "cursor"])
def gated(request: pytest.FixtureRequest) -> Iterator[Gated]:
    made = Gated(request.param, slots=4, slot_bytes=64, readers=1)
    yield made
    made.close()


@pytest.fixture
def inside() -> Iterator[Tuple[SharedRegion, memoryview]]:
    """A gate over this very process."""
    region = SharedRegion("cursor", slots=1, slot_bytes=64, readers=2)
    control = memoryview(mmap.mmap(-1, 4096))
    gate.install(control)
    yield region, control
    gate.install(None)
    region.close()


@pytest.mark.parametrize("kind", ["flag", "cursor"])
def test_a_message_passes_every_step_in_the_order_of_the_protocol(kind: str) -> None:
    made = Gated(kind, slots=4, slot_bytes=64, readers=1)
    gate.arm(made.control, None, "token")
    child = made.process("w = writer(); w.send(b'x'); print('sent', flush=True); os._exit(0)")
    passed: list[str] = []
    try:
        while passed[-1:] != [f"{kind}.send.load_parked"]:
            assert gate.await_arrivals(made.control, len(passed) + 1, soon())
            passed.append(gate.state(made.control)["last_step"])
            gate.grant(made.control)
        assert passed[passed.index(f"{kind}.send.poll_shutdown") :] == ONE_MESSAGE[kind]
        assert child.communicate(timeout=30)[0] == "sent\n"
    finally:
        child.kill()
        child.communicate()
        made.close()


@pytest.mark.parametrize("index", range(13))
def test_a_writer_dies_before_the_op_of_the_step(gated: Gated, index: int) -> None:
    steps = ONE_MESSAGE[gated.region.kind]
    step = steps[index % len(steps)]
    gate.arm(gated.control, step, "kill")
    child = gated.process("w = writer(); w.send(b'x' * 20); print('sent', flush=True)")
    out, _ = child.communicate(timeout=30)
    assert (child.returncode, out) == (-signal.SIGKILL, "")
    state = gate.state(gated.control)
    assert (state["last_step"], state["last_occurrence"], state["arrivals"]) == (step, 1, 1)
    committed = "cursor.send.commit" if gated.region.kind == "cursor" else "flag.send.set_written"
    is_sent = steps.index(step) > steps.index(committed)
    reader = gated.region.reader(0)
    if is_sent:
        assert reader.receive(soon()) == b"x" * 20
    else:
        with pytest.raises(TimeoutError):
            reader.receive(1)


def test_a_process_stops_itself_and_goes_on(gated: Gated) -> None:
    step = ONE_MESSAGE[gated.region.kind][3]
    gate.arm(gated.control, step, "stop")
    child = gated.process("w = writer(); w.send(b'x'); print('sent', flush=True)")
    assert gate.await_arrivals(gated.control, 1, soon())
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert gate.state(gated.control)["last_step"] == step
    child.send_signal(signal.SIGCONT)
    assert child.communicate(timeout=30)[0] == "sent\n"


def test_the_nth_occurrence_is_counted_within_one_message(
    inside: Tuple[SharedRegion, memoryview],
) -> None:
    region, control = inside
    writer, readers = region.writer(), [region.reader(0), region.reader(1)]
    step = "cursor.send.poll_reader_position"  # once for each of two readers
    gate.arm(control, step, "token", occurrence=2)
    gate.grant(control)
    for _ in range(2):
        writer.send(b"", soon())
        for reader in readers:
            reader.receive(soon())
    state = gate.state(control)
    assert (state["last_step"], state["last_occurrence"]) == (step, 2)


def test_polls_of_one_wait_count_once(inside: Tuple[SharedRegion, memoryview]) -> None:
    region, control = inside
    reader = region.reader(0, wait="yielding")
    gate.arm(control, "cursor.receive.poll_sequence", "token", occurrence=3)
    with pytest.raises(TimeoutError):
        reader.receive(soon(0.02))
    state = gate.state(control)
    assert state["arrivals"] == 0
    assert {"cursor.receive.poll_sequence", "wait.yielding.yield"} < set(state["visited"])
    assert "wait.clock.timed_out" in state["visited"]


def test_a_token_lets_one_step_pass() -> None:
    made = Gated("cursor", slots=4, slot_bytes=64, readers=1)
    gate.arm(made.control, "cursor.send.commit", "token")
    child = made.process("w = writer(); w.send(b'held'); print('sent', flush=True)")
    reader = made.region.reader(0)
    assert gate.await_arrivals(made.control, 1, soon())
    with pytest.raises(TimeoutError):
        reader.receive(1)
    gate.grant(made.control)
    assert reader.receive(soon()) == b"held"
    assert child.communicate(timeout=30)[0] == "sent\n"
    made.close()


LAST_LOOK = """
{setup}
gate.arm(control, "wait.clock.now", "token")
print("go", flush=True)
print({call}, flush=True)
"""


@pytest.mark.parametrize("wait", STRATEGIES)
def test_a_receive_polls_once_more_before_it_times_out(gated: Gated, wait: str) -> None:
    writer = gated.region.writer()
    child = gated.process(
        LAST_LOOK.format(setup=f"there = reader(0, wait={wait!r})", call="there.receive(1)")
    )
    assert gate.await_arrivals(gated.control, 1, soon())
    writer.send(b"just in time", soon())
    gate.grant(gated.control)
    assert child.communicate(timeout=30)[0] == "go\nb'just in time'\n"


@pytest.mark.parametrize("wait", STRATEGIES)
def test_a_send_polls_once_more_before_it_times_out(gated: Gated, wait: str) -> None:
    reader = gated.region.reader(0)
    setup = f"there = writer(wait={wait!r}); [there.send(b'x') for _ in range(4)]"
    child = gated.process(LAST_LOOK.format(setup=setup, call="there.send(b'y', 1)"))
    assert gate.await_arrivals(gated.control, 1, soon())
    reader.receive(soon())
    gate.grant(gated.control)
    assert child.communicate(timeout=30)[0] == "go\n4\n"


def test_a_parked_reader_finds_what_a_writer_sent_that_died_before_it_woke_it(
    gated: Gated,
) -> None:
    step = f"{gated.region.kind}.send.load_parked"
    gate.arm(gated.control, step, "kill")
    reader = gated.region.process(
        "there = reader(0); print('go', flush=True);"
        " print(there.receive(time.monotonic_ns() + 2 * 10**9), there.position)"
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "go\n"
    await_sleep(gated.region, reader.pid)
    reader.send_signal(signal.SIGSTOP)  # its time does not run out while the writer starts
    os.waitid(os.P_PID, reader.pid, os.WSTOPPED)
    writer = gated.process("w = writer(); w.send(b'left'); print('sent', flush=True)")
    assert (writer.communicate(timeout=30)[0], writer.returncode) == ("", -signal.SIGKILL)
    assert gated.region.describe()["readers_parked"]  # it was not woken
    reader.send_signal(signal.SIGCONT)
    assert reader.communicate(timeout=30)[0] == "b'left' 1\n"


def test_takeover_eviction_detach_and_shutdown_have_steps_of_their_own(
    inside: Tuple[SharedRegion, memoryview],
) -> None:
    region, control = inside
    writer, reader = region.writer(), region.reader(0)
    writer.end()
    reader.close()
    writer.shutdown()
    visited = set(gate.state(control)["visited"])
    assert {
        "cursor.takeover.claim_writer",
        "cursor.takeover.scan_sequence",
        "cursor.takeover.claim_reader",
        "cursor.detach.release_reader",
        "ring.end.mark",
        "ring.shutdown.mark",
        "wake.readers.futex_wake",
    } <= visited


def test_unknown_steps_and_actions_are_value_errors() -> None:
    control = memoryview(bytearray(gate.GATE_BYTES))
    with pytest.raises(ValueError, match="no step 'cursor.send.comit'"):
        gate.arm(control, "cursor.send.comit", "kill")
    with pytest.raises(ValueError, match="'explode' is not one of stop, kill, token"):
        gate.arm(control, "cursor.send.commit", "explode")
    with pytest.raises(ValueError, match="only tokens"):
        gate.arm(control, None, "kill")
    with pytest.raises(ValueError, match="a gate needs 80 bytes"):
        gate.install(memoryview(bytearray(8)))
    assert {name for _, name in gate.STEPS} == {name for _, name in ring.STEPS}
