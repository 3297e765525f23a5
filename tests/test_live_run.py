"""One live run, from nothing to nothing, with real processes over a real ring."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import threading
from typing import Any, ClassVar

import pytest
from live_plans import exits, injection, plan, positions, with_wait
from ring_regions import ALL_KERNELS

from cy_kernels.choice import PURE, kernels
from sim.abc import Capability, Evidence
from sim.errors import WorldError
from sim.history.history import in_order
from sim.history.op import EXIT, HANG, INFO, INVOKE, LEAK, LOG, OK, READY, SPAWN
from sim.live.execution import run_plan
from sim.live.process import LiveProcess
from sim.live.region import names_with
from sim.live.supervisor import Supervisor
from sim.live.template import START_METHODS
from sim.scenario.plan import AfterOps
from sim.testing.literal_plan import MS, SECOND


@pytest.mark.parametrize("kind", ["cursor_ring", "flag_ring"])
def test_every_message_reaches_every_reader_in_order(supervisor, kind):
    history, duration_ns = run_plan(plan(kind=kind), supervisor)
    sent = {op.position: op.checksum for op in history.where("send", type=OK)}
    assert list(sent) == list(range(100))
    for reader in ("reader[0]", "reader[1]"):
        got = {op.position: op.checksum for op in history.of(reader) if op.type == OK}
        assert got == sent
    assert exits(history) == {"writer": ["0"], "reader[0]": ["0"], "reader[1]": ["0"]}
    assert duration_ns > 0


def test_every_message_has_bytes_of_its_own(supervisor):
    history, _ = run_plan(plan(messages=300), supervisor)
    assert len({op.checksum for op in history.where("send", type=OK)}) == 300


@pytest.mark.parametrize("start", ["template", "fork", "spawn", "forkserver"])
def test_every_start_method_gives_the_same_run(supervisor, start):
    history, _ = run_plan(plan(start=start, messages=20), supervisor)
    assert positions(history, "reader[1]") == list(range(20))
    assert exits(history) == {"writer": ["0"], "reader[0]": ["0"], "reader[1]": ["0"]}
    details = [op.detail for op in history.where(READY)]
    assert [detail["start"] for detail in details] == [start] * 3
    assert len({detail["pid"] for detail in details}) == 3


def test_a_process_says_what_it_is(supervisor):
    history, _ = run_plan(with_wait(plan(messages=5), "backoff"), supervisor)
    for op in history.where(READY):
        assert op.detail["python"] == platform.python_version()
        assert op.detail["kernels"] == kernels().kind
        assert op.detail["wait"] == "backoff"
        assert op.detail["pid"] != os.getpid()


def test_ctrl_c_in_the_middle_of_what_was_heard_is_not_waited_out(monkeypatch):
    """The news of a start was taken from its socket, and got no further."""

    def interrupted(self: LiveProcess, pid: int, death: int) -> None:
        monkeypatch.undo()
        os.close(death)
        raise KeyboardInterrupt

    with Supervisor() as broken:
        monkeypatch.setattr(LiveProcess, "on_spawned", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan(messages=20), broken)
        assert broken.failure is not None and "it was interrupted" in str(broken.failure)
    assert names_with(broken.prefix) == []


@pytest.mark.parametrize("start", START_METHODS)
def test_each_process_runs_the_kernels_that_its_plan_names(supervisor, start):
    # A process that is told never looks for itself: it would log what is missing.
    made = plan(messages=20, start=start)
    told = {"writer": PURE, "reader[0]": ALL_KERNELS[0], "reader[1]": PURE}
    processes = [dataclasses.replace(each, kernels=told[each.name]) for each in made.processes]
    history, _ = run_plan(dataclasses.replace(made, processes=processes), supervisor)
    assert {op.process: op.detail["kernels"] for op in history.where(READY)} == told
    assert positions(history, "reader[0]") == positions(history, "reader[1]") == list(range(20))
    assert list(history.where(LOG)) == []


def test_the_history_is_in_order_and_each_life_is_complete(supervisor):
    history, _ = run_plan(plan(), supervisor)
    assert history.ops == in_order(history.ops)
    for process in ("writer", "reader[0]", "reader[1]"):
        events = [op.f for op in history.of(process) if op.type == INFO]
        assert events == [SPAWN, READY, EXIT]
        ops = [op for op in history.of(process) if op.type != INFO]
        assert [op.type == INVOKE for op in ops] == [True, False] * (len(ops) // 2)


def test_nothing_is_left_of_a_run(supervisor):
    history, _ = run_plan(plan(messages=5), supervisor)
    assert history.header.name_prefix.startswith(supervisor.prefix)
    assert names_with(supervisor.prefix + ".") == []
    assert list(history.where(LEAK)) == []


def test_runs_of_one_supervisor_have_prefixes_of_their_own(supervisor):
    first, second = (run_plan(plan(messages=5), supervisor)[0] for _ in range(2))
    assert first.header.name_prefix != second.header.name_prefix


def test_the_environment_of_a_scenario_reaches_only_its_run(supervisor):
    made = plan(kind="cursor_ring", messages=5, env={"TZ": "no-such-zone", "SPINBED_X": "1"})
    run_plan(made, supervisor)
    assert "SPINBED_X" not in os.environ


def test_paced_sends_start_no_earlier_than_their_turn(supervisor):
    history, _ = run_plan(plan(messages=6, interval_ns=20 * MS), supervisor)
    ready_ns = next(op.time_ns for op in history.where(READY) if op.process == "writer")
    starts = [op.time_ns for op in history.of("writer") if op.type == INVOKE]
    # The clock pair of the recorder may be off by some microseconds.
    assert [start >= ready_ns + n * 20 * MS - MS for n, start in enumerate(starts)] == [True] * 6


def test_a_plan_that_cannot_start_is_an_error_of_the_world_and_leaves_nothing(supervisor):
    broken = with_wait(plan(), "no-such-wait")
    with pytest.raises(WorldError, match="no-such-wait"):
        run_plan(broken, supervisor)
    assert names_with(supervisor.prefix + ".") == []
    run_plan(plan(messages=5), supervisor)


def test_warnings_of_a_process_become_ops(supervisor):
    made = plan(kind="live_transports:Warning", messages=5)
    history, _ = run_plan(made, supervisor)
    (op,) = [op for op in history.where(LOG) if op.process == "writer"]
    assert op.detail == {"logger": "planted", "level": "WARNING", "message": "look 42"}


def test_an_exception_ends_a_process_with_1_and_its_traceback(supervisor):
    history, _ = run_plan(plan(kind="live_transports:RaisesAtThird"), supervisor)
    (op,) = [op for op in history.where(EXIT) if op.process == "writer"]
    assert op.outcome == "1"
    assert "ZeroDivisionError: the third" in op.detail["stderr"]
    assert positions(history, "reader[0]") == [0, 1]


def test_a_crash_ends_a_process_with_its_signal_and_its_stack(supervisor):
    history, _ = run_plan(plan(kind="live_transports:AbortsAtThird"), supervisor)
    (op,) = [op for op in history.where(EXIT) if op.process == "writer"]
    assert op.outcome == "SIGABRT"
    assert "live_transports.py" in op.detail["stderr"]


def test_names_that_a_process_leaves_are_a_leak_and_then_gone(supervisor):
    history, _ = run_plan(plan(kind="live_transports:Leaves", messages=5), supervisor)
    (op,) = history.where(LEAK)
    assert op.detail["names"] == [history.header.name_prefix + "left"]
    assert names_with(supervisor.prefix + ".") == []


def test_a_standstill_is_a_hang_with_evidence(supervisor):
    made = plan(
        kind="live_transports:StopsSending",
        deadline_ns=None,
        stall_threshold_ns=SECOND,
        readers=1,
    )
    history, _ = run_plan(made, supervisor)
    (op,) = history.where(HANG)
    assert op.detail["why"] == "hang"
    assert op.detail["waiting"] == ["reader[0]"]
    assert op.detail["blocked_ns"] >= SECOND
    assert op.detail["evidence"]["region"]["reader"][0]["position"] == 3
    json.dumps(op.detail)
    for end in history.where(EXIT):
        assert (end.outcome, end.detail["ended_by"]) == ("SIGKILL", "run")
        assert "workload.py" in end.detail["stderr"]


def test_retries_that_never_succeed_are_no_progress(supervisor):
    made = plan(
        kind="live_transports:StopsSending",
        deadline_ns=5 * MS,
        stall_threshold_ns=SECOND,
        readers=1,
    )
    history, _ = run_plan(made, supervisor)
    assert len(list(history.where(HANG))) == 1
    assert any(op.outcome == "timeout" for op in history.of("reader[0]"))


def test_a_planned_pause_longer_than_the_threshold_is_no_hang(supervisor):
    made = plan(messages=2, interval_ns=2 * SECOND, stall_threshold_ns=SECOND, deadline_ns=None)
    history, _ = run_plan(made, supervisor)
    assert list(history.where(HANG)) == []
    assert exits(history) == {"writer": ["0"], "reader[0]": ["0"], "reader[1]": ["0"]}


def test_the_deadline_ends_a_run_that_moves(supervisor):
    made = plan(messages=10_000, interval_ns=20 * MS, run_deadline_ns=300 * MS)
    history, duration_ns = run_plan(made, supervisor)
    (op,) = history.where(HANG)
    assert op.detail["why"] == "deadline"
    assert exits(history)["writer"] == ["SIGKILL"]
    assert duration_ns >= 300 * MS


@dataclasses.dataclass(frozen=True)
class AbortFromAThread:
    """Not a fault of the product: calls abort() while the run is on."""

    supervisor: Supervisor
    target: str = "writer"
    requires: ClassVar[frozenset[Capability]] = frozenset()
    alias: ClassVar[str] = "abort"
    heals: ClassVar[bool] = False

    def inject(self, world: Any) -> Evidence:
        thread = threading.Thread(target=self.supervisor.abort)
        thread.start()
        thread.join()
        return Evidence(True, "asked")


def test_an_abort_from_another_thread_ends_the_run_and_what_it_started():
    with Supervisor() as supervisor:
        abort = injection(AbortFromAThread(supervisor), AfterOps("writer", 1))
        made = plan(messages=100_000, interval_ns=SECOND, injections=[abort])
        with pytest.raises(WorldError, match="told to stop"):
            run_plan(made, supervisor)
        prefix = supervisor.prefix
    assert names_with(prefix) == []
