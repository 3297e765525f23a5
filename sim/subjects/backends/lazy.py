"""Makes xfer available by importing it when one of its names is first used (PEP 562).

What stays as it was, or is new:

- `from lazy import Agent` is a use, and so are `hasattr(lazy, "Agent")` and `import *`.
- Where xfer cannot be imported, a name is None and stays it for the life of the process, whatever
  is installed later; hasattr() is True.
- Only an ImportError makes a name None. The OSError of a broken library escapes from the use of a
  name, and from each further one: nothing is kept.
- The variable is set by the first use alone. Who imports xfer directly before that has it unset.
- `__all__` also has a function. Were it renamed, its old name would be a KeyError of the table
  below, which hasattr() and getattr(..., default) let pass, and not an AttributeError.
- Threads that use a name at once each import, which is one import, and each keep what they got,
  which is one object; a line that is said once may be said by both.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from functools import cache
from typing import Any

__all__ = ["Agent", "AgentConfig", "Telemetry", "is_installed"]

logger = logging.getLogger("sim.subjects.backends")

Agent: Any
AgentConfig: Any
Telemetry: Any


def is_installed() -> bool:
    return importlib.util.find_spec("xfer") is not None


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _load(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load(name: str) -> Any:
    home = {"Agent": "_api", "AgentConfig": "_api", "Telemetry": "_bindings"}[name]
    _set_the_variable()
    try:
        value = getattr(importlib.import_module(f"xfer.{home}"), name)
    except ImportError:
        value = None
    if name == "Agent" and value is None:
        _say_once(logging.WARNING, "the backend is not available")
    elif name == "Agent":
        _say_once(logging.INFO, "the backend is available")
    globals()[name] = value  # the next use finds it, and does not come here
    return value


def _set_the_variable() -> None:
    if "XFER_CACHE_MAX" in os.environ:
        return
    if "xfer" in sys.modules:
        _say_once(
            logging.WARNING, "xfer was imported already: XFER_CACHE_MAX cannot be set any more"
        )
        return
    _say_once(logging.INFO, "XFER_CACHE_MAX is set to 1024")
    os.environ["XFER_CACHE_MAX"] = "1024"


@cache
def _say_once(level: int, text: str) -> None:
    logger.log(level, text)
