"""The pytest plugin's watch: tests that stand still fail, with stacks, and pytest goes on."""

from __future__ import annotations

import re
import signal
import textwrap
from pathlib import Path

import pytest
from pytest_runs import WATCHDOG_S, await_nothing_left, counts, poll, project, started
from warm_command import RunPytest

from sim.live.procfs import descendants, stat

HEAD = """\
import contextlib, ctypes, multiprocessing, os, threading
import pytest

def stuck(said):
    said.send(os.getpid())
    threading.Event().wait()

def start():
    hears, says = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=stuck, args=(says,))
    child.start()
    with open("pids", "a") as file:
        print(hears.recv(), file=file)
    return child

def test_before():
    pass

"""
AFTER = """
def test_after(watched):
    watched.progress()
    with watched.idle():
        pass
"""
IN_STUCK = re.compile(r"^  .*line \d+ in stuck$", re.MULTILINE)
ALONE_AND_XDIST = pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def write(folder: Path, body: str) -> None:
    (folder / "test_it.py").write_text(HEAD + textwrap.dedent(body) + AFTER)


def children_are_gone(folder: Path) -> bool:
    pids = list(map(int, (folder / "pids").read_text().split()))
    assert pids
    return not any(map(stat, pids))


@ALONE_AND_XDIST
def test_a_test_that_joins_a_stuck_child_fails_with_the_child_s_stack(
    run_pytest: RunPytest, folder: Path, options: tuple[str, ...]
) -> None:
    write(
        folder,
        """
        @pytest.mark.watch(stall="1s", deadline="100s")
        def test_joins(watched):
            with watched.idle():
                child = start()
            child.join()
        """,
    )
    done = run_pytest("test_it.py", *options, cwd=folder)
    assert (done.returncode, counts(done)) == (1, {"failed": 1, "passed": 2}), done.stdout
    said = 'Stalled: spinbed: "test_joins" has made no progress for 1s'
    assert f"{said} (where: see the stacks)" in done.stdout
    assert "    child.join()" in done.stdout
    section = done.stdout.split("Captured stacks call")[1]
    assert IN_STUCK.search(section)
    assert "in test_joins" in section and "_pytest" not in section
    [pid] = (folder / "pids").read_text().split()
    assert f"ended by SIGKILL: pid {pid}\n" in section
    poll(lambda: children_are_gone(folder), "the child is left")


