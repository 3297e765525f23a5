"""One call of every entry of every kernel, with the objects whose references it may not keep.

A call that is refused is one, too: what a machine, or a moment, cannot do raises, and that may not
keep a reference either.
"""

from __future__ import annotations

import ast
import importlib
import mmap
import pickle
import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

from kernel_calls_explore import explore_calls

from cy_kernels import clock, cpu, gate, recorder, ring, spinloop, trap

KERNELS = Path(__file__).resolve().parent.parent / "cy_kernels"
GEOMETRY = {"slots": 4, "slot_bytes": 64, "readers": 1}
NEVER_NS = 2**62
PAST_NS = 10**6


class Call(NamedTuple):
    """`names`: of the entries that it calls, as "module.name"."""

    names: str
    function: Callable[[], object]
    watched: tuple[object, ...] = ()

    def make(self) -> None:
        try:
            self.function()
        except Exception:  # whatever it refuses with: it is the references that count
            pass


def memory(size_bytes: int = 4096) -> memoryview:
    return memoryview(mmap.mmap(-1, max(size_bytes, 4096)))


def calls() -> list[Call]:
    return [
        *small_calls(),
        *spinloop_calls(),
        *recorder_calls(),
        *gate_calls(),
        *trap_calls(),
        *ring_calls("ring", "flag", "FlagWriter", "FlagReader"),
        *ring_calls("ring", "cursor", "CursorWriter", "CursorReader"),
        *cursor_calls(),
        *ring_calls("mutants", "flag", "FlagWriter", "FlagReader"),
        *(Call(*each) for each in explore_calls()),
    ]


