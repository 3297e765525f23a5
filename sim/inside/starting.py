"""What is done in a program under test before any line of its own, by the sitecustomize here.

SPINBED_INSIDE is JSON: {"imports": [...], "starts": [...], "logs": true, "stacks": true}, each of
them optional.
    imports   what goes wrong with its imports, see import_hooks
    starts    what goes wrong with the processes that it starts, see start_hooks
    logs      records of WARNING and above are said
    stacks    SIGUSR1 has the stacks of all threads written to descriptor 2, and another signal
              says for which locks they wait, see lock_waits
"""

from __future__ import annotations

import json
import os
import sys

from . import channel

VARIABLE = "SPINBED_INSIDE"
STDERR = 2


def begin() -> None:
    """A no-op without the variable. Raises ValueError for what it does not understand."""
    text = os.environ.get(VARIABLE)
    if not text:
        return
    try:
        _begin(text)
    except Exception as error:
        channel.say({"hook": "start", "event": "raised", "exception": repr(error)})
        raise


def _begin(text: str) -> None:
    wanted = json.loads(text)
    unknown = set(wanted) - {"imports", "starts", "logs", "stacks"}
    if unknown:
        raise ValueError(f"{VARIABLE} has {', '.join(sorted(unknown))}, which is not known")
    # Each is loaded only where it is wanted.
    if wanted.get("stacks"):
        import faulthandler
        import signal

        faulthandler.register(signal.SIGUSR1, file=STDERR, all_threads=True)
        from . import lock_waits

        lock_waits.listen()
    if wanted.get("imports"):
        from . import import_hooks

        import_hooks.install(wanted["imports"])
    if wanted.get("starts"):
        from . import start_hooks

        start_hooks.install(wanted["starts"])
    if wanted.get("logs"):
        from . import import_hooks, log_records

        import_hooks.after_import("logging", log_records.listen)
    python = ".".join(map(str, sys.version_info[:3]))
    kinds = sorted({each["kind"] for each in wanted.get("imports") or ()})
    channel.say({"hook": "start", "event": "ended", "python": python, "imports": kinds})
