"""Model of sim.subjects.parallel_import."""

from __future__ import annotations

import json
from typing import Any, Callable, List, Mapping

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.models import import_order
from sim.virtual.lifecycle.models.packages import FOLDER as PACKAGES
from sim.virtual.lifecycle.models.packages import LazyModule, console, modelkit
from sim.virtual.lifecycle.modules import importing
from sim.virtual.lifecycle.steps import Steps, modelled, suppressed

SUBJECT = "sim.subjects.parallel_import"
LOGGER = SUBJECT
SHARDS = {"one.bin": 4096, "two.bin": 8192}  # bytes

body = importing("concurrent.futures", "json", "logging", "threading")
FILES = {**console(), **modelkit(import_order.pass_through)}


def before(py: Interpreter) -> Steps[None]:
    if py.environ.get("SUBJECT_ORDER", "own") == "own":
        import_order.ask_for(py)
    background = _in_background(py)
    yield from _main(py, "before")
    yield from py.join(background)


def after(py: Interpreter) -> Steps[None]:
    yield from _main(py, "after")


def after_joined(py: Interpreter) -> Steps[None]:
    background = _in_background(py)
    yield from py.join(background)
    yield from _main(py, "after_joined")


def prefetch_before(py: Interpreter) -> Steps[None]:
    def prefetch(folder: str) -> Steps[None]:
        try:
            yield from _read_all(py, folder)
        except Exception as error:
            suppressed(error)

    yield from _load(py, "prefetch_before", prefetch)


def prefetch_after(py: Interpreter) -> Steps[None]:
    def prefetch(folder: str) -> Steps[None]:
        try:
            yield from _read_all(py, folder)
        except (OSError, ValueError) as error:
            said = f"the weights are not read ahead: {error}"
            yield from py.log("WARNING", LOGGER, said)

    yield from _load(py, "prefetch_after", prefetch)


def _in_background(py: Interpreter) -> Any:
    py.path.insert(0, PACKAGES)

    def preload() -> Steps[None]:
        try:
            yield from py.imports.import_module(py, "modelkit")
        except Exception as error:
            suppressed(error)

    return py.start_thread(preload(), "preload", daemon=True)


def _main(py: Interpreter, variant: str) -> Steps[None]:
    if PACKAGES not in py.path:
        py.path.insert(0, PACKAGES)
    found = yield from py.imports.import_module(py, "console")
    program = yield from found.lookup(py, "PROGRAM")
    yield from import_order.wait_for_body(py)
    yield from py.probe("importing")
    config = yield from STATEMENTS[py.environ.get("SUBJECT_STATEMENT", "from")](py)
    module = py.imports.modules["modelkit"]
    kind = "LazyModule" if isinstance(module, LazyModule) else "module"
    said = {"program": program, "max_length": config["max_length"], "module": kind}
    yield from _say(py, variant=variant, **said)


def _from(py: Interpreter) -> Steps[Any]:
    found = yield from py.imports.from_import(py, "modelkit", "GenerationConfig")
    return found


def _attribute(py: Interpreter) -> Steps[Any]:
    module = yield from py.imports.import_statement(py, "modelkit")
    found = yield from module.lookup(py, "GenerationConfig")
    return found


def _import_module(py: Interpreter) -> Steps[Any]:
    module = yield from py.imports.import_module(py, "modelkit")
    found = yield from module.lookup(py, "GenerationConfig")
    return found


STATEMENTS: Mapping[str, Callable[[Interpreter], Steps[Any]]] = {
    "from": _from,
    "attribute": _attribute,
    "import_module": _import_module,
}


def _load(py: Interpreter, variant: str, prefetch: Callable[[str], Steps[None]]) -> Steps[None]:
    folder = py.expanded("SUBJECT_FOLDER")
    if folder is None:
        raise SystemExit("weights need a SUBJECT_FOLDER")
    _write_weights(py, folder)
    thread = py.start_thread(prefetch(folder), "prefetch", daemon=True)
    files = [path for path in py.machine.files if path.startswith(f"{folder}/")]
    weights = 0
    for path in sorted(each for each in files if each.endswith(".bin")):
        yield None
        weights += len(py.machine.files[path])
    yield from py.join(thread)
    prefetched = py.imports.modules[SUBJECT].names.get("_prefetched", 0)
    yield from _say(py, variant=variant, weights=weights, prefetched=prefetched)


def _read_all(py: Interpreter, folder: str) -> Steps[None]:
    names = py.imports.modules[SUBJECT].names
    yield None
    try:
        index: List[str] = json.loads(py.machine.files[f"{folder}/index.json"])
    except ValueError as error:
        raise modelled(error) from None
    for name in index:
        yield None
        content = py.machine.files.get(f"{folder}/{name}")
        if content is None:
            raise modelled(FileNotFoundError(2, "No such file or directory", f"{folder}/{name}"))
        names["_prefetched"] = names.get("_prefetched", 0) + len(content)


def _write_weights(py: Interpreter, folder: str) -> None:
    weights = py.environ.get("SUBJECT_WEIGHTS", "present")
    files = py.machine.files
    for name, size_bytes in SHARDS.items():
        files[f"{folder}/{name}"] = bytes(size_bytes)
    index = json.dumps(sorted(SHARDS, reverse=True))
    if weights == "moved":
        files[f"{folder}/two-of-two.bin"] = files.pop(f"{folder}/two.bin")
    elif weights == "garbled":
        index = index[:-1]
    files[f"{folder}/index.json"] = index


def _say(py: Interpreter, **result: Any) -> Steps[None]:
    yield from py.probe("result", **result)
    py.print(json.dumps(result))


VARIANTS = {
    "before": before,
    "after": after,
    "after_joined": after_joined,
    "prefetch_before": prefetch_before,
    "prefetch_after": prefetch_after,
}
