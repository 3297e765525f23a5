"""What every writing and every reading end does, whatever its ring.

A signal handler may raise between any two lines of Python. In a wait that is an operation which
failed and claimed nothing; anywhere else nobody can say how far it came, so the end stays marked
as busy and refuses to go on: its record shows an operation without an end, which is the truth.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, NoReturn, Optional, Type

from cy_kernels.errors import (
    RingClosed,
    RingEnded,
    RingError,
    RingEvicted,
    RingFenced,
    RingTimeout,
)
from cy_kernels.pure.face import Face
from cy_kernels.pure.look import Look
from cy_kernels.pure.recorder import checksum
from cy_kernels.pure.wait import Beat, Waiter

# What a poll says, besides None for "not ready"; as an outcome where it is a failure.
READY = "ready"
TIMED_OUT = "timeout"
ENDED = "ended"
CLOSED = "closed"
EVICTED = "evicted"
FENCED = "fenced"

Poll = Callable[[], Optional[str]]


def fail(reason: str, position: int, waiting_for: str) -> NoReturn:
    """Raise what an operation on message `position` ended with."""
    message = f"message {position}: "
    errors: Dict[str, tuple[Type[RingError], str]] = {
        TIMED_OUT: (RingTimeout, message + f"deadline passed while waiting for {waiting_for}"),
        ENDED: (RingEnded, f"the writer ended the ring after {position} messages"),
        CLOSED: (RingClosed, message + "the ring was shut down"),
        EVICTED: (
            RingEvicted,
            f"message {position} is overwritten: the writer gave up on this reader",
        ),
        FENCED: (RingFenced, message + "a successor took over this writer's place"),
    }
    kind, text = errors[reason]
    raise kind(text)


def await_ready(poll: Poll, wait: str, deadline_ns: int, beat: Optional[Beat]) -> str:
    """Poll until it says something, or time is over. A ready slot beats a deadline in the past."""
    reason = poll()
    if reason is not None:
        return reason
    waiter = Waiter(wait, deadline_ns, beat)
    while reason is None:
        is_in_time = waiter.round()
        reason = poll()  # also when time is over: what came meanwhile is not too late
        if reason is None and not is_in_time:
            return TIMED_OUT
    return reason


class End:
    """One open side of a ring. Not for use from two threads at once."""

    kernels = "pure"

    def __init__(self, face: Face) -> None:
        self._face = face
        self.wait = face.wait  # the strategy that really runs
        self.position = 0  # of the next message

    def _poll(self) -> Optional[str]:
        raise NotImplementedError

    def _beat(self) -> Optional[Beat]:
        """Where this end's heartbeat goes, if the ring has one for it."""
        return None

    def shutdown(self) -> None:
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""
        self._face.shut_down()

    def _detach(self) -> None:
        """Nobody owns a place, unless the ring says so."""

    def close(self) -> None:
        """Give up this end's place and let go of the region. A second call is a no-op."""
        self._face.leave()
        if self._face.is_open:
            self._detach()
        self._face.close()

    def abandon(self) -> None:
        """Let go of the region and leave shared state as a crash would."""
        self._face.leave()
        self._face.close()

    @property
    def slots(self) -> Optional[int]:
        return self._face.geometry_of("slots")

    @property
    def slot_bytes(self) -> Optional[int]:
        return self._face.geometry_of("slot_bytes")

    @property
    def readers(self) -> Optional[int]:
        return self._face.geometry_of("readers")


