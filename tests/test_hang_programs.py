"""Why a program does not end, told from evidence alone; and how that is read from stacks."""

from __future__ import annotations

import ast
import faulthandler
import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import pytest

import sim.hang.programs as programs
from sim.hang.programs import BOOTSTRAP, FUTEX, tell
from sim.history.hang_class import HangClass
from sim.live.program_evidence import stacks

WINDOW_NS = 100_000_000
OWN_LOCK = f"{FUTEX} 0x7f 0x189 0x0 0x0 0x0 0xffffffff 0x1 0x2"  # as sem_wait of glibc
SHARED = f"{FUTEX} 0x7f 0x109 0x0 0x0 0x0 0xffffffff 0x1 0x2"
TIMED = f"{FUTEX} 0x7f 0x189 0x0 0x7ffe 0x0 0xffffffff 0x1 0x2"
SLEEP = "230 0x1 0x1 0x7ffe 0x0 0x0 0x0 0x1 0x2"
Frames = Sequence[Tuple[str, str]]  # file and function, the innermost first

PLAIN: Frames = [("app.py", "wait"), ("app.py", "main")]
IMPORT: Frames = [(BOOTSTRAP, "acquire"), (BOOTSTRAP, "__enter__"), ("app.py", "main")]
IN_BODY: Frames = [("endless.py", "<module>"), (BOOTSTRAP, "_load_unlocked"), ("app.py", "main")]
WAY_OUT: Frames = [("/usr/lib/python3.9/threading.py", "_shutdown")]


def thread(
    call: str, *, tid: int = 1, cpu_ms: int = 0, switches: int = 0, channel: str = ""
) -> Dict[str, Any]:
    return {
        "tid": tid,
        "state": "S",
        "cpu_ns": cpu_ms * 1_000_000,
        "queued_ns": 0,
        "switches": switches,
        "wait_channel": channel,
        "system_call": call,
    }


def process(
    *threads: Mapping[str, Any],
    name: Optional[str] = "app",
    state: str = "S",
    is_fork: bool = False,
    is_frozen: bool = False,
    stacks: Sequence[Frames] = (PLAIN,),
    said: Sequence[int] = (),
    gil: Optional[Mapping[str, Any]] = None,
    answers: bool = True,
) -> Dict[str, Any]:
    """`stacks`: the main thread's last, as faulthandler prints them; `said`: of which threads the
    interpreter says that they wait for a lock of its own."""
    return {
        "pid": 7 if name else 8,
        "parent": 1,
        "command": "python app.py",
        "name": name,
        "state": state,
        "is_fork": is_fork,
        "is_frozen": is_frozen,
        "gil": gil,
        "answers": answers,
        "locks": [{"tid": tid, "lock": "jobs"} for tid in said],
        "threads": list(threads),
        "stacks": [
            [{"file": file, "line": 3, "function": function} for file, function in frames]
            for frames in stacks
        ],
    }


def told(*processes: Mapping[str, Any], passed: Sequence[str] = ("app",)) -> HangClass:
    return tell(evidence(*processes, passed=passed)).kind


def evidence(*processes: Mapping[str, Any], passed: Sequence[str] = ("app",)) -> Dict[str, Any]:
    probes = {name: "begun" for name in passed}
    found = {"window_ns": WINDOW_NS, "processes": list(processes), "last_probes": probes}
    return {**found, "is_over": True}


LOCKED = thread(OWN_LOCK)
ASKS = thread(TIMED, switches=20)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (process(LOCKED), HangClass.DEADLOCK),
        (process(LOCKED, LOCKED), HangClass.DEADLOCK),
        (process(LOCKED, LOCKED, stacks=[IMPORT, PLAIN]), HangClass.IMPORT_DEADLOCK),
        (process(LOCKED, is_fork=True), HangClass.FORK_INHERITED_LOCK),
        (process(LOCKED, is_fork=True, stacks=[IMPORT]), HangClass.FORK_INHERITED_LOCK),
        (process(LOCKED, LOCKED, stacks=[PLAIN, WAY_OUT]), HangClass.TEARDOWN_STUCK),
        (process(thread(SLEEP), stacks=[WAY_OUT]), HangClass.TEARDOWN_STUCK),
        (process(thread(SLEEP), ASKS), HangClass.GIL_HELD),
        (process(thread("running", cpu_ms=90), ASKS, ASKS), HangClass.GIL_HELD),
        (process(LOCKED, state="T"), HangClass.PEER_STOPPED),
        (process(LOCKED, is_frozen=True), HangClass.PEER_STOPPED),
    ],
)
def test_one_process_is_told_by_what_its_threads_wait_for(
    seen: Mapping[str, Any], kind: HangClass
) -> None:
    assert told(seen) is kind


