"""What doctor says of this host, and what it removes: left-overs of dead runs, nothing else.

What is left over is tested on a /dev/shm, processes and cgroups of its own: --reap would take
away what other tests, which run at the same time, leave on purpose.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cy_kernels.choice import COMPILED, PURE, kernels
from cy_kernels.features import Features
from sim.live import doctor
from sim.transport import STRATEGIES

WATCHDOG_S = 120  # only against a hang

AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-root-user")
UNSHARE = ("unshare", "--mount", "--pid", "--kill-child", "--mount-proc", *AS_ROOT)
MOUNTS = "mount -t tmpfs tmpfs /dev/shm && mount -t tmpfs tmpfs /sys/fs/cgroup"
ON_ITS_OWN_SHM = (*UNSHARE, "sh", "-c", MOUNTS + ' && exec "$@"', "sh")

PRELUDE = """
import os, posix_ipc, subprocess, sys
from sim.live.doctor import left_overs
from sim.live.region import owner_prefix

def leave(prefix=None):
    name = (prefix or owner_prefix()) + ".r1.ring"
    posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600, size=8192).close_fd()
    return name

def leave_and_die():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, leave().encode())
        os.kill(os.getpid(), 9)
    assert os.waitpid(pid, 0)[1] == 9
    return os.read(read, 1000).decode(), pid

def doctor(*words):
    command = [sys.executable, "-m", "sim.cli", "doctor", *words]
    alone = {**os.environ, "PATH": os.defpath}  # few interpreters to ask
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=alone)
    told = done.stdout[done.stdout.index("\\n\\n") + 2:].splitlines()
    return done.returncode, told
"""


def on_its_own_shm(script: str) -> None:
    path = os.pathsep.join(filter(None, sys.path))
    with tempfile.TemporaryDirectory() as temporaries:
        done = subprocess.run(
            [*ON_ITS_OWN_SHM, sys.executable, "-c", PRELUDE + script],
            capture_output=True,
            text=True,
            timeout=WATCHDOG_S,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": temporaries},
        )
    assert done.returncode == 0, done.stderr


def can_have_its_own_shm() -> bool:
    try:
        tried = subprocess.run([*ON_ITS_OWN_SHM, "true"], capture_output=True, timeout=WATCHDOG_S)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


needs_its_own_shm = pytest.mark.skipif(
    not can_have_its_own_shm(), reason="this host permits no mount namespace"
)


@needs_its_own_shm
def test_an_empty_host_has_no_left_overs() -> None:
    on_its_own_shm("""
left = left_overs([], reap=False)
assert not left.dead and list(left.lines) == ["left over by earlier runs: nothing"], left
""")


@needs_its_own_shm
def test_left_overs_of_a_dead_run_are_told_with_owner_size_and_age() -> None:
    on_its_own_shm("""
name, pid = leave_and_die()
status, (title, line) = doctor()
assert status == 5
assert title == "left over by dead runs (--reap removes them):"
assert line.startswith(f"  {name}  owner pid {pid}, 8.0 KiB, "), line
assert line.endswith(" s old"), line
assert os.path.exists("/dev/shm" + name)
""")


@needs_its_own_shm
def test_reap_removes_what_a_dead_run_left_and_nothing_of_a_live_one() -> None:
    on_its_own_shm("""
dead, _ = leave_and_die()
mine = leave()
open("/dev/shm/stranger", "w").close()
status, (removed, title, line) = doctor("--reap")
assert status == 0
assert removed == f"removed {dead}"
assert title == "of live runs:"
assert line.startswith(f"  {mine}  owner pid {os.getpid()}, 8.0 KiB, "), line
assert sorted(os.listdir("/dev/shm")) == [mine[1:], "stranger"]
""")


@needs_its_own_shm
def test_a_run_of_another_pid_namespace_is_told_apart_and_never_reaped() -> None:
    on_its_own_shm("""
elsewhere = leave("/spinbed.1.1.1." + "0" * 16)
left = left_overs([], reap=True)
title, line = left.lines
assert not left.dead, left
assert title == "of another pid namespace, dead or alive:"
assert elsewhere in line
assert os.path.exists("/dev/shm" + elsewhere)
""")


def test_every_fact_of_the_host_is_told_in_one_line() -> None:
    facts = {fact.name: fact for fact in doctor.examine()}
    assert {
        *("kernels", "python", "headers", "gcc", "make", "system", "cores", "/dev/shm", "user"),
        *("rights", "ptrace_scope", "cgroups", "namespaces", "live world"),
        *("python 3.9", "python 3.10", "python 3.11", "python 3.12", "python 3.13"),
        *("cpu", "tsc", "SPINBED_CPU", *(f"wait {each}" for each in STRATEGIES)),
    } == set(facts)
    for fact in facts.values():
        assert fact.value and "\n" not in fact.value
    assert sys.version.split()[0] in facts["python"].value
    assert facts["rights"].value.count("CAP_") == 4


LADDER = ("park", "mwaitx", "umwait", "wfe", "best")


def told_of(kind: str, cpu: Features, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What doctor says where there is such a CPU, and a table of strategies that has these."""
    monkeypatch.setenv("PATH", os.defpath)  # few interpreters to ask
    monkeypatch.setattr(doctor, "STRATEGIES", LADDER)
    monkeypatch.setitem(kernels(kind).cpu._found, "cpu", cpu)
    return {fact.name: fact.value for fact in doctor.examine()}


@pytest.mark.skipif(kernels().kind == PURE, reason="needs compiled kernels")
def test_each_strategy_is_told_with_what_runs_instead_and_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SPINBED_CPU", raising=False)
    zen = Features("x86_64", monitorx=True, monitor_line_max_bytes=64, source="CPUID")
    told = told_of(COMPILED, zen, monkeypatch)
    assert told["cpu"] == ("x86_64, monitorx, no waitpkg, monitor line unknown to 64 bytes (CPUID)")
    assert told["tsc"] == "no constant rate, which nobody tells"
    assert told["SPINBED_CPU"] == "not set"
    assert told["wait park"] == told["wait mwaitx"] == "runs"
    assert told["wait umwait"] == "runs adaptive (no WAITPKG)"
    assert told["wait wfe"] == "runs adaptive (no WFE)"
    assert told["wait best"] == "runs mwaitx"


@pytest.mark.skipif(kernels().kind == PURE, reason="needs compiled kernels")
def test_what_is_forced_is_told_as_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINBED_CPU", "-monitorx,waitpkg,tsc_hz=2500000000,invariant_tsc")
    told = told_of(COMPILED, Features("x86_64", monitorx=True, source="CPUID"), monkeypatch)
    assert told["SPINBED_CPU"] == "-monitorx,waitpkg,tsc_hz=2500000000,invariant_tsc"
    assert told["tsc"] == "one rate, 2500.00 MHz (override)"
    assert told["wait mwaitx"] == "runs adaptive (no MONITORX)"
    assert told["wait umwait"] == "runs, forced (no WAITPKG)"
    assert told["wait best"] == "runs umwait, forced (no WAITPKG)"


def test_what_is_missing_is_named_with_the_package_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A PATH on which there is nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    lacks = "\n".join(doctor.missing(doctor.examine()))
    assert "gcc: kernels cannot be built (apt install gcc)" in lacks
    assert "make: kernels cannot be built (apt install make)" in lacks
    assert "namespaces: no unshare to try with (apt install util-linux)" in lacks


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536 << 10, "1.5 MiB"),
        (24 << 30, "24.0 GiB"),
    ],
)
def test_sizes_are_shown_as_people_read_them(count: int, shown: str) -> None:
    assert doctor.human_bytes(count) == shown
