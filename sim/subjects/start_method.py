"""A program that sets its start method, in a process where it may have been set before.

    before          by a bare call
    after_force     by force
    after_suppress  by a bare call, whose RuntimeError is suppressed
    after_guarded   only where none was set; one warning where it is another one than wanted

    SUBJECT_CASE    twice (default): this program has set it already; threads: two threads set it,
                    one after the other; in_use: a queue was made, which sets the default
    SUBJECT_METHOD  what it is set to; spawn
    SUBJECT_FIRST   what was set before; the same

Afterwards a process of that method puts an answer into a queue. Probes: result.

    split_before    a setting that one part of the program takes and another refuses
    split_after     both parts share one list of what is valid

    SUBJECT_METHOD  here forkserver by default: one part warms up a fork server for it
"""

from __future__ import annotations

import contextlib
import enum
import json
import logging
import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from typing import Any, Callable, Dict, Optional

import spinbed

CASE = os.environ.get("SUBJECT_CASE", "twice")
METHOD = os.environ.get("SUBJECT_METHOD")
FIRST = os.environ.get("SUBJECT_FIRST")

ANSWER = 42
DEFAULT = "spawn"

log = logging.getLogger("sim.subjects.start_method")


class Method(enum.Enum):
    """What the engine knows of."""

    SPAWN = "spawn"
    FORK = "fork"


class EveryMethod(enum.Enum):
    """What engine and server both know of."""

    SPAWN = "spawn"
    FORK = "fork"
    FORKSERVER = "forkserver"


def before() -> None:
    _run("before", multiprocessing.set_start_method)


def after_force() -> None:
    _run("after_force", lambda method: multiprocessing.set_start_method(method, force=True))


def after_suppress() -> None:
    def set_or_not(method: str) -> None:
        with contextlib.suppress(RuntimeError):
            multiprocessing.set_start_method(method)

    _run("after_suppress", set_or_not)


def after_guarded() -> None:
    def set_where_unset(method: str) -> None:
        found: Any = multiprocessing.get_start_method(allow_none=True)
        if found is None:
            multiprocessing.set_start_method(method)
        elif found != method:
            log.warning("the start method is %s already, and not %s", found, method)

    _run("after_guarded", set_where_unset)


def split_before() -> None:
    method = METHOD or "forkserver"
    _serve(method)
    _engine("split_before", Method(method).value)


def split_after() -> None:
    method = EveryMethod(METHOD or "forkserver").value
    _serve(method)
    _engine("split_after", method)


def _run(variant: str, set_method: Callable[[str], Any]) -> None:
    method = METHOD or DEFAULT
    queue: Optional[Any] = None
    if CASE == "twice":
        multiprocessing.set_start_method(FIRST or method)
        set_method(method)
    elif CASE == "threads":
        # A pool of one thread each: the second begins when the first has ended.
        for _ in range(2):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(set_method, method).result()
    elif CASE == "in_use":
        queue = multiprocessing.Queue()
        set_method(method)
    else:
        sys.exit(f"{CASE!r} is not one of twice, threads, in_use")
    _say(variant, case=CASE, **_answered(queue or multiprocessing.Queue()))


def _serve(method: str) -> None:
    """The part of the program that reads the setting as it is."""
    if method == "forkserver":
        multiprocessing.set_start_method("forkserver")
        multiprocessing.set_forkserver_preload(["json"])
        forkserver.ensure_running()
        spinbed.probe("warm")


def _engine(variant: str, method: str) -> None:
    queue = multiprocessing.get_context(method).Queue()
    _say(variant, **_answered(queue, method))


def _answered(queue: Any, method: Optional[str] = None) -> Dict[str, Any]:
    context = multiprocessing.get_context(method)
    process: Any = context.Process(target=_answer, args=(queue,))  # type: ignore[attr-defined]
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"the process ended with status {process.exitcode}")
    return {"method": context.get_start_method(), "answer": queue.get()}


def _answer(queue: Any) -> None:
    queue.put(ANSWER)


def _say(variant: str, **more: Any) -> None:
    result = {"variant": variant, **more}
    spinbed.probe("result", **result)
    print(json.dumps(result))
