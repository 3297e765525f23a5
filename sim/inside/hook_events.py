"""What hooks of imports did: said to whoever runs the program, and remembered for other hooks."""

from __future__ import annotations

import _thread
import sys

from . import channel

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any, Optional, Set

_first_thread = _thread.get_ident()  # who loads this: a program's start, in its main thread
_happened: Set[str] = set()


def tell(hook: str, module: str, event: str, **more: Any) -> None:
    """Says that `event` befell the import of `module`, and in which thread."""
    ident = _thread.get_ident()
    channel.say(
        {
            "hook": hook,
            "module": module,
            "event": event,
            "thread": thread_name(ident),
            "is_main": ident == main_thread(),
            **more,
        }
    )
    _happened.add(f"{event}:{module}")  # last: what waits for it speaks later than this


def has_happened(what: str) -> bool:
    """`what` is "event:module"."""
    return what in _happened


def main_thread() -> int:
    """Its identifier. A child that another thread forked has another one than its parent."""
    main = getattr(sys.modules.get("threading"), "_main_thread", None)
    ident: Optional[int] = getattr(main, "ident", None)
    return _first_thread if ident is None else ident


def thread_name(ident: int) -> str:
    """As the program called it; its identifier where `threading` does not know it."""
    active = getattr(sys.modules.get("threading"), "_active", {})
    unknown = "MainThread" if ident == main_thread() else ident
    return str(getattr(active.get(ident), "name", unknown))
