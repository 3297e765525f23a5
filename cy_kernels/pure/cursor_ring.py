"""cursor_ring in plain Python: the protocol is explained in cy_kernels/protocol/cursor_ring.pxi.

There is no compare-and-swap, so a place is claimed only where its owner word is 0, and by a plain
store: of two that claim one free place at the same moment both would believe to have it. The bed
excludes that: it gives each place to one process, and starts a successor only after its death. A
place that was owned by the dead is refused, and so is eviction. Giving up one's own place needs no
more than a look: nobody else may change the owner word while its owner lives.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from cy_kernels.errors import RingBusy, RingEvicted
from cy_kernels.owner import is_proven_dead, owner_word, pid_namespace, pid_of
from cy_kernels.pure import batches, claims, objects
from cy_kernels.pure.ends import CLOSED, ENDED, EVICTED, FENCED, READY, Reader, Writer
from cy_kernels.pure.face import (
    Face,
    checked_geometry,
    checked_rank,
    described,
    format_header,
)
from cy_kernels.pure.layout import (
    CLOSED_STATE,
    CURSOR_SLOT_HEADER,
    DATA_PARKED,
    END_POSITION,
    ENDED_STATE,
    HEADER_PAGE,
    HEARTBEAT_NS,
    KIND_CURSOR,
    LINE_BYTES,
    LINE_WORDS,
    LINES,
    NOBODY,
    OWNER,
    OWNER_DETACHED,
    OWNER_EVICTED,
    OWNER_NAMES,
    PID_NAMESPACE,
    POSITION,
    READER_LINES_BYTES,
    SHUTDOWN,
    SPACE_PARKED,
    TAKEOVERS,
    WRITER_HEARTBEAT_NS,
    WRITER_OWNER,
    WRITER_POSITION,
    WRITER_TAKEOVERS,
)
from cy_kernels.pure.look import Look
from cy_kernels.pure.memory import Memory, fence, observe, publish
from cy_kernels.pure.wait import Beat

SLOTS_AT = HEADER_PAGE + READER_LINES_BYTES
NO_SWAP = "which takes a compare-and-swap, and pure kernels have none"


def stride_of(slot_bytes: int) -> int:
    return -(-(CURSOR_SLOT_HEADER + slot_bytes) // LINE_BYTES) * LINE_BYTES


def cursor_region_bytes(*, slots: int, slot_bytes: int, readers: int) -> int:
    """Bytes of a region: header page, reader lines, slots. Raises ValueError out of bounds."""
    g = checked_geometry(slots, slot_bytes, readers, 0)
    return SLOTS_AT + g["slots"] * stride_of(g["slot_bytes"])


def cursor_format(buffer: Any, *, slots: int, slot_bytes: int, readers: int) -> None:
    """Make a zeroed buffer an empty cursor_ring."""
    geometry = checked_geometry(slots, slot_bytes, readers, 0)
    format_header(buffer, KIND_CURSOR, geometry, cursor_region_bytes(**geometry))


def cursor_describe(buffer: Any) -> Dict[str, Any]:
    """The region decoded, for evidence: header, events, owners and positions. Writes nothing."""
    view, state = described(buffer, KIND_CURSOR, cursor_region_bytes)
    u64 = view[:SLOTS_AT].cast("Q")
    state["writer"] = _place(
        u64[WRITER_OWNER], u64[WRITER_POSITION], u64[WRITER_HEARTBEAT_NS], u64[WRITER_TAKEOVERS]
    )
    state["reader"] = [
        _place(*(u64[line_of(rank) + word] for word in (OWNER, POSITION, HEARTBEAT_NS, TAKEOVERS)))
        for rank in range(state["readers"])
    ]
    return state


def cursor_shutdown(buffer: Any) -> None:
    """Shut the ring down from outside, for its readers: its writer is gone. Raises RingMismatch."""
    geometry = described(buffer, KIND_CURSOR, cursor_region_bytes)[1]
    shape = {key: geometry[key] for key in ("slots", "slot_bytes", "readers")}
    face = Face(buffer, KIND_CURSOR, cursor_region_bytes, shape, "backoff", None)
    face.shut_down()
    face.close()


def _place(owner: int, position: int, heartbeat_ns: int, takeovers: int) -> Dict[str, Any]:
    return {
        "owner": OWNER_NAMES.get(owner, "process"),
        "pid": None if owner in OWNER_NAMES else pid_of(owner),
        "position": position,
        "heartbeat_ns": heartbeat_ns,
        "takeovers": takeovers,
    }


def line_of(rank: int) -> int:
    """Index of a reader's line in words of 8 bytes."""
    return LINES + rank * LINE_WORDS


