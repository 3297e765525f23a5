"""Start methods that are set twice, preloads that fail, locks that are forked: each for real."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest
from heard_programs import WATCHDOG_S, Hearing, end_group
from subject_runs import Run, is_of_the_interpreter, subject, surroundings

from sim.inside import channel
from sim.live import inside_folder

SET_ALREADY = "RuntimeError: context has already been set"
AFTER = ("after_force", "after_suppress", "after_guarded")
CASES = ("twice", "threads", "in_use")
# From 3.11 on a lock knows of which kind of processes it is. Before, a spawned process takes the
# address of its parent's for one of its own.
LOCKS_KNOW = sys.version_info >= (3, 11)
DEFAULT = "fork" if sys.version_info < (3, 14) else "forkserver"
SERVER_IS_GONE = "EOFError: unexpected EOF"
STILL_S = 0.5  # how long a process that is stuck must have stayed so


def run(variant: str, **settings: object) -> Run:
    environment = {f"SUBJECT_{name.upper()}": str(value) for name, value in settings.items()}
    return subject("start_method", variant, **environment)


def preload(variant: str, module: str, path: str = "environment") -> Run:
    return subject("preload", variant, SUBJECT_PRELOAD=module, SUBJECT_PATH=path)


@pytest.mark.parametrize("case", CASES)
def test_a_start_method_cannot_be_set_where_one_is(case: str) -> None:
    done = run("before", case=case)
    assert done.error == SET_ALREADY and is_of_the_interpreter(done.innermost)


@pytest.mark.parametrize("variant", AFTER)
@pytest.mark.parametrize("case", ["twice", "threads"])
def test_to_set_the_same_again_does_no_harm_when_it_is_guarded(variant: str, case: str) -> None:
    done = run(variant, case=case)
    expected = {"variant": variant, "case": case, "method": "spawn", "answer": 42}
    assert (done.result, done.err) == (expected, "")


@pytest.mark.parametrize(
    ("variant", "method", "said"),
    [
        ("after_force", "spawn", ""),
        ("after_suppress", "fork", ""),
        ("after_guarded", "fork", "the start method is fork already, and not spawn\n"),
    ],
)
def test_of_two_methods_force_takes_the_second_and_only_a_guard_speaks(
    variant: str, method: str, said: str
) -> None:
    done = run(variant, first="fork")
    assert (done.result["method"], done.err) == (method, said)


@pytest.mark.parametrize("variant", ["after_suppress", "after_guarded"])
def test_what_is_in_use_keeps_its_method(variant: str) -> None:
    done = run(variant, case="in_use")
    assert (done.result["method"], done.result["answer"]) == (DEFAULT, 42)


def test_force_where_a_queue_is_in_use_fails_later() -> None:
    done = run("after_force", case="in_use")
    if LOCKS_KNOW:
        assert done.error.startswith(f"RuntimeError: A SemLock created in a {DEFAULT} context")
        assert is_of_the_interpreter(done.innermost)
    else:
        assert (done.status, done.err) == (1, "the process ended with status -11\n")


def test_a_method_that_one_part_takes_and_another_refuses() -> None:
    done = run("split_before")
    assert done.error == "ValueError: 'forkserver' is not a valid Method"
    assert is_of_the_interpreter(done.innermost)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_what_both_parts_know_works_in_both_variants(method: str) -> None:
    for variant in ("split_before", "split_after"):
        assert run(variant, method=method).result["method"] == method


def test_parts_that_share_a_list_agree() -> None:
    assert run("split_after").result["method"] == "forkserver"
    refused = run("split_after", method="forkservr")
    assert refused.error == "ValueError: 'forkservr' is not a valid EveryMethod"


@pytest.mark.parametrize("variant", ["before", "after"])
def test_a_module_that_can_be_preloaded_is(variant: str) -> None:
    done = preload(variant, "preload_works")
    assert (done.result["preloaded"], done.err) == (True, "")


@pytest.mark.parametrize(
    ("module", "path", "cause"),
    [
        ("preload_lacks", "environment", "No module named 'not_installed_anywhere'"),
        ("no_such_module", "environment", "No module named 'no_such_module'"),
        ("preload_works", "inserted", "No module named 'preload_works'"),
    ],
)
def test_an_import_error_of_a_preload_is_ignored_and_a_trial_says_it(
    module: str, path: str, cause: str
) -> None:
    silent, reported = (preload(variant, module, path) for variant in ("before", "after"))
    told = f"{module} is not preloaded: ModuleNotFoundError: {cause}\n"
    assert (silent.result["preloaded"], silent.err) == (False, "")
    assert (reported.result["preloaded"], reported.err) == (False, told)


@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("preload_raises", "ValueError: invalid literal for int() with base 10: 'many'"),
        ("preload_exits", "status 3"),
    ],
)
def test_any_other_end_of_a_preload_ends_the_server_and_a_trial_prevents_it(
    module: str, cause: str
) -> None:
    ended, reported = (preload(variant, module) for variant in ("before", "after"))
    assert ended.error == SERVER_IS_GONE and is_of_the_interpreter(ended.innermost)
    told = f"{module} is not preloaded: {cause}\n"
    assert (reported.result["preloaded"], reported.err) == (False, told)


def test_a_script_without_a_guard_fails_in_the_process_that_it_spawns() -> None:
    done = subject("no_main_guard", "before")
    assert done.status == 1 and is_of_the_interpreter(done.innermost)
    assert "RuntimeError: \n        An attempt has been made to start a new process" in done.err
    assert done.err.count("Traceback") == 1  # that of the child


def test_a_script_with_a_guard_starts_its_process() -> None:
    done = subject("no_main_guard", "after")
    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("lock", ["plain", "import", "logging"])
def test_a_spawned_process_has_locks_of_its_own(lock: str) -> None:
    done = subject("fork_with_held_lock", "after", SUBJECT_LOCK=lock)
    assert done.result == {"variant": "after", "lock": lock, "status": 0, "value": 42}


def test_a_lock_of_logging_is_renewed_by_a_fork() -> None:
    done = subject("fork_with_held_lock", "before", SUBJECT_LOCK="logging")
    assert done.result == {"variant": "before", "lock": "logging", "status": 0, "value": 42}
    assert "logged" in done.err


@pytest.mark.parametrize(
    ("lock", "stuck_in"), [("plain", "in _use_plain"), ("import", "in _import_held")]
)
def test_a_lock_that_was_forked_while_it_was_held_is_never_let_go(
    tmp_path: Path, lock: str, stuck_in: str
) -> None:
    inside_folder.lay_out(tmp_path)
    heard = Hearing(lambda message: True)
    variables = inside_folder.environment(tmp_path, {"stacks": True}, surroundings())
    process = subprocess.Popen(
        [sys.executable, "-c", "from sim.subjects.fork_with_held_lock import before; before()"],
        env={**variables, "SUBJECT_LOCK": lock, channel.ADDRESS: heard.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    child = 0
    try:
        assert wait_until(lambda: any("probe" in each for each in heard.said))
        [started] = [each for each in heard.said if each.get("probe") == "started"]
        child = started["detail"]["pid"]
        assert process.stderr is not None
        shown = stack_of(child, process.stderr.fileno(), stuck_in)
        assert stuck_in in shown
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(STILL_S)
        # It has not moved, and would not.
        assert is_alive(child) and stuck_in in stack_of(child, process.stderr.fileno(), stuck_in)
    finally:
        end_group(process)
        heard.end()
    assert wait_until(lambda: not is_alive(child))


def stack_of(pid: int, stderr: int, awaited: str) -> str:
    """What it writes when it is asked, until `awaited` is in it."""
    shown, deadline = "", time.monotonic() + WATCHDOG_S
    while awaited not in shown and time.monotonic() < deadline:
        os.kill(pid, signal.SIGUSR1)
        if select.select([stderr], [], [], 1)[0]:
            shown += os.read(stderr, 65536).decode()
    return shown


def wait_until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WATCHDOG_S
    while not is_so() and time.monotonic() < deadline:
        select.select([], [], [], 0.01)
    return is_so()


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
