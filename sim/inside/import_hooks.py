"""Makes imports of the program under test go wrong, and watches them.

`install` takes a list of these, each with the "module" that it is meant for:

    {"kind": "missing", "module": "m"}      not found, as the interpreter itself would say it
    {"kind": "failing", "module": "m", "exception": "OSError", "message": "...", "at": 0}
                                            raised in the body of m; of another module "pkg.Error"
    {"kind": "slow", "module": "m", "seconds": 0.2, "at": 0}
    {"kind": "gated", "module": "m", "until": "main_waits", "at": 0}
                                            held there until ... (see import_gates), "seconds_max"
    {"kind": "twice", "module": "m"}        executed twice: who imports it first has one module
                                            object, all others have another
    {"kind": "first", "module": "m", "folder": "/..."}
                                            looked for there before anywhere else
    {"kind": "watch", "modules": ["m"], "prefix": "pkg"}     see import_watch; all, without both
    {"kind": "environ", "modules": ["m"], "prefix": "pkg"}   see environ_watch; the same

"at" counts statements of the body, see module_bodies.run. "times" is how many imports of a process
it happens to; all, without. What happens is told, see hook_events: nothing happens to a module that
is imported already, and that is told as "impossible"; so it is where a program has put another list
in the place of sys.meta_path, and hiding has no effect. Who leaves us out of it is rid of us.
"""

from __future__ import annotations

import _thread
import builtins
import sys

from .environ_watch import EnvironWatch
from .hook_events import tell
from .hooked_loading import Hook, Loader
from .import_gates import MAIN_WAITS, PROBE
from .import_watch import Watch

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

    Spec = Mapping[str, Any]

KEYS = {  # of each kind: what it must have, and what it may
    "missing": (("module",), ("times",)),
    "failing": (("module", "exception"), ("message", "at", "times")),
    "slow": (("module", "seconds"), ("at", "times")),
    "gated": (("module", "until"), ("at", "seconds_max", "times")),
    "twice": (("module",), ()),
    "first": (("module", "folder"), ()),
    "watch": ((), ("modules", "prefix")),
    "environ": ((), ("modules", "prefix")),
}
WATCHES = ("watch", "environ")
EVENTS = ("began", "held", "released", "late", "ended", "raised", "obtained")  # to wait for


def install(specs: Sequence[Spec]) -> None:
    """From now on imports of this process go wrong as `specs` say.

    Raises ValueError that names whatever is wrong with them.
    """
    found = problems(specs)
    if found:
        raise ValueError("; ".join(found))
    finder = installed_finder()
    for spec in specs:
        if spec["kind"] in WATCHES:
            made = Watch if spec["kind"] == "watch" else EnvironWatch
            finder.watches.append(made(_meant(spec)))
            finder.watches[-1].begin()
        elif spec["kind"] == "first":
            finder.firsts[spec["module"]] = spec["folder"]
        elif spec["module"] in sys.modules:
            tell(spec["kind"], spec["module"], "impossible", why="it is imported already")
        else:
            finder.hooks.setdefault(spec["module"], []).append(Hook(spec))


def after_import(module: str, act: Callable[[ModuleType], None]) -> None:
    """Calls `act` with the module once its body was executed; now, if it was before."""
    if module in sys.modules:
        act(sys.modules[module])
    else:
        installed_finder().after.setdefault(module, []).append(act)


def installed_finder() -> Finder:
    if not isinstance(sys.meta_path, MetaPath):
        sys.meta_path = MetaPath(Finder(), sys.meta_path)
    return sys.meta_path.finder