@pytest.mark.parametrize(
    "seen",
    [
        process(thread(SHARED)),  # another process can wake it
        process(LOCKED, thread(SLEEP)),  # one that sleeps can let the other go
        process(LOCKED, thread("running")),
        process(thread(TIMED)),  # it looks again
        process(ASKS, ASKS),  # who would have the interpreter lock, then
        process(thread(SLEEP), thread(TIMED, switches=20, cpu_ms=50)),  # it asks, and works
        process(thread(SHARED), is_fork=True),
        process(LOCKED, thread(SLEEP), stacks=[IMPORT, PLAIN]),  # a slow import
    ],
)
def test_what_may_end_by_itself_or_from_outside_has_no_name(seen: Mapping[str, Any]) -> None:
    assert told(seen) is HangClass.UNKNOWN


def test_a_start_up_is_one_only_before_the_first_probe() -> None:
    in_body = process(thread(SLEEP), stacks=[IN_BODY])
    assert told(in_body, passed=()) is HangClass.STARTUP_NEVER
    assert told(in_body) is HangClass.UNKNOWN
    at_work = process(thread("running", cpu_ms=90), stacks=[IN_BODY])
    assert told(at_work, passed=()) is HangClass.UNKNOWN


def test_who_waits_for_a_child_has_the_childs_reason() -> None:
    parent = process(thread("61 0x8 0x0 0x0 0x0 0x0 0x0 0x1 0x2"))
    found = tell(evidence(parent, process(LOCKED, name=None, is_fork=True)))
    assert found.kind is HangClass.FORK_INHERITED_LOCK
    assert (found.who, found.waits_for) == (("app",), ("process 8",))
    assert "process 8: a fork of its parent" in found.why and "app.py:3 in wait" in found.why


@pytest.mark.parametrize(("switches", "kind"), [(0, "deadlock"), (9, "unknown")])
def test_where_system_calls_are_not_ours_to_know_sleep_without_a_break_is_taken(
    switches: int, kind: str
) -> None:
    hidden = thread("", channel="futex_wait_queue", switches=switches)
    assert tell(evidence(process(hidden, hidden))).kind.value == kind


HIDDEN = thread("")  # neither system call nor kernel function is ours to know
HIDDEN_TOO = thread("", tid=2)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (process(HIDDEN, said=[1]), HangClass.DEADLOCK),
        (process(HIDDEN, HIDDEN_TOO, said=[1, 2]), HangClass.DEADLOCK),
        (
            process(HIDDEN, HIDDEN_TOO, said=[1, 2], stacks=[IMPORT, PLAIN]),
            HangClass.IMPORT_DEADLOCK,
        ),
        (process(HIDDEN, is_fork=True, said=[1]), HangClass.FORK_INHERITED_LOCK),
        (process(HIDDEN), HangClass.UNKNOWN),
        (process(HIDDEN, HIDDEN_TOO, said=[1]), HangClass.UNKNOWN),  # the other may let it go
        (process(thread("", switches=1), said=[1]), HangClass.UNKNOWN),  # it looks again
        (process(thread("", cpu_ms=1), said=[1]), HangClass.UNKNOWN),
        (process(thread(SHARED), said=[1]), HangClass.UNKNOWN),  # what the OS shows counts
        (process(thread("", channel="pipe_read"), said=[1]), HangClass.UNKNOWN),
    ],
)
def test_where_neither_is_what_the_interpreter_says_is_taken_of_those_that_sleep(
    seen: Mapping[str, Any], kind: HangClass
) -> None:
    found = tell(evidence(seen))
    assert found.kind is kind
    assert found.kind is HangClass.UNKNOWN or "(jobs at app.py:3 in wait)" in str(found.waits[0])


def test_stacks_are_read_as_faulthandler_writes_them() -> None:
    is_there, may_end = threading.Event(), threading.Event()

    def wait_here() -> None:
        is_there.set()
        may_end.wait()

    other = threading.Thread(target=wait_here)
    other.start()
    is_there.wait()
    try:
        with tempfile.TemporaryFile("w+") as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            found = stacks("what the program says\n" + file.read() + "and more\n")
    finally:
        may_end.set()
        other.join()
    functions: List[List[str]] = [[frame["function"] for frame in each] for each in found]
    assert any("wait_here" in each for each in functions[:-1])
    main = found[-1][0]
    assert (Path(main["file"]).name, main["function"]) == (
        "test_hang_programs.py",
        "test_stacks_are_read_as_faulthandler_writes_them",
    )


def test_it_can_look_at_nothing_but_the_evidence() -> None:
    tree = ast.parse(Path(programs.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in imported if str(name).startswith(("sim", "cy_kernels"))}
    assert ours == {"sim.hang.classes", "sim.history.hang_class"}
