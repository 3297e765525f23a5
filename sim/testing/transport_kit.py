"""What every transport promises, checked in real runs of it."""

from __future__ import annotations

from sim.abc import VALID, Transport, TransportSpec
from sim.checkers import ASKED_FOR, CHECKERS, OF_CLUSTERS
from sim.history.history import History
from sim.history.op import FAIL, RECEIVE, TIMEOUT
from sim.live.execution import run_plan
from sim.live.region import names_with
from sim.live.supervisor import Supervisor
from sim.scenario.plan import ReaderWorkload, WriterWorkload
from sim.testing.literal_plan import MS, SECOND, literal_plan
from sim.transport import find_transport, lack_of_transport

MESSAGES = 60
SLOTS = 8
SLOTS_FOR_ALL = 64  # nothing need be dropped
SLOT_BYTES = 256


class BrokenPromise(AssertionError):
    """A transport does not do what every transport must."""


class Lacking(Exception):
    """What the transport needs is not installed."""


def check_transport(kind: str, supervisor: Supervisor) -> None:
    """Runs the transport of that alias, or "their_pkg.module:Thing", in the live world and raises
    BrokenPromise where, without any fault, it does not

    - carry messages of every size that fits to each of two readers, once, in order and whole,
      where there is room for them if it is one that `drops`;
    - tell its readers of the end;
    - let a reader go when its deadline is over and nothing has come, and give it what comes later;
    - close twice, leave nothing behind.

    What it does when something goes wrong is for scenarios to show: sim.testing.behaviour says it
    of a run.
    Raises Lacking where it cannot run here, KeyError and PluginError as find_transport does.
    """
    lack = lack_of_transport(kind)
    if lack is not None:
        raise Lacking(lack)
    transport = find_transport(kind)
    _check_face(transport)
    largest = SLOT_BYTES - transport.message_overhead_bytes
    sizes = [(8, 64, largest, 1)[number % 4] for number in range(MESSAGES)]
    _run(kind, WriterWorkload(MESSAGES, sizes, 0, 5 * SECOND, "retry", 7), 5 * SECOND, supervisor)
    slow = WriterWorkload(4, [64], 150 * MS, 5 * SECOND, "retry", 7)
    history = _run(kind, slow, 20 * MS, supervisor)
    late = [op for op in history.where(RECEIVE) if op.type == FAIL and op.outcome == TIMEOUT]
    _promise(bool(late), "a reader with a deadline waits on where nothing comes")


def _check_face(transport: Transport) -> None:
    _promise(bool(transport.doc) and "\n" not in transport.doc, "its doc is not one line")
    _promise(0 <= transport.message_overhead_bytes < SLOT_BYTES, "its overhead is no size")
    for name in ("mutants", "orders"):
        names = getattr(transport, name)
        _promise(all(isinstance(each, str) for each in names), f"its {name} are no names")


def _run(kind: str, writes: WriterWorkload, deadline_ns: int, supervisor: Supervisor) -> History:
    slots = SLOTS_FOR_ALL if getattr(find_transport(kind), "drops", False) else SLOTS
    spec = TransportSpec(kind=kind, readers=2, slots=slots, slot_bytes=SLOT_BYTES)
    reads = ReaderWorkload(0, deadline_ns, "retry")
    history, _ = run_plan(literal_plan("transport-kit", spec, writes, reads), supervisor)
    for alias, checker in CHECKERS.items():
        if alias not in (*ASKED_FOR, *OF_CLUSTERS):
            found = checker.check(history)
            _promise(found.result == VALID, f"{alias}: {found.why}")
    left = names_with(supervisor.prefix + ".")
    _promise(not left, f"it leaves shared memory behind: {left}")
    return history


def _promise(is_kept: bool, otherwise: str) -> None:
    if not is_kept:
        raise BrokenPromise(otherwise)
