"""Modules whose text a fault writes, and what of it a simulated interpreter can execute."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Callable, Mapping

from sim.virtual.lifecycle.hooks import exception
from sim.virtual.lifecycle.modules import Module, Source
from sim.virtual.lifecycle.starting import await_request
from sim.virtual.lifecycle.steps import Exited, Steps

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter

OURS = "spinbed_inside"


def source_of(path: str, text: str) -> Source:
    """Raises ValueError for a statement that is none of these: an import, a call of a function of
    ours or of os._exit, a raise of a built-in exception with a text."""
    statements = ast.parse(text).body
    for statement in statements:
        if type(statement) not in EXECUTED:
            raise ValueError(f"{path}:{statement.lineno}: cannot be simulated")

    def body(py: Interpreter, module: Module) -> Steps[None]:
        for statement in statements:
            yield from EXECUTED[type(statement)](py, statement)

    return Source(path, body)


def _import(py: Interpreter, statement: Any) -> Steps[None]:
    for name in statement.names:
        if name.name != "os":
            yield from py.imports.import_statement(py, name.name)


def _from(py: Interpreter, statement: Any) -> Steps[None]:
    assert statement.module.startswith(OURS), statement.module
    yield None


def _raise(py: Interpreter, statement: Any) -> Steps[None]:
    yield None
    raise exception(statement.exc.func.id, *map(ast.literal_eval, statement.exc.args))


def _call(py: Interpreter, statement: Any) -> Steps[None]:
    function, given = statement.value.func, list(map(ast.literal_eval, statement.value.args))
    name = function.attr if isinstance(function, ast.Attribute) else function.id
    if name == "tell":
        py.hooks.tell(py, *given)
    elif name == "await_request":
        yield from await_request(py)
    else:
        assert name == "_exit", name
        raise Exited(*given)


EXECUTED: Mapping[type, Callable[[Interpreter, Any], Steps[None]]] = {
    ast.Import: _import,
    ast.ImportFrom: _from,
    ast.Raise: _raise,
    ast.Expr: _call,
}