def problems(specs: Sequence[Spec]) -> List[str]:
    """What is wrong with them, in words; an empty list where nothing is."""
    found = []
    for number, spec in enumerate(specs):
        at = f"imports[{number}]"
        kind = spec.get("kind")
        if kind not in KEYS:
            found.append(f"{at}: kind is {kind!r}, not one of {', '.join(KEYS)}")
            continue
        needed, optional = KEYS[kind]
        found += [f"{at}: {kind} needs {key!r}" for key in needed if key not in spec]
        unknown = set(spec) - {"kind", *needed, *optional}
        found += [f"{at}: {kind} knows no {key!r}" for key in sorted(unknown)]
        for key, (is_right, what) in VALUES.items():
            if key in spec and not is_right(spec[key]):
                found.append(f"{at}: {key} is {spec[key]!r}, not {what}")
    return found


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and all(part.isidentifier() for part in value.split("."))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_length(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_condition(value: Any) -> bool:
    event, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    return value in (MAIN_WAITS,) or (f"{event}:" == PROBE or event in EVENTS) and bool(rest)


def _is_exception(value: Any) -> bool:
    if not _is_name(value):
        return False
    found = getattr(builtins, value, None)
    return "." in value or isinstance(found, type) and issubclass(found, BaseException)


VALUES: Dict[str, Tuple[Callable[[Any], bool], str]] = {
    "module": (_is_name, "the name of a module"),
    "exception": (_is_exception, "a built-in exception, or one of a module: module.Class"),
    "message": (lambda value: isinstance(value, str), "a text"),
    "seconds": (_is_length, "a number of seconds"),
    "seconds_max": (_is_length, "a number of seconds"),
    "at": (_is_count, "a count of statements"),
    "times": (lambda value: _is_count(value) and value > 0, "a count above 0"),
    "until": (_is_condition, "main_waits, probe:<name> or <event>:<module>"),
    "modules": (lambda v: isinstance(v, list) and all(map(_is_name, v)), "a list of modules"),
    "prefix": (_is_name, "the name of a package"),
    "folder": (lambda value: isinstance(value, str) and bool(value), "a path"),
}


def _meant(spec: Spec) -> Callable[[str], bool]:
    modules, prefix = set(spec.get("modules", ())), spec.get("prefix")
    everything = not modules and prefix is None

    def is_meant(name: str) -> bool:
        below = prefix is not None and f"{name}.".startswith(f"{prefix}.")
        return everything or below or name in modules

    return is_meant


class MetaPath(list):
    """The finders of the interpreter: the same list, but ours is asked first, wherever it stands,
    and where it hides a module no other is asked. So importlib finds nothing, and says so itself.
    """

    def __init__(self, finder: Finder, others: Sequence[Any]) -> None:
        super().__init__([finder, *others])
        self.finder = finder

    def __iter__(self) -> Iterator[Any]:
        self.finder.has_hidden.it = False
        yield self.finder
        if not self.finder.has_hidden.it:
            yield from self.others()

    def others(self) -> List[Any]:
        return [each for each in super().__iter__() if each is not self.finder]


class Finder:
    """Asks the other finders for a module, and puts a loader of ours in front of theirs."""

    def __init__(self) -> None:
        self.has_hidden = _thread._local()
        self.hooks: Dict[str, List[Hook]] = {}
        self.after: Dict[str, List[Callable[[ModuleType], None]]] = {}
        self.watches: List[Union[Watch, EnvironWatch]] = []
        self.firsts: Dict[str, str] = {}

    def _found_first(self, name: str, path: Any) -> Any:
        if path is not None or name not in self.firsts:
            return None
        # PathFinder of importlib.machinery, which would have to be loaded.
        find = sys.modules["_frozen_importlib_external"].PathFinder.find_spec
        return find(name, [self.firsts[name]])

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        hooks = self.hooks.get(name, ())
        watches = [each for each in self.watches if each.is_meant(name)]
        for watch in self.watches:
            watch.see_search(name)
        for hook in hooks:
            if hook.kind == "missing" and hook.is_due() and self._hides(name):
                return None
        first = self._found_first(name, path)
        if not hooks and not watches and name not in self.after:
            return first
        spec = first or self._found_by_others(name, path, target)
        if spec is None:
            for watch in watches:
                watch.see_absence(name)
            return None
        bodies = [hook for hook in hooks if hook.kind != "missing"]
        if not hasattr(spec.loader, "exec_module"):
            for hook in bodies:
                tell(hook.kind, name, "impossible", why="it has no body that could be executed")
            return spec
        spec.loader = Loader(spec, bodies, watches, self.after.pop(name, ()))
        return spec

    def _hides(self, name: str) -> bool:
        if not isinstance(sys.meta_path, MetaPath):
            tell("missing", name, "impossible", why="sys.meta_path is another list by now")
            return False
        tell("missing", name, "raised")
        self.has_hidden.it = True
        return True

    def _found_by_others(self, name: str, path: Any, target: Any) -> Any:
        others = sys.meta_path
        for finder in others.others() if isinstance(others, MetaPath) else list(others):
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec = find(name, path, target)
                if spec is not None:
                    return spec
        return None
