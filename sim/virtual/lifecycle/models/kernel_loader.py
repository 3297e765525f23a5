"""Model of sim.subjects.kernel_loader."""

from __future__ import annotations

import json
import signal
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.loading import Extension
from sim.virtual.lifecycle.modules import Module, empty, importing
from sim.virtual.lifecycle.starting import anew
from sim.virtual.lifecycle.steps import S, Steps, Wait, is_modelled, modelled

SUBJECT = "sim.subjects.kernel_loader"
EXTENSION, FALLBACK = "cy_kernels.spinloop", "cy_kernels.pure.spinloop"
TRIAL = "SUBJECT_TRIAL"
TRIAL_PASSED = "passed"
ENOUGH_S = 60.0
TEMPORARY = "['/tmp', '/var/tmp', '/usr/tmp', '/']"

body = importing("importlib", "json", "logging")
FILES: Any = {}


def spinloop(py: Interpreter, buffer: bytearray, callback: Any, timeout_s: float) -> Steps[bool]:
    """Asks until the answer is True, or the time is over. Raises what the callback raises."""
    until_ns = py.now_ns + int(timeout_s * S)
    while True:
        yield None
        if callback() is True:
            return True
        if py.now_ns >= until_ns:
            return False


def _twin(py: Interpreter, module: Module) -> Steps[None]:
    yield None
    module.names["spinloop"] = spinloop


MODULES = {"cy_kernels": empty, FALLBACK: _twin}
EXTENSIONS = {EXTENSION: lambda: Extension(EXTENSION, spinloop)}


class Loaded(NamedTuple):
    module: Module
    cause: Optional[str]


def before(py: Interpreter) -> Steps[None]:
    yield from _start(py)
    module = yield from py.imports.import_module(py, EXTENSION)
    yield from _finish(py, "before", Loaded(module, None))


def merged(py: Interpreter) -> Steps[None]:
    yield from _run(py, "merged", by_guarding, "%s could not be loaded, %s runs instead")


def after(py: Interpreter) -> Steps[None]:
    yield from _run(py, "after", by_guarding, "%s could not be loaded, %s runs instead: {cause}")


def after_plus(py: Interpreter) -> Steps[None]:
    text = "%s could not be loaded, %s runs instead: {cause}"
    yield from _run(py, "after_plus", by_trying_first, text)


def _run(
    py: Interpreter, variant: str, loader: Callable[[Interpreter], Steps[Loaded]], text: str
) -> Steps[None]:
    yield from _start(py)
    found = yield from loader(py)
    if found.cause is not None:
        said = (text % (EXTENSION, FALLBACK)).replace("{cause}", found.cause)
        yield from py.log("WARNING", SUBJECT, said)
        yield from py.probe("degraded", what=EXTENSION, cause=found.cause)
    yield from _finish(py, variant, found)


def by_guarding(py: Interpreter) -> Steps[Loaded]:
    try:
        module = yield from py.imports.import_module(py, EXTENSION)
        return Loaded(module, None)
    except ImportError as error:
        cause = _raised(error)
    found = yield from _fallback(py, cause)
    return found


def by_trying_first(py: Interpreter) -> Steps[Loaded]:
    cause = None
    if EXTENSION not in py.imports.modules:
        cause = yield from what_an_import_does(py, EXTENSION)
    if cause is None:
        try:
            module = yield from py.imports.import_module(py, EXTENSION)
            return Loaded(module, None)
        except Exception as error:
            if not is_modelled(error):
                raise
            cause = _raised(error)
    found = yield from _fallback(py, cause)
    return found


def _fallback(py: Interpreter, cause: str) -> Steps[Loaded]:
    module = yield from py.imports.import_module(py, FALLBACK)
    return Loaded(module, cause)


def what_an_import_does(py: Interpreter, name: str) -> Steps[Optional[str]]:
    """None: a process of this interpreter and environment imports it and calls its function."""
    if TRIAL in py.environ:
        return None
    if py.process.limits.get("FSIZE") == 0:  # no file of tempfile can be written
        said = f"No usable temporary directory found in {TEMPORARY}"
        return f"it could not be tried: {modelled(FileNotFoundError(2, said))}"
    seconds = int(py.environ.get("SUBJECT_TRIAL_DEADLINE_S", "30"))
    process = py.machine.start_process(py.process, py.process.program, "trial")
    trial = anew(py, process)
    trial.environ[TRIAL] = "1"
    reported: List[str] = []

    def main(them: Interpreter) -> Steps[None]:
        py.machine.alarm(process, seconds * S)
        try:
            module = yield from them.imports.import_module(them, name)
            yield from _called(them, module, bytearray(8), lambda: True, 0.0)
        except Exception as error:
            if not is_modelled(error):
                raise
            reported.append(_raised(error))
        else:
            reported.append(TRIAL_PASSED)

    py.machine.start_thread(process, trial.run(main))
    until_ns = py.now_ns + (seconds + 1) * S
    yield Wait(lambda: process.is_dead, process, until_ns)
    if not process.is_dead:
        py.machine.signal(process, signal.SIGKILL)
    status = process.status or 0
    if status in (-signal.SIGALRM, -signal.SIGKILL):
        return f"its import did not end within {seconds} s"
    if status:
        ending = signal.Signals(-status).name if status < 0 else f"status {status}"
        return f"its import ended a process by {ending}"
    if not reported:
        return "its import ended a process without a word"
    return None if reported[0] == TRIAL_PASSED else reported[0]


def _raised(error: Exception) -> str:
    return type(error).__name__ + (f": {error}" if str(error) else "")


def _called(py: Interpreter, module: Module, *args: Any) -> Steps[Any]:
    """The function of an extension is in pages of its file."""
    loaded = module.names.get("__loaded__")
    if loaded is not None:
        found = yield from loaded.call(py, *args)
    else:
        found = yield from module.names["spinloop"](py, *args)
    return found


def work(py: Interpreter, module: Module) -> Steps[Dict[str, Any]]:
    buffer = bytearray(8)
    asked: List[int] = []

    def is_third() -> bool:
        buffer[0] += 1
        asked.append(buffer[0])
        return len(asked) == 3

    def is_never() -> bool:
        asked.append(-1)
        return False

    def raises() -> bool:
        raise modelled(KeyError("popitem(): dictionary is empty"))

    done: Dict[str, Any] = {}
    done["met"] = yield from _called(py, module, buffer, is_third, ENOUGH_S)
    done["late"] = yield from _called(py, module, buffer, is_never, 0.0)
    try:
        yield from _called(py, module, buffer, raises, ENOUGH_S)
    except KeyError as error:
        done["raised"] = str(error)
    return {**done, "asked": asked}


def _start(py: Interpreter) -> Steps[None]:
    py.environ.pop("SPINBED_REQUIRE_EXT", None)
    yield from py.probe("loading", extension=EXTENSION)


def _finish(py: Interpreter, variant: str, loaded: Loaded) -> Steps[None]:
    kind = "extension" if loaded.cause is None else "fallback"
    yield from py.probe("loaded", kind=kind, cause=loaded.cause)
    done = yield from work(py, loaded.module)
    result = {"variant": variant, "kind": kind, "cause": loaded.cause, "work": done}
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


VARIANTS = {"before": before, "merged": merged, "after": after, "after_plus": after_plus}
