"""A framework that compiles a function in one process and loads it in another, by version.

An artefact is a pickle of a code object, of the global names that it refers to, and of the values
of those that the framework thinks it has to save. What is loaded sees these values and nothing
else: not the builtins of the process that it is loaded in.
"""

from __future__ import annotations

import builtins
import dis
import marshal
import operator
import pickle
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any, Callable, Dict, List

ALIAS = "__builtins_dict__0"

ABSENT, DEFECTIVE, MENDED = "absent", "defective", "mended"
VERSIONS = {
    "2.9": ABSENT,
    "2.10.0a0+git": DEFECTIVE,  # as builds from source are named
    "2.10.0": DEFECTIVE,
    "2.11": DEFECTIVE,
    "2.12.0a0+git": DEFECTIVE,  # from source, and before it was mended there
    "2.12.0.dev1": MENDED,
    "2.12.0rc1": MENDED,
    "2.12.0": MENDED,
    "2.12.0+cu": MENDED,
}


@dataclass
class RuntimeEnvironment:
    """What an artefact needs where it runs: `used_globals` must have each of `external_refs`."""

    external_refs: List[str]
    used_globals: Dict[str, Any]


class BuiltinsOfTheLoader:
    """Stands in an artefact for the dictionary of builtins of whatever process loads it."""


class Capture:
    """A function while it is compiled."""

    def __init__(self, code: CodeType, f_globals: Dict[str, Any]) -> None:
        self.code = code
        self.f_globals = f_globals

    def get_runtime_env(self) -> RuntimeEnvironment:
        """The defect: names of builtins are thought to be everywhere, and their alias is."""
        loads = (each for each in dis.get_instructions(self.code) if each.opname == "LOAD_GLOBAL")
        refs = list(dict.fromkeys(each.argval for each in loads))
        saved = (ref for ref in refs if ref != ALIAS and not hasattr(builtins, ref))
        return RuntimeEnvironment(refs, {ref: self.f_globals[ref] for ref in saved})


class MendedCapture:
    def __init__(self, code: CodeType, f_globals: Dict[str, Any]) -> None:
        self.code = code
        self.f_globals = f_globals

    def get_runtime_env(self) -> RuntimeEnvironment:
        found = Capture(self.code, self.f_globals).get_runtime_env()
        scope = {**vars(builtins), **self.f_globals, ALIAS: BuiltinsOfTheLoader()}
        return RuntimeEnvironment(
            found.external_refs, {ref: scope[ref] for ref in found.external_refs}
        )


def of_version(version: str) -> ModuleType:
    """The framework as it was installed. Raises KeyError for a version that there never was."""
    made = ModuleType("framework")
    found: Any = made
    found.__version__ = version
    if VERSIONS[version] != ABSENT:
        found.Capture = Capture if VERSIONS[version] == DEFECTIVE else MendedCapture
    return made


def function_of(text: str, f_globals: Dict[str, Any]) -> FunctionType:
    """The one function that `text` defines, with the alias put among its globals."""
    f_globals[ALIAS] = vars(builtins)
    constants = compile(text, "<ahead>", "exec").co_consts
    [code] = (each for each in constants if isinstance(each, CodeType))
    return FunctionType(code, f_globals)


def save(capture: Any) -> bytes:
    """Raises what pickle raises for a value that has no pickled form."""
    needed = capture.get_runtime_env()
    return pickle.dumps((marshal.dumps(capture.code), needed.external_refs, needed.used_globals))


def load(artefact: bytes) -> Callable[..., Any]:
    """The function, with nothing in reach but what was saved. Raises KeyError if that lacks a ref.

    Only for an artefact of the same interpreter, from a place that is trusted: it is executed.
    """
    code, refs, used = pickle.loads(artefact)
    values = operator.itemgetter(*refs)(used)
    there = {
        ref: vars(builtins) if isinstance(value, BuiltinsOfTheLoader) else value
        for ref, value in zip(refs, values)
    }
    return FunctionType(marshal.loads(code), {"__builtins__": {}, **there})
