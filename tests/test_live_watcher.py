"""However a runner ends, nothing of it is left: no process, no name."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from typing import Iterator, List, NamedTuple

import pytest
from live_ends import WITHIN_S, await_gone, with_our_path
from live_plans import exits, plan

from sim.errors import WorldError
from sim.history.op import LEAK
from sim.live.execution import run_plan
from sim.live.procfs import descendants, stat
from sim.live.region import names_with, remove
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan
from sim.testing.literal_plan import SECOND

RUNNER = """
import sys, threading
from live_plans import plan
from sim.testing.literal_plan import SECOND
from live_transports import SayWhenRunning
from sim.live.supervisor import Supervisor
from sim.live.execution import run_plan

with Supervisor() as supervisor:
    print(supervisor.prefix, flush=True)
    run_plan(plan(messages=10**6, interval_ns=SECOND, start=sys.argv[1],
                  injections=[SayWhenRunning.injection()]), supervisor)
"""


class Runner(NamedTuple):
    process: subprocess.Popen[str]
    prefix: str
    below: List[int]  # watcher, template, participants


@pytest.fixture(params=["template", "spawn", "forkserver"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """A runner in a process of its own, in the middle of a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, request.param],
        env=with_our_path(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    prefix = process.stdout.readline().strip()
    assert process.stdout.readline() == "running\n"
    below = list(descendants(process.pid))
    assert len(below) >= 5  # watcher, template, writer, two readers
    assert names_with(prefix) != []
    yield Runner(process, prefix, below)
    process.kill()
    process.communicate()
    remove(prefix)


# What a signal does to the runner is the same whatever has started its participants.
ENDS = [
    *(
        ("template", each)
        for each in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGSEGV)
    ),
    *((start, signal.SIGKILL) for start in ("spawn", "forkserver")),
]


@pytest.mark.parametrize(("runner", "number"), ENDS, indirect=["runner"])
def test_nothing_outlives_a_runner_that_gets(runner, number):
    runner.process.send_signal(number)
    runner.process.communicate(timeout=WITHIN_S)
    assert runner.process.returncode == -number
    await_gone(runner.below, runner.prefix)


def test_a_ctrl_c_in_the_terminal_is_the_runners_alone(runner):
    """The watcher has a session of its own, and ignores what a terminal may send it."""
    watcher = next(pid for pid in runner.below if stat(pid).parent == runner.process.pid)
    assert os.getsid(watcher) == watcher != os.getsid(runner.process.pid)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        os.kill(watcher, number)
    runner.process.kill()
    await_gone(runner.below, runner.prefix)


def test_stopped_participants_go_too(runner):
    leaves = set(runner.below) - {stat(pid).parent for pid in runner.below}
    for pid in leaves:
        os.kill(pid, signal.SIGSTOP)
    runner.process.kill()
    await_gone(runner.below, runner.prefix)


def test_a_killed_watcher_takes_everybody_along_and_the_runner_says_so():
    with Supervisor() as supervisor:
        below = list(descendants(supervisor._watcher.pid))
        assert below
        supervisor._watcher.kill()
        with pytest.raises(WorldError, match="watcher failed|template failed"):
            run_plan(plan(messages=100, interval_ns=SECOND), supervisor)
        prefix = supervisor.prefix
    await_gone(below, prefix)


def test_a_killed_template_is_an_error_of_the_world():
    with Supervisor() as supervisor:
        (template,) = descendants(supervisor._watcher.pid)
        os.kill(template, signal.SIGKILL)
        with pytest.raises(WorldError, match="SIGKILL|template"):
            run_plan(plan(messages=100, interval_ns=SECOND), supervisor)
        prefix = supervisor.prefix
    await_gone([template], prefix)


