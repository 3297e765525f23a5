"""A loader in front of another one: it executes modules, and what hooks insert in their bodies."""

from __future__ import annotations

import sys
import time

from . import import_gates
from .hook_events import tell
from .module_bodies import Insertion, run

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Mapping, Optional, Sequence, Union

    from .environ_watch import EnvironWatch
    from .import_watch import Watch

ModuleSpec: Any = type(sys.__spec__)  # importlib.machinery's, without loading importlib


class Hook:
    """What happens to imports of one module, and how often it still does."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.kind: str = spec["kind"]
        self.module: str = spec["module"]
        self._left: Optional[int] = 1 if self.kind == "twice" else spec.get("times")

    def is_due(self) -> bool:
        """Counts. To be asked once for each import, under a lock of the interpreter's."""
        if self._left is not None:
            self._left -= 1
        return self._left is None or self._left >= 0

    def insertion(self) -> Insertion:
        act = {"failing": self._fail, "slow": self._slow, "gated": self._gate}[self.kind]
        return Insertion(self.spec.get("at", 0), act, raises=self.kind == "failing")

    def _fail(self) -> BaseException:
        error = exception(self.spec["exception"], self.spec.get("message", ""))
        tell("failing", self.module, "raised", exception=repr(error))
        return error

    def _slow(self) -> None:
        tell("slow", self.module, "began")
        time.sleep(self.spec["seconds"])
        tell("slow", self.module, "ended")

    def _gate(self) -> None:
        seconds_max = self.spec.get("seconds_max", import_gates.HOLD_SECONDS_MAX)
        import_gates.hold(self.module, self.spec["until"], seconds_max)


class Loader:
    """To everybody but importlib it is the loader that it stands for."""

    def __init__(
        self,
        spec: Any,
        hooks: Sequence[Hook],
        watches: Sequence[Union[Watch, EnvironWatch]],
        after: Sequence[Callable[[ModuleType], None]],
    ) -> None:
        self._real = spec.loader
        self._spec = spec
        self._hooks = hooks
        self._watches = watches
        self._after = after
        self.owes_second = False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # for isinstance(); type() tells
        return Loader if isinstance(self._real, type) else type(self._real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: Any) -> Any:
        create = getattr(self._real, "create_module", None)
        return None if create is None else create(spec)

    def exec_module(self, module: ModuleType) -> None:
        due = [hook for hook in self._hooks if hook.is_due()]
        insertions = [hook.insertion() for hook in due if hook.kind != "twice"]

        execute: Callable[[ModuleType], None] = self._real.exec_module
        if insertions:
            execute = lambda module: run(self._real, module, insertions)  # noqa: E731
        for watch in self._watches:
            execute = _watched(watch, self._spec.name, execute)
        execute(module)
        for act in self._after:
            act(module)
        if any(hook.kind == "twice" for hook in due):
            self._owe_second(module.__name__)

    def _owe_second(self, name: str) -> None:
        if type(self._spec) is ModuleSpec:
            self._spec.__class__ = SpecOfTwo
            self.owes_second = True
        else:
            tell("twice", name, "impossible", why=f"its spec is a {type(self._spec).__name__}")


class SpecOfTwo(ModuleSpec):
    """A module's spec that notices the end of its import, and then has it executed once more.

    At that moment its importer has been given the first module object already, and everybody else
    is still kept out by the module's lock: whoever comes next finds the second one.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_initializing" and not value and self.loader.owes_second:
            self.loader.owes_second = False
            first = sys.modules.pop(self.name)
            tell("twice", self.name, "began", ids=[id(first)])
            __import__(self.name)
            tell("twice", self.name, "ended", ids=[id(first), id(sys.modules[self.name])])


def _watched(
    watch: Union[Watch, EnvironWatch], name: str, execute: Callable[[ModuleType], None]
) -> Callable[[ModuleType], None]:
    # Its __name__ is what an extension says: _decimal says decimal.
    return lambda module: watch.execute(name, module, execute)


def exception(name: str, message: str) -> BaseException:
    """Of the built-in name, or of the class "module.Class", which is imported only now."""
    module, _, attribute = name.rpartition(".")
    if module:
        __import__(module)
    made: BaseException = getattr(sys.modules[module or "builtins"], attribute)(message)
    return made
