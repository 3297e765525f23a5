"""What `spinbed attach` refuses: pids that are none, regions that can be no ring, wrong flags."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Sequence

import pytest
from attached_processes import Attach, end, holders
from named_rings import line_of, process
from warm_command import Spinbed

from cy_kernels.choice import Kernels
from sim.live.foreign_processes import NotAttachable, checked_pid
from spinbed import Writer

NOBODY = 65534
PR_SET_DUMPABLE = 4


def test_other_shared_memory_is_said_to_be_no_ring(
    psm: str, on: Kernels, attach: Attach
) -> None:
    Path("/dev/shm", psm).write_bytes(bytes(8192))
    (only,) = holders(psm, on, 1)
    done = attach(only.pid)
    refused = attach.refused(only.pid, "--readers", 3)
    end(only)
    assert done.returncode == 0 and f"{psm}: 8192 bytes, no ring" in done.stdout, done.stdout
    assert done.stdout.startswith("no hang: idle, the programs")
    assert f"{psm} of 8192" in refused


DAMAGE = {
    "absurd": (lambda ring: ring[:16] + b"\xff" * 8 + ring[24:], "no region can be like this one"),
    "kind": (lambda ring: ring[:12] + b"\x09" + ring[13:], "a ring of kind 9 is none of"),
    "cut": (lambda ring: ring[:8300], "the mapping has 8300 bytes, the region"),
    "stub": (lambda ring: ring[:100], "it has 100 bytes, a header alone has 4096"),
    "half made": (lambda ring: ring[:36] + bytes(4) + ring[40:], "not formatted to its end"),
}  # fmt: skip


@pytest.mark.parametrize("how", DAMAGE)
def test_a_region_that_can_be_no_ring_is_refused(
    how: str, ring_name: str, on: Kernels, attach: Attach
) -> None:
    path = Path("/dev/shm", ring_name)
    with Writer.create(ring_name, slots=4, slot_bytes=64, kernels=on.kind):
        ring = path.read_bytes()
    damage, said = DAMAGE[how]
    path.write_bytes(damage(ring))
    (only,) = holders(ring_name, on, 1)
    refused = attach.refused(only.pid)
    end(only)
    assert said in refused and ring_name in refused


def gone() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_a_pid_that_can_be_none_is_refused_with_all_reasons(attach: Attach) -> None:
    ended = gone()
    said = attach.refused("one", ended, 1, 0, "١")
    reasons = ("'one' is no pid", f"no process {ended}", "process 1 is the init", "no process 0")
    assert [reason for reason in reasons if reason not in said] == [], said
    assert len(said.splitlines()) == 5


def test_wrong_flags_are_refused(attach: Attach, spinbed: Spinbed, tmp_path: Path) -> None:
    me = os.getpid()
    assert "did you mean '--readers'?" in attach.refused(me, "--reader", 1)
    assert "not a whole number from 1 to 64" in attach.refused(me, "--readers", 65)
    assert "not a whole number from 1 to" in attach.refused(me, "--slot-bytes", 0)
    for stall in ("0s", "2x", "1ms", "11min"):
        done = spinbed("attach", me, "--stall", stall, cwd=tmp_path)
        assert done.returncode == 64 and f"--stall: '{stall}'" in done.stderr
    assert "PID" in spinbed("attach", cwd=tmp_path).stderr


def test_a_thread_a_zombie_and_a_thread_of_the_os_say_what_they_are(on: Kernels) -> None:
    child = process("none", "import threading\nthreading.Thread(target=hold).start()", on)
    assert line_of(child) == "there"
    (thread,) = {*os.listdir(f"/proc/{child.pid}/task")} - {str(child.pid)}
    with pytest.raises(NotAttachable, match=f"is a thread of process {child.pid}") as caught:
        checked_pid(thread)
    assert caught.value.nearest == str(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(NotAttachable, match=f"process {child.pid} has ended"):
        checked_pid(str(child.pid))
    end(child)
    for pid in kernel_threads()[:1]:
        with pytest.raises(NotAttachable, match="is a thread of the OS"):
            checked_pid(pid)


def kernel_threads() -> Sequence[str]:
    """Not all hosts show them."""
    return ["2"] if Path("/proc/2/comm").exists() and not os.path.exists("/proc/2/exe") else []


def test_another_users_process_is_refused(on: Kernels) -> None:
    """Root looks as nobody; anybody else at a process that has closed itself to its user."""
    closed = f"import ctypes; ctypes.CDLL(None).prctl({PR_SET_DUMPABLE}, 0)\nhold()"
    child = process("none", closed, on)
    assert line_of(child) == "there"
    try:
        said = refused_to_nobody(child.pid)
    finally:
        end(child)
    assert "may not be read: it belongs to user" in said


AS_NOBODY = """
import os, sys
from sim.live.foreign_processes import NotAttachable, checked_pid
if os.geteuid() == 0:
    os.setuid(int(sys.argv[2]))  # now that all is imported: it may not be nobody's to read
try:
    checked_pid(sys.argv[1])
except NotAttachable as refused:
    print(refused)
"""


def refused_to_nobody(pid: int) -> str:
    command = [sys.executable, "-c", AS_NOBODY, str(pid), str(NOBODY)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
