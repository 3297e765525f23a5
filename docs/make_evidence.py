"""Writes docs/evidence.md: what can be seen of a process in each condition, and what is told then.

python docs/make_evidence.py            brings processes into each condition, measures, writes
python docs/make_evidence.py --check    measures, and says by the exit status whether the page is so

It needs root, for it becomes another user too, and a control group that can be frozen. What py-spy
shows is measured where it is installed; else `--check` takes it as written.
"""

from __future__ import annotations

import json
import mmap
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "evidence.md"
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from unprivileged import as_nobody, environment  # noqa: E402 - of tests/

from cy_kernels.choice import kernels  # noqa: E402 - the tree's own, not what is installed
from sim.hang.programs import FUTEX  # noqa: E402
from sim.inside.channel import ADDRESS  # noqa: E402
from sim.inside.lock_waits import SIGNAL  # noqa: E402
from sim.live import cgroup, inside_folder, procfs  # noqa: E402
from sim.live.foreign_flags import Asked  # noqa: E402
from sim.live.foreign_processes import state_of  # noqa: E402
from sim.live.foreign_regions import find  # noqa: E402
from sim.live.spying import Spy, tool  # noqa: E402
from sim.live.two_looks import told  # noqa: E402

WATCHDOG_S = 60
ANSWER_S = 30  # for what is asked by a signal
NO_ANSWER_S = 2  # where something is done that may keep it from answering
WINDOW_S = 0.1
RING = {"slots": 4, "slot_bytes": 64, "readers": 1}
RECORDS = 64
YES, NO = "yes", "no"
SEEN = "Seen so on "
SPIED = "py-spy"

# It fills a ring that nobody reads, and waits for room; a thread of its waits for a lock. Or its
# main thread waits in C, and has the interpreter lock meanwhile.
TARGET = f"""
import ctypes, mmap, os, sys, threading
from cy_kernels.choice import kernels
from sim.subjects.hiding import hide_if_asked
import spinbed
hide_if_asked()
ring, record = (mmap.mmap(os.open(path, os.O_RDWR), 0) for path in sys.argv[1:3])
threading.Thread(target=threading.Event().wait, daemon=True).start()
geometry = {RING}
on = kernels()
writer = on.ring.CursorWriter(
    memoryview(ring), wait="park", recorder=memoryview(record), **geometry
)
for _ in range(geometry["slots"]):
    writer.send(b"x", 0)
spinbed.probe("full")
if sys.argv[3] == "in C":
    ctypes.PyDLL(None).system(b"exec sleep 3600")
writer.send_within(b"x")
"""


@dataclass(frozen=True)
class Condition:
    title: str
    is_root: bool = True
    is_hidden: bool = False
    what: str = ""  # is done to it


CONDITIONS = (
    Condition("root"),
    Condition("non-root", is_root=False),
    Condition("non-dumpable, root", is_hidden=True),
    Condition("non-dumpable, non-root", is_root=False, is_hidden=True),
    Condition("stopped", what="stop"),
    Condition("frozen", what="freeze"),
    Condition("interpreter lock held in C", what="in C"),
    Condition("dead", what="kill"),
)


