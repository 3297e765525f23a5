"""Model of sim.subjects.start_method."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Optional

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.modules import importing
from sim.virtual.lifecycle.starting import ensure_running, start
from sim.virtual.lifecycle.steps import Steps, modelled

SUBJECT = "sim.subjects.start_method"
ANSWER = 42
DEFAULT = "spawn"
METHODS = ("spawn", "fork")  # that the engine knows of
EVERY_METHOD = ("spawn", "fork", "forkserver")

SetMethod = Callable[[Interpreter, str], Steps[None]]

body = importing("concurrent.futures", "json", "logging", "multiprocessing.forkserver")
FILES: Any = {}


def before(py: Interpreter) -> Steps[None]:
    yield from _run(py, "before", _set)


def after_force(py: Interpreter) -> Steps[None]:
    yield from _run(py, "after_force", _force)


def after_suppress(py: Interpreter) -> Steps[None]:
    yield from _run(py, "after_suppress", _set_or_not)


def after_guarded(py: Interpreter) -> Steps[None]:
    yield from _run(py, "after_guarded", _set_where_unset)


def split_before(py: Interpreter) -> Steps[None]:
    method = py.environ.get("SUBJECT_METHOD", "forkserver")
    yield from _serve(py, method)
    yield from _engine(py, "split_before", _one_of(method, METHODS, "Method"))


def split_after(py: Interpreter) -> Steps[None]:
    method = py.environ.get("SUBJECT_METHOD", "forkserver")
    method = _one_of(method, EVERY_METHOD, "EveryMethod")
    yield from _serve(py, method)
    yield from _engine(py, "split_after", method)


def _set(py: Interpreter, method: str) -> Steps[None]:
    yield None
    py.mp.set_start_method(method)


def _force(py: Interpreter, method: str) -> Steps[None]:
    yield None
    py.mp.set_start_method(method, force=True)


def _set_or_not(py: Interpreter, method: str) -> Steps[None]:
    yield None
    try:
        py.mp.set_start_method(method)
    except RuntimeError:
        pass


def _set_where_unset(py: Interpreter, method: str) -> Steps[None]:
    yield None
    found = py.mp.get_start_method(allow_none=True)
    if found is None:
        py.mp.set_start_method(method)
    elif found != method:
        said = f"the start method is {found} already, and not {method}"
        yield from py.log("WARNING", SUBJECT, said)


def _one_of(method: str, known: Any, name: str) -> str:
    """enum.Enum."""
    if method not in known:
        raise modelled(ValueError(f"{method!r} is not a valid {name}"))
    return method


def _run(py: Interpreter, variant: str, set_method: SetMethod) -> Steps[None]:
    method = py.environ.get("SUBJECT_METHOD", DEFAULT)
    case = py.environ.get("SUBJECT_CASE", "twice")
    queue: Optional[Any] = None
    if case == "twice":
        py.mp.set_start_method(py.environ.get("SUBJECT_FIRST", method))
        yield from set_method(py, method)
    elif case == "threads":
        for _ in range(2):
            yield from _in_a_pool(py, set_method, method)
    elif case == "in_use":
        queue = py.mp.queue(py)
        yield from set_method(py, method)
    else:
        raise SystemExit(f"{case!r} is not one of twice, threads, in_use")
    answered = yield from _answered(py, queue or py.mp.queue(py))
    yield from _say(py, variant, case=case, **answered)


def _in_a_pool(py: Interpreter, set_method: SetMethod, method: str) -> Steps[None]:
    """concurrent.futures: what is raised in the thread is raised where its result is asked for."""
    raised = []

    def work() -> Steps[None]:
        try:
            yield from set_method(py, method)
        except Exception as error:
            raised.append(error)

    yield from py.join(py.start_thread(work(), "ThreadPoolExecutor"))
    if raised:
        raise raised[0]


def _serve(py: Interpreter, method: str) -> Steps[None]:
    if method == "forkserver":
        py.mp.set_start_method("forkserver")
        py.mp.preload = ["json"]
        yield from ensure_running(py)
        yield from py.probe("warm")


def _engine(py: Interpreter, variant: str, method: str) -> Steps[None]:
    answered = yield from _answered(py, py.mp.queue(py, method), method)
    yield from _say(py, variant, **answered)


def _answered(py: Interpreter, queue: Any, method: Optional[str] = None) -> Steps[Dict[str, Any]]:
    process = yield from start(py, _answer, queue, method=method)
    yield from process.join()
    if process.exitcode:
        raise SystemExit(f"the process ended with status {process.exitcode}")
    answer = yield from queue.get(py)
    return {"method": py.mp.context(method), "answer": answer}


def _answer(py: Interpreter, queue: Any) -> Steps[None]:
    yield from queue.put(py, ANSWER)


def _say(py: Interpreter, variant: str, **more: Any) -> Steps[None]:
    result = {"variant": variant, **more}
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


VARIANTS = {
    "before": before,
    "after_force": after_force,
    "after_suppress": after_suppress,
    "after_guarded": after_guarded,
    "split_before": split_before,
    "split_after": split_after,
}
