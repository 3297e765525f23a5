"""A loader of a compiled kernel at the place of its use, before and after it survives damage.

    before      an import that nothing guards
    merged      `except ImportError`, and a warning without the cause
    after       `except ImportError`: one warning, a flag that is down, the same work by the twin
    after_plus  the same for whatever an import raises, and for damage that kills or hangs: another
                process tries the import first

    SUBJECT_EXTENSION         what is loaded; cy_kernels.spinloop
    SUBJECT_FALLBACK          its twin in plain Python; cy_kernels.pure.spinloop
    SUBJECT_TRIAL_DEADLINE_S  what after_plus allows the trial, in whole seconds; 30

Both modules have a function `spinloop(buffer, callback, timeout)`. Probes: loading, degraded where
the twin runs, loaded, result.

What no variant survives: a file that is damaged between its trial and its import, or once it is
mapped. A trial runs in a new process, where nothing is imported yet: a library that only loads
after another one is found wanting there, and the twin runs.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from types import ModuleType
from typing import IO, Any, Callable, Dict, List, NamedTuple, Optional

import spinbed

EXTENSION = os.environ.get("SUBJECT_EXTENSION", "cy_kernels.spinloop")
FALLBACK = os.environ.get("SUBJECT_FALLBACK", "cy_kernels.pure.spinloop")
TRIAL_DEADLINE_S = int(os.environ.get("SUBJECT_TRIAL_DEADLINE_S", "30"))
# Set in a process that tries an import. A package that loads its own kernels in this way would
# otherwise start such processes without end: each imports the package.
TRIAL = "SUBJECT_TRIAL"
TRIAL_PASSED = "passed"
CAUSE_CHARACTERS_MAX = 300
ENOUGH_S = 60.0  # for work that ends at once

# The path comes first: what else the trial imports must be found where the program finds it. It
# ends itself at its deadline too, since a program that is killed meanwhile cannot end it; and it
# leaves no core file.
TRIAL_PROGRAM = f"""
import sys
report, seconds, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
sys.path[:], sys.argv[1:] = sys.argv[4:], []
import importlib, os, resource, signal
resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
signal.alarm(seconds)
try:
    importlib.import_module(name).spinloop(bytearray(8), lambda: True, 0.0)
except BaseException as error:
    said = type(error).__name__ + (f": {{error}}" if str(error) else "")
else:
    said = {TRIAL_PASSED!r}
