"""What Ctrl-C and SIGTERM do to the command, from its first line to its last.

    EARLY     nothing but imports so far: the process ends at once, without a word
    OPEN      the first one raises where the main thread is, and what was started is ended on the
              way out
    STOPPING  a further Ctrl-C must not break that off: the second is answered with a line, the
              third ends the process at once, and the watchers clean up behind it

Handlers belong to the process, and so does this module's state. It imports next to nothing: until
it is imported, Ctrl-C is a traceback of the interpreter's own.
"""

from __future__ import annotations

import os
import signal

EARLY, OPEN, STOPPING, ENDED = "early", "open", "stopping", "ended"
TRANSITIONS = {
    ENDED: (EARLY,),
    EARLY: (OPEN, ENDED),
    OPEN: (STOPPING, ENDED),
    STOPPING: (ENDED,),
}
HEEDED = (signal.SIGINT, signal.SIGTERM)
STDERR = 2
STILL_STOPPING = b"\nspinbed: what runs is being ended; once more, and nobody waits for it\n"

_state = ENDED
_repeated = 0  # Ctrl-C since the first of them


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends like Ctrl-C, with a status of its own."""


def heed() -> dict[int, object]:
    """The handlers that there were, for `end`. Who was told to ignore a signal goes on to do so;
    outside of the main thread, which alone gets signals, nothing is heeded."""
    global _repeated
    become(EARLY)
    _repeated = 0
    before: dict[int, object] = {}
    for number in HEEDED:
        if signal.getsignal(number) is signal.SIG_IGN:
            continue
        try:
            before[number] = signal.signal(number, _on_signal)
        except ValueError:  # not in the main thread
            break
    return before


def end(before: dict[int, object], *, is_last: bool) -> None:
    """Nothing raises any more when this returns. Idempotent. `is_last`: the process ends now, and
    the interpreter's own way out, which takes a while, is not to be broken off either."""
    for number, handler in before.items():
        signal.signal(number, signal.SIG_IGN if is_last else handler)  # type: ignore[arg-type]
    if _state != ENDED:
        become(ENDED)


def become(state: str) -> None:
    global _state
    assert state in TRANSITIONS[_state], f"termination: {_state} -> {state}"
    _state = state


def _on_signal(number: int, frame: object) -> None:
    global _repeated
    if _state == EARLY:
        os._exit(128 + number)
    if _state == OPEN:
        become(STOPPING)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
    if _state == STOPPING and number == signal.SIGINT:
        _repeated += 1
        if _repeated > 1:
            os._exit(128 + number)
        try:
            os.write(STDERR, STILL_STOPPING)
        except OSError:
            pass  # nobody to tell
