"""Says which module's body changed the environment of the process while it was executed.

Seen is what goes through os.environ, os.putenv or os.unsetenv in the thread that executes the
body; to the innermost body it is counted, and only what is different when that body has ended. Not
seen is what C code does to the environment by itself.
"""

from __future__ import annotations

import _thread
import os

from .hook_events import tell

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Dict, List, Optional


class EnvironWatch:
    """Owns what is known about variables that were touched while a body was executed."""

    def __init__(self, is_meant: Callable[[str], bool]) -> None:
        self.is_meant = is_meant
        self._bodies = _thread._local()
        self._now: Dict[str, Optional[str]] = {}  # as last told to the OS; None: unset

    def begin(self) -> None:
        """From now on it sees changes. os.environ looks both functions up at each change."""
        putenv, unsetenv = os.putenv, os.unsetenv

        def seeing_putenv(name: Any, value: Any, /) -> None:
            self._touches(os.fsdecode(name))
            putenv(name, value)
            self._now[os.fsdecode(name)] = os.fsdecode(value)

        def seeing_unsetenv(name: Any, /) -> None:
            self._touches(os.fsdecode(name))
            unsetenv(name)
            self._now[os.fsdecode(name)] = None

        os.putenv, os.unsetenv = seeing_putenv, seeing_unsetenv

    def see_search(self, name: str) -> None:
        """Who looks for a module changes nothing."""

    def see_absence(self, name: str) -> None:
        """Nor does a module that is not there."""

    def execute(
        self, name: str, module: ModuleType, execute: Callable[[ModuleType], None]
    ) -> None:
        """Executes it, and tells each variable that is another one afterwards."""
        bodies = self._stack()
        touched: Dict[str, Optional[str]] = {}
        bodies.append(touched)
        try:
            execute(module)
        finally:
            bodies.pop()
            for variable, before in touched.items():
                after = self._value(variable)
                if after != before:
                    change = "set" if before is None else "changed"
                    # Without the value, which may be a secret.
                    event = "unset" if after is None else change
                    tell("environ", name, event, variable=variable)

    def _touches(self, name: str) -> None:
        bodies = self._stack()
        if bodies:
            bodies[-1].setdefault(name, self._value(name))

    def _value(self, name: str) -> Optional[str]:
        return self._now[name] if name in self._now else os.environ.get(name)

    def _stack(self) -> List[Dict[str, Optional[str]]]:
        bodies: List[Dict[str, Optional[str]]] = self._bodies.__dict__.setdefault("of", [])
        return bodies
