"""Says when each thread began and ended which import, and who got hold of half a module.

Seen is what goes through the import system: modules that are executed, threads that wait for a
module that another one executes, and submodules of a package that another thread still executes.
Not seen is who takes a module out of sys.modules, or imports one that is complete.
"""

from __future__ import annotations

import _thread
import sys

from .hook_events import tell

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Dict


class Watch:
    """Owns what is known about who executes which module."""

    def __init__(self, is_meant: Callable[[str], bool]) -> None:
        self.is_meant = is_meant
        self._executors: Dict[str, int] = {}  # the last one of each, by identifier of its thread

    def begin(self) -> None:
        """From now on it sees threads that wait until another one has executed a module."""
        # The interpreter's C code looks this function up by name whenever it finds a module in
        # sys.modules that is not complete; what it found there, it uses after the wait.
        bootstrap: Any = sys.modules["_frozen_importlib"]
        wait = bootstrap._lock_unlock_module

        def _lock_unlock_module(name: str) -> None:
            found = sys.modules.get(name)
            wait(name)
            if self._is_another_ones(name):
                self._obtained(name, found, through=name)

        bootstrap._lock_unlock_module = _lock_unlock_module

    def see_search(self, name: str) -> None:
        """This thread looks for a module: its package may be half executed by another one."""
        package = name.rpartition(".")[0]
        found = sys.modules.get(package)
        if _is_half(found) and self._is_another_ones(package):
            self._obtained(package, found, through=name)
        if self.is_meant(name):
            self._executors[name] = _thread.get_ident()

    def see_absence(self, name: str) -> None:
        """Nobody has a module of this name."""
        tell("watch", name, "absent")

    def execute(
        self, name: str, module: ModuleType, execute: Callable[[ModuleType], None]
    ) -> None:
        """Executes it, and tells the beginning and the end."""
        tell("watch", name, "began", id=id(module))
        try:
            execute(module)
        except BaseException as error:
            tell("watch", name, "raised", id=id(module), exception=repr(error))
            raise
        left = sys.modules.get(name)
        is_replaced = left is not module
        tell("watch", name, "ended", id=id(left), replaced=is_replaced)

    def _is_another_ones(self, name: str) -> bool:
        return self._executors.get(name, _thread.get_ident()) != _thread.get_ident()

    def _obtained(self, name: str, found: Any, through: str) -> None:
        is_partial = _is_half(found)
        is_replaced = sys.modules.get(name) is not found
        tell(
            "watch",
            name,
            "obtained",
            id=id(found),
            partial=is_partial,
            replaced=is_replaced,
            through=through,
        )


def _is_half(module: Any) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