def _is_dead(memory: Memory, owner: int) -> bool:
    """Proven dead: never for an owner of another pid namespace, whose pids we can't see."""
    return memory.u64[PID_NAMESPACE] == pid_namespace() and is_proven_dead(owner)


def _claim(memory: Memory, owner_index: int, place: str, me: int) -> None:
    """Take a free place. Raises RingBusy where it is not, with the reason."""
    owner = observe(memory.u64, owner_index)
    if owner != NOBODY:
        busy = f"{place} is owned by pid {pid_of(owner)}, which is "
        if _is_dead(memory, owner):
            raise RingBusy(f"{busy}dead: its place has to be taken over, {NO_SWAP}")
        raise RingBusy(f"{busy}not proven dead")
    publish(memory.u64, owner_index, me)
    fence()


class CursorWriter(Writer):
    send_within, send_many = batches.send_within, batches.send_many
    claim, commit, abort = claims.claim, claims.commit, claims.abort
    send_object = objects.send_object

    def __init__(
        self,
        buffer: Any,
        *,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        recorder: Optional[Any] = None,
        evict_dead: bool = False,
    ) -> None:
        """Claims the writer's place, which must be free, else RingBusy."""
        geometry = checked_geometry(slots, slot_bytes, readers, 0)
        if evict_dead:
            raise ValueError(f"evict_dead: the writer gives up on dead readers, {NO_SWAP}")
        face = Face(buffer, KIND_CURSOR, cursor_region_bytes, geometry, wait, recorder)
        super().__init__(face, slot_bytes)
        self._claimed: Optional[Look] = None
        self._slots, self._readers = slots, readers
        self._stride = stride_of(slot_bytes)
        self._me = owner_word(os.getpid())
        memory = self._face.memory
        try:
            _claim(memory, WRITER_OWNER, "the writer's place", self._me)
        except BaseException:
            self._face.close()
            raise
        self.position = observe(memory.u64, WRITER_POSITION)
        for _ in range(slots):  # commits that a predecessor did not come to count
            if observe(memory.u64, self._slot() // 8) != self.position + 1:
                break
            self.position += 1
        self._minimum = self._slowest()
        publish(memory.u64, WRITER_POSITION, self.position)

    def _slot(self) -> int:
        return SLOTS_AT + self.position % self._slots * self._stride

    def _slowest(self) -> int:
        """The position of the slowest reader that is still waited for; with none, our own."""
        words, minimum = self._face.memory.u64, self.position
        for rank in range(self._readers):
            line = line_of(rank)
            if observe(words, line + OWNER) in (OWNER_DETACHED, OWNER_EVICTED):
                continue
            # Pairs with the reader's release: its loads of the old payload are over.
            minimum = min(minimum, observe(words, line + POSITION))
        return minimum

    def _poll(self) -> Optional[str]:
        memory = self._face.memory
        if memory.u32[SHUTDOWN] == CLOSED_STATE:
            return CLOSED
        if self.position - self._minimum < self._slots:
            return READY
        if memory.u64[WRITER_OWNER] != self._me:
            return FENCED
        self._minimum = self._slowest()
        return READY if self.position - self._minimum < self._slots else None

    def _write(self, payload: memoryview[int]) -> None:
        with self._payload(len(payload)) as place:
            place[:] = payload
        self._commit(len(payload))

    def _payload(self, size: int) -> memoryview[int]:
        start = self._slot() + CURSOR_SLOT_HEADER
        return self._face.memory.bytes[start : start + size]

    def _commit(self, size: int) -> None:
        """Send what lies in the slot."""
        memory, slot = self._face.memory, self._slot()
        memory.u32[(slot + 8) // 4] = size
        # The commit: whoever observes the sequence sees length and payload.
        publish(memory.u64, slot // 8, self.position + 1)
        self.position += 1
        publish(memory.u64, WRITER_POSITION, self.position)
        fence()  # the waker's
        if memory.u32[DATA_PARKED]:
            self._face.wake_readers()

    def _beat(self) -> Beat:
        words = self._face.memory.u64
        return lambda now_ns: words.__setitem__(WRITER_HEARTBEAT_NS, now_ns)

    def _detach(self) -> None:
        words = self._face.memory.u64
        if words[WRITER_OWNER] == self._me:
            publish(words, WRITER_OWNER, NOBODY)

    def _waiting_for(self) -> str:
        memory = self._face.memory
        laggards: List[str] = []
        for rank in range(self._readers):
            line = line_of(rank)
            owner, position = memory.u64[line + OWNER], memory.u64[line + POSITION]
            if owner in (OWNER_DETACHED, OWNER_EVICTED) or self.position - position < self._slots:
                continue
            who = "never attached"
            if owner != NOBODY:
                who = f"pid {pid_of(owner)}" + (", dead" if _is_dead(memory, owner) else "")
            laggards.append(f"rank {rank} ({who}) at {position}")
        return "a free slot behind " + (", ".join(laggards) or "nobody")


class CursorReader(Reader):
    receive_within, receive_many = batches.receive_within, batches.receive_many
    receiving_within = batches.receiving_within
    hold, let_go = claims.hold, claims.let_go
    receive_object, hold_object = objects.receive_object, objects.hold_object

    def __init__(
        self,
        buffer: Any,
        *,
        rank: int,
        slots: int,
        slot_bytes: int,
        readers: int,
        wait: str = "park",
        recorder: Optional[Any] = None,
    ) -> None:
        """Claims the rank, which must be free, else RingBusy; RingEvicted where it is lost."""
        geometry = checked_geometry(slots, slot_bytes, readers, 0)
        rank = checked_rank(rank, readers)
        face = Face(buffer, KIND_CURSOR, cursor_region_bytes, geometry, wait, recorder)
        super().__init__(face, rank)
        self._held: Optional[Look] = None
        self._slots, self._slot_bytes = slots, slot_bytes
        self._stride = stride_of(slot_bytes)
        self._me = owner_word(os.getpid())
        self._line = line_of(rank)
        memory = self._face.memory
        try:
            previous = memory.u64[self._line + OWNER]
            if previous in (OWNER_EVICTED, OWNER_DETACHED):
                how = "was given up by the writer" if previous == OWNER_EVICTED else "left"
                raise RingEvicted(f"rank {rank} {how}: its position is lost")
            _claim(memory, self._line + OWNER, f"rank {rank}", self._me)
        except BaseException:
            self._face.close()
            raise
        self.position = observe(memory.u64, self._line + POSITION)

    def _slot(self) -> int:
        return SLOTS_AT + self.position % self._slots * self._stride

    def _poll(self) -> Optional[str]:
        memory = self._face.memory
        state = observe(memory.u32, SHUTDOWN)
        if state == CLOSED_STATE:
            return CLOSED
        sequence = observe(memory.u64, self._slot() // 8)
        if sequence == self.position + 1:
            return READY
        if sequence > self.position + 1:
            return EVICTED  # lapped: the writer no longer waits for us
        if state == ENDED_STATE and self.position >= memory.u64[END_POSITION]:
            return ENDED
        return None

    def _message(self) -> memoryview[int]:
        memory, slot = self._face.memory, self._slot()
        size = min(memory.u32[(slot + 8) // 4], self._slot_bytes)
        start = slot + CURSOR_SLOT_HEADER
        return memory.bytes[start : start + size]

    def _release(self) -> None:
        memory = self._face.memory
        self.position += 1
        # Pairs with the acquire in _slowest.
        publish(memory.u64, self._line + POSITION, self.position)
        fence()
        if memory.u32[SPACE_PARKED]:
            self._face.wake_writer()

    def _beat(self) -> Beat:
        words, index = self._face.memory.u64, self._line + HEARTBEAT_NS
        return lambda now_ns: words.__setitem__(index, now_ns)

    def _detach(self) -> None:
        words = self._face.memory.u64
        if words[self._line + OWNER] == self._me:
            publish(words, self._line + OWNER, OWNER_DETACHED)
        fence()
        self._face.wake_writer()
