"""Models of sim.subjects.packages: what programs import as if it were installed."""

from __future__ import annotations

from typing import Any, Callable, Dict

from sim.virtual.lifecycle.interpreter import Interpreter
from sim.virtual.lifecycle.modules import Module, Source
from sim.virtual.lifecycle.steps import Steps, modelled

FOLDER = "/site/packages"
SUBMODULES = {"GenerationConfig": "configs", "AutoModel": "models"}


class LazyModule(Module):
    """Its names are those of its submodules, which are imported at the first use."""

    def lookup(self, py: Interpreter, name: str) -> Steps[Any]:
        yield None
        if name in self.names:
            return self.names[name]
        if name not in SUBMODULES:
            raise modelled(AttributeError(f"module {self.name!r} has no attribute {name!r}"))
        below = f"{self.name}.{SUBMODULES[name]}"
        module = yield from py.imports.import_module(py, below)
        found = yield from module.lookup(py, name)
        self.names[name] = found
        return found


def console() -> Dict[str, Source]:
    def body(py: Interpreter, module: Module) -> Steps[None]:
        yield None
        module.names["PROGRAM"] = "serve"

    path = f"{FOLDER}/console.py"
    return {path: Source(path, body)}


def modelkit(pass_through: Callable[[Interpreter, str], Steps[None]]) -> Dict[str, Source]:
    """A package that ends by putting another module in its own place."""

    def body(py: Interpreter, module: Module) -> Steps[None]:
        yield from py.imports.import_module(py, "modelkit._dependencies")
        yield from py.imports.import_module(py, "modelkit._lazy")
        py.imports.modules[module.name] = LazyModule(module.name, module.source)

    def dependencies(py: Interpreter, module: Module) -> Steps[None]:
        yield from pass_through(py, "modelkit")
        module.names["VERSION"] = "1.0"

    def lazy(py: Interpreter, module: Module) -> Steps[None]:
        yield None

    def configs(py: Interpreter, module: Module) -> Steps[None]:
        yield None
        module.names["GenerationConfig"] = {"max_length": 20}

    def models(py: Interpreter, module: Module) -> Steps[None]:
        found = yield from py.imports.from_import(py, "modelkit.configs", "GenerationConfig")
        module.names["AutoModel"] = {"config": found}

    bodies = {
        "__init__": body,
        "_dependencies": dependencies,
        "_lazy": lazy,
        "configs": configs,
        "models": models,
    }
    paths = {name: f"{FOLDER}/modelkit/{name}.py" for name in bodies}
    return {
        paths[name]: Source(paths[name], each, is_package=name == "__init__")
        for name, each in bodies.items()
    }