def test_every_wait_of_python_s_is_interrupted_and_no_except_takes_it(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(
        folder,
        """
        @pytest.mark.watch(stall="300ms")
        def test_lock():
            lock = threading.Lock()
            with contextlib.suppress(Exception):
                while True:
                    lock.acquire()

        @pytest.mark.watch(deadline="300ms")
        def test_deadline(watched):
            while True:
                watched.progress()

        @pytest.mark.watch(stall="300ms")
        def test_system_call_that_is_not_restarted():
            ctypes.PyDLL(None).pause()
        """,
    )
    done = run_pytest("test_it.py", cwd=folder)
    assert (done.returncode, counts(done)) == (1, {"failed": 3, "passed": 2}), done.stdout
    assert '"test_deadline" is not over after 300ms' in done.stdout
    for name in ("test_lock", "test_system_call_that_is_not_restarted"):
        assert f'"{name}" has made no progress for 300ms' in done.stdout
    assert done.stdout.count("Captured stacks call") == 3


def test_a_child_that_a_test_waits_for_once_more_is_ended_and_fixtures_children_are_not(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(
        folder,
        """
        @pytest.fixture(scope="module")
        def server():
            child = start()
            yield child
            assert child.is_alive()
            child.kill()
            child.join()

        @pytest.fixture
        def served(request, watched):
            with watched.idle():
                return request.getfixturevalue("server")

        @pytest.mark.watch(stall="300ms")
        def test_waits_again(served, watched):
            with watched.idle():
                child = start()
            try:
                child.join()
            finally:
                child.join()
            assert False, "not reached"
        """,
    )
    done = run_pytest("test_it.py", cwd=folder)
    assert (done.returncode, counts(done)) == (1, {"failed": 1, "passed": 2}), done.stdout
    assert "not reached" not in done.stdout.split("Captured stacks")[1]
    assert children_are_gone(folder)


def test_set_up_and_teardown_are_watched_too(run_pytest: RunPytest, folder: Path) -> None:
    write(
        folder,
        """
        @pytest.fixture
        def never():
            threading.Event().wait()

        @pytest.fixture
        def joined(watched):
            with watched.idle():
                child = start()
            yield
            child.join()

        @pytest.mark.watch(stall="300ms")
        def test_set_up(never):
            pass

        @pytest.mark.watch(stall="300ms")
        def test_teardown(joined):
            pass
        """,
    )
    done = run_pytest("test_it.py", cwd=folder)
    assert counts(done) == {"passed": 3, "error": 2}, done.stdout
    assert "Captured stacks setup" in done.stdout
    assert IN_STUCK.search(done.stdout.split("Captured stacks teardown")[1])
    assert children_are_gone(folder)


def test_settings_that_cannot_be_are_an_error_of_the_test_with_all_that_is_wrong(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(
        folder,
        """
        @pytest.mark.watch("1s", stal="1s", deadline=3, stall="2 sec")
        def test_bad():
            assert False, "it must not run"
        """,
    )
    done = run_pytest("test_it.py", "--strict-markers", cwd=folder)
    assert counts(done) == {"passed": 2, "error": 1}, done.stdout
    for said in (
        "'1s' has no name, such as stall",
        "there is no 'stal' (did you mean 'stall'?)",
        'deadline is a duration such as "2s", not 3',
        "stall '2 sec' is not a duration: a number and ns, us, ms, s or min (did you mean '2s'?)",
    ):
        assert said in done.stdout
    assert "must not run" not in done.stdout


def test_a_person_at_the_debugger_is_not_hurried_and_a_late_request_is_refused(
    run_pytest: RunPytest, folder: Path
) -> None:
    write(
        folder,
        """
        @pytest.mark.watch(stall="300ms")
        def test_debugged(request):
            import spinbed
            request.config.hook.pytest_enter_pdb(config=request.config, pdb=None)
            with open(os.devnull, "w") as file:
                with spinbed.watch("clock", stall="1s", file=file) as clock:
                    while not clock.stalls:
                        pass

        def test_late(request):
            request.getfixturevalue("watched")
        """,
    )
    done = run_pytest("test_it.py", cwd=folder)
    assert counts(done) == {"passed": 3, "failed": 1}, done.stdout
    assert "'watched' is an argument of the test or of a fixture" in done.stdout


@ALONE_AND_XDIST
def test_a_test_in_c_that_holds_the_gil_ends_pytest_red_and_with_its_stack(
    folder: Path, options: tuple[str, ...]
) -> None:
    write(
        folder,
        """
        @pytest.mark.watch(stall="300ms")
        def test_in_c(watched):
            with watched.idle():
                start()
            mutex = ctypes.create_string_buffer(64)
            lock = ctypes.PyDLL(None).pthread_mutex_lock
            lock(mutex)
            lock(mutex)
        """,
    )
    with started("test_it.py", *options, cwd=folder) as process:
        output = folder / "output"
        poll(lambda: "in test_in_c" in output.read_text(), "nothing is told")
        below = list(descendants(process.pid))
        status = process.wait(WATCHDOG_S)
        await_nothing_left(process.pid, below)
    text = output.read_text()
    assert status == (pytest.ExitCode.TESTS_FAILED if options else -signal.SIGKILL), text
    assert IN_STUCK.search(text)
    assert "cannot be interrupted: it is ended by SIGKILL" in text
    if options:
        assert "crashed while running 'test_it.py::test_in_c'" in text
    poll(lambda: children_are_gone(folder), "the child is left")


def test_a_worker_of_xdist_that_dies_ends_pytest_red_and_leaves_no_child(folder: Path) -> None:
    write(
        folder,
        """
        def test_dies(watched):
            start()
            os._exit(1)
        """,
    )
    with started("test_it.py", "-n", "2", cwd=folder) as process:
        assert process.wait(WATCHDOG_S) == pytest.ExitCode.TESTS_FAILED
        poll(lambda: children_are_gone(folder), "the child is left")
    assert "crashed while running 'test_it.py::test_dies'" in (folder / "output").read_text()
