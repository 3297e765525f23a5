"""When runner and watcher are killed at once, their processes die, and doctor removes the rest.

In pid and mount namespaces of its own: doctor must not judge what other tests have on this host.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from live_ends import WITHIN_S, with_our_path

from sim.live.cgroup import FREEZER, lack

AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-root-user")
UNSHARE = ("unshare", "--mount", "--pid", "--kill-child", "--mount-proc", *AS_ROOT)
# With "freeze" the host's cgroups are seen, and those of other tests with them.
MOUNTS = """
mount -t tmpfs tmpfs /dev/shm && { [ "$FREEZE" ] || mount -t tmpfs tmpfs /sys/fs/cgroup; }
""".strip()
ALONE = (*UNSHARE, "sh", "-c", MOUNTS + ' && exec "$@"', "sh")

# The command examines this host as well, which takes long: it does what removes something, and
# with so short a PATH there are few other interpreters that it would ask for their versions.
DOCTOR = """
import os, select, signal, subprocess, sys, tempfile, time
from sim.arguments import JOURNALS
from sim.live.doctor import left_overs
from sim.live.procfs import descendants, stat

def look():
    return left_overs([str(JOURNALS), tempfile.gettempdir()], reap=False)

def reap():
    command = [sys.executable, "-m", "sim.cli", "doctor", "--reap"]
    alone = {**os.environ, "PATH": os.defpath}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=alone)
    return done.returncode, done.stdout[done.stdout.index("\\n\\n") + 2:].splitlines()
"""

BOTH_KILLED = """
from test_litter_ends import start, is_child

def living(pids):
    return [pid for pid in pids if stat(pid) is not None and stat(pid).state != "Z"]

def await_end(pids):
    deadline = time.monotonic() + 60
    while living(pids):
        assert time.monotonic() < deadline, living(pids)
        select.select([], [], [], 0.01)

JOURNALS.mkdir(parents=True)
runner = start(JOURNALS, *sys.argv[1:])
watcher = next(pid for pid in runner.below if is_child(pid, runner.process.pid))
# Neither may find out that the other is gone.
for pid in (watcher, runner.process.pid):
    os.kill(pid, signal.SIGSTOP)
for pid in (watcher, runner.process.pid):
    os.kill(pid, signal.SIGKILL)
runner.process.communicate(timeout=60)
"""

NOT_FROZEN = """
await_end(runner.below)
left = look()
title, *lines = left.lines
assert left.dead and title == "left over by dead runs (--reap removes them):", left
kinds = [any(kind in line for line in lines) for kind in ("/spinbed.", "journals/spinbed.")]
assert all(kinds), lines
status, told = reap()
assert status == 0, told
assert told[-1] == "left over by earlier runs: nothing", told
assert [line.split()[0] for line in told[:-1]] == ["removed"] * len(lines), told
assert os.listdir("/dev/shm") == os.listdir(JOURNALS) == []
left = look()
assert not left.dead and list(left.lines) == ["left over by earlier runs: nothing"], left
"""

FROZEN = """
# The frozen one cannot die of the death of its parent.
assert len(living(runner.below)) >= 1
left = look()
assert left.dead, left
assert any("freezer" in line for line in left.lines), left
assert any("  process " in line for line in left.lines), left
status, told = reap()
await_end(runner.below)
left = look()
assert not left.dead and not any(runner.prefix[1:] in line for line in left.lines), left
"""


OF_A_PROGRAM = """
from test_litter_ends import is_child
open("long.toml", "w").write('''schema = 1
name = "long"
deadline = "100s"
[[process]]
name = "app"
argv = ["sh", "-c", "echo up >&$SPINBED_PROBE_FD; sleep 90"]
''')
runner = subprocess.Popen([sys.executable, "-m", "sim.cli", "run", "long.toml"])
deadline = time.monotonic() + 60
def is_up():
    return any(b"sleep" in command(pid) for pid in descendants(runner.pid))

def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:  # it has ended
        return b""

while not is_up():
    assert time.monotonic() < deadline
    select.select([], [], [], 0.05)
watcher = next(pid for pid in descendants(runner.pid) if is_child(pid, runner.pid))
for number in (signal.SIGSTOP, signal.SIGKILL):
    for pid in (watcher, runner.pid):
        os.kill(pid, number)
runner.wait(60)
left = os.listdir(os.environ["TMPDIR"])
assert len(left) == 1 and left[0].startswith("spinbed."), left
found = look()
assert found.dead and any(left[0] in line for line in found.lines), found
status, told = reap()
assert status == 0 and any(line.startswith("removed ") for line in told), told
assert os.listdir(os.environ["TMPDIR"]) == []
"""


def alone(script: str, cwd: Path, *words: str) -> None:
    (cwd / "tmp").mkdir()
    done = subprocess.run(
        [*ALONE, sys.executable, "-c", DOCTOR + script, *words],
        cwd=cwd,
        env=with_our_path(FREEZE="x" if "freeze" in words else "", TMPDIR=str(cwd / "tmp")),
        capture_output=True,
        text=True,
        timeout=WITHIN_S * 3,
    )
    assert done.returncode == 0, done.stderr


def can_be_alone() -> bool:
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


needs_namespaces = pytest.mark.skipif(
    not can_be_alone(), reason="this host permits no mount namespace"
)


@needs_namespaces
@pytest.mark.parametrize("method", ["template", "fork", "spawn", "forkserver"])
def test_runner_and_watcher_killed_at_once_leave_what_doctor_removes(
    tmp_path: Path, method: str
) -> None:
    alone(BOTH_KILLED + NOT_FROZEN, tmp_path, method)


@needs_namespaces
def test_the_folder_of_a_program_is_among_what_doctor_removes(tmp_path: Path) -> None:
    alone(OF_A_PROGRAM, tmp_path)


@needs_namespaces
@pytest.mark.skipif(lack(FREEZER) is not None, reason=f"cannot freeze: {lack(FREEZER)}")
def test_the_frozen_that_nobody_is_left_to_thaw_are_ended_by_doctor(tmp_path: Path) -> None:
    alone(BOTH_KILLED + FROZEN, tmp_path, "template", "freeze")
