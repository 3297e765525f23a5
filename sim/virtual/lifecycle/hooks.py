"""What faults plant inside of simulated interpreters; the same specs as sim.inside takes.

    missing, failing, slow, gated, twice    in the import of a module
    fork            another thread holds a lock whenever the process forks
    start_method    multiprocessing has one as soon as it is imported
    main_guard      a spawned process runs the main module under its real name
    preload         a fork server imports a broken module first

What happens is told, and remembered for other hooks, as sim.inside.hook_events has it.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Set

from sim.virtual.lifecycle.modules import ModuleLock
from sim.virtual.lifecycle.steps import MS, S, Steps, Wait, modelled

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter

Spec = Mapping[str, Any]
LOOK_NS = 1 * MS
HOLD_NS_MAX = 20 * S
TAKE_NS_MAX = 2 * S
MAIN_WAITS = "main_waits"
IN_BODY = ("failing", "slow", "gated")


class Hooks:
    """Of one interpreter. A fork copies them with what they remember."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        self.specs = list(specs)
        self.is_server = False  # a fork server has no other threads
        for spec in specs:
            if spec["kind"] == "fork" and spec["lock"] == "import":
                name = spec["name"]
                gate = {"kind": "gated", "module": name, "until": f"released:{name}", "times": 1}
                self.specs.append(gate)
        self._left: Dict[int, int] = {
            number: 1 if spec["kind"] == "twice" else spec["times"]
            for number, spec in enumerate(self.specs)
            if spec["kind"] == "twice" or "times" in spec
        }
        self._happened: Set[str] = set()
        self._may_release = True

    def tell(self, py: Interpreter, hook: str, module: str, event: str, **more: Any) -> None:
        said = {"hook": hook, "module": module, "event": event, "is_main": py.thread.is_main}
        py.process.program.says(py.process, "hook", {**said, **more})
        self._happened.add(f"{event}:{module}")

    def _due(self, name: str, kinds: Sequence[str]) -> List[Spec]:
        found = []
        for number, spec in enumerate(self.specs):
            if spec["kind"] in kinds and spec.get("module") == name:
                left = self._left.get(number)
                if left is not None:
                    self._left[number] = left - 1
                if left is None or left > 0:
                    found.append(spec)
        return found

    # Imports.

    def hides(self, py: Interpreter, name: str) -> bool:
        if self._due(name, ("missing",)):
            self.tell(py, "missing", name, "raised")
            return True
        return False

    def in_body(self, py: Interpreter, name: str) -> Steps[None]:
        for spec in self._due(name, IN_BODY):
            if spec["kind"] == "failing":
                error = exception(spec["exception"], spec.get("message", ""))
                self.tell(py, "failing", name, "raised", exception=repr(error))
                raise error
            if spec["kind"] == "slow":
                self.tell(py, "slow", name, "began")
                yield from py.sleep(int(spec["seconds"] * S))
                self.tell(py, "slow", name, "ended")
            else:
                yield from self._gate(py, name, spec["until"])

    def _gate(self, py: Interpreter, name: str, until: str) -> Steps[None]:
        if until == MAIN_WAITS and py.thread.is_main:
            why = "the main thread imports it: it cannot wait for itself"
            self.tell(py, "gated", name, "impossible", why=why)
            return
        self.tell(py, "gated", name, "held", until=until)
        until_ns = py.now_ns + HOLD_NS_MAX

        def came() -> bool:
            if until == MAIN_WAITS:
                return waits_for(py, name)
            return until in self._happened

        while not came() and py.now_ns < until_ns:
            yield from py.sleep(LOOK_NS)
        self.tell(py, "gated", name, "released" if came() else "late", until=until)

    def after_body(self, py: Interpreter, name: str) -> Steps[None]:
        for _ in self._due(name, ("twice",)):
            first = py.imports.modules.pop(name)
            self.tell(py, "twice", name, "began")
            yield from py.imports.import_module(py, name)
            assert py.imports.modules[name] is not first
            self.tell(py, "twice", name, "ended")

    def after_import(self, py: Interpreter, name: str) -> Steps[None]:
        if name != "multiprocessing":
            return
        for spec in self.specs:
            if spec["kind"] != "start_method":
                continue
            if spec["where"] == "thread":
                thread = py.start_thread(self._set_method(py, spec["method"]), "set", daemon=True)
                yield from py.join(thread)
            else:
                yield from self._set_method(py, spec["method"])

    def _set_method(self, py: Interpreter, method: str) -> Steps[None]:
        yield None
        try:
            py.mp.set_start_method(method)
        except (RuntimeError, ValueError) as error:
            self.tell(py, "start_method", "multiprocessing", "impossible", why=str(error))
        else:
            self.tell(py, "start_method", "multiprocessing", "ended", method=method)

    # Starts.

    def takes_guard_away(self, py: Interpreter) -> bool:
        """Asked by a spawned process that is about to run the main module again."""
        if not any(spec["kind"] == "main_guard" for spec in self.specs):
            return False
        self.tell(py, "main_guard", "multiprocessing.spawn", "began", instead_of="__mp_main__")
        return True

    @property
    def preloads(self) -> List[str]:
        return [spec["module"] for spec in self.specs if spec["kind"] == "preload"]

    def before_fork(self, py: Interpreter) -> Steps[None]:
        for spec in self.specs:
            if spec["kind"] == "fork" and not self.is_server:
                if spec["lock"] == "import":
                    yield from self._import_beside(py, spec["name"])
                else:
                    yield from self._lock_beside(py, spec["lock"], spec["name"])

    def after_fork_in_parent(self, py: Interpreter) -> None:
        self._may_release = True
        for spec in self.specs:
            name = spec.get("name", "")
            if spec["kind"] == "fork" and f"began:{name}" in self._happened:
                if f"released:{name}" not in self._happened:
                    self.tell(py, "fork", name, "released")

    def _lock_beside(self, py: Interpreter, kind: str, name: str) -> Steps[None]:
        locks = _locks(py, kind, name)
        if not locks:
            return
        self._may_release = False
        is_held: List[bool] = []

        def hold() -> Steps[None]:
            for lock in locks:
                yield from lock.acquire(py)
            is_held.append(True)
            yield Wait(lambda: self._may_release, self)
            for lock in locks:
                lock.release()

        py.start_thread(hold(), "holder", daemon=True)
        yield Wait(lambda: bool(is_held), None, py.now_ns + TAKE_NS_MAX)
        if is_held:
            self.tell(py, "fork", name, "held", lock=kind)
        else:
            why = "another thread cannot have the lock: it is held already"
            self.tell(py, "fork", name, "impossible", why=why)

    def _import_beside(self, py: Interpreter, name: str) -> Steps[None]:
        if name in py.imports.modules:
            return

        def load() -> Steps[None]:
            try:
                yield from py.imports.import_module(py, name)
            except Exception as error:
                self.tell(py, "fork", name, "impossible", why=repr(error))

        py.start_thread(load(), "importer", daemon=True)
        held = f"held:{name}"
        yield Wait(lambda: held in self._happened, None, py.now_ns + TAKE_NS_MAX)
        if held in self._happened:
            self.tell(py, "fork", name, "began", lock="import")
        else:
            why = "another thread does not come to its body"
            self.tell(py, "fork", name, "impossible", why=why)


def waits_for(py: Interpreter, name: str) -> bool:
    """The main thread is in the acquisition of this module's lock."""
    main = py.process.main
    lock = None if main is None else py.blocking_on.get(main.ident)
    return isinstance(lock, ModuleLock) and lock.name == name


def exception(name: str, message: str) -> Exception:
    """Raises KeyError for one that is not built in: lacking.py refuses it before."""
    made: Exception = modelled(vars(builtins)[name](message))
    return made


def _locks(py: Interpreter, kind: str, name: str) -> List[Any]:
    if kind == "logging":
        return [handler.lock for handler in py.logging.handlers]
    module, _, attribute = name.partition(":")
    found = py.imports.modules.get(module)
    lock = None if found is None else found.names.get(attribute)
    return [lock] if hasattr(lock, "acquire") else []
