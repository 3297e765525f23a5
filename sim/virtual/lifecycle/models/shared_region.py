"""Model of sim.subjects.shared_region."""

from __future__ import annotations

import json
from typing import Any

from sim.virtual.lifecycle import tracking
from sim.virtual.lifecycle.channels import Region
from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.modules import importing
from sim.virtual.lifecycle.multiprocess import Child, pipe
from sim.virtual.lifecycle.starting import start
from sim.virtual.lifecycle.steps import Steps, modelled

SUBJECT = "sim.subjects.shared_region"
SIZE_BYTES = 64
VALUE = 42

body = importing("json", "multiprocessing", "multiprocessing.shared_memory")
FILES: Any = {}


def before(py: Interpreter) -> Steps[None]:
    region = yield from tracking.create(py, SIZE_BYTES)
    region.content(py)[0] = VALUE
    yield from py.probe("made", region=region.name)
    here, there = pipe(py)
    process = yield from start(py, _read_by_name, there, region.name, method="spawn")
    yield from process.join()
    region.close(py)
    yield from region.unlink(py)
    yield from _say(py, "before", process, here)


def after(py: Interpreter) -> Steps[None]:
    region = Region(None, 0)
    number = py.process.open(region)
    yield None
    if SIZE_BYTES > py.process.limits.get("FSIZE", SIZE_BYTES):
        raise modelled(OSError(27, "File too large"))
    region.content = bytearray(SIZE_BYTES)
    region.content[0] = VALUE
    yield from py.probe("made")
    here, there = pipe(py)
    process = yield from start(py, _read_by_descriptor, there, method="spawn")
    yield from here.send(py, None, py.process.files[number])
    yield from process.join()
    yield from _say(py, "after", process, here)


def _read_by_name(py: Interpreter, end: Any, name: str) -> Steps[None]:
    region = yield from tracking.attach(py, name)
    yield from end.send(py, region.content(py)[0])
    region.close(py)


def _read_by_descriptor(py: Interpreter, end: Any) -> Steps[None]:
    parcel = yield from end.receive_parcel(py)
    (region,) = parcel.descriptors
    yield from end.send(py, region.content[0])
    region.closed()


def _say(py: Interpreter, variant: str, process: Child, end: Any) -> Steps[None]:
    if process.exitcode != 0:
        raise SystemExit(f"the process ended with status {process.exitcode}")
    value = yield from end.receive(py)
    result = {"variant": variant, "value": value}
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


VARIANTS = {"before": before, "after": after}
