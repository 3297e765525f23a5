"""The Python interpreter of a simulated process: its threads, its output, its way in and out."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from sim.virtual.lifecycle.channels import End
from sim.virtual.lifecycle.hooks import Hooks
from sim.virtual.lifecycle.locks import Lock
from sim.virtual.lifecycle.machine import Machine, Process, Thread
from sim.virtual.lifecycle.modules import Importer, Module, ModuleLock, Source
from sim.virtual.lifecycle.multiprocess import Multiprocessing
from sim.virtual.lifecycle.steps import (
    BODY_STEPS,
    START_NS,
    SWITCH_NS,
    Exited,
    Steps,
    Wait,
    is_modelled,
    modelled,
    never,
)
from sim.virtual.lifecycle.versions import Behaviour

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SIMULATED = "<simulated>"
SHUTDOWN = "shutdown"  # what a thread is doing: threading._shutdown, and what comes after it


@dataclass
class PyThread:
    """threading.Thread. In the copy that a fork makes all but one are over."""

    ident: int
    name: str
    is_daemon: bool
    is_over: bool = False

    @property
    def called(self) -> str:
        return f"the end of {self.name}"


@dataclass
class Handler:
    """logging.Handler. logging makes `lock` anew in the copy that a fork makes."""

    said: Optional[List[str]] = None  # what it collects; else it writes to stderr
    lock: Lock = field(default_factory=lambda: Lock("the lock of a log handler"))

    def emit(self, py: Interpreter, message: str) -> None:
        if self.said is None:
            py.print_error(message)
        else:
            self.said.append(message)


@dataclass
class Logging:
    handlers: List[Handler] = field(default_factory=list)
    level: str = "WARNING"

    def after_fork_in_child(self) -> None:
        for handler in self.handlers:
            handler.lock = Lock(handler.lock.name)


class Interpreter:
    """What a fork copies of a process. What is the kernel's, it only refers to."""

    def __init__(
        self, machine: Machine, process: Process, behaviour: Behaviour, environ: Dict[str, str]
    ) -> None:
        self.machine = machine
        self.process = process
        self.behaviour = behaviour
        self.environ = dict(environ)
        self.path: List[str] = environ.get("PYTHONPATH", "").split(":")
        self.main_path: Optional[str] = None  # of a script that is run as the main module
        self.listens_to: Tuple[End, ...] = ()  # of a fork server
        self.imports = Importer()
        self.blocking_on: Dict[int, ModuleLock] = {}
        self.hooks = Hooks(process.program.hooks)
        self.logging = Logging()
        self.mp = Multiprocessing()
        self.threads: Dict[int, PyThread] = {}
        self.handlers: Dict[int, Any] = {}  # of signals
        self.shared: Dict[str, Any] = {}  # what modules of the subjects share by being modules
        self._printed = ""  # to stdout, and not written yet
        process.interpreter = self

    # Who and when.

    @property
    def thread(self) -> Thread:
        current = self.machine.current
        assert current is not None and current.process is self.process
        return current

    @property
    def ident(self) -> int:
        return self.thread.ident

    @property
    def now_ns(self) -> int:
        return self.machine.clock_ns

    def saw(self, what: str) -> None:
        self.machine.saw_of(self.thread, what)

    def sleep(self, ns: int) -> Steps[None]:
        yield Wait(never, None, self.now_ns + ns)

    def work(self, steps: int) -> Steps[None]:
        for _ in range(steps):
            yield None

    def compute(self, ns: Optional[int]) -> Steps[None]:
        """None: for ever. Other threads have their turns."""
        until_ns = None if ns is None else self.now_ns + ns
        while until_ns is None or self.now_ns < until_ns:
            yield Wait(never, None, self.now_ns + SWITCH_NS, is_at_work=True)

    def expanded(self, variable: str) -> Optional[str]:
        """Of the environment, with what it names of it in turn."""
        value = self.environ.get(variable, "")
        for name in sorted(self.environ, key=len, reverse=True):
            value = value.replace(f"${name}", self.environ[name])
        return value or None

    # What a program says.

    def print(self, text: str) -> None:
        self._printed += text + "\n"

    def print_error(self, text: str) -> None:
        self.process.program.stderr += text + "\n"

    def flush(self) -> None:
        self.process.program.stdout += self._printed
        self._printed = ""

    def probe(self, name: str, **detail: Any) -> Steps[None]:
        """spinbed.probe: waits there where a fault is to be injected at it."""
        yield None
        program = self.process.program
        self.thread.is_held = name in program.holds
        program.says(self.process, "probe", {"probe": name, "detail": detail})
        yield None

    def log(self, level: str, logger: str, message: str) -> Steps[None]:
        if LEVELS.index(level) >= LEVELS.index("WARNING"):
            said = {"logger": logger, "level": level, "message": message}
            self.process.program.says(self.process, "log", said)
        if LEVELS.index(level) < LEVELS.index(self.logging.level):
            return
        for handler in self.logging.handlers:
            yield from handler.lock.acquire(self)
            handler.emit(self, message)
            handler.lock.release()
        if not self.logging.handlers:
            self.print_error(message)

    # Modules.

    def finds(self, name: str) -> Optional[Source]:
        """On sys.path, or below a package: as the disk is now."""
        parent, _, last = name.rpartition(".")
        extension = self.process.program.extensions.get(name)
        if extension is not None:
            found: Optional[Source] = extension.source(self)
            return found
        if name in self.process.program.installed:
            source: Source = self.process.program.installed[name]
            return source
        if parent:
            package = self.imports.modules.get(parent)
            folders = [] if package is None or package.source is None else [package.source.path]
            folders = [folder.rpartition("/")[0] for folder in folders]
        else:
            folders, last = self.path, name
        for folder in folders:
            for path in (f"{folder}/{last}/__init__.py", f"{folder}/{last}.py"):
                placed = self.machine.files.get(path)
                if isinstance(placed, Source):
                    return placed
        return None

    def run_path(self, path: str, name: str) -> Steps[None]:
        """runpy.run_path: a script, as the module of that name."""
        script: Source = self.machine.files[path]
        before, self.main_path = self.main_path, path
        yield from self.work(BODY_STEPS)
        yield from script.body(self, Module(name, script))
        self.main_path = before

    # Threads.

    def start_thread(self, steps: Steps[Any], name: str, *, daemon: bool = False) -> PyThread:
        def run() -> Steps[None]:
            try:
                yield from steps
            except Exited:
                raise
            except Exception as error:
                if not is_modelled(error):
                    raise
                if not isinstance(error, SystemExit):
                    self.print_error(f"Exception in thread {name}:\n{report(error)}")
            made.is_over = True
            self.threads.pop(made.ident, None)

        thread = self.machine.start_thread(self.process, run())
        thread.name = name
        made = self.threads[thread.ident] = PyThread(thread.ident, name, daemon)
        return made

    def join(self, thread: PyThread) -> Steps[None]:
        yield None
        while not thread.is_over:
            yield Wait(lambda: thread.is_over, thread)

    # Signals.

    def on_signal(self, number: int, handler: Callable[[Interpreter], Steps[None]]) -> None:
        self.handlers[number] = handler

    def handles(self, number: int) -> bool:
        return number in self.handlers or number == signal.SIGINT

    def handler(self, number: int) -> Steps[None]:
        """Its own, or that of SIGINT which every interpreter has."""
        yield None
        if number not in self.handlers:
            raise modelled(KeyboardInterrupt())
        yield from self.handlers[number](self)

    # In and out.

    def begin(self) -> Steps[None]:
        """From exec to the first line: the dynamic loader, then the interpreter's own modules."""
        for path in self.environ.get("LD_PRELOAD", "").split():
            if path not in self.machine.files:
                why = "cannot be preloaded (cannot open shared object file): ignored."
                self.print_error(f"ERROR: ld.so: object '{path}' from LD_PRELOAD {why}")
        yield from self.sleep(START_NS)
        home = self.environ.get("PYTHONHOME")
        if home and f"{home}/lib" not in self.machine.files:
            self.print_error("Fatal Python error: init_fs_encoding: failed to get the Python codec")
            self.print_error("ModuleNotFoundError: No module named 'encodings'")
            raise Exited(1)
        said = {"hook": "start", "event": "ended", "python": str(self.behaviour)}
        self.process.program.says(self.process, "hook", said)

    def run(self, main: Callable[[Interpreter], Steps[None]]) -> Steps[None]:
        """From exec to exit: what the main thread does."""
        yield from self.begin()
        status = yield from self.ends_with(main(self))
        status = yield from self.shut_down(status)
        raise Exited(status)

    def ends_with(self, steps: Steps[None], *, before: str = "") -> Steps[int]:
        """The status of a program, or of a process of multiprocessing, that does this."""
        try:
            yield from steps
        except Exited:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            if not is_modelled(error):
                raise
            if not isinstance(error, SystemExit):
                self.print_error(before + report(error))
                return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
            if error.code is None or isinstance(error.code, int):
                return error.code or 0
            self.print_error(str(error.code))
            return 1
        return 0

    def shut_down(self, status: int) -> Steps[int]:
        """Py_FinalizeEx: threads that are no daemons, then what was registered, then the rest."""
        self.thread.doing = SHUTDOWN
        for thread in list(self.threads.values()):
            if not thread.is_daemon:
                yield from self.join(thread)
        yield from self.mp.exit_function(self)
        self.flush()
        return status


def report(error: BaseException) -> str:
    """What the interpreter prints of it: the frames are those of the model."""
    lines = ["Traceback (most recent call last):"]
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f'  File "{SIMULATED}/{Path(frame.filename).name}", line {frame.lineno}, in ')
        lines[-1] += frame.name
    last = "".join(traceback.format_exception_only(type(error), error)).rstrip("\n")
    return "\n".join([*lines, last])


def stack(thread: Thread) -> List[str]:
    """Where it is, the innermost frame first, as faulthandler prints it."""
    lines = []
    for steps in thread.frames:
        inner: Any = steps
        while inner is not None:
            file = Path(inner.gi_code.co_filename).name
            line = inner.gi_frame.f_lineno if inner.gi_frame is not None else 0
            lines.append(f'  File "{SIMULATED}/{file}", line {line} in {inner.gi_code.co_name}')
            inner = inner.gi_yieldfrom
    return lines[::-1]
