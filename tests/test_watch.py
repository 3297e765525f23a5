"""`spinbed.watch` in real programs: what is told of a wait that stands still, and when nothing."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from pytest_runs import WATCHDOG_S, poll
from watched_programs import run, started

from sim.live.procfs import is_stopped

IN_STUCK = re.compile(r"line \d+ in stuck$", re.MULTILINE)
JOINS = re.compile(r"in join\n.*, line \d+ in parent_of_stuck$", re.MULTILINE)


def of_pid(report: str, pid: object) -> str:
    """What a report says of one process."""
    found = re.search(rf"^pid {pid}, .*\n((?:  .*\n|\n)*)", report, re.MULTILINE)
    assert found is not None, report
    return found[0]


# What is told.


def test_children_of_every_start_method_and_theirs_show_where_they_are(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        spinbed.watchable()
        methods = ["fork", "spawn", "forkserver"]
        made = []
        pids = []
        for target, more in ((stuck, False), (parent_of_stuck, True)):
            for method in methods:
                hears, says = multiprocessing.Pipe(duplex=False)
                args = (method, says) if more else (says,)
                child = multiprocessing.get_context(method).Process(target=target, args=args)
                child.start()
                made.append(child)
                pids.append(hears.recv())
        with spinbed.watch("join", stall="300ms") as watched:
            await_stalls(watched, 1)
        print(*pids)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for child in made:
            child.join()
        """,
    )
    assert done.returncode == 0, done.stderr
    pids = done.stdout.split()
    assert len(pids) == 6
    for pid in pids:
        assert IN_STUCK.search(of_pid(done.stderr, pid))
    assert len(JOINS.findall(done.stderr)) == 3
    assert 'spinbed: "join" has made no progress for 300ms\n' in done.stderr
    assert "in await_stalls" in done.stderr


def test_a_process_object_of_before_the_first_watch_is_no_exception(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        hears, says = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(target=stuck, args=(says,))
        spinbed.watchable()
        child.start()
        hears.recv()
        with spinbed.watch("join", stall="300ms") as watched:
            await_stalls(watched, 1)
        child.kill()
        """,
    )
    assert done.returncode == 0, done.stderr
    assert IN_STUCK.search(done.stderr), done.stderr


def test_a_process_that_is_in_c_and_holds_the_gil_is_shown(tmp_path: Path) -> None:
    body = """
        with spinbed.watch("compute", stall="300ms"):
            stuck_in_c()
        """
    with started(tmp_path, body) as process:
        stderr = tmp_path / "stderr"
        poll(lambda: "in stuck_in_c" in stderr.read_text(), "nothing is told")
        assert process.poll() is None
        assert 'spinbed: "compute" has made no progress' in stderr.read_text()


def test_a_standstill_is_told_once_and_again_after_progress(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        with spinbed.watch("still", stall="200ms") as still:
            await_stalls(still, 1)
            with spinbed.watch("clock", stall="200ms") as clock:  # nested, and told beside it
                for count in (1, 2, 3):
                    await_stalls(clock, count)
                    clock.progress()
            print(still.stalls, clock.stalls)
            still.progress()
            await_stalls(still, 2)
        print(still.stalls)
        with still:
            print(still.stalls)
        """,
    )
    assert (done.stdout, done.returncode) == ("1 3\n2\n0\n", 0), done.stderr
    assert done.stderr.count('"still" has made no progress') == 2
    assert done.stderr.count('"clock" has made no progress') == 3


