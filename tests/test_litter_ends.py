"""Nothing outlives a run, whoever of runner, watcher and template was killed, and at what."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple

import pytest
from live_ends import WITHIN_S, await_gone, with_our_path
from live_plans import plan

from sim.errors import WorldError
from sim.live.cgroup import FREEZER, Group, find_tree, lack
from sim.live.execution import run_plan
from sim.live.litter import end_cgroup, files_with, members
from sim.live.procfs import descendants, stat
from sim.live.supervisor import Supervisor
from sim.scenario.plan import AfterOps, Injection
from sim.testing.literal_plan import SECOND

START_METHODS = ["template", "fork", "spawn", "forkserver"]

RUNNER = """
import os, sys
from live_plans import injection, plan
from sim.testing.literal_plan import SECOND
from live_transports import SayWhenRunning
from sim.faults.freeze import Freeze
from sim.live.supervisor import Supervisor
from sim.live.execution import run_plan
from sim.scenario.plan import AfterOps

with Supervisor() as supervisor:
    print(supervisor.prefix, flush=True)
    with open(supervisor.temporaries(sys.argv[2]) + "half", "w") as half:
        half.write("a journal that is not finished")
    injections = [SayWhenRunning.injection()]
    if sys.argv[3:] == ["freeze"]:
        injections.insert(0, injection(Freeze("reader[1]"), AfterOps("writer", 1)))
    run_plan(plan(messages=10**6, interval_ns=SECOND, start=sys.argv[1], injections=injections),
             supervisor)
