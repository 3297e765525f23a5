"""The writing side of a ring that has a name: `spinbed.Writer`. docs/ring-api.md has examples."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any, Iterable, Optional, Type

from cy_kernels.choice import kernels as load_kernels
from cy_kernels.errors import RingClosed, RingEnded, RingError, RingTimeout
from sim.live.named_end import ATTACH_S, Buffer, NamedEnd, deadline_s, find, may_replace
from sim.live.named_region import NamedRegion, checked_name

SLOTS, SLOT_BYTES, READERS = 64, 4096, 1
DRAIN_NAP_S = 0.001


class Writer(NamedEnd):
    """The writing side of a ring. Not for use from two threads at once.

    As a with-block: `close()` at its end; a block that raises calls `shutdown()` first, so that no
    reader takes what there is for all there was.
    """

    _home = __name__
    _fast = (
        ("write", "send_within"),
        ("write_many", "send_many"),
        ("claim", "claim"),
        ("commit", "commit"),
        ("abort", "abort"),
        ("send", "send_object"),
    )

    def __init__(self, end: Any, ring: Any, region: NamedRegion, *, is_creator: bool) -> None:
        """For `create` and `attach`."""
        super().__init__(end, ring, region)
        self._is_creator = is_creator

    @classmethod
    def create(
        cls,
        name: str,
        *,
        slots: int = SLOTS,
        slot_bytes: int = SLOT_BYTES,
        readers: int = READERS,
        wait: str = "park",
        evict_dead: bool = False,
        kernels: Optional[str] = None,
    ) -> Writer:
        """Make a ring of `slots` messages of up to `slot_bytes` bytes each, and write to it.

        The writer waits for every one of `readers` ranks, those that have not attached yet, too;
        with `evict_dead` it gives up on readers that are proven dead. `kernels` is compiled or
        pure; None takes what there is. A ring of that name whose writer is dead or has left is
        replaced, and its readers get RingClosed. Raises RingBusy (its writer lives), RingMismatch
        (what has the name is no ring), ValueError and TypeError naming the value, OSError.
        """
        full = checked_name(name)
        ring = load_kernels(kernels).ring
        geometry = {"slots": slots, "slot_bytes": slot_bytes, "readers": readers}
        region = NamedRegion.make(full, ring.cursor_region_bytes(**geometry))
        try:
            ring.cursor_format(region.view, **geometry)
            end = ring.CursorWriter(region.view, wait=wait, evict_dead=evict_dead, **geometry)
            try:
                region.publish(lambda old: may_replace(ring, full, old))
            except BaseException:
                end.abandon()
                raise
        except BaseException:
            region.close()
            raise
        return cls(end, ring, region, is_creator=True)

    @classmethod
    def attach(
        cls,
        name: str,
        *,
        timeout_s: Optional[float] = ATTACH_S,
        wait: str = "park",
        evict_dead: bool = False,
        kernels: Optional[str] = None,
    ) -> Writer:
        """Take the place of a writer that left it (`detach`) or is proven dead, at its position.

        Raises RingTimeout where the name does not appear, RingBusy where the place is taken,
        RingEnded and RingClosed where nothing more can be sent, RingMismatch.
        """
        found = find(name, timeout_s, kernels)
        region, ring = found.region, found.ring
        try:
            if found.state["shutdown"] == "ended":
                raise RingEnded(f"{region.name} was ended by its writer")
            if found.state["shutdown"] != "open":
                raise RingClosed(f"{region.name} was shut down")
            end = ring.CursorWriter(
                region.view, wait=wait, evict_dead=evict_dead, **found.geometry
            )
        except BaseException:
            region.close()
            raise
        return cls(end, ring, region, is_creator=False)

    def write(self, data: Buffer, timeout_s: Optional[float] = None) -> int:
        """Send one message, copied from a contiguous buffer; its position.

        Waits for a free slot for at most `timeout_s` seconds; None: for ever, 0: not at all. Raises
        RingTimeout (naming who holds the ring up), RingClosed, RingFenced, ValueError (too large,
        with both sizes), TypeError; then nothing was sent.
        """
        position: int = self._end.send_within(data, timeout_s)
        return position

    def write_many(self, messages: Iterable[Buffer], timeout_s: Optional[float] = None) -> int:
        """Send each of them as `write` does; how many. `timeout_s` is for all together.

        Whatever is raised, those before it are sent: `position` tells how many, and so does
        `completed` of an error of the ring.
        """
        count: int = self._end.send_many(messages, timeout_s)
        return count

    def claim(self, size_bytes: int, timeout_s: Optional[float] = None) -> memoryview:
        """The slot of the next message, to be written in place; then `commit` or `abort`.

        The bytes are what an earlier message left there. Until then no other operation is possible.
        Raises what `write` does.
        """
        view: memoryview = self._end.claim(size_bytes, timeout_s)
        return view

    def commit(self, size_bytes: Optional[int] = None) -> int:
        """Send what was claimed, or only its first `size_bytes`; its position.

        The view is released. Raises BufferError where somebody could still write through it, a
        slice or an array that was made of it: then the slot stays claimed. RingError where nothing
        is claimed.
        """
        position: int = self._end.commit(size_bytes)
        return position

    def abort(self) -> None:
        """Send nothing, and let go of the claimed slot. Raises as `commit` does."""
        self._end.abort()

    def claiming(self, size_bytes: int, timeout_s: Optional[float] = None) -> Claiming:
        """A with-block around `claim`: it ends with `commit`, or with `abort` where it raises."""
        return Claiming(self, size_bytes, timeout_s)

    def send(self, thing: Any, timeout_s: Optional[float] = None) -> int:
        """Send a Python object, for `recv`; the position of its message.

        bytes, str and int go as they are, all else through pickle (protocol 5), with the memory of
        arrays and of what else offers buffers copied straight into the slot. Raises what `write`
        does, with the sizes where the object is too large for a slot, and what pickling raises.
        """
        position: int = self._end.send_object(thing, timeout_s)
        return position

    def end(self) -> None:
        """No more messages: readers read what there is, then get RingEnded."""
        self._end.end()

    def drain(self, timeout_s: Optional[float] = None) -> None:
        """Wait until every rank has read everything, or has left. Raises RingTimeout."""
        until_s = deadline_s(timeout_s)
        while True:
            state = self.describe()
            behind = [
                f"rank {rank} at {reader['position']}"
                for rank, reader in enumerate(state["reader"])
                if reader["owner"] not in ("left", "evicted") and reader["position"] < self.position
            ]
            if not behind:
                return
            if time.monotonic() >= until_s:
                raise RingTimeout(f"not read to {self.position}: {', '.join(behind)}")
            time.sleep(DRAIN_NAP_S)

    def detach(self) -> None:
        """Give up the writer's place to a successor, who attaches: the ring goes on.

        A claim is dropped. Raises BufferError, and nothing changes, where somebody could still
        write through it: the successor's first message goes into that slot.
        """
        if not self._drop_claim():
            raise BufferError("a slice of the claimed slot is still in use: the place stays ours")
        self._close()

    def close(self) -> None:
        """End the ring, and remove its name if this writer made it. A second call is a no-op.

        Who attaches later finds no ring: `drain` first where a reader may be late.
        """
        if not self.is_open:
            return
        if os.getpid() == self._pid:
            if self._drop_claim():
                self._end.end()
            else:
                self._end.shutdown()
            if self._is_creator:
                self._region.unlink()
        self._close()

    def _drop_claim(self) -> bool:
        """False: somebody still looks at the claimed slot."""
        try:
            self._end.abort()
        except BufferError:
            return False
        except RingError:
            pass  # nothing is claimed
        return True

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is not None and self.is_open and os.getpid() == self._pid:
            self.shutdown()
        self.close()


class Claiming:
    """The with-block around one claimed slot."""

    def __init__(self, writer: Writer, size_bytes: int, timeout_s: Optional[float]) -> None:
        self._writer = writer
        self._size_bytes, self._timeout_s = size_bytes, timeout_s

    def __enter__(self) -> memoryview:
        return self._writer.claim(self._size_bytes, self._timeout_s)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if kind is None:
            self._writer.commit()
            return
        try:
            self._writer.abort()
        except BufferError:
            pass  # a frame of the traceback looks at the slot: it stays claimed until close()