def test_waits_of_threads_are_told_each_by_its_name(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        def wait(name):
            with spinbed.watch(name, stall="200ms") as watched:
                await_stalls(watched, 1)
        threads = [threading.Thread(target=wait, args=(f"wait {index}",)) for index in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    )
    assert done.returncode == 0, done.stderr
    told = re.findall(r'spinbed: "(.*)" has made', done.stderr)
    assert sorted(told) == ["wait 0", "wait 1", "wait 2"]


def test_a_report_goes_to_the_file_that_was_given(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        with open(sys.argv[0] + ".told", "w") as file:
            with spinbed.watch("written", stall="200ms", file=file) as watched:
                await_stalls(watched, 1)
        """,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert '"written" has made no progress' in (tmp_path / "program.py.told").read_text()


def test_an_orphan_is_found_and_shown(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        spinbed.watchable()
        hears, says = multiprocessing.Pipe(duplex=False)
        between = os.fork()
        if between == 0:
            spawn = multiprocessing.get_context("spawn")
            spawn.Process(target=stuck, args=(says,)).start()
            hears.poll(None)
            os._exit(0)
        os.waitpid(between, 0)
        orphan = hears.recv()
        with spinbed.watch("orphan", stall="200ms") as watched:
            await_stalls(watched, 1)
        print(orphan)
        os.kill(orphan, signal.SIGKILL)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert IN_STUCK.search(of_pid(done.stderr, done.stdout.strip()))


# Who is not asked.


def test_who_is_not_watchable_is_named_and_not_signalled(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        spinbed.watchable()
        others = [subprocess.Popen(["sleep", "1000"])]
        pid = os.fork()  # with our handler, which its exec takes away
        if pid == 0:
            os.execvp("sleep", ["sleep", "1000"])
        while open(f"/proc/{pid}/comm").read() != "sleep\\n":
            time.sleep(0.01)
        stopped, says = os.fork(), None
        if stopped == 0:
            threading.Event().wait()
        os.kill(stopped, signal.SIGSTOP)
        os.waitpid(stopped, os.WUNTRACED)
        ended = os.fork()
        if ended == 0:
            os._exit(0)
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
        with spinbed.watch("others", stall="200ms") as watched:
            await_stalls(watched, 1)
        print(others[0].poll(), os.waitpid(pid, os.WNOHANG))
        for each in (others[0].pid, pid, stopped):
            os.kill(each, signal.SIGKILL)
        print(others[0].pid, pid, stopped, ended)
        """,
    )
    alive, pids = done.stdout.splitlines()
    assert (alive, done.returncode) == ("None (0, 0)", 0), done.stderr
    lacks = [of_pid(done.stderr, pid).splitlines()[1] for pid in pids.split()]
    assert lacks == [
        "  no stacks: it has not made itself watchable",
        "  no stacks: it has not made itself watchable",
        "  no stacks: it is stopped",
        "  no stacks: it has ended, and nobody has waited for it",
    ]


def test_a_child_that_handles_the_signal_itself_later_or_not_is_left_alone(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        from sim.watch.answering import registered
        spinbed.watchable()
        number = registered(os.getpid()).signal
        hears, says = multiprocessing.Pipe(duplex=False)
        child = os.fork()
        if child == 0:
            signal.signal(number, signal.SIG_DFL)
            stuck(says)
        hears.recv()
        with spinbed.watch("child", stall="200ms") as watched:
            await_stalls(watched, 1)
        print(os.waitpid(child, os.WNOHANG))
        os.kill(child, signal.SIGKILL)
        """,
    )
    assert (done.stdout, done.returncode) == ("(0, 0)\n", 0), done.stderr
    assert "no stacks: it no longer catches signal" in done.stderr


def test_signals_that_a_program_uses_stay_the_program_s(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        numbers = (signal.SIGUSR1, signal.SIGUSR2, *range(signal.SIGRTMIN + 1, signal.SIGRTMAX))
        mine = lambda *_: print("mine")
        for number in numbers[1:]:
            signal.signal(number, mine)
        with spinbed.watch("asked", stall="200ms") as watched:
            await_stalls(watched, 1)
        assert all(signal.getsignal(number) is mine for number in numbers[1:])
        signal.raise_signal(signal.SIGUSR2)
        """,
    )
    assert (done.stdout, done.returncode) == ("mine\n", 0), done.stderr
    assert "in await_stalls" in done.stderr


# When nothing is told.


def test_nothing_is_said_where_nothing_is_due_or_all_is_well(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        over = threading.Event()
        def working():
            with spinbed.watch("working", stall="2s") as watched:
                while not over.wait(0.02):
                    watched.progress()
        def idle():
            with spinbed.watch("idle", stall="2s") as watched, watched.idle():
                over.wait()
        def brief():
            while not over.wait(0.02):
                with spinbed.watch("brief", stall="2s"):
                    pass
        threads = [threading.Thread(target=each) for each in (working, idle, brief)]
        for thread in threads:
            thread.start()
        with spinbed.watch("clock", stall="5s", file=1) as clock:
            await_stalls(clock, 1)
        over.set()
        for thread in threads:
            thread.join()
        """,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.count("has made no progress") == 1


def test_a_program_that_is_stopped_is_no_standstill_until_it_goes_on(tmp_path: Path) -> None:
    body = """
        with spinbed.watch("stopped", stall="500ms") as watched:
            os.kill(os.getpid(), signal.SIGSTOP)
            await_stalls(watched, 1)
        """
    clock = """
        with spinbed.watch("clock", stall="2s") as watched:
            await_stalls(watched, 1)
        """
    (tmp_path / "clock").mkdir()
    with started(tmp_path, body) as process:
        poll(lambda: is_stopped(process.pid), "it does not stop")
        assert run(tmp_path / "clock", clock).returncode == 0
        assert (tmp_path / "stderr").read_text() == ""
        process.send_signal(signal.SIGCONT)
        assert process.wait(WATCHDOG_S) == 0
    assert '"stopped" has made no progress' in (tmp_path / "stderr").read_text()


def test_progress_of_a_fork_child_is_the_parent_s_and_its_end_of_the_block_is_not(
    tmp_path: Path,
) -> None:
    done = run(
        tmp_path,
        """
        with contextlib.ExitStack() as stack:
            watched = stack.enter_context(spinbed.watch("parent", stall="200ms"))
            child = os.fork()
            if child == 0:
                stack.close()
                with spinbed.watch("child", stall="200ms", file=1) as own:
                    await_stalls(own, 1)
                await_stalls(watched, 1)
                watched.progress()
                await_stalls(watched, 2)
                os._exit(0)
            os.waitpid(child, 0)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count('"parent" has made no progress') == 2
    assert done.stdout.count('"child" has made no progress') == 1