class Target:
    """One process in one condition. Use as a context manager: nothing of it is left."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._stack = ExitStack()

    def __enter__(self) -> Target:
        with self._stack:
            self._begin()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _begin(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="evidence-")))
        self.ring = Path("/dev/shm", f"evidence-{uuid.uuid4().hex}")
        self._stack.callback(self.ring.unlink)
        on = kernels()
        self.buffer = self._mapped(self.ring, on.ring.cursor_region_bytes(**RING))
        on.ring.cursor_format(self.buffer, **RING)
        self.record = self._mapped(folder / "record", on.recorder.recorder_bytes(RECORDS))
        on.recorder.format_recorder(self.record, RECORDS)
        self.heard = self._stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        address = f"evidence-{uuid.uuid4().hex}"
        self.heard.bind("\0" + address)
        inside_folder.lay_out(folder / "inside")
        path = os.pathsep.join(filter(None, sys.path))  # with the kernels that we have ourselves
        base = {**os.environ, ADDRESS: address, "PYTHONPATH": path}
        base.update({"SUBJECT_DUMPABLE": "0"} if self._condition.is_hidden else {})
        self.output = self._stack.enter_context(open(folder / "stderr", "w+b"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", TARGET, self.ring, folder / "record", self._condition.what],
            env=inside_folder.environment(folder / "inside", {"stacks": True}, base),
            stderr=self.output,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self._stack.callback(self._end)
        self.heard.settimeout(WATCHDOG_S)
        while True:
            self.probe = json.loads(self.heard.recv(65536)).get("probe", "")
            if self.probe == "full":
                break
        await_that(self._is_asleep)
        {"stop": self._stop, "freeze": self._freeze, "kill": self._kill}.get(
            self._condition.what, lambda: None
        )()

    def _mapped(self, path: Path, size_bytes: int) -> memoryview:
        with open(path, "w+b") as file:
            file.truncate(size_bytes)
            return memoryview(mmap.mmap(file.fileno(), size_bytes))

    def _is_asleep(self) -> bool:
        """All of it, and its main thread for a while: not between two calls."""
        first = procfs.threads(self.pid)
        time.sleep(WINDOW_S)
        second = procfs.threads(self.pid)
        is_at_rest = first.get(self.pid) == second.get(self.pid)
        return is_at_rest and all(each.state == "S" for each in second.values())

    def _stop(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        await_that(lambda: procfs.is_stopped(self.pid))

    def _freeze(self) -> None:
        tree = cgroup.find_tree(cgroup.FREEZER)
        assert tree is not None, cgroup.lack(cgroup.FREEZER)
        group = cgroup.Group(tree, f"evidence-{self.pid}")
        group.make(self.pid)
        self._stack.callback(group.remove)
        group.freeze()
        self._stack.callback(group.thaw)
        await_that(lambda: group.freezer_state() == cgroup.FROZEN)

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def stack_printed(self) -> bool:
        """By faulthandler, when it is asked."""
        if not procfs.has_signal(procfs.read(self.pid, "status"), b"SigCgt:", signal.SIGUSR1):
            return False
        os.kill(self.pid, signal.SIGUSR1)
        within_s = NO_ANSWER_S if self._condition.what in ("stop", "freeze") else ANSWER_S
        return comes(lambda: b"most recent call first" in self._said(), within_s)

    def _said(self) -> bytes:
        return os.pread(self.output.fileno(), 1 << 16, 0)

    def answer(self) -> Optional[Sequence[Mapping[str, Any]]]:
        if self.process.poll() is not None:
            return None
        os.kill(self.pid, SIGNAL)
        self.heard.settimeout(NO_ANSWER_S if self._condition.what else ANSWER_S)
        try:
            found: Sequence[Mapping[str, Any]] = json.loads(self.heard.recv(65536))["locks"]
        except socket.timeout:
            return None
        return found


def await_that(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WATCHDOG_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def comes(holds: Callable[[], bool], within_s: int) -> bool:
    deadline_s = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline_s:
        time.sleep(0.001)
    return holds()


def cells(condition: Condition) -> Dict[str, str]:
    """By row. Who asks disturbs, so that comes last."""
    with Target(condition) as target:
        pid = target.pid
        before = procfs.threads(pid)
        time.sleep(WINDOW_S)
        threads = procfs.threads(pid)
        main = threads.get(pid)
        stat = procfs.stat(pid)
        cpu = [each["cpu_ns"] for each in told(threads, before)]
        described = kernels().ring.cursor_describe(target.buffer)
        found = {
            "region, decoded, in a run": said(described["writer"]["position"] == RING["slots"]),
            "region, decoded, by attach": said(is_found(target)),
            "last operations, flight recorder": said(kernels().recorder.count(target.record) > 0),
            "last probe": said(target.probe == "full"),
            "how it ended": outcome(target),
            "state": f"`{stat.state}`" if stat is not None else NO,
            "stopped or frozen": state_of(pid, threads).partition(":")[0],
            "kernel function (wchan)": said(main is not None and bool(main.wait_channel)),
            "system call, futex word": said(main is not None and is_known(main, condition)),
            "processor time of each thread": said(len(cpu) > 1),
            "signals": said(bool(procfs.signals(pid).caught)),
        }
        spied = Spy().look(pid)
        found[f"Python stacks, {SPIED}, without a stop"] = said(bool(spied.threads))
        holder = pid if condition.what == "in C" else None
        is_right = (spied.gil or {}).get("tid") == holder
        found[f"who has the interpreter lock, {SPIED}"] = said(bool(spied.threads) and is_right)
        native = Spy().look_natively(pid)
        has_native = any(
            not frame["file"].endswith((".py", ">")) for each in native.threads
            for frame in each["frames"]
        )
        found[f"native stacks, {SPIED}, with a stop"] = said(has_native)
        found["Python stacks, faulthandler"] = said(target.stack_printed())
        found["own locks waited for, said inside"] = said(bool(target.answer()))
        return found


def is_known(main: procfs.Thread, condition: Condition) -> bool:
    """The call that it is in, and its first argument: of a futex the word."""
    words = main.system_call.split()
    return len(words) > 1 and (words[0] == str(FUTEX)) is (condition.what != "in C")


def said(is_so: bool) -> str:
    return YES if is_so else NO


def outcome(target: Target) -> str:
    code = target.process.poll()
    return "-" if code is None else signal.Signals(-code).name


def is_found(target: Target) -> bool:
    rings = find([target.pid], Asked()).rings
    for each in rings:
        each.close()
    return str(target.ring) in [each.path for each in rings]


# What is told


HANGS = ROOT / "scenarios" / "hangs"
TOLD = (
    *("reader_killed", "reader_stopped", "wake_up_missed"),
    *("program_crossed_locks", "program_own_lock", "program_joined_import"),
    *("program_import_under_lock", "program_forked_with_a_lock"),
    *("program_forked_while_importing", "program_endless_import", "program_left_thread"),
    *("program_left_process", "program_interpreter_lock_in_c", "program_stopped_child"),
    *("program_lock_owner_killed", "program_queue_reader_killed", "program_file_lock_kept"),
    *("program_shared_mutex_owner_killed", "program_shared_lock_taken_twice"),
    *("program_two_regions", "program_two_rings", "program_three_full_rings"),
    *("program_asleep_too_long", "program_slow_import_of_a_thread", "program_rings_at_rest"),
    *("program_lock_of_one_at_work", "control_program_shared_region", "control_program_two_rings"),
    *("control_program_idle", "control_program_computing", "control_program_working_child"),
)
ALONE = {"only_thread_in_c": "gil-held", "waits_in_c": "unknown"}  # which py-spy tells apart
PROGRAM = 'schema = 1\nname = "{0}"\ndeadline = "4s"\n[[process]]\nname = "app"\n'
PROGRAM += 'program = "sim.subjects.hanging:{0}"\n'


def classes(condition: Condition) -> Dict[str, str]:
    """By scenario, what is told."""
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        texts = {name: (HANGS / f"{name}.toml").read_text() for name in TOLD}
        texts.update({name: PROGRAM.format(name) for name in ALONE})
        names = {}
        for name, text in texts.items():
            text = re.sub(r"\[sweep\.product\]\n(.+\n)+", "", text)
            names[re.findall(r'^name = "(.*)"', text, re.MULTILINE)[0]] = name
            text = hidden(text) if condition.is_hidden else text
            Path(folder, f"{name}.toml").write_text(text)
        command = [sys.executable, "-c", "import sys; from sim.cli import main; sys.exit(main())"]
        command += ["run", folder, "--jobs", "4", "--report", f"json={folder}/told.json"]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False, env=our_path())
        runs = json.loads(Path(folder, "told.json").read_text())["scenarios"]
        return {names[each["name"]]: each["hang"] or "none" for each in runs}


def our_path() -> Dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def hidden(text: str) -> str:
    text = re.sub(r'kind = "(cursor|flag)_ring"', f'kind = "{HIDDEN_RING}"', text)
    if "\nenv = {" in text:
        return text.replace("\nenv = {", '\nenv = { SUBJECT_DUMPABLE = "0",')
    return text.replace("\nprogram = ", '\nenv = { SUBJECT_DUMPABLE = "0" }\nprogram = ')


HIDDEN_RING = "sim.testing.hidden_ring:HiddenRing"


# The page


def measured(condition: Condition) -> Dict[str, Dict[str, str]]:
    found = {"cells": cells(condition)}
    if not condition.what:
        found["classes"] = classes(condition)
    return found


def measured_as_its_user(condition: Condition) -> Dict[str, Dict[str, str]]:
    """In a process of that user's."""
    scratch = Path(tempfile.mkdtemp(prefix="evidence-"))
    try:
        for name in ("home", "tmp"):
            (scratch / name).mkdir()
        command = [sys.executable, __file__, "--measure", condition.title]
        if not condition.is_root:
            command = as_nobody(command, scratch)
        done = subprocess.run(
            command, env=environment(scratch), stdout=subprocess.PIPE, check=True, cwd=ROOT
        )
        found: Dict[str, Dict[str, str]] = json.loads(done.stdout)
        return found
    finally:
        shutil.rmtree(scratch)


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--measure"]:
        (condition,) = (each for each in CONDITIONS if each.title == arguments[1])
        print(json.dumps(measured(condition)))
        return 0
    if os.geteuid() != 0:
        sys.exit("make_evidence.py: it takes root to become another user as well")
    found = {each.title: measured_as_its_user(each) for each in CONDITIONS}
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if "--check" not in arguments:
        if tool() is None:
            sys.exit(f"make_evidence.py: {SPIED} is not installed: pip install {SPIED}")
        PAGE.write_text(page(found, seen_here()), encoding="utf-8")
        return 0
    wrong = [
        row for row in rows(found)
        if row not in written and (tool() is not None or not needs_py_spy(row))
    ]
    for row in wrong:
        print(f"not as written: {row}")
    return 1 if wrong else 0


