"""What an interpreter says that its threads wait for: only what nobody else could let go."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from sim.hang.of_run import tell_apart
from sim.history.op import HANG
from sim.inside.lock_waits import waits
from sim.live.answers import Answers
from sim.live.execution import run_plan
from sim.live.procfs import threads
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan

WATCHDOG_S = 60


class Waits:
    """Threads that wait, each in a line of its own; `end` lets them all go."""

    __slots__ = ("lock", "again", "event", "queue", "simple", "other", "pipe", "asked")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        self.again = threading.RLock()
        self.event = threading.Event()
        self.queue: Any = queue.Queue()
        self.simple: Any = queue.SimpleQueue()
        self.pipe = os.pipe()
        self.other = threading.Thread(target=self.event.wait)
        self.other.start()
        self.asked: List[str] = []

    @property
    def made_up(self) -> Any:
        self.asked.append("made_up")
        return self.lock

    def with_lock(self) -> None:
        with self.lock:
            pass

    def acquires(self) -> None:
        self.lock.acquire()
        self.lock.release()

    def acquires_in_a_condition(self) -> None:
        if not self.lock.acquire(True, -1):
            return
        self.lock.release()

    def waits_for_an_event(self) -> None:
        self.event.wait()

    def joins(self) -> None:
        self.other.join()

    def gets(self) -> None:
        self.queue.get()

    def gets_simply(self) -> None:
        self.simple.get()

    def looks_again(self) -> None:
        self.lock.acquire(timeout=WATCHDOG_S)
        self.lock.release()

    def looks_again_after_one(self) -> None:
        while not self.lock.acquire(True, 1):
            pass
        self.lock.release()

    def by_a_property(self) -> None:
        with self.made_up:
            pass

    def reads(self) -> None:
        os.read(self.pipe[0], 1)

    def two_calls(self) -> None:
        self.again.acquire(), os.read(self.pipe[0], 1)

    def end(self) -> None:
        self.lock.release()
        self.event.set()
        self.queue.put(None)
        self.simple.put(None)
        os.write(self.pipe[1], b"xxxx")


@pytest.fixture
def waiting() -> Iterator[Waits]:
    found = Waits()
    yield found
    for descriptor in found.pipe:
        os.close(descriptor)


def said_of(waiting: Waits, does: Callable[[], None]) -> Optional[str]:
    """What is said of a thread that does it, once that sleeps there."""
    thread = threading.Thread(target=does)
    thread.start()
    try:
        deadline_s = time.monotonic() + WATCHDOG_S
        while not is_asleep(thread):
            assert time.monotonic() < deadline_s
        asked = len(waiting.asked)
        said = waits(sys._getframe())
        assert len(waiting.asked) == asked  # nothing of the program's own ran
    finally:
        waiting.end()
        thread.join(WATCHDOG_S)
        waiting.other.join(WATCHDOG_S)
    by_thread: Dict[int, str] = {each["tid"]: each["lock"] for each in said}
    return by_thread.get(thread.native_id or 0)


def is_asleep(thread: threading.Thread) -> bool:
    """In two looks, in the same call."""
    seen = [threads(os.getpid()).get(thread.native_id or 0) for _ in range(2)]
    first, second = seen
    return first is not None and first == second and first.state == "S"


@pytest.mark.parametrize(
    ("does", "lock"),
    [
        (Waits.with_lock, "self.lock"),
        (Waits.acquires, "self.lock"),
        (Waits.acquires_in_a_condition, "self.lock"),
        (Waits.waits_for_an_event, "waiter"),
        (Waits.gets, "waiter"),
        (Waits.gets_simply, "self.simple"),
        (Waits.joins, "self._handle" if sys.version_info >= (3, 13) else "lock"),
    ],
)
def test_a_wait_for_what_only_this_process_can_let_go_is_told(
    waiting: Waits, does: Callable[[Waits], None], lock: str
) -> None:
    assert said_of(waiting, lambda: does(waiting)) == lock


@pytest.mark.parametrize(
    "does",
    [
        Waits.looks_again,
        Waits.looks_again_after_one,
        Waits.by_a_property,
        Waits.reads,
        Waits.two_calls,
    ],
)
def test_what_ends_by_itself_or_may_be_let_go_by_others_is_not(
    waiting: Waits, does: Callable[[Waits], None]
) -> None:
    assert said_of(waiting, lambda: does(waiting)) is None


def test_a_line_whose_file_is_not_there_tells_nothing(waiting: Waits) -> None:
    named: Dict[str, Any] = {"lock": waiting.lock}
    exec(compile("def does():\n    lock.acquire()\n    lock.release()\n", "gone.py", "exec"), named)
    assert said_of(waiting, named["does"]) is None


def test_of_an_answer_only_what_it_can_be_is_kept() -> None:
    answers = Answers()
    good = {"tid": 7, "lock": "jobs"}
    answers.hear({"pid": 7, "locks": [good, {"tid": "7", "lock": "x"}, {"tid": 8}, 9, None]})
    answers.hear({"pid": 8, "locks": "none"})
    answers.hear({})
    assert answers.heard == {7: [good], 8: [], 0: []}


@pytest.mark.usefixtures("nothing_is_left")
def test_a_program_that_may_not_be_looked_into_is_told_all_the_same(supervisor: Supervisor) -> None:
    """To root its system calls show; to its own user only what its interpreter says."""
    hidden = 'program = "sim.subjects.hanging:crossed_locks"\nenv = { SUBJECT_DUMPABLE = "0" }\n'
    for deadline_s in (2, 8, 32):  # slow starts are nobody's fault
        text = f'schema = 1\nname = "it"\ndeadline = "{deadline_s}s"\n'
        (scenario,) = load_text(f'{text}[[process]]\nname = "app"\n{hidden}', "test.toml")
        history, _ = run_plan(make_plan(scenario, 0), supervisor, tell_apart)
        (detail,) = (op.detail or {} for op in history.where(HANG))
        if detail["class"] != "unknown":
            break
    (app,) = detail["evidence"]["processes"]
    assert detail["class"] == "deadlock" and len(app["threads"]) == 2
    assert [each["lock"] for each in app["locks"]] == ["then", "then"]
    is_hidden = os.geteuid() != 0
    assert all((each["system_call"] == "") is is_hidden for each in app["threads"])
