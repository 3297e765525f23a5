"""multiprocessing in one process: its start method, its children, and what they talk through."""

from __future__ import annotations

import copy
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple

from sim.virtual.lifecycle.channels import Channel, End, Parcel
from sim.virtual.lifecycle.machine import Process
from sim.virtual.lifecycle.steps import Exited, Steps, Wait, modelled

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter

METHODS = ("fork", "spawn", "forkserver")
SHARED_BETWEEN_CONTEXTS = (
    "A SemLock created in a fork context is being shared with a process in a spawn context. This "
    "is not supported. Please use the same context to create multiprocessing objects and Process."
)


@dataclass(frozen=True)
class Connection:
    """One end of a Pipe(), by its descriptor."""

    number: int

    def end(self, py: Interpreter) -> End:
        found = py.process.files.get(self.number)
        if not isinstance(found, End):
            raise modelled(OSError("handle is closed"))
        return found

    def send(self, py: Interpreter, content: Any, *handles: Any) -> Steps[None]:
        yield None
        end = self.end(py)
        if end.peer.count == 0:
            raise modelled(BrokenPipeError(32, "Broken pipe"))
        end.peer.queue.append(Parcel(copy.deepcopy(content), *handles))

    def receive(self, py: Interpreter) -> Steps[Any]:
        """Raises EOFError where nobody is left who could send."""
        parcel = yield from self.receive_parcel(py)
        return parcel.content

    def receive_parcel(self, py: Interpreter) -> Steps[Parcel]:
        """Who takes it owns the descriptors in it."""
        yield None
        end = self.end(py)
        while not end.queue:
            if end.peer.count == 0:
                raise modelled(EOFError())
            yield Wait(lambda: end.is_readable, end)
        parcel: Parcel = end.queue.popleft()
        return parcel

    def close(self, py: Interpreter) -> None:
        if self.number in py.process.files:
            py.process.close(self.number)


def pipe(py: Interpreter) -> Tuple[Connection, Connection]:
    here, there = Channel("pipe").ends
    return Connection(py.process.open(here)), Connection(py.process.open(there))


@dataclass(frozen=True)
class Queue:
    """SimpleQueue, or Queue but for its feeder: a pipe, with locks that belong to a context.

    The locks of a fork context have no name. Only a fork has them: to any other process they are
    the address of something in its parent.
    """

    reader: Connection
    writer: Connection
    is_of_fork: bool
    is_foreign: bool = False  # of a fork context, and pickled

    def put(self, py: Interpreter, content: Any) -> Steps[None]:
        self._lock()
        yield from self.writer.send(py, content)

    def get(self, py: Interpreter) -> Steps[Any]:
        self._lock()
        found = yield from self.reader.receive(py)
        return found

    def _lock(self) -> None:
        if self.is_foreign:
            raise Exited(-signal.SIGSEGV)


@dataclass(frozen=True)
class _Sent:
    """A descriptor of a parcel, by its place there."""

    index: int


def packed(py: Interpreter, args: Sequence[Any]) -> Parcel:
    """The arguments of a process as they are pickled.

    Raises RuntimeError for the locks of a fork context, from the version on that looks.
    """
    ends: List[End] = []

    def sent(value: Any) -> Any:
        if isinstance(value, Connection):
            ends.append(value.end(py))
            return _Sent(len(ends) - 1)
        if isinstance(value, Queue):
            if value.is_of_fork and py.behaviour.checks_context_of_locks:
                raise modelled(RuntimeError(SHARED_BETWEEN_CONTEXTS))
            reader, writer = sent(value.reader), sent(value.writer)
            return replace(value, reader=reader, writer=writer, is_foreign=value.is_of_fork)
        return copy.deepcopy(value)

    content = tuple(map(sent, args))
    return Parcel(content, *ends)


def unpacked(parcel: Parcel, process: Process) -> Sequence[Any]:
    """The arguments as the process has them that they were sent to."""
    numbers = [process.open(each) for each in parcel.descriptors]
    for each in parcel.descriptors:
        each.closed()  # on its way it was open, too

    def received(value: Any) -> Any:
        if isinstance(value, _Sent):
            return Connection(numbers[value.index])
        if isinstance(value, Queue):
            return replace(value, reader=received(value.reader), writer=received(value.writer))
        return value

    return tuple(map(received, parcel.content))


class Child:
    """multiprocessing.Process, as its parent has it."""

    def __init__(self, name: str, is_daemon: bool) -> None:
        self.name = name
        self.is_daemon = is_daemon
        self.process: Optional[Process] = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def exitcode(self) -> Optional[int]:
        return None if self.process is None else self.process.status

    def join(self) -> Steps[None]:
        process = self.process
        assert process is not None
        yield None
        while not process.is_dead:
            yield Wait(lambda: process.is_dead, process)


class Multiprocessing:
    """What the package knows in one process."""

    def __init__(self) -> None:
        self.method: Optional[str] = None
        self.is_importing_main = False  # _inheriting: a spawned process that is not ready yet
        self.children: List[Child] = []
        self.count = 0  # of children, for their names
        self.preload: List[str] = []
        self.server: Optional[Process] = None
        self.server_ends: Tuple[int, ...] = ()  # its listener; and what it lives by
        self.tracker_end: Optional[int] = None  # what tells the resource tracker

    def set_start_method(self, method: str, *, force: bool = False) -> None:
        if self.method is not None and not force:
            raise modelled(RuntimeError("context has already been set"))
        if method not in METHODS:
            raise modelled(ValueError(f"cannot find context for {method!r}"))
        self.method = method

    def get_start_method(self, *, allow_none: bool = False) -> Optional[str]:
        """Who asks for it sets it, as who uses it does."""
        if self.method is None and not allow_none:
            self.method = "fork"  # in all versions that are modelled, on Linux
        return self.method

    def context(self, method: Optional[str] = None) -> str:
        return method or self.get_start_method() or ""

    def queue(self, py: Interpreter, method: Optional[str] = None) -> Queue:
        reader, writer = pipe(py)
        return Queue(reader, writer, self.context(method) == "fork")

    def exit_function(self, py: Interpreter) -> Steps[None]:
        """util._exit_function: daemons are told to end, and all are waited for."""
        for child in self.children:
            if child.is_daemon and child.process is not None:
                py.machine.signal(child.process, signal.SIGTERM)
        for child in self.children:
            yield from child.join()