"""


class Runner(NamedTuple):
    process: subprocess.Popen[str]
    prefix: str
    below: List[int]


def start(folder: Path, *words: str) -> Runner:
    """A runner in the middle of a run, with a temporary file in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, words[0], str(folder), *words[1:]],
        env=with_our_path(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    prefix = process.stdout.readline().strip()
    said = process.stdout.readline()
    assert said == "running\n", process.communicate(timeout=WITHIN_S)
    return Runner(process, prefix, list(descendants(process.pid)))


def end(runner: Runner) -> None:
    runner.process.kill()
    runner.process.communicate(timeout=WITHIN_S)


WITH_A_SEMAPHORE = """
import multiprocessing, time
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    context.Process(target=time.sleep, args=(600,)).start()
    with open("made", "w") as fifo:
        fifo.write("/dev/shm/sem." + lock._semlock.name[1:])
    time.sleep(600)
"""


def test_what_multiprocessing_made_goes_with_a_killed_runner(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WITH_A_SEMAPHORE)
    (tmp_path / "app.toml").write_text(
        f'schema = 1\nname = "semaphore"\ndeadline = "600s"\n[[process]]\nname = "app"\n'
        f"argv = {json.dumps([sys.executable, 'app.py'])}\ncwd = {json.dumps(str(tmp_path))}\n"
    )
    os.mkfifo(tmp_path / "made")
    made = os.open(tmp_path / "made", os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-m", "sim.cli", "run", "app.toml"]
    runner = subprocess.Popen(command, cwd=tmp_path, env=with_our_path())
    try:
        assert select.select([made], [], [], WITHIN_S)[0]
        path = os.read(made, 4096).decode()
        below = list(descendants(runner.pid))
        assert os.path.exists(path)
    finally:
        runner.kill()
        runner.wait(WITHIN_S)
        os.close(made)
    await_gone(below, f"/spinbed.{runner.pid}.")
    assert not os.path.exists(path)


needs_a_freezer = pytest.mark.skipif(
    lack(FREEZER) is not None, reason=f"cannot freeze: {lack(FREEZER)}"
)


@pytest.fixture
def group() -> Iterator[Group]:
    """One that is removed even if what is tested does not do it."""
    tree = find_tree(FREEZER)
    assert tree is not None
    made: List[Group] = []
    with Supervisor() as supervisor:
        made.append(Group(tree, f"{supervisor.prefix[1:]}.test"))
        supervisor.register_cgroup(made[0].path)
        yield made[0]
    assert not os.path.exists(made[0].path)


@needs_a_freezer
def test_a_frozen_group_is_thawed_killed_and_removed(group: Group) -> None:
    asleep = subprocess.Popen(["sleep", "600"])
    try:
        group.make(asleep.pid)
        group.freeze()
        assert members(group.path) == [asleep.pid]
        end_cgroup(group.path)
        assert asleep.wait(WITHIN_S) == -signal.SIGKILL
        assert not os.path.exists(group.path)
        end_cgroup(group.path)  # a second time there is nothing to do
    finally:
        asleep.kill()


@needs_a_freezer
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_frozen_participant_goes_with_its_runner(tmp_path: Path, number: signal.Signals) -> None:
    runner = start(tmp_path, "template", "freeze")
    try:
        tree = find_tree(FREEZER)
        assert tree is not None
        (group,) = files_with([f"{tree.folder}/{runner.prefix[1:]}."])
        assert len(members(group)) == 1
        runner.process.send_signal(number)
        runner.process.communicate(timeout=WITHIN_S)
        await_gone(runner.below, runner.prefix)
        assert not os.path.exists(group)
    finally:
        end(runner)


@pytest.mark.parametrize("method", START_METHODS)
def test_a_runner_killed_while_it_writes_a_file_leaves_none(tmp_path: Path, method: str) -> None:
    runner = start(tmp_path, method)
    try:
        assert len(os.listdir(tmp_path)) == 1
        end(runner)
        await_gone(runner.below, runner.prefix)
        assert os.listdir(tmp_path) == []
    finally:
        end(runner)


@pytest.mark.parametrize("method", START_METHODS)
def test_a_killed_watcher_takes_all_along_and_the_runner_removes_the_rest(
    tmp_path: Path, method: str
) -> None:
    runner = start(tmp_path, method)
    try:
        watcher = next(pid for pid in runner.below if is_child(pid, runner.process.pid))
        os.kill(watcher, signal.SIGKILL)
        _, said = runner.process.communicate(timeout=WITHIN_S)
        assert runner.process.returncode == 1 and "WorldError: " in said, said
        await_gone(runner.below, runner.prefix)
        assert os.listdir(tmp_path) == []
    finally:
        end(runner)


@pytest.mark.parametrize("method", START_METHODS)
def test_a_killed_template_takes_all_along(tmp_path: Path, method: str) -> None:
    runner = start(tmp_path, method)
    try:
        watcher = next(pid for pid in runner.below if is_child(pid, runner.process.pid))
        template = next(pid for pid in runner.below if is_child(pid, watcher))
        os.kill(template, signal.SIGKILL)
        _, said = runner.process.communicate(timeout=WITHIN_S)
        assert "template failed: it died: SIGKILL" in said
        await_gone(runner.below, runner.prefix)
        assert os.listdir(tmp_path) == []
    finally:
        end(runner)


def is_child(pid: int, parent: int) -> bool:
    found = stat(pid)
    return found is not None and found.parent == parent


class Buggy:
    """A fault with a defect of its own."""

    alias = "buggy"
    heals = False
    requires: frozenset = frozenset()
    target = "writer"

    def inject(self, world: object) -> None:
        raise ZeroDivisionError("planted")


def test_a_bug_in_the_middle_of_a_run_leaves_nothing() -> None:
    fault: object = Buggy()
    buggy = Injection(0, "fault[0]", fault, AfterOps("writer", 1), None)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError, match="planted"), Supervisor() as supervisor:
        assert supervisor._watcher is not None
        watcher = supervisor._watcher.pid
        try:
            run_plan(plan(messages=100, interval_ns=SECOND, injections=[buggy]), supervisor)
        finally:
            below = [watcher, *descendants(watcher)]
            prefix = supervisor.prefix
    await_gone(below, prefix)


def test_a_fork_servers_socket_is_not_left_in_the_temporary_folder(tmp_path: Path) -> None:
    code = (
        "from live_plans import plan\n"
        "from sim.live.supervisor import Supervisor\n"
        "from sim.live.execution import run_plan\n"
        "with Supervisor() as supervisor:\n"
        "    run_plan(plan(messages=5, start='forkserver'), supervisor)\n"
    )
    environment = with_our_path(TMPDIR=str(tmp_path))
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=WITHIN_S)
    assert os.listdir(tmp_path) == []


def test_a_folder_with_any_name_can_be_registered(tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines and \udcff\\n"
    folder.mkdir()
    with Supervisor() as supervisor:
        path = Path(supervisor.temporaries(str(folder)) + "x")
        path.touch()
        assert supervisor._watcher is not None
        supervisor._lifeline.close()  # as if we had died
        supervisor._watcher.wait(WITHIN_S)
        assert not path.exists()


def test_a_watcher_that_is_gone_when_something_is_registered_is_an_error_of_the_world(
    tmp_path: Path,
) -> None:
    with Supervisor() as supervisor:
        assert supervisor._watcher is not None
        supervisor._watcher.kill()
        supervisor._watcher.wait(WITHIN_S)
        with pytest.raises(WorldError, match="watcher"):
            supervisor.temporaries(str(tmp_path))