def needs_py_spy(row: str) -> bool:
    return SPIED in row or any(f"`{name}`" in row for name in ALONE)


def rows(found: Mapping[str, Mapping[str, Mapping[str, str]]]) -> List[str]:
    """Of both tables."""
    first = found[CONDITIONS[0].title]
    lines = []
    for kind in ("cells", "classes"):
        columns = [each[kind] for each in found.values() if kind in each]
        for name in first[kind]:
            title = f"`{name}`" if kind == "classes" else name
            values = [column.get(name, "?") for column in columns]
            lines.append(f"| {title} | {' | '.join(values)} |")
    return lines


def column_of(title: str, written: str) -> Dict[str, str]:
    """What the page says of one condition, by row of the first table."""
    lines = [line.strip("|").split("|") for line in written.splitlines() if line.startswith("| ")]
    head = next(line for line in lines if line[0].strip() == "evidence")
    at = [each.strip() for each in head].index(title)
    return {line[0].strip(): line[at].strip() for line in lines if len(line) == len(head)}


def seen_here() -> str:
    version = subprocess.run(
        [tool() or SPIED, "--version"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Linux {platform.release()} ({platform.machine()}), CPython {python}, {version}."


def page(found: Mapping[str, Mapping[str, Mapping[str, str]]], seen: str) -> str:
    count = len(found[CONDITIONS[0].title]["cells"])
    lines = rows(found)
    titles = [each.title for each in CONDITIONS]
    four = [each.title for each in CONDITIONS if not each.what]
    return TEXT.format(
        seen=SEEN + seen,
        head=f"| evidence | {' | '.join(titles)} |\n|{'---|' * (1 + len(titles))}",
        cells="\n".join(lines[:count]),
        told_head=f"| scenario | {' | '.join(four)} |\n|{'---|' * (1 + len(four))}",
        classes="\n".join(lines[count:]),
    )


TEXT = """\
# What can be seen of a process, and in which condition
This page is made by `python docs/make_evidence.py`, which brings real processes into each
condition and looks; with `--check` it says whether all is as written. What is made of the
evidence is in [hangs.md](hangs.md).

{seen}

## Evidence and condition
The process is a writer in a full ring; a thread of it waits for a lock of its own. Non-root is
another user than root who has started the process; non-dumpable is one that has set
`PR_SET_DUMPABLE` to 0, as programs do that handle keys. The last four are of a process of root's.
Where the interpreter lock is held in C, the main thread waits there and keeps it.

{head}
{cells}

- *In a run* and the flight recorder are memory of the runner's own: whatever becomes of the
  process, they stay.
- Who may not trace a process gets an empty kernel function and no system call
  (`ptrace_may_access`, see ptrace(2)). `attach` refuses such a process by name. State, processor
  time, how often a thread gave its core up, signals and the control group's state are for
  everybody.
- To be asked by a signal a process need not be readable, but it must run: who is stopped or
  frozen is not asked, for the signal would wait, and work when it goes on.
- faulthandler writes in C, and needs no interpreter lock. The handler that says for which locks
  the threads wait is one of Python's level: where the main thread is in native code and does not
  come back, it stays silent, and that is evidence, too.
- py-spy reads memory without a stop (`--nonblocking`), so that it may be asked of those that are
  stopped or frozen. For native stacks it stops the process by ptrace: only running processes of a
  run, never by `attach`. Where it is missing, or may not read, a line says so.

## What is told
The scenarios of `scenarios/hangs`, and two of one thread alone in native code. For the rings, the
non-dumpable ones are of `sim.testing.hidden_ring`.

{told_head}
{classes}

## Where the system call is hidden
That a thread waits for a lock of its own process, without a time-out, shows in its system call: a
futex that is private. Where that may not be read, the kernel function is as good as that,
together with an unbroken sleep. Where that is hidden as well, the interpreter is asked: the
innermost frame of the thread stands in a line that is `with LOCK:`, or whose only call is
`LOCK.acquire()`, a `join()` or a `get()` of the interpreter's own without a time-out; what is
named there is looked up, without running any of the program; and the thread has slept without a
break. A line whose source is not there, a lock of another package's, and a native thread are not
told: then the class is `unknown`.

Who shares a lock, a region or a ring with whom is told by what is mapped (`/proc/PID/maps`),
which is hidden as well: what programs of a run wait for in each other is then `unknown`. Of
participants the region is the runner's own, and nothing of their class is lost.

## One thread alone in native code
`only_thread_in_c` keeps the interpreter lock while it waits for a command, `waits_in_c` has given
it back. Of both the OS shows the same: one thread, asleep in `wait4`; both print their stack by
faulthandler, and the handler of Python's level answers in neither. Nobody else asks for the lock,
so nothing of it can be seen from outside, and without py-spy both are `unknown`, with the line
that is in native code in the verdict. py-spy reads who has the lock, and tells them apart.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
