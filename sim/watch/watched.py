"""A wait that is due, as the program that waits declares it: `spinbed.watch`."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from types import TracebackType
from typing import Any, Iterator, Optional, Type

from sim.live.procfs import stat
from sim.scenario.durations import BadDuration, format_duration, parse_duration
from sim.watch import page as at
from sim.watch.owner import Owner, owner
from sim.watch.page import SLOT_WORDS

STALL = "10s"
STALL_NS_MIN = 100_000_000  # a host that is busy makes nothing sooner
WRITTEN_POLL_S = 0.002
U64 = 2**64


def watch(name: str, *, stall: str = STALL, file: Any = None) -> Watch:
    """Say that what is done in this with-block is due, and where it stands when nothing moves.

        with spinbed.watch("decode", stall="2s") as watched:
            for each in work:
                do(each)
                watched.progress()

    Where there is no progress for as long as `stall` although the block has not been left, the
    Python stacks of this process and of those below it are written to descriptor 2, or to `file`,
    which has a descriptor or is one. Once for a standstill; nothing is interrupted.

    Raises ValueError and TypeError that name the value; OSError and RuntimeError, on entering,
    where no monitor can be started.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a wait is text, not {name!r}")
    return Watch(name, stall_ns=stall_ns(stall), fd=None if file is None else _descriptor(file))


def stall_ns(text: Any) -> int:
    found = duration_ns(text, "stall")
    if found < STALL_NS_MIN:
        raise ValueError(f"stall {text!r} is shorter than {format_duration(STALL_NS_MIN)}")
    return found


def duration_ns(text: Any, what: str) -> int:
    """Raises ValueError with the nearest spelling, TypeError."""
    if not isinstance(text, str):
        raise TypeError(f'{what} is a duration such as "2s", not {text!r}')
    try:
        return parse_duration(text)
    except BadDuration as error:
        near = f" (did you mean {error.nearest!r}?)" if error.nearest else ""
        raise ValueError(f"{what} {text!r} {error}{near}") from None


def _descriptor(file: Any) -> int:
    try:
        return file if isinstance(file, int) else int(file.fileno())
    except (AttributeError, OSError, ValueError) as error:
        raise TypeError(f"file has no descriptor: {file!r}") from error


class Watch:
    """One wait: due while its with-block is entered. A block that was left may be entered again."""

    def __init__(
        self,
        name: str,
        *,
        stall_ns: int,
        deadline_ns: int = 0,
        fd: Optional[int] = None,
        signal: int = 0,
    ) -> None:
        """For `watch`. With `signal` the wait is ended by it, and by force: see the page."""
        self.name = name
        self.stall_ns = stall_ns
        self.deadline_ns = deadline_ns
        self.spent_ns = 0
        self.since_ticks = 0
        self._fd = fd
        self._signal = signal
        self._owner: Optional[Owner] = None
        self._pid = 0
        self._slot = 0
        self._stalls = 0
        self._told_before = 0
        self._lock = threading.Lock()
        # Progress outside of the block is nobody's.
        self._words: Any = [0] * (at.NOWHERE + 1)
        self._count_at = at.NOWHERE

    def progress(self) -> None:
        """Something has moved. Of any thread, and of a child of fork; it costs an addition."""
        self._words[self._count_at] += 1

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """While it is entered nothing is due. Of several threads at once, too."""
        slot = self._slot
        self._add_idle(slot, 1)
        try:
            yield
        finally:
            self._add_idle(slot, -1)

    @property
    def stalls(self) -> int:
        """How many standstills of it were told, completely, since it was entered last."""
        if self._slot:
            written = self._words[self._slot * SLOT_WORDS + at.WRITTEN]
            self._stalls = max(0, written - self._told_before)  # one of before may come late
        return self._stalls

    def await_report(self) -> None:
        """Until what is being told of it is told."""
        first = self._slot * SLOT_WORDS
        while self._words[first + at.WRITTEN] < self._words[first + at.TOLD]:
            assert self._owner is not None
            if stat(self._owner.monitor) is None:
                return
            time.sleep(WRITTEN_POLL_S)

    def __enter__(self) -> Watch:
        if self._slot:
            raise RuntimeError(f"the wait {self.name!r} is due already")
        own = owner()
        slot = own.claim()
        words, first = own.page.words, slot * SLOT_WORDS
        words[first + at.STALL_NS] = self.stall_ns
        words[first + at.DEADLINE_NS] = self.deadline_ns
        words[first + at.SIGNAL] = self._signal
        words[first + at.SINCE_TICKS] = self.since_ticks
        words[first + at.HAS_FILE] = self._fd is not None
        words[first + at.SPENT_NS] = self.spent_ns
        words[first + at.COUNT] = words[first + at.IDLE] = 0
        self._told_before = words[first + at.TOLD]
        own.page.set_name(slot, self.name)
        try:
            if self._fd is None:
                own.send_stderr()
            else:
                own.send(slot, self._fd)
        except BaseException:
            own.release(slot)
            raise
        self._owner, self._slot, self._pid, self._words = own, slot, os.getpid(), words
        self._count_at = first + at.COUNT
        own.enter(slot)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        # In a child of fork the block is the parent's, which is still in it.
        if self._pid == os.getpid():
            self.leave()

    def leave(self) -> None:
        """Nothing is due any more. Idempotent."""
        if not self._slot:
            return
        assert self._owner is not None
        self._owner.leave(self._slot)
        self._stalls = self.stalls
        self._count_at = at.NOWHERE
        slot, self._slot = self._slot, 0
        self._owner.release(slot)

    def _add_idle(self, slot: int, change: int) -> None:
        with self._lock:
            if slot and slot == self._slot:  # the block may have been left meanwhile
                where = slot * SLOT_WORDS + at.IDLE
                self._words[where] = (self._words[where] + change) % U64
