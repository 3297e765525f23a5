"""Model of sim.subjects.import_order: its threads look at each other every millisecond."""

from __future__ import annotations

from sim.virtual.lifecycle.hooks import waits_for
from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.locks import Event
from sim.virtual.lifecycle.steps import MS, S, Steps

NS_MAX = 60 * S
LOOK_NS = 1 * MS
OURS = "sim.subjects.import_order"


def ask_for(py: Interpreter) -> None:
    py.shared[OURS] = Event("the body of a module")


def pass_through(py: Interpreter, module: str) -> Steps[None]:
    is_in_body = py.shared.get(OURS)
    if is_in_body is None:
        yield from py.sleep(int(float(py.environ.get("SUBJECT_BODY_SECONDS", "0")) * S))
        return
    is_in_body.set()
    until_ns = py.now_ns + NS_MAX
    while not waits_for(py, module) and py.now_ns < until_ns:
        yield from py.sleep(LOOK_NS)


def wait_for_body(py: Interpreter) -> Steps[None]:
    is_in_body = py.shared.get(OURS)
    if is_in_body is not None:
        came = yield from is_in_body.wait(py, timeout_ns=NS_MAX)
        if not came:
            raise SystemExit("no other thread came into the body of the module")
