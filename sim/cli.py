"""The command's entry. It heeds Ctrl-C and SIGTERM first, and only then imports what takes long."""

from __future__ import annotations

import signal
import sys

from sim.live import termination

TYPE_CHECKING = False  # typing is one of the things that take long to import
if TYPE_CHECKING:
    from typing import Optional, Sequence


def main(argv: Optional[Sequence[str]] = None) -> int:
    """The exit status; says what went wrong on standard error. Without `argv` we are the process's
    own command, and signals that come after its end cannot change its status any more."""
    is_last = argv is None
    before = termination.heed()
    try:
        try:
            from sim import commands

            return commands.execute(sys.argv[1:] if argv is None else argv)
        finally:
            termination.end(before, is_last=is_last)
    except KeyboardInterrupt as asked:
        termination.end(before, is_last=is_last)  # it may have come before the other one
        is_term = isinstance(asked, termination.Terminated)
        return 128 + (signal.SIGTERM if is_term else signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