class Writer(End):
    def __init__(self, face: Face, largest: int) -> None:
        super().__init__(face)
        self._largest = largest

    def _write(self, payload: memoryview[int]) -> None:
        raise NotImplementedError

    def _waiting_for(self) -> str:
        raise NotImplementedError

    def send(self, payload: Any, deadline_ns: int = -1) -> int:
        """Send one message; its position.

        Raises ValueError (too large, with both sizes), RingTimeout, RingClosed, RingFenced.
        """
        view = memoryview(payload)
        if view.format != "B" or view.ndim != 1:
            view = view.cast("B")
        if not view.contiguous:
            raise BufferError("memoryview: underlying buffer is not C-contiguous")
        face, position, size = self._face, self.position, len(view)
        face.enter()
        if size > self._largest:
            face.is_busy = False
            raise ValueError(f"a message of {size} bytes does not fit: at most {self._largest}")
        message = (position, size, checksum(view) if face.recording is not None else 0)
        face.note("invoke", "send", *message)
        try:
            reason = await_ready(self._poll, self.wait, deadline_ns, self._beat())
        except BaseException:  # a signal handler raised: nothing was claimed
            face.note("fail", "send", *message, "error")
            face.is_busy = False
            raise
        if reason != READY:
            face.note("fail", "send", *message, reason)
            face.is_busy = False
            fail(reason, position, self._waiting_for())
        self._write(view)
        face.note("ok", "send", *message)
        face.is_busy = False
        return position

    def end(self) -> None:
        """No more messages: readers drain what there is, then raise RingEnded."""
        self._face.enter()
        self._face.end_ring(self.position)
        self._face.is_busy = False


class Reader(End):
    def __init__(self, face: Face, rank: int) -> None:
        super().__init__(face)
        self.rank = rank

    def _message(self) -> memoryview[int]:
        """The message that is ours to read, in place."""
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

    def _begin(self, deadline_ns: int) -> None:
        """Wait until the next message is ours to read. Raises what ends the wait instead."""
        face, position = self._face, self.position
        face.enter()
        face.note("invoke", "receive", position)
        try:
            reason = await_ready(self._poll, self.wait, deadline_ns, self._beat())
        except BaseException:  # a signal handler raised: nothing was read
            face.note("fail", "receive", position, outcome="error")
            face.is_busy = False
            raise
        if reason != READY:
            face.note("fail", "receive", position, outcome=reason)
            face.is_busy = False
            fail(reason, position, "the writer")

    def receive(self, deadline_ns: int = -1) -> bytes:
        """The next message, copied out. Raises RingTimeout, RingEnded, RingClosed, RingEvicted."""
        self._begin(deadline_ns)
        out = bytes(self._message())
        if self._face.recording is not None:
            # Recorded before the slot is released: a death in between repeats the message.
            self._face.note("ok", "receive", self.position, len(out), checksum(out))
        self._release()
        self._face.is_busy = False
        return out

    def receiving(self, deadline_ns: int = -1) -> HeldSlot:
        """A context manager: the next message in place, released when the block ends, however."""
        return HeldSlot(self, deadline_ns)

    def _hold(self, deadline_ns: int) -> Look:
        """Wait for the next message, and hold its slot."""
        self._begin(deadline_ns)
        look = Look(self._message(), is_read_only=True)
        self._face.holds_slot = True
        return look

    def _let_go(self, is_taken: bool) -> None:
        """Release the slot of a message that nobody sees any more. `is_taken` is False where its
        receiver raised."""
        face = self._face
        if not face.is_open:  # closed while it was held: there is nothing left to release
            return
        if face.recording is not None:
            with self._message() as message:
                sizes = (self.position, len(message), checksum(message))
            if is_taken:
                face.note("ok", "receive", *sizes)
            else:
                face.note("fail", "receive", *sizes, "raised")
        self._release()
        face.holds_slot = face.is_busy = False


class HeldSlot:
    """The with-block around one message: `with reader.receiving() as view`."""

    def __init__(self, reader: Reader, deadline_ns: int) -> None:
        self._reader = reader
        self._deadline_ns = deadline_ns
        self._look: Optional[Look] = None

    def __enter__(self) -> memoryview[int]:
        self._look = self._reader._hold(self._deadline_ns)
        return self._look.view

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._look is None:
            raise RingError("no message is held")
        if kind is None:
            self._look.revoke()
        else:  # whose traceback may hold slices: what is seen through those is nobody's any more
            self._look.view.release()
        self._look = None
        self._reader._let_go(is_taken=kind is None)
