"""Which locks of multiprocessing this process knows, and how often it has each: said when asked.

A semaphore does not record who has it. But each process counts for itself, in the object by which
it uses the semaphore, and a fork begins at 0: so of those who are alive it can be known.
"""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False  # see channel
if TYPE_CHECKING:
    from typing import Any, Dict, List

LOCKS_MAX = 500  # of which a message has room
KINDS = ("Lock", "RLock")  # what is taken once, and given back


def known() -> List[Dict[str, int]]:
    """Of each: where its semaphore is mapped, and how often it is taken by this process."""
    module = sys.modules.get("multiprocessing.synchronize")
    kinds = [getattr(module, name, None) for name in KINDS]
    found = [each for each in gc.get_objects() if type(each) in kinds] if module else []
    return [_seen(each.__dict__["_semlock"]) for each in found[:LOCKS_MAX] if _is_made(each)]


def _is_made(lock: Any) -> bool:
    return "_semlock" in lock.__dict__


def _seen(semaphore: Any) -> Dict[str, int]:
    return {"address": semaphore.handle, "taken": semaphore._count()}