def entries() -> set[str]:
    """Every public function, method and property of the stubs, as "module.Class.name"."""
    found = set()
    for path in KERNELS.glob("*.pyi"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                found.add(f"{path.stem}.{node.name}")
            elif isinstance(node, ast.ClassDef) and not is_a_tuple(node):
                found.update(f"{path.stem}.{node.name}.{each}" for each in methods(node))
    return found


def is_a_tuple(node: ast.ClassDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "NamedTuple" for each in node.bases)


def methods(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            yield each.name


def small_calls() -> Iterator[Call]:
    host = cpu.features("")
    override, strategy = "none,tsc_hz=1000000", "mwaitx"
    yield Call("clock.monotonic_ns", clock.monotonic_ns)
    yield Call("cpu.features", lambda: cpu.features(override), (override,))
    yield Call("cpu.features", lambda: cpu.features(5), (override,))  # type: ignore[arg-type]
    yield Call("cpu.leaves", cpu.leaves)
    yield Call("cpu.calibrated_tsc_hz", cpu.calibrated_tsc_hz)
    yield Call("cpu.can_run", lambda: cpu.can_run(strategy, host), (strategy, host))


class Answer:
    """A result of a callback that is nobody else's."""

    def __init__(self, is_true: bool) -> None:
        self.is_true = is_true

    def __bool__(self) -> bool:
        return self.is_true


def spinloop_calls() -> Iterator[Call]:
    view, timeout, strategy, host = memory()[:8], 1e-9, "pause", "none"
    yes, no = Answer(True), Answer(False)
    more: dict[str, Any] = {"strategy": strategy, "cpu": host}
    watched = (view, timeout, strategy, host, yes, no)
    results: tuple[object, ...] = (True, False, None, 1, "", yes, no)

    def raises() -> bool:
        raise LookupError

    callbacks: list[Callable[[], object]] = [lambda result=each: result for each in results]
    for callback in (*callbacks, raises, len):
        yield Call(
            "spinloop.spinloop",
            lambda callback=callback: spinloop.spinloop(view, callback, timeout, **more),
            (*watched, callback),
        )
    wait, flags = spinloop.wait_until, spinloop.wait_until_all
    word = 2**40
    yield Call(
        "spinloop.wait_until",
        lambda: wait(view, 0, "differs", word, timeout_s=timeout, **more),
        (*watched, word),
    )
    yield Call(
        "spinloop.wait_until",
        lambda: wait(view, 0, "equals", word, timeout_s=timeout, **more),
        (*watched, word),
    )
    yield Call("spinloop.wait_until", lambda: wait(view, word, "equals", 0), (view, word))
    yield Call("spinloop.wait_until_all", lambda: flags(view, 0, 8, 0), watched)
    yield Call(
        "spinloop.wait_until_all", lambda: flags(view, 0, 8, 1, timeout_s=timeout, **more), watched
    )
    yield Call("spinloop.rung", lambda: spinloop.rung(view, **more), watched)


def recorder_calls() -> Iterator[Call]:
    buffer, payload = memory(), b"payload" * 3
    recorder.format_recorder(buffer, 4)
    recorder.append(buffer, "invoke", "send", 0, 3, 7)
    other, whole = memory(), memory(recorder.recorder_bytes(100))
    yield Call("recorder.counter_is_constant", recorder.counter_is_constant)
    yield Call("recorder.recorder_bytes", lambda: recorder.recorder_bytes(100))
    yield Call("recorder.format_recorder", lambda: recorder.format_recorder(whole, 100), (whole,))
    yield Call("recorder.count", lambda: recorder.count(buffer), (buffer,))
    yield Call("recorder.count", lambda: recorder.count(other), (other,))
    yield Call("recorder.last_is_invoke", lambda: recorder.last_is_invoke(buffer), (buffer,))
    yield Call("recorder.overflowed", lambda: recorder.overflowed(buffer), (buffer,))
    yield Call("recorder.records", lambda: recorder.records(buffer), (buffer,))
    yield Call(
        "recorder.append",
        lambda: recorder.append(buffer, "ok", "send", 0, 3, 7),
        (buffer, payload),
    )
    yield Call("recorder.checksum", lambda: recorder.checksum(payload), (payload,))


def gate_calls() -> Iterator[Call]:
    buffer, step = memory(gate.GATE_BYTES), gate.STEPS[0][1]
    watched = (buffer, step)
    yield Call("gate.number_of", lambda: gate.number_of(step), watched)
    yield Call("gate.arm", lambda: gate.arm(buffer, step, "stop"), watched)
    yield Call("gate.arm", lambda: gate.arm(buffer, step, "stay"), watched)
    yield Call("gate.disarm", lambda: gate.disarm(buffer), watched)
    yield Call("gate.grant", lambda: gate.grant(buffer), watched)
    yield Call("gate.await_arrivals", lambda: gate.await_arrivals(buffer, 0, 0), watched)
    yield Call("gate.await_arrivals", lambda: gate.await_arrivals(buffer, 9, 0), watched)
    yield Call("gate.state", lambda: gate.state(buffer), watched)
    installed = memory(gate.GATE_BYTES)
    yield Call("gate.install", lambda: (gate.install(installed), gate.install(None)), (installed,))


def trap_calls() -> Iterator[Call]:
    buffer, code = memory(trap.TRAP_BYTES)[: trap.TRAP_BYTES], b"\xf2\x0f\xae\xf1"
    yield Call("trap.refusal", trap.refusal)
    yield Call("trap.is_installed", trap.is_installed)
    yield Call("trap.decode", lambda: trap.decode(code), (code,))
    yield Call("trap.disturb", lambda: trap.disturb(buffer, "missed"), (buffer,))
    yield Call("trap.disturb", lambda: trap.disturb(buffer, "mist"), (buffer,))
    yield Call("trap.calm", lambda: trap.calm(buffer), (buffer,))
    yield Call("trap.limit", lambda: trap.limit(buffer, 5), (buffer,))
    yield Call("trap.grant", lambda: trap.grant(buffer), (buffer,))
    yield Call("trap.state", lambda: trap.state(buffer), (buffer,))
    yield Call(
        "trap.install trap.uninstall",
        lambda: (trap.install(buffer), trap.uninstall()),
        (buffer,),
    )


def ring_calls(module: str, kind: str, writer_class: str, reader_class: str) -> Iterator[Call]:
    kernel = importlib.import_module(f"cy_kernels.{module}")
    make_writer, make_reader = getattr(kernel, writer_class), getattr(kernel, reader_class)
    size_of, form = getattr(kernel, f"{kind}_region_bytes"), getattr(kernel, f"{kind}_format")
    region, spare, fresh = (memory(size_of(**GEOMETRY)) for _ in range(3))
    for each in (region, spare, fresh):
        form(each, **GEOMETRY)
    writer, reader = make_writer(region, **GEOMETRY), make_reader(region, rank=0, **GEOMETRY)
    payload, far_ns, past_ns = b"payload" * 3, NEVER_NS + time.monotonic_ns(), PAST_NS
    names = f"{module}.{writer_class}.__init__ {module}._Writer."
    watched = (region, spare, fresh, payload, far_ns, writer, reader)
    yield Call(f"{module}.{kind}_region_bytes", lambda: size_of(**GEOMETRY))
    yield Call(f"{module}.{kind}_format", lambda: form(fresh, **GEOMETRY), (fresh,))
    describe = getattr(kernel, f"{kind}_describe")
    yield Call(f"{module}.{kind}_describe", lambda: describe(region), watched)
    yield Call(
        f"{module}._Writer.send {module}._Reader.receive",
        lambda: (writer.send(payload, far_ns), reader.receive(far_ns)),
        watched,
    )

    def in_place() -> None:
        writer.send(payload, far_ns)
        with reader.receiving(far_ns) as view:
            bytes(view)

    yield Call(f"{module}._Reader.receiving", in_place, watched)
    yield Call(f"{module}._Reader.receive", lambda: reader.receive(past_ns), watched)
    yield Call(f"{module}._Writer.send", lambda: writer.send(b"x" * 999, far_ns), watched)
    for attribute in ("position", "wait", "kernels", "slots", "slot_bytes", "readers"):
        yield Call(
            f"{module}._Writer.{attribute}",
            lambda attribute=attribute: (getattr(writer, attribute), getattr(reader, attribute)),
            watched,
        )

    def life(*endings: str) -> Callable[[], None]:
        def lead() -> None:
            form(spare, **GEOMETRY)
            one, other = make_writer(spare, **GEOMETRY), make_reader(spare, rank=0, **GEOMETRY)
            for ending in endings:
                side, _, name = ending.partition(" ")
                getattr(one if side == "writer" else other, name)()

        return lead

    writers = ("writer end", "writer shutdown", "writer close", "reader close")
    readers = ("reader shutdown", "reader abandon", "writer abandon")
    also = f"close {module}._Reader.close {module}.{reader_class}.__init__"
    yield Call(f"{names}end {names}shutdown {names}{also}", life(*writers), watched)
    also = f"abandon {module}._Reader.abandon {module}._Reader.shutdown"
    yield Call(f"{names}{also}", life(*readers), watched)
    yield Call(f"{names}", lambda: make_writer(spare, slots=3, slot_bytes=64, readers=1), watched)
    block = memory(gate.GATE_BYTES)
    yield Call(
        f"{module}.install_gate",
        lambda: (kernel.install_gate(block), kernel.install_gate(None)),
        (block,),
    )


def cursor_calls() -> Iterator[Call]:
    region, spare = (memory(ring.cursor_region_bytes(**GEOMETRY)) for _ in range(2))
    for each in (region, spare):
        ring.cursor_format(each, **GEOMETRY)
    writer, reader = (
        ring.CursorWriter(region, **GEOMETRY),
        ring.CursorReader(region, rank=0, **GEOMETRY),
    )
    payload, soon_s = b"payload" * 3, 9.5
    many = [payload, payload]
    watched: tuple[object, ...] = (region, writer, reader, payload, soon_s, many)

    def claim_and_commit() -> None:
        view = writer.claim(8, soon_s)
        view[:] = b"12345678"
        writer.commit(3)
        view = reader.hold(soon_s)
        bytes(view)
        reader.let_go()

    def in_place() -> None:
        writer.send_within(payload, soon_s)
        with reader.receiving_within(soon_s) as view:
            bytes(view)

    things = (payload, "text", 2**40, [soon_s, payload], pickle.PickleBuffer(bytearray(20)), ...)
    watched = (*watched, things, *things)

    def objects() -> None:
        for thing in things:
            writer.send_object(thing, soon_s)
            reader.receive_object(soon_s)
        writer.send_object(things[4])
        reader.hold_object(soon_s)
        reader.let_go()

    together: dict[str, Callable[[], object]] = {
        "CursorWriter.claim CursorWriter.commit CursorReader.hold CursorReader.let_go": (
            claim_and_commit
        ),
        "CursorWriter.abort": lambda: (writer.claim(8, soon_s), writer.abort()),
        "CursorWriter.send_within CursorReader.receive_within": (
            lambda: (writer.send_within(payload, soon_s), reader.receive_within(soon_s))
        ),
        "CursorReader.receiving_within": in_place,
        "CursorWriter.send_many CursorReader.receive_many": (
            lambda: (writer.send_many(many, soon_s), reader.receive_many(9, soon_s))
        ),
        "CursorWriter.send_object CursorReader.receive_object CursorReader.hold_object": objects,
        "cursor_shutdown": lambda: ring.cursor_shutdown(spare),
    }
    for names, function in together.items():
        yield Call(" ".join(f"ring.{each}" for each in names.split()), function, watched)
    refused: dict[str, Callable[[], object]] = {
        "CursorReader.receive_within": lambda: reader.receive_within(1e-9),
        "CursorReader.receive_many": lambda: reader.receive_many(9, 1e-9),
        "CursorReader.let_go": reader.let_go,
        "CursorWriter.send_object": lambda: writer.send_object([payload] * 99, soon_s),
        "CursorReader.receive_object": lambda: (writer.send(payload), reader.receive_object()),
        "CursorReader.hold_object": lambda: (writer.send(payload), reader.hold_object()),
        "CursorWriter.commit": writer.commit,
    }
    for name, function in refused.items():
        yield Call(f"ring.{name}", function, watched)
