"""The machine that simulated programs run on: processes and threads, a clock, names, a disk.

A step is what a thread does between two yields. It costs STEP_NS, and nobody else does anything
meanwhile: whoever is able may be chosen for the next one. Where nobody is able, the clock goes on
to the first time that somebody waits for.
"""

from __future__ import annotations

import hashlib
import inspect
import signal
from typing import Any, Callable, Dict, List, Optional, Tuple

from sim.virtual.lifecycle.channels import End, Open, Region, Shared
from sim.virtual.lifecycle.choosing import Chooser
from sim.virtual.lifecycle.steps import US, Exited, Steps, Wait

STEP_NS = 1 * US
FIRST_PID = 1001
RUNNING, STOPPED, DEAD = "running", "stopped", "dead"


class Thread(Shared):
    """Of the kernel. What it does is a stack of generators: a handler of a signal lies on top."""

    def __init__(self, number: int, process: Process, steps: Steps[None], ident: int) -> None:
        self.number = number
        self.process = process
        self.ident = ident  # what Python calls it; the copy that a fork makes has the same
        self.name = "MainThread"
        self.wait: Optional[Wait] = None
        self.is_held = False  # at a probe, by the run
        self.doing = ""  # in which part of its life it is: "import", "shutdown"
        self.frames: List[Steps[None]] = [steps]

    @property
    def is_main(self) -> bool:
        return self is self.process.main

    @property
    def awaits(self) -> Any:
        return None if self.wait is None else self.wait.on

    def interrupt(self, handler: Steps[None]) -> None:
        self.frames.append(handler)
        self.wait = None

    def drop(self) -> None:
        """Nothing of it runs any more. What it leaves in `finally` is its own process's alone, and
        never yields."""
        for frame in reversed(self.frames):
            if inspect.getgeneratorstate(frame) != inspect.GEN_RUNNING:  # it ends its own process
                frame.close()

    def go(self) -> bool:
        """One step; False: that was the last."""
        try:
            self.wait = next(self.frames[-1])
        except StopIteration:
            self.frames.pop()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            self.frames.pop()
            if not self.frames:
                raise
            self.wait = self.frames[-1].throw(error)  # a handler has raised
        return bool(self.frames)


class Process(Shared):
    def __init__(self, pid: int, parent: Optional[Process], program: Any, command: str) -> None:
        self.pid = pid
        self.parent = parent
        self.program = program  # of the run, to which it belongs
        self.command = command
        self.is_fork = False
        self.state = RUNNING
        self.status: Optional[int] = None  # negative: by that signal
        self.threads: List[Thread] = []
        self.main: Optional[Thread] = None
        self.files: Dict[int, Open] = {}
        self.interpreter: Any = None
        self.limits: Dict[str, int] = dict(parent.limits) if parent is not None else {}
        self.pending: List[int] = []  # signals that have a handler

    @property
    def is_dead(self) -> bool:
        return self.state == DEAD

    def open(self, what: Open) -> int:
        number = next(n for n in range(3, 1 << 20) if n not in self.files)
        self.files[number] = what.opened()
        return number

    def close(self, number: int) -> None:
        self.files.pop(number).closed()


def called(on: Any) -> str:
    """What somebody waits for, in words."""
    if isinstance(on, Process):
        return f"the end of process {on.pid}"
    if isinstance(on, End):
        return f"an end of a {on.channel.name or 'channel'}"
    return str(getattr(on, "called", None) or getattr(on, "name", "nothing in particular"))