def test_a_child_that_the_runner_forked_does_not_keep_the_dead_runners_world_alive():
    """The fork holds every descriptor that the runner had, and lives on after it."""
    code = (
        "import os, signal\n"
        "from sim.live.supervisor import Supervisor\n"
        "with Supervisor() as supervisor:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        signal.pause()\n"
        "    print(supervisor._watcher.pid, child, flush=True)\n"
        "    signal.pause()\n"
    )
    command = [sys.executable, "-c", code]
    runner = subprocess.Popen(command, env=with_our_path(), stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    watcher, child = map(int, runner.stdout.readline().split())
    below = [watcher, *descendants(watcher)]
    runner.kill()
    runner.wait()
    try:
        await_gone(below, f"/spinbed.{runner.pid}.")
        assert stat(child) is not None
    finally:
        os.kill(child, signal.SIGKILL)
        runner.stdout.close()


ORPHAN = """
schema = 1
name = "orphan"
deadline = "60s"
[[process]]
name = "app"
argv = ["sh", "-c", "sleep 1000 & exit"]
"""


def test_an_orphan_that_was_ended_does_not_stay_a_zombie(supervisor):
    (scenario,) = load_text(ORPHAN, "test.toml")
    history, _ = run_plan(make_plan(scenario, 0), supervisor)
    (leak,) = history.where(LEAK)
    orphan = int(leak.detail["names"][0].split()[1].rstrip(":"))
    deadline_s = time.monotonic() + WITHIN_S
    while os.path.exists(f"/proc/{orphan}"):
        assert time.monotonic() < deadline_s
        select.select([], [], [], 0.01)


def test_abort_after_the_end_is_a_no_op():
    with Supervisor() as supervisor:
        pass
    supervisor.abort()


def test_leaving_the_block_ends_watcher_and_template():
    with Supervisor() as supervisor:
        pids = [supervisor._watcher.pid, *descendants(supervisor._watcher.pid)]
        assert len(pids) == 2
        history, _ = run_plan(plan(messages=5), supervisor)
        assert exits(history)["writer"] == ["0"]
    assert [pid for pid in pids if stat(pid) is not None] == []


def test_a_supervisor_leaves_no_descriptor_behind():
    code = (
        "import os\n"
        "from live_plans import plan\n"
        "from sim.live.supervisor import Supervisor\n"
        "from sim.live.execution import run_plan\n"
        "before = os.listdir('/proc/self/fd')\n"
        "for _ in range(2):\n"
        "    with Supervisor() as supervisor:\n"
        "        for start in ('template', 'fork'):\n"
        "            run_plan(plan(messages=5, start=start), supervisor)\n"
        "assert os.listdir('/proc/self/fd') == before\n"
    )
    subprocess.run([sys.executable, "-c", code], env=with_our_path(), check=True)


def test_a_machine_without_descriptors_is_an_error_of_the_world():
    code = (
        "import os, resource\n"
        "from live_plans import plan\n"
        "from sim.errors import WorldError\n"
        "from sim.live.supervisor import Supervisor\n"
        "from sim.live.execution import run_plan\n"
        "with Supervisor() as supervisor:\n"
        "    used = len(os.listdir('/proc/self/fd'))\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 7, used + 7))\n"
        "    try:\n"
        "        run_plan(plan(messages=5), supervisor)\n"
        "    except WorldError as error:\n"
        "        print(error)\n"
        "    assert len(os.listdir('/proc/self/fd')) == used\n"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, env=with_our_path(), check=True, capture_output=True, text=True)
    assert "EMFILE" in done.stdout


def test_a_template_keeps_no_descriptor_of_a_run():
    with Supervisor() as supervisor:
        (template,) = descendants(supervisor._watcher.pid)
        run_plan(plan(messages=5), supervisor)
        before = len(os.listdir(f"/proc/{template}/fd"))
        for start in ("template", "fork", "spawn"):
            run_plan(plan(messages=5, start=start), supervisor)
        # Starting by "spawn" brings the standard library's resource tracker: one pipe.
        assert len(os.listdir(f"/proc/{template}/fd")) <= before + 1
