"""The import system, as importlib._bootstrap and Python/import.c have it.

Each module has a lock while it is imported. Who imports a module that another thread is importing
waits for that lock, unless that thread waits, by way of other modules' locks, for one of its own:
then it goes on with half of a module. `import_module` takes the module from sys.modules after the
wait; the import statement has taken it before, and keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Set

from sim.virtual.lifecycle.steps import BODY_STEPS, Steps, Wait, modelled

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter

IMPORTING = "import"  # what a thread is doing
Body = Callable[["Interpreter", "Module"], Steps[Any]]


@dataclass(frozen=True)
class Source:
    """What lies on the disk for a module."""

    path: str
    body: Body
    is_package: bool = False


class Module:
    """Its `names` are its dictionary. `is_initializing` is that of its spec."""

    def __init__(self, name: str, source: Optional[Source] = None) -> None:
        self.name = name
        self.source = source
        self.names: Dict[str, Any] = {}
        self.is_initializing = False

    @property
    def is_package(self) -> bool:
        return self.source is not None and self.source.is_package

    def lookup(self, py: Interpreter, name: str) -> Steps[Any]:
        """getattr: its dictionary, then the __getattr__ that it defines (PEP 562)."""
        yield None
        if name in self.names:
            return self.names[name]
        if "__getattr__" in self.names:
            found = yield from self.names["__getattr__"](py, self, name)
            return found
        raise modelled(AttributeError(f"module {self.name!r} has no attribute {name!r}"))


class DeadlockError(RuntimeError):
    """_DeadlockError of importlib."""


class ModuleLock:
    """_ModuleLock: reentrant, and it knows who waits for whom."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner: Optional[int] = None
        self.count = 0

    @property
    def called(self) -> str:
        return f"the import lock of {self.name}"

    def is_free_for(self, ident: int) -> bool:
        return self.count == 0 or self.owner == ident

    def acquire(self, py: Interpreter) -> Steps[None]:
        """Raises DeadlockError where its owner waits for a lock of this thread's."""
        me = py.ident
        py.blocking_on[me] = self
        try:
            while True:
                yield None
                if self.is_free_for(me):
                    self.owner = me
                    self.count += 1
                    return
                if self._is_deadlock(py, me):
                    raise modelled(
                        DeadlockError(f"deadlock detected by _ModuleLock({self.name!r})")
                    )
                yield Wait(lambda: self.is_free_for(me), self)
        finally:
            py.blocking_on.pop(me, None)

    def _is_deadlock(self, py: Interpreter, me: int) -> bool:
        owner = self.owner
        seen: Set[int] = set()
        while owner is not None and owner not in seen:
            seen.add(owner)
            awaited = py.blocking_on.get(owner)
            if awaited is None:
                return False
            owner = awaited.owner
            if owner == me:
                return True
        return False

    def release(self) -> None:
        self.count -= 1
        if self.count == 0:
            self.owner = None


