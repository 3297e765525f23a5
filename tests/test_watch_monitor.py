"""The monitor of a program that watches itself: one, nobody's child, and gone with the program.

And what `spinbed.watch` refuses.
"""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from pytest_runs import WATCHDOG_S, poll
from watched_programs import await_no_monitor, monitors, run, started

import spinbed
from sim.live.procfs import stat


def test_a_monitor_is_no_child_of_the_program_and_ends_with_it(tmp_path: Path) -> None:
    body = """
        with spinbed.watch("entered"):
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                print("no child", flush=True)
            stuck_in_c()
        """
    with started(tmp_path, body) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "no child\n"
        [monitor] = monitors(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(WATCHDOG_S)
        poll(lambda: stat(monitor) is None, "the monitor is left")


def test_a_monitor_ends_when_the_program_becomes_another_one(tmp_path: Path) -> None:
    body = """
        with spinbed.watch("entered"):
            print("entered", flush=True)
            os.execvp("sleep", ["sleep", "1000"])
        """
    with started(tmp_path, body) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "entered\n"
        await_no_monitor(process.pid)
        assert process.poll() is None


def test_a_program_has_one_monitor_and_ends_without_a_word(tmp_path: Path) -> None:
    body = """
        for index in range(100):
            with spinbed.watch(f"wait {index}"):
                pass
        print(os.getpid(), flush=True)
        sys.stdin.read()
        """
    with started(tmp_path, body) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == f"{process.pid}\n"
        assert len(monitors(process.pid)) == 1
        process.stdin.close()
        assert process.wait(WATCHDOG_S) == 0
        await_no_monitor(process.pid)
    assert (tmp_path / "stderr").read_text() == ""


# What is refused.


@pytest.mark.parametrize(
    ("stall", "error", "says"),
    [
        ("2 seconds", ValueError, r"stall '2 seconds' is not a duration.*did you mean '2s'"),
        ("1ms", ValueError, "stall '1ms' is shorter than 100ms"),
        ("25h", ValueError, "stall '25h' is not a duration"),
        (2, TypeError, 'stall is a duration such as "2s", not 2'),
    ],
)
def test_a_stall_that_is_no_duration_is_refused(
    stall: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        spinbed.watch("decode", stall=stall)


def test_a_file_without_a_descriptor_and_a_name_that_is_none_are_refused() -> None:
    with pytest.raises(TypeError, match="file has no descriptor: <_io.StringIO"):
        spinbed.watch("decode", file=io.StringIO())
    with pytest.raises(TypeError, match="the name of a wait is text, not 7"):
        spinbed.watch(7)  # type: ignore[arg-type]


def test_waits_are_64_at_once_and_a_wait_is_entered_once(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                for index in range(64):
                    stack.enter_context(spinbed.watch(f"wait {index}"))
                try:
                    spinbed.watch("one more").__enter__()
                except RuntimeError as error:
                    print(error)
        with spinbed.watch("twice") as watched:
            try:
                watched.__enter__()
            except RuntimeError as error:
                print(error)
        watched.progress()  # nobody's
        with watched.idle():
            pass
        """,
    )
    assert done.stdout.splitlines() == [
        "more than 64 waits of one process at once",
        "more than 64 waits of one process at once",
        "the wait 'twice' is due already",
    ]
    assert (done.stderr, done.returncode) == ("", 0)
