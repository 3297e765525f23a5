"""Models of sim.subjects.backends: a package with a native library, and who makes it available."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.modules import Module, Source, empty
from sim.virtual.lifecycle.steps import Steps, modelled

EAGER, LAZY = "sim.subjects.backends.eager", "sim.subjects.backends.lazy"
LOGGER = "sim.subjects.backends"
INSTALLED = "/site/backends/installed"
VARIABLE = "XFER_CACHE_MAX"
LIBRARY = "libxfer.so"
MAGIC = b"\x7fELF"
HOMES = {"Agent": "_api", "AgentConfig": "_api", "Telemetry": "_bindings"}
TOO_LATE = f"xfer was imported already: {VARIABLE} cannot be set any more"


@dataclass
class Class:
    """One of the package's classes: each execution of its module makes another one."""

    name: str
    cache_max: Optional[str] = None


def installed(folder: str) -> Dict[str, Source]:
    """The package, by the paths of its files."""

    def api(py: Interpreter, module: Module) -> Steps[None]:
        yield None
        load_library(py, f"{folder}/xfer/{LIBRARY}")
        module.names["Agent"] = Class("Agent", py.environ.get(VARIABLE))
        module.names["AgentConfig"] = Class("AgentConfig")

    def bindings(py: Interpreter, module: Module) -> Steps[None]:
        yield None
        module.names["Telemetry"] = Class("Telemetry")

    bodies = {"__init__": empty, "_api": api, "_bindings": bindings}
    paths = {name: f"{folder}/xfer/{name}.py" for name in bodies}
    return {
        paths[name]: Source(paths[name], body, is_package=name == "__init__")
        for name, body in bodies.items()
    }


def load_library(py: Interpreter, path: str) -> None:
    """dlopen(3): of what is loaded already, where there is no such file."""
    content = py.machine.files.get(path)
    if content is None:
        return
    if not isinstance(content, bytes) or not content.startswith(MAGIC):
        raise modelled(OSError(f"{path}: invalid ELF header"))


def _eager(py: Interpreter, module: Module) -> Steps[None]:
    if VARIABLE not in py.environ:
        if "xfer" in py.imports.modules:
            yield from py.log("WARNING", LOGGER, TOO_LATE)
        else:
            yield from py.log("INFO", LOGGER, f"{VARIABLE} is set to 1024")
            py.environ[VARIABLE] = "1024"
    for name, home in HOMES.items():
        try:
            found = yield from py.imports.import_module(py, f"xfer.{home}")
            module.names[name] = yield from found.lookup(py, name)
            if name == "Agent":
                yield from py.log("INFO", LOGGER, "the backend is available")
        except ImportError:
            module.names[name] = None
            if name == "Agent":
                yield from py.log("WARNING", LOGGER, "the backend is not available")


def _lazy(py: Interpreter, module: Module) -> Steps[None]:
    yield None
    module.names["__all__"] = [*HOMES, "is_installed"]
    module.names["__getattr__"] = _getattr
    module.names["said"] = set()


def _getattr(py: Interpreter, module: Module, name: str) -> Steps[Any]:
    if name in module.names["__all__"]:
        found = yield from _load(py, module, name)
        return found
    raise modelled(AttributeError(f"module {module.name!r} has no attribute {name!r}"))


def _load(py: Interpreter, module: Module, name: str) -> Steps[Any]:
    if name not in HOMES:
        raise modelled(KeyError(name))
    yield from _set_the_variable(py, module)
    try:
        found = yield from py.imports.import_module(py, f"xfer.{HOMES[name]}")
        value = yield from found.lookup(py, name)
    except ImportError:
        value = None
    if name == "Agent" and value is None:
        yield from _say_once(py, module, "WARNING", "the backend is not available")
    elif name == "Agent":
        yield from _say_once(py, module, "INFO", "the backend is available")
    module.names[name] = value
    return value


def _set_the_variable(py: Interpreter, module: Module) -> Steps[None]:
    if VARIABLE in py.environ:
        return
    if "xfer" in py.imports.modules:
        yield from _say_once(py, module, "WARNING", TOO_LATE)
        return
    yield from _say_once(py, module, "INFO", f"{VARIABLE} is set to 1024")
    py.environ[VARIABLE] = "1024"


def _say_once(py: Interpreter, module: Module, level: str, text: str) -> Steps[None]:
    """functools.cache: what is on its way is not kept yet."""
    yield None
    if text not in module.names["said"]:
        yield from py.log(level, LOGGER, text)
        module.names["said"].add(text)


MODULES = {EAGER: _eager, LAZY: _lazy}
