"""Stacks by py-spy: what is said where there are none, and what a real one adds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest
from attached_processes import TRIES, Attach
from expected_skips import has_no_py_spy

from sim.hang.of_run import tell_apart
from sim.history.op import HANG
from sim.live import spying
from sim.live.execution import run_plan
from sim.live.procfs import stat
from sim.live.spying import Spy
from sim.live.supervisor import Supervisor
from sim.report.evidence import native_lines
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan

needs_py_spy = pytest.mark.skipif(has_no_py_spy(), reason="py-spy is not installed")

# All wait without a time-out, and say so before; the first has the interpreter lock meanwhile.
IN_C = "import ctypes; print('there', flush=True); ctypes.PyDLL(None).system(b'exec sleep 3600')"
IN_PYTHON = "import os; r, w = os.pipe(); print('there', flush=True); os.read(r, 1)"
Fake = Callable[[str], None]


@contextmanager
def program(code: str) -> Iterator[subprocess.Popen[str]]:
    """In a session of its own, all of which ends."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "there\n"
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A py-spy that does what the given shell script does."""

    def make(script: str) -> None:
        (tmp_path / "py-spy").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "py-spy").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return make


def test_where_it_is_not_installed_that_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spying, "tool", lambda: None)
    spied = Spy().look(os.getpid())
    assert (spied.lack, spied.threads, spied.gil) == ("py-spy is not installed", (), None)


@pytest.mark.parametrize(
    ("script", "lack"),
    [
        ("echo 'Permission Denied: Try sudo' >&2; exit 1", "read nothing: Permission Denied: Try"),
        ("exit 3", "py-spy read nothing: status 3"),
        ("echo '[]'", "py-spy read nothing: status 0"),
        ("echo '[1]'", "py-spy read nothing: status 0"),
        ("echo '[{\"frames\": '", "py-spy read nothing: status 0"),
    ],
)
def test_one_that_reads_nothing_is_quoted(fake: Fake, script: str, lack: str) -> None:
    fake(script)
    assert lack in Spy().look(os.getpid()).lack


def test_one_that_never_ends_is_ended_and_what_it_had_stopped_goes_on(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with program(IN_PYTHON) as process:
        fake(f"kill -STOP {process.pid}; exec sleep 3600")
        monkeypatch.setattr(spying, "WITHIN_NS", 300_000_000)
        spy = Spy()
        assert spy.look_natively(process.pid).lack == "py-spy said nothing in time"
        found = stat(process.pid)
        assert found is not None and found.state != "T"
        assert spy.look(process.pid).lack == "py-spy was not asked: the time for it was over"


def test_who_is_stopped_is_not_stopped_again(fake: Fake) -> None:
    said = [{"os_thread_id": 1, "thread_name": "M", "frames": [{"name": "f", "filename": "a.py"}]}]
    fake(f'[ "$4" = --nonblocking ] && echo \'{json.dumps(said)}\'')
    with program(IN_PYTHON) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        spied = Spy().look_natively(process.pid)
        found = stat(process.pid)
        assert found is not None and found.state == "T"
    seen = {"name": "app", "native": {"threads": spied.threads, "lack": ""}}
    assert list(native_lines([seen])) == ["app, thread 1 M:", "  a.py:0 in f"]


def test_why_there_are_none_is_said_once_for_all() -> None:
    native: Dict[str, Any] = {"threads": [], "lack": "py-spy is not installed"}
    seen = [{"name": None, "pid": pid, "native": native} for pid in (7, 8)]
    said = "no stacks by py-spy of process 7, process 8: py-spy is not installed"
    assert list(native_lines(seen)) == [said]


@needs_py_spy
@pytest.mark.parametrize(("code", "has_gil"), [(IN_C, True), (IN_PYTHON, False)])
def test_it_tells_who_sleeps_with_the_interpreter_lock(code: str, has_gil: bool) -> None:
    with program(code) as process:
        wanted = {"tid": process.pid, "is_asleep": True} if has_gil else None
        for _ in range(TRIES):  # it has said so, and is on the way
            spied = Spy().look(process.pid)
            if spied.gil == wanted:
                break
        assert spied.gil == wanted
        assert spied.threads[0]["frames"][-1]["function"] == "<module>"


def hang(supervisor: Supervisor, subject: str) -> Dict[str, Any]:
    """The detail of the one that its run ends in."""
    name = f'program = "sim.subjects.hanging:{subject}"'
    text = f'schema = 1\nname = "it"\ndeadline = "2s"\n[[process]]\nname = "app"\n{name}\n'
    (scenario,) = load_text(text, "test.toml")
    history, _ = run_plan(make_plan(scenario, 0), supervisor, tell_apart)
    (op,) = history.where(HANG)
    found: Dict[str, Any] = json.loads(json.dumps(op.detail))
    return found


@pytest.mark.usefixtures("nothing_is_left")
def test_one_thread_in_native_code_does_not_answer_and_whether_it_has_the_lock_is_not_seen(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spying, "tool", lambda: None)
    detail = hang(supervisor, "only_thread_in_c")
    app = detail["evidence"]["processes"][0]
    assert (app["answers"], app["gil"], detail["class"]) == (False, None, "unknown")
    assert "app is in native code, and Python does not answer there, at " in detail["waits"]
    assert "in only_thread_in_c" in detail["waits"] and app["stacks"]


@needs_py_spy
@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize(
    ("subject", "kind"), [("only_thread_in_c", "gil-held"), ("waits_in_c", "unknown")]
)
def test_with_it_one_thread_in_native_code_is_told_by_the_interpreter_lock(
    supervisor: Supervisor, subject: str, kind: str
) -> None:
    detail = hang(supervisor, subject)
    assert detail["class"] == kind
    functions = [
        frame["function"]
        for thread in detail["evidence"]["processes"][0]["native"]["threads"]
        for frame in thread["frames"]
    ]
    assert {"wait4", subject} <= set(functions)


@needs_py_spy
def test_attach_shows_them_and_stops_nobody(attach: Attach) -> None:
    with program(IN_C) as process:
        done = attach(process.pid)
        assert done.stdout.startswith("no hang: idle"), done.stdout  # nobody asks for the lock
        assert f"\nprocess {process.pid}, thread {process.pid}:\n  <string>:1 in" in done.stdout
        assert "TracerPid:\t0\n" in Path(f"/proc/{process.pid}/status").read_text()
    counting = "import threading\ndef count():\n while True: pass\n"
    counting += "threading.Thread(target=count, daemon=True).start()\n"
    with program(counting + IN_C) as process:
        told = attach.until(3, process.pid)
        assert told.startswith(f"hang: gil-held, the programs: process {process.pid}: one thread")