class Machine(Shared):
    """`on_exit` hears of every process that ends."""

    def __init__(self, chooser: Chooser, on_exit: Callable[[Process], None]) -> None:
        self.chooser = chooser
        self.clock_ns = 0
        self.moved_ns = 0  # when somebody last did anything
        self.steps = 0
        self.processes: Dict[int, Process] = {}
        self.regions: Dict[str, Region] = {}
        self.files: Dict[str, Any] = {}  # on disk, by path
        self.current: Optional[Thread] = None
        self._threads: List[Thread] = []
        self._numbers = 0
        self._alarms: Dict[Process, int] = {}
        self._on_exit = on_exit
        self._digest = hashlib.sha256()
        self.seen: Optional[List[Tuple[int, str]]] = None  # a list is filled

    @property
    def hash(self) -> int:
        return int.from_bytes(self._digest.digest()[:8], "big")

    def saw(self, what: str) -> None:
        """Something that replays must see again."""
        self._digest.update(f"{self.clock_ns} {what}\n".encode())
        if self.seen is not None:
            self.seen.append((self.clock_ns, what))

    def saw_of(self, thread: Thread, what: str) -> None:
        process = thread.process
        self.saw(f"{process.program.name} {process.pid} {thread.name}: {what}")

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    # Processes.

    def start_process(self, parent: Optional[Process], program: Any, command: str) -> Process:
        pid = FIRST_PID + len(self.processes)
        process = self.processes[pid] = Process(pid, parent, program, command)
        self.saw(f"start {pid} {command}")
        return process

    def start_thread(
        self, process: Process, steps: Steps[None], *, ident: Optional[int] = None
    ) -> Thread:
        number = self.number()
        thread = Thread(number, process, steps, number if ident is None else ident)
        process.threads.append(thread)
        process.main = process.main or thread
        self._threads.append(thread)
        return thread

    def end(self, process: Process, status: int) -> None:
        if process.is_dead:
            return
        process.state, process.status = DEAD, status
        self._threads = [each for each in self._threads if each.process is not process]
        for thread in process.threads:
            thread.drop()
        process.threads.clear()
        for number in list(process.files):
            process.close(number)
        self.saw(f"end {process.pid} {status}")
        self._on_exit(process)

    def signal(self, process: Process, number: int) -> None:
        """kill(2). A handler runs in the main thread, whatever that waits for."""
        if process.is_dead:
            return
        self.saw(f"signal {process.pid} {number}")
        if number == signal.SIGSTOP:
            process.state = STOPPED
        elif number == signal.SIGCONT:
            process.state = RUNNING
        elif number != signal.SIGKILL and process.interpreter.handles(number):
            process.pending.append(number)
        elif number not in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG):
            self.end(process, -number)

    def alarm(self, process: Process, ns: int) -> None:
        """alarm(2)."""
        self._alarms[process] = self.clock_ns + ns

    # Time.

    def step(self, limit_ns: Optional[int]) -> bool:
        """One step of whoever is chosen. False: nobody moves before `limit_ns`; without a limit,
        nobody ever will."""
        self._ring()
        able = [each for each in self._threads if self._is_able(each)]
        while not able:
            due_ns = self._due_ns()
            if due_ns is None or (limit_ns is not None and due_ns > limit_ns):
                return False
            self.clock_ns = max(self.clock_ns, due_ns)
            self._ring()
            able = [each for each in self._threads if self._is_able(each)]
        last = self.current
        able.sort(key=lambda each: each is not last)
        self._go(able[self.chooser.choose([each.number for each in able])])
        return True

    def _ring(self) -> None:
        for process in [each for each, at in self._alarms.items() if at <= self.clock_ns]:
            del self._alarms[process]
            self.signal(process, signal.SIGALRM)

    @property
    def is_still(self) -> bool:
        """Nobody moves, and no time that comes will change that."""
        return self._due_ns() is None and not any(map(self._is_able, self._threads))

    def pass_time(self, until_ns: int) -> None:
        self.clock_ns = max(self.clock_ns, until_ns)

    def _go(self, thread: Thread) -> None:
        process = thread.process
        self.current = thread
        if thread.is_main and process.pending:
            thread.interrupt(process.interpreter.handler(process.pending.pop(0)))
        thread.wait = None
        self.steps += 1
        self.clock_ns += STEP_NS
        self.moved_ns = self.clock_ns
        try:
            goes_on = thread.go()
        except Exited as exited:
            self.end(process, exited.status)
            return
        if goes_on and thread.awaits is not None:
            self.saw_of(thread, f"waits for {called(thread.awaits)}")
        if not goes_on and not process.is_dead:
            process.threads.remove(thread)
            self._threads.remove(thread)

    def _is_able(self, thread: Thread) -> bool:
        process = thread.process
        if process.state != RUNNING or thread.is_held:
            return False
        if len(process.threads) > 1 and self.keeper_of(process) not in (None, thread):
            return False
        wait = thread.wait
        if wait is None or (thread.is_main and process.pending):
            return True
        return wait.ready() or (wait.until_ns is not None and wait.until_ns <= self.clock_ns)

    @staticmethod
    def keeper_of(process: Process) -> Optional[Thread]:
        """Who has the interpreter lock, and does not give it back while it waits."""
        for each in process.threads:
            if each.wait is not None and each.wait.keeps_interpreter_lock:
                return each
        return None

    def _due_ns(self) -> Optional[int]:
        times = [
            each.wait.until_ns
            for each in self._threads
            if each.wait is not None
            and each.wait.until_ns is not None
            and each.process.state == RUNNING
            and not each.is_held
            and self.keeper_of(each.process) in (None, each)
        ]
        alarms = [at for process, at in self._alarms.items() if not process.is_dead]
        return min(times + alarms, default=None)
