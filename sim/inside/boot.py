"""Calls a function by its name: what `program = "pkg.module:function"` is started as.

    python -c "from spinbed_inside.boot import main; main()" pkg.module:function template

The working directory comes last on sys.path: a folder of sources that lies there, such as the
checkout of a package, does not hide what is installed. Another start method than "template" calls
it in a process of multiprocessing's, whose end becomes ours.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

TYPE_CHECKING = False  # typing takes 3 ms to import, in somebody else's program
if TYPE_CHECKING:
    from typing import Any

UNSTARTED = ("coroutine", "generator", "async_generator")


def main() -> None:
    name, start = sys.argv[1:3]
    del sys.argv[1:]
    if sys.path[0] == "":  # as `-c` has it
        sys.path.append(os.path.abspath(sys.path.pop(0)))
    if start == "template":
        call(name)
        return
    import multiprocessing

    context: Any = multiprocessing.get_context(start)
    process = context.Process(target=call, args=(name,))
    process.start()
    process.join()
    code = process.exitcode
    assert code is not None
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def call(name: str) -> None:
    """Raises what the import of its module, the look-up of its name and the function itself do."""
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    made = found()  # type: ignore[operator]
    if type(made).__name__ in UNSTARTED:
        raise TypeError(f"{name} made a {type(made).__name__}, and nothing of it has run")
