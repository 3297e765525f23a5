"""What the runner hears of a participant, in whichever order, and what a participant hears."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import pytest
from live_plans import injected, injection, plan

from sim.faults.slow import Slow
from sim.live import stacks
from sim.live.execution import run_plan
from sim.live.process import DEAD, READY, LiveProcess
from sim.live.supervisor import Supervisor
from sim.live.task import Task
from sim.scenario.plan import AfterOps
from sim.testing.literal_plan import MS, SECOND


class Scripted:
    """Stands for the supervisor: the test says when its news come, and speaks for the process."""

    def __init__(self) -> None:
        self.readable: Dict[socket.socket, Callable[[], None]] = {}
        self.participant: socket.socket
        self.real: subprocess.Popen[bytes]

    def listen(self, control: socket.socket, on_readable: Callable[[], None]) -> None:
        self.readable[control] = on_readable

    def unlisten(self, control: socket.socket) -> None:
        del self.readable[control]

    def spawn(self, listener: Any, start: str, fds: Sequence[int]) -> None:
        self.participant = socket.socket(fileno=os.dup(fds[0]))

    def spawned(self) -> Tuple[int, int]:
        """A real process, for whoever is closed while it lives is killed."""
        self.real = subprocess.Popen(["sleep", "60"])
        return self.real.pid, os.pidfd_open(self.real.pid)

    def say(self, message: Dict[str, Any]) -> None:
        self.participant.send(json.dumps(message).encode())
        (on_readable,) = self.readable.values()
        on_readable()


Told = List[Tuple[str, str]]  # event, and the state in which it was told


@pytest.fixture
def heard() -> Iterator[Tuple[LiveProcess, Scripted, Told]]:
    told: Told = []
    made = plan(messages=1)
    task = Task(
        process=made.processes[0],
        spec=made.transport,
        name_prefix="/spinbed.none.",
        incarnation=0,
        ops_before=0,
        kernels="compiled",
        namespaces=(),
        stops=(),
    )
    supervisor: Any = Scripted()
    process = LiveProcess(task, 16, supervisor, lambda life, e, _: told.append((e, life.state)))
    yield process, supervisor, told
    process.close()
    supervisor.participant.close()
    supervisor.real.kill()
    supervisor.real.wait()


def test_ready_before_spawned_is_told_after_it(heard) -> None:
    """Two sockets: nothing orders what the participant says and what the template says."""
    process, supervisor, told = heard
    supervisor.say({"ready": {"wait": "park"}})
    assert told == []
    process.on_spawned(*supervisor.spawned())
    assert told == [("spawned", "started"), ("ready", "ready")]
    assert process.state == READY


def test_ready_after_spawned_is_told_when_it_comes(heard) -> None:
    process, supervisor, told = heard
    process.on_spawned(*supervisor.spawned())
    supervisor.say({"ready": {"wait": "park"}})
    assert told == [("spawned", "started"), ("ready", "ready")]


def test_what_was_said_before_an_exit_is_told_before_it(heard) -> None:
    process, supervisor, told = heard
    process.on_spawned(*supervisor.spawned())
    supervisor.participant.send(json.dumps({"ready": {}}).encode())
    supervisor.participant.send(json.dumps({"log": {}, "time_ns": 1}).encode())
    process.on_exit(3)
    assert told == [("spawned", "started"), ("ready", "ready"), ("log", "ready"), ("exit", DEAD)]


def test_a_command_whose_signal_is_lost_is_obeyed_all_the_same() -> None:
    slow = injection(Slow("writer", per_op_ns=MS), AfterOps("reader[0]", 2))
    with Supervisor() as supervisor:
        lossy = plan(kind="live_transports:LosesItsFirstSignal", messages=10, injections=[slow])
        history, _ = run_plan(lossy, supervisor)
    (fired,) = injected(history)
    assert fired["fired"] is True, dict(fired)


# Blocks the signal while it prints, as the system does it for faulthandler's handler.
PRINTS_LINE_BY_LINE = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("up", flush=True)
signal.sigwait([signal.SIGUSR1])
os.write(2, b"the first line\\n")
sys.stdin.readline()
os.write(2, b"the last line\\n")
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
signal.pause()
"""


def test_a_stack_is_awaited_to_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "WITHIN_NS", 60 * SECOND)
    printed = tmp_path / "stderr"
    with printed.open("wb") as stderr, subprocess.Popen(
        [sys.executable, "-c", PRINTS_LINE_BY_LINE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"up\n"

        def pump(until_ns: int) -> None:
            if printed.stat().st_size:
                process.stdin.close()  # and it goes on
            select.select([], [], [], 0.001)

        life: Any = SimpleNamespace(
            name="writer",
            pid=process.pid,
            is_dead=False,
            stderr_bytes=lambda: printed.stat().st_size,
            send_signal=process.send_signal,
        )
        supervisor: Any = SimpleNamespace(pump=pump)
        stacks.collect_stacks([life], supervisor)
        seen = printed.read_text()
        process.send_signal(signal.SIGKILL)
    assert seen == "the first line\nthe last line\n"