os.write(report, said.encode("utf-8", "backslashreplace"))
os._exit(0)
"""

logger = logging.getLogger("sim.subjects.kernel_loader")

extension_is_enabled = False


class Loaded(NamedTuple):
    """What this process works with, and why that is the twin, if it is."""

    module: ModuleType
    cause: Optional[str]


# By the loader that filled it, once in a process: a trial costs as much as the start of an
# interpreter. Of threads that race through their first load one wins and warns, as dict.setdefault
# is atomic; a lock would be inherited locked by a fork. A forked process knows what its parent
# knew; one that is spawned may have another path, or another interpreter, and tries itself.
_known: Dict[Callable[[], Loaded], Loaded] = {}


def before() -> None:
    _start()
    _finish("before", Loaded(importlib.import_module(EXTENSION), None))


def merged() -> None:
    _start()
    _finish("merged", load(by_guarding, _say_what))


def after() -> None:
    _start()
    _finish("after", load(by_guarding))


def after_plus() -> None:
    _start()
    _finish("after_plus", load(by_trying_first))


def _say_why(cause: str) -> None:
    logger.warning("%s could not be loaded, %s runs instead: %s", EXTENSION, FALLBACK, cause)


def _say_what(cause: str) -> None:
    logger.warning("%s could not be loaded, %s runs instead", EXTENSION, FALLBACK)


def load(loader: Callable[[], Loaded], say: Callable[[str], None] = _say_why) -> Loaded:
    """What `loader` loads, once in this process; if that is the twin, one warning says why."""
    global extension_is_enabled
    if loader not in _known:
        found = loader()
        if _known.setdefault(loader, found) is found:
            extension_is_enabled = found.cause is None
            if found.cause is not None:
                say(found.cause)
                spinbed.probe("degraded", what=EXTENSION, cause=found.cause)
    return _known[loader]


def by_guarding() -> Loaded:
    try:
        return Loaded(importlib.import_module(EXTENSION), None)
    except ImportError as error:
        return _twin(_raised(error))


def by_trying_first() -> Loaded:
    cause = None if EXTENSION in sys.modules else what_an_import_does(EXTENSION)
    if cause is None:
        try:
            return Loaded(importlib.import_module(EXTENSION), None)
        except Exception as error:  # it went well in the trial: the two processes differ
            cause = _raised(error)
    return _twin(cause)


def what_an_import_does(name: str) -> Optional[str]:
    """None: a process of this interpreter, path and environment imports it and calls its function.

    Else what was raised there, the signal that ended it, or that it did not end: as a text.
    """
    if TRIAL in os.environ:
        return None
    if not sys.executable:
        return "no interpreter is known to try it in"
    try:
        with tempfile.TemporaryFile() as report, tempfile.TemporaryFile() as errors:
            try:
                status = _try(name, report, errors)
            except subprocess.TimeoutExpired:
                status = -signal.SIGALRM
            return _cause(status, _text(report), _text(errors))
    except OSError as error:  # no process, no descriptor, no disk: what is not tried is not loaded
        return f"it could not be tried: {error}"


def _try(name: str, report: IO[bytes], errors: IO[bytes]) -> int:
    """The status of a process like this one: its flags, its path, its environment."""
    flags: List[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    path = [entry for entry in sys.path if isinstance(entry, str)]  # as the import system does
    arguments = [str(report.fileno()), str(TRIAL_DEADLINE_S), name, *path]
    return subprocess.run(
        [sys.executable, *flags, "-c", TRIAL_PROGRAM, *arguments],
        env={**os.environ, TRIAL: "1"},
        pass_fds=[report.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        timeout=TRIAL_DEADLINE_S + 1,
    ).returncode


def _cause(status: int, said: str, errors: str) -> Optional[str]:
    if status == -signal.SIGALRM:
        return f"its import did not end within {TRIAL_DEADLINE_S} s"
    first = errors.strip().partition("\n")[0]
    if status:
        said = f"its import ended a process by {_ending(status)}" + (f": {first}" if first else "")
    elif not said:
        said = "its import ended a process without a word"
    return None if said == TRIAL_PASSED else said[:CAUSE_CHARACTERS_MAX]


def _raised(error: Exception) -> str:
    return type(error).__name__ + (f": {error}" if str(error) else "")


def _ending(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:  # a status, or a real-time signal
        return f"status {status}" if status > 0 else f"signal {-status}"


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(CAUSE_CHARACTERS_MAX * 4).decode("utf-8", "replace")


def _twin(cause: str) -> Loaded:
    return Loaded(importlib.import_module(FALLBACK), cause)


def work(spinloop: Callable[..., bool]) -> Dict[str, Any]:
    """Waits whose ends no clock decides: a condition met, a time that is over, an error raised."""
    buffer = bytearray(8)
    asked: List[int] = []

    def is_third() -> bool:
        buffer[0] += 1  # what a waiter watches changes while it waits
        asked.append(buffer[0])
        return len(asked) == 3

    def is_never() -> bool:
        asked.append(-1)
        return False

    done: Dict[str, Any] = {"met": spinloop(buffer, is_third, ENOUGH_S)}
    done["late"] = spinloop(buffer, is_never, 0.0)
    try:
        spinloop(buffer, {}.popitem, ENOUGH_S)
    except KeyError as error:
        done["raised"] = str(error)
    return {**done, "asked": asked}


def _start() -> None:
    # It would have the first import of cy_kernels load each kernel, instead of the place of use.
    os.environ.pop("SPINBED_REQUIRE_EXT", None)
    spinbed.probe("loading", extension=EXTENSION)


def _finish(variant: str, loaded: Loaded) -> None:
    kind = "extension" if loaded.cause is None else "fallback"
    spinbed.probe("loaded", kind=kind, cause=loaded.cause)
    done = work(loaded.module.spinloop)
    result = {"variant": variant, "kind": kind, "cause": loaded.cause, "work": done}
    spinbed.probe("result", **result)
    print(json.dumps(result))