class Importer:
    """Of one interpreter: sys.modules, the locks of modules, and what its hooks do to imports."""

    def __init__(self) -> None:
        self.modules: Dict[str, Module] = {}
        self.locks: Dict[str, ModuleLock] = {}
        self.builtins: Mapping[str, Source] = {}

    def lock_of(self, name: str) -> ModuleLock:
        return self.locks.setdefault(name, ModuleLock(name))

    # What programs call.

    def import_module(self, py: Interpreter, name: str) -> Steps[Module]:
        """importlib.import_module, and all imports that are written in Python. Others may have a
        turn between any two of its lines."""
        module = self.modules.get(name)
        yield None
        if module is None or module.is_initializing:
            lock = self.lock_of(name)
            yield from lock.acquire(py)
            try:
                module = self.modules.get(name)
                if module is None:
                    module = yield from self._find_and_load_unlocked(py, name)
            finally:
                lock.release()
            yield from self._wait_until_initialized(py, name)
        return module

    def import_statement(self, py: Interpreter, name: str) -> Steps[Module]:
        """`import name`, which looks into sys.modules itself first. That is C: no other thread has
        a turn between the look and the question whether the module is being imported."""
        yield None
        module = self.modules.get(name)
        if module is None:
            found = yield from self.import_module(py, name)
            return found
        if module.is_initializing:
            py.saw(f"has {name} from sys.modules while it is imported")
            yield from self._wait_until_initialized(py, name)
            if py.behaviour.looks_again_after_wait and self.modules.get(name) is not module:
                found = yield from self.import_statement(py, name)
                return found
        return module

    def from_import(self, py: Interpreter, name: str, wanted: str) -> Steps[Any]:
        """`from name import wanted`."""
        module = yield from self.import_statement(py, name)
        try:
            found = yield from module.lookup(py, wanted)
            return found
        except AttributeError:
            pass
        below = f"{name}.{wanted}"
        if module.is_package and py.finds(below) is not None:
            found = yield from self.import_module(py, below)
            return found
        if below in self.modules:
            return self.modules[below]
        place = module.source.path if module.source is not None else "unknown location"
        kind = "partially initialized module " if module.is_initializing else ""
        hint = " (most likely due to a circular import)" if module.is_initializing else ""
        said = f"cannot import name {wanted!r} from {kind}{module.name!r}{hint} ({place})"
        raise modelled(ImportError(said))

    # What these do.

    def _wait_until_initialized(self, py: Interpreter, name: str) -> Steps[None]:
        """_lock_unlock_module: who would wait for ever takes the module as it is."""
        lock = self.lock_of(name)
        try:
            yield from lock.acquire(py)
        except DeadlockError:
            return
        lock.release()

    def _find_and_load_unlocked(self, py: Interpreter, name: str) -> Steps[Module]:
        parent = name.rpartition(".")[0]
        if parent and parent not in self.modules:
            yield from self.import_module(py, parent)
            if name in self.modules:  # the parent's body has imported it
                return self.modules[name]
        source = None if py.hooks.hides(py, name) else py.finds(name)
        if source is None:
            raise modelled(ModuleNotFoundError(f"No module named {name!r}", name=name))
        module = yield from self._execute(py, name, source)
        if parent in self.modules:
            self.modules[parent].names[name.rpartition(".")[2]] = module
        yield from py.hooks.after_import(py, name)
        return module

    def _execute(self, py: Interpreter, name: str, source: Source) -> Steps[Module]:
        module = Module(name, source)
        module.is_initializing = True
        self.modules[name] = module
        thread = py.thread
        doing, thread.doing = thread.doing, IMPORTING
        try:
            py.saw(f"executes {name}")
            yield from py.work(BODY_STEPS)
            yield from py.hooks.in_body(py, name)
            yield from _call_with_frames_removed(py, module, source)
        except Exception:
            self.modules.pop(name, None)
            raise
        finally:
            module.is_initializing = False
            thread.doing = doing
        found = self.modules[name]  # whatever stands there now
        py.saw(f"has executed {name}" + (", which replaced itself" if found is not module else ""))
        yield from py.hooks.after_body(py, name)
        return found


def _call_with_frames_removed(py: Interpreter, module: Module, source: Source) -> Steps[None]:
    """A body in C has no frame of its own: what it fails by is given back, and raised here."""
    failure: Optional[Exception] = yield from source.body(py, module)
    if failure is not None:
        raise failure


def empty(py: Interpreter, module: Module) -> Steps[None]:
    yield None


def importing(*names: str) -> Body:
    """The body of a module that imports these, and nothing else."""

    def body(py: Interpreter, module: Module) -> Steps[None]:
        for name in names:
            yield from py.imports.import_statement(py, name)

    return body


STANDARD: List[str] = [
    "concurrent.futures",
    "importlib",
    "json",
    "logging",
    "multiprocessing",
    "multiprocessing.forkserver",
    "multiprocessing.resource_tracker",
    "multiprocessing.shared_memory",
    "multiprocessing.spawn",
    "threading",
]
