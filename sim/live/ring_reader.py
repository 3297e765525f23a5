"""The reading side of a ring that has a name: `spinbed.Reader`. docs/ring-api.md has examples."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ContextManager, Iterator, List, Optional, Type

from cy_kernels.errors import RingEnded, RingError
from sim.live.named_end import ATTACH_S, NamedEnd, find


class Reader(NamedEnd):
    """One reading side of a ring, its `rank`: each rank reads every message. Not for use from two
    threads at once.

    As a with-block: `close()` at its end. As an iterator: every message until the ring is ended.
    """

    _home = __name__
    _fast = (
        ("read", "receive_within"),
        ("read_many", "receive_many"),
        ("view", "hold"),
        ("release", "let_go"),
        ("viewing", "receiving_within"),
        ("recv", "receive_object"),
        ("recv_view", "hold_object"),
    )

    @classmethod
    def attach(
        cls,
        name: str,
        rank: int = 0,
        *,
        timeout_s: Optional[float] = ATTACH_S,
        wait: str = "park",
        kernels: Optional[str] = None,
    ) -> Reader:
        """Read the ring of that name as `rank`, once it is there.

        Goes on where a predecessor that is proven dead had released last. Raises RingTimeout where
        the name does not appear in `timeout_s` seconds (None: waits for ever), RingBusy (the rank
        is taken), RingEvicted (its reader left, or the writer gave up on it), RingMismatch (what
        has the name is no ring), ValueError and TypeError naming the value.
        """
        found = find(name, timeout_s, kernels)
        try:
            end = found.ring.CursorReader(
                found.region.view, rank=rank, wait=wait, **found.geometry
            )
        except BaseException:
            found.region.close()
            raise
        return cls(end, found.ring, found.region)

    @property
    def rank(self) -> int:
        return int(self._end.rank)

    def read(self, timeout_s: Optional[float] = None) -> bytes:
        """The next message, copied out.

        Waits for at most `timeout_s` seconds; None: for ever, 0: not at all. Raises RingTimeout,
        RingEnded (no more come), RingClosed (the ring was shut down), RingEvicted.
        """
        message: bytes = self._end.receive_within(timeout_s)
        return message

    def read_many(self, count_max: int, timeout_s: Optional[float] = None) -> List[bytes]:
        """Wait for one message as `read` does, and take those behind it that are there.

        Up to `count_max`, and no more once they have 64 KiB together: a larger batch costs more
        memory than it saves time. A RingError in between has what was read as `received`.
        """
        messages: List[bytes] = self._end.receive_many(count_max, timeout_s)
        return messages

    def view(self, timeout_s: Optional[float] = None) -> memoryview:
        """The next message in place, read-only, until `release`. Waits and raises as `read` does.

        Until then no other operation is possible, and the writer can come round to this slot.
        """
        message: memoryview = self._end.hold(timeout_s)
        return message

    def release(self) -> None:
        """Let go of the message of `view`.

        The view is released. Raises BufferError where somebody could still look through it, a slice
        or an array that was made of it: then the slot stays held. RingError where none is held.
        """
        self._end.let_go()

    def viewing(self, timeout_s: Optional[float] = None) -> ContextManager[memoryview]:
        """A with-block around `view`, which ends with `release`."""
        block: ContextManager[memoryview] = self._end.receiving_within(timeout_s)
        return block

    def recv(self, timeout_s: Optional[float] = None) -> Any:
        """The next object that `send` sent. Waits and raises as `read` does.

        Unpickling runs what the writer wants: only for a writer that is trusted like this program.
        Raises RingGarbled where the message is no object's frame, and what unpickling raises; the
        message is taken then, too.
        """
        return self._end.receive_object(timeout_s)

    def recv_view(self, timeout_s: Optional[float] = None) -> Any:
        """As `recv`, but the memory of arrays is the slot's own, read-only, until `release`.

        `release` raises BufferError as long as such an array lives.
        """
        return self._end.hold_object(timeout_s)

    def close(self) -> None:
        """Leave: the writer no longer waits for this rank, and nobody can take it again. A second
        call is a no-op."""
        if not self.is_open:
            return
        try:
            self._end.let_go()
        except (BufferError, RingError):
            pass  # somebody still looks at it, and keeps the memory; or nothing is held
        self._close()

    def __iter__(self) -> Iterator[bytes]:
        try:
            while True:
                yield self.read()
        except RingEnded:
            pass

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
