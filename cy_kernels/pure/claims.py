"""A message written, or read, in place: its slot is claimed, filled and committed, or held.

Claiming changes nothing in the region: a writer that dies with a claim has sent nothing, and its
successor claims the same slot. Functions of an end: cursor_ring.py makes methods of them.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Optional

from cy_kernels.errors import RingError
from cy_kernels.pure.batches import deadline_in
from cy_kernels.pure.ends import READY, await_ready, fail
from cy_kernels.pure.look import Look
from cy_kernels.pure.recorder import checksum

if TYPE_CHECKING:
    from cy_kernels.pure.cursor_ring import CursorReader, CursorWriter


def checked_size(size_bytes: Any) -> int:
    size = int.__index__(operator.index(size_bytes))
    if size < 0:
        raise ValueError(f"size_bytes must be 0 or more, not {size}")
    return size


def must_hold(end: Any, look: Optional[Look], how: str) -> Look:
    if not end._face.is_open:
        raise ValueError("operation on a closed end")
    if look is None:
        raise RingError(f"no slot is {how}")
    return look


def claim(
    writer: CursorWriter, size_bytes: int, timeout_s: Optional[float] = None
) -> memoryview[int]:
    size, deadline_ns = checked_size(size_bytes), deadline_in(timeout_s)
    claim_slot(writer, size, deadline_ns)
    writer._claimed = Look(writer._payload(size), is_read_only=False)
    writer._face.holds_slot = True
    return writer._claimed.view


def claim_slot(writer: CursorWriter, size: int, deadline_ns: int) -> None:
    """Wait for the slot of the next message. The end stays entered for whoever fills it."""
    face = writer._face
    if size > writer._largest:
        raise ValueError(f"a message of {size} bytes does not fit: at most {writer._largest}")
    face.enter()
    # A record of a send says what is sent, which nobody knows before the commit: there it begins.
    # What fails before is one of nothing.
    try:
        reason = await_ready(writer._poll, writer.wait, deadline_ns, writer._beat())
    except BaseException:
        face.note("invoke", "send", writer.position)
        face.note("fail", "send", writer.position, outcome="error")
        face.is_busy = False
        raise
    if reason != READY:
        face.note("invoke", "send", writer.position)
        face.note("fail", "send", writer.position, outcome=reason)
        face.is_busy = False
        fail(reason, writer.position, writer._waiting_for())


def commit_slot(writer: CursorWriter, size: int) -> int:
    """Send what lies in the claimed slot; its position."""
    face, position = writer._face, writer.position
    message = (position, size, 0)
    if face.recording is not None:
        message = (position, size, checksum(writer._payload(size)))
    face.note("invoke", "send", *message)
    writer._commit(size)
    face.note("ok", "send", *message)
    face.is_busy = False
    return position


def commit(writer: CursorWriter, size_bytes: Optional[int] = None) -> int:
    """`size_bytes` None: all that was claimed."""
    look = must_hold(writer, writer._claimed, "claimed")
    size = look.size if size_bytes is None else checked_size(size_bytes)
    if size > look.size:
        raise ValueError(f"{size} bytes are more than the {look.size} that were claimed")
    _drop_claim(writer, look)
    return commit_slot(writer, size)


def abort(writer: CursorWriter) -> None:
    _drop_claim(writer, must_hold(writer, writer._claimed, "claimed"))
    writer._face.is_busy = False


def _drop_claim(writer: CursorWriter, look: Look) -> None:
    look.revoke()
    writer._claimed = None
    writer._face.holds_slot = False


def hold(reader: CursorReader, timeout_s: Optional[float] = None) -> memoryview[int]:
    reader._held = reader._hold(deadline_in(timeout_s))
    return reader._held.view


def let_go(reader: CursorReader) -> None:
    must_hold(reader, reader._held, "held").revoke()
    reader._held = None
    reader._let_go(is_taken=True)
