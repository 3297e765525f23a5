"""Files of extension modules: how they are found, mapped, bound and initialised, or not.

The order of the questions is the dynamic loader's (elf/dl-load.c of glibc), then that of
Python/importdl.c: a file that is wrong in two ways fails by the first. What has no pages of a file
behind it any more ends whoever touches it by SIGBUS.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, Union

from sim.virtual.lifecycle.channels import Shared
from sim.virtual.lifecycle.modules import Module, Source
from sim.virtual.lifecycle.steps import Exited, Steps, modelled

if TYPE_CHECKING:
    from sim.virtual.lifecycle.interpreter import Interpreter

HEADER_BYTES = 64
HEADERS_BYTES = HEADER_BYTES + 9 * 56  # with those of its segments
NO_SUCH_FILE = "cannot open shared object file: No such file or directory"
OTHER_TAG = "cpython-38"
HALF = "half"


@dataclass(frozen=True)
class Initialiser:
    """What PyInit_<module> does: the error that it sets, what it returns, what it dies of."""

    sets: Optional[str] = None
    gives: str = "module"  # "nothing" is NULL
    dies_of: int = 0


@dataclass
class Content(Shared):
    """One file, whoever has it mapped."""

    size_bytes: int = 400_000
    mapped_bytes: int = 160_000  # of its beginning: what a debugger reads comes behind
    is_elf: bool = True
    word_bits: int = 64
    is_little_endian: bool = True
    machine: str = "own"
    is_library: bool = True  # ET_DYN
    needed: Sequence[str] = ()  # libraries that are not there
    undefined: Sequence[str] = ()  # symbols that nobody defines
    has_initialiser: bool = True
    initialiser: Initialiser = Initialiser()


@dataclass
class Extension(Shared):
    """The file of a module as one program finds it, in a folder."""

    module: str
    provides: Callable[..., Steps[Any]]  # its function, which is named as the module
    content: Content = field(default_factory=Content)
    tag: Optional[str] = None  # None: that of whoever looks
    is_file: bool = True  # and not a folder, a link to nothing, or not there
    is_readable: bool = True
    is_executable: bool = True  # its mount is
    folder: str = "/site"

    def path(self, py: Interpreter) -> str:
        major, minor = py.behaviour.version[:2]
        tag = self.tag or f"cpython-{major}{minor}"
        return f"{self.folder}/{self.module.replace('.', '/')}.{tag}-x86_64-linux-gnu.so"

    def source(self, py: Interpreter) -> Optional[Source]:
        """What FileFinder makes of it: it is there if it is a file with a suffix of its own."""
        if not self.is_file or self.tag is not None:
            return None
        return Source(self.path(py), self._load)

    def _load(self, py: Interpreter, module: Module) -> Steps[Optional[Exception]]:
        yield None
        why = self._opened(self.path(py))
        if why is not None:
            return modelled(ImportError(why))
        self._touch()  # what is relocated, and cleared behind its end
        path, last = self.path(py), self.module.rpartition(".")[2]
        for name in self.content.undefined:
            return modelled(ImportError(f"{path}: undefined symbol: {name}"))
        if not self.content.has_initialiser:
            said = f"dynamic module does not define module export function (PyInit_{last})"
            return modelled(ImportError(said))
        error = _initialised(self.content.initialiser, last)
        if error is None:
            module.names[last] = self.provides
            module.names["__loaded__"] = self
        return error

    def _opened(self, path: str) -> Optional[str]:
        """Why the loader refuses it."""
        file = self.content
        if not self.is_readable:
            return f"{path}: cannot open shared object file: Permission denied"
        if file.size_bytes < HEADER_BYTES:
            return f"{path}: file too short"
        if not file.is_elf:
            return f"{path}: invalid ELF header"
        if file.word_bits != 64:
            return f"{path}: wrong ELF class: ELFCLASS{file.word_bits}"
        if not file.is_little_endian:
            return f"{path}: ELF file data encoding not little-endian"
        if file.machine != "own":
            return f"{path}: {NO_SUCH_FILE}"  # it goes on looking, and finds nothing
        if not file.is_library:
            return f"{path}: cannot dynamically load executable"
        if file.size_bytes < HEADERS_BYTES:
            return f"{path}: cannot read file data"
        if not self.is_executable:
            return f"{path}: failed to map segment from shared object"
        for name in file.needed:
            return f"{name}: {NO_SUCH_FILE}"
        return None

    def _touch(self) -> None:
        if self.content.size_bytes < self.content.mapped_bytes:
            raise Exited(-signal.SIGBUS)

    def call(self, *args: Any) -> Steps[Any]:
        self._touch()
        found = yield from self.provides(*args)
        return found


def _initialised(does: Initialiser, last: str) -> Optional[Exception]:
    """_PyImport_LoadDynamicModuleWithSpec: what it returned, and whether an error is set."""
    if does.dies_of:
        raise Exited(-does.dies_of)
    prefix = f"initialization of {last} "
    if does.gives == "nothing":
        if does.sets is not None:
            return modelled(RuntimeError(does.sets))
        return modelled(SystemError(prefix + "failed without raising an exception"))
    if does.sets is not None:
        return modelled(SystemError(prefix + "raised unreported exception"))
    if does.gives != "module":
        return modelled(SystemError(prefix + "did not return an extension module"))
    return None


RAISED = "raised by a broken initialiser"
How = Union[str, Mapping[str, Any]]
Changes = Callable[[Content, Any], Dict[str, Any]]


def _always(**changes: Any) -> Changes:
    return lambda content, argument: changes


def _initialiser(**does: Any) -> Changes:
    return _always(initialiser=Initialiser(**does))


def _cut(content: Content, size: Any) -> Dict[str, Any]:
    return {"size_bytes": content.mapped_bytes // 2 if size in (None, HALF) else size}


# What is done to the file, by the kind of docs/broken-extensions.md; and to what is around it.
OF_CONTENT: Mapping[str, Changes] = {
    "empty": _always(size_bytes=0),
    "short": _always(size_bytes=63),
    "script": _always(size_bytes=17, is_elf=False),
    "text": _always(size_bytes=78, is_elf=False),
    "truncated_to": _cut,
    "wrong_machine": _always(machine="another"),
    "elf32": _always(word_bits=32),
    "big_endian": _always(is_little_endian=False),
    "et_exec": _always(is_library=False),
    "undefined_symbol": lambda content, name: {"undefined": (name or "spinbed_gone",)},
    "no_init": _always(has_initialiser=False),
    "missing_library": lambda content, name: {"needed": (name or "libgone.so",)},
    "init_raises": _initialiser(sets=RAISED, gives="nothing"),
    "init_null": _initialiser(gives="nothing"),
    "init_error_set": _initialiser(sets=RAISED),
    "init_non_module": _initialiser(gives="a number"),
    "sigill": _initialiser(dies_of=signal.SIGILL),
    "sigsegv": _initialiser(dies_of=signal.SIGSEGV),
    "abort": _initialiser(dies_of=signal.SIGABRT),
}
OF_PLACE: Mapping[str, Mapping[str, Any]] = {
    "missing": {"is_file": False},
    "dangling_link": {"is_file": False},
    "directory": {"is_file": False},
    "foreign_tag": {"tag": OTHER_TAG},
    "unreadable": {"is_readable": False},
    "noexec": {"is_executable": False},
}
AFTER_LOAD = "truncated_live"


class Damage:
    """Of one program's private copy."""

    def __init__(self, extension: Extension, how: How) -> None:
        self.extension = extension
        self._kind = how if isinstance(how, str) else next(iter(how))
        self._argument = None if isinstance(how, str) else how[self._kind]
        self.is_done = False
        if self._kind != AFTER_LOAD:
            self.do()

    def do(self) -> None:
        """A new file takes the place of the old one; only `truncated_live` is done to what others
        have mapped."""
        if self.is_done:
            return
        self.is_done = True
        if self._kind == AFTER_LOAD:
            self.extension.content.size_bytes = 0
        elif self._kind in OF_PLACE:
            for name, value in OF_PLACE[self._kind].items():
                setattr(self.extension, name, value)
        else:
            content = self.extension.content
            changes = OF_CONTENT[self._kind](content, self._argument)
            self.extension.content = replace(content, **changes)

    @property
    def told(self) -> Mapping[str, Any]:
        said = f"{self.extension.module}: {self._kind} {self._argument or ''}".rstrip()
        data = {"kind": self._kind, "argument": self._argument}
        return {"proven": self.is_done, "what": said, "data": data}
