"""Model of sim.subjects.hanging."""

from __future__ import annotations

import signal
from typing import Any

from sim.virtual.lifecycle.channels import Channel, End
from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.locks import Barrier, Event, Lock
from sim.virtual.lifecycle.models.packages import FOLDER as PACKAGES
from sim.virtual.lifecycle.modules import Module, Source, importing
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import MS, S, Steps, Wait, modelled, never

SUBJECT = "sim.subjects.hanging"
FOR_EVER_NS = 3600 * S

_imports = importing("importlib", "multiprocessing", "threading")


def body(py: Interpreter, module: Module) -> Steps[None]:
    yield from _imports(py, module)
    module.names.update(first=Lock("first"), second=Lock("second"), both_hold=Barrier(2))


def _global(py: Interpreter, name: str) -> Any:
    return py.imports.modules[SUBJECT].names[name]


def crossed_locks(py: Interpreter) -> Steps[None]:
    first, second = _global(py, "first"), _global(py, "second")
    py.start_thread(_take(py, second, first), "other")
    yield from py.probe("hangs")
    yield from _take(py, first, second)


def _take(py: Interpreter, one: Lock, then: Lock) -> Steps[None]:
    yield from one.acquire(py)
    yield from _global(py, "both_hold").wait(py)
    yield from then.acquire(py)
    raise modelled(AssertionError("nobody gets here"))


def own_lock(py: Interpreter) -> Steps[None]:
    yield from py.probe("hangs")
    for _ in range(2):
        yield from _global(py, "first").acquire(py)
    raise modelled(AssertionError("nobody gets here"))


def joined_import(py: Interpreter) -> Steps[None]:
    yield from _import(py, "joining_module")


def import_under_lock(py: Interpreter) -> Steps[None]:
    first = _global(py, "first")
    yield from first.acquire(py)
    py.start_thread(_import(py, "locking_module"), "other")
    yield from _global(py, "both_hold").wait(py)
    yield from py.probe("hangs")
    yield from _import(py, "locking_module")
    first.release()


def _import(py: Interpreter, name: str) -> Steps[None]:
    if PACKAGES not in py.path:
        py.path.insert(0, PACKAGES)
    yield from py.imports.import_module(py, name)


def endless_import(py: Interpreter) -> Steps[None]:
    yield from _import(py, "endless_module")


def left_thread(py: Interpreter) -> Steps[None]:
    event = Event("an event")
    py.start_thread(event.wait(py), "left")
    yield from py.probe("hangs")


def left_process(py: Interpreter) -> Steps[None]:
    yield from start(py, _sleep, FOR_EVER_NS, method="spawn")
    yield from py.probe("hangs")


def interpreter_lock_in_c(py: Interpreter) -> Steps[None]:
    py.start_thread(py.compute(None), "count", daemon=True)
    yield from py.probe("hangs")
    yield Wait(never, None, py.now_ns + FOR_EVER_NS, keeps_interpreter_lock=True)


def stopped_child(py: Interpreter) -> Steps[None]:
    process = yield from start(py, _sleep, FOR_EVER_NS, method="spawn")
    assert process.process is not None
    py.machine.signal(process.process, signal.SIGSTOP)
    yield from py.probe("hangs")
    yield from process.join()


def slow_import(py: Interpreter) -> Steps[None]:
    yield from py.probe("hangs")
    py.start_thread(_import(py, "endless_module"), "other", daemon=True)
    while "endless_module" not in py.imports.modules:
        yield from py.sleep(10 * MS)
    yield from _import(py, "endless_module")


def asleep(py: Interpreter) -> Steps[None]:
    yield from py.probe("works")
    yield from py.sleep(FOR_EVER_NS)


def reads_a_pipe(py: Interpreter) -> Steps[None]:
    reading, writing = Channel("pipe").ends
    py.process.open(writing)
    number = py.process.open(reading)
    yield from py.probe("works")
    end = py.process.files[number]
    assert isinstance(end, End)
    yield Wait(lambda: end.is_readable, end)


def busy(py: Interpreter) -> Steps[None]:
    yield from py.probe("works")
    yield from py.compute(FOR_EVER_NS)


def busy_threads(py: Interpreter) -> Steps[None]:
    for number in range(3):
        py.start_thread(py.compute(None), f"count {number}", daemon=True)
    yield from py.probe("works")
    yield from py.compute(None)


def idle(py: Interpreter) -> Steps[None]:
    yield from py.probe("works")
    yield from py.sleep(2 * S)


def computing(py: Interpreter) -> Steps[None]:
    yield from py.probe("works")
    yield from py.compute(2 * S)


def working_child(py: Interpreter) -> Steps[None]:
    process = yield from start(py, _sleep, 2 * S, method="spawn")
    yield from py.probe("works")
    yield from process.join()


def ended_child(py: Interpreter) -> Steps[None]:
    process = yield from start(py, _serve, method="spawn")
    yield from py.probe("works")
    yield from py.sleep(2 * S)
    assert process.process is not None
    py.machine.signal(process.process, signal.SIGTERM)
    yield from process.join()


def _serve(py: Interpreter) -> Steps[None]:
    yield from Event("an event").wait(py)


def until_an_alarm(py: Interpreter) -> Steps[None]:
    first = _global(py, "first")

    def let_go(them: Interpreter) -> Steps[None]:
        yield None
        first.release()

    py.on_signal(signal.SIGALRM, let_go)
    yield from first.acquire(py)
    py.machine.alarm(py.process, 2 * S)
    yield from py.probe("works")
    yield from first.acquire(py)


def _sleep(py: Interpreter, ns: int) -> Steps[None]:
    yield from py.sleep(ns)


def _joining_module(py: Interpreter, module: Module) -> Steps[None]:
    thread = py.start_thread(_import(py, "joining_module"), "other")
    yield from py.probe("hangs")
    yield from py.join(thread)


def _locking_module(py: Interpreter, module: Module) -> Steps[None]:
    yield from _global(py, "both_hold").wait(py)
    first = _global(py, "first")
    yield from first.acquire(py)
    first.release()


def _endless_module(py: Interpreter, module: Module) -> Steps[None]:
    yield from py.sleep(FOR_EVER_NS)


def _placed(name: str) -> str:
    return f"{PACKAGES}/{name}.py"


FILES = {
    _placed(name): Source(_placed(name), each)
    for name, each in (
        ("joining_module", _joining_module),
        ("locking_module", _locking_module),
        ("endless_module", _endless_module),
    )
}
VARIANTS = {
    each.__name__: each
    for each in (
        crossed_locks,
        own_lock,
        joined_import,
        import_under_lock,
        endless_import,
        left_thread,
        left_process,
        interpreter_lock_in_c,
        stopped_child,
        slow_import,
        asleep,
        reads_a_pipe,
        busy,
        busy_threads,
        idle,
        computing,
        working_child,
        ended_child,
        until_an_alarm,
    )
}
