"""Python objects as messages: the frame is described in docs/protocol.md (sb_object_header).

bytes, str and int of that very type have frames of their own, which cost no pickle. All else is
pickled with protocol 5; what offers its memory as a buffer (PEP 574: arrays) is then copied once,
straight into the slot, and once out of it, or not at all by who holds the slot meanwhile.
Functions of an end: cursor_ring.py makes methods of them.
"""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING, Any, List, Optional, Tuple

from cy_kernels.errors import RingGarbled
from cy_kernels.pure.batches import deadline_in
from cy_kernels.pure.claims import claim_slot, commit_slot, hold, let_go
from cy_kernels.pure.layout import CURSOR_SLOT_HEADER, LINE_BYTES
from cy_kernels.pure.recorder import checksum

if TYPE_CHECKING:
    from cy_kernels.pure.cursor_ring import CursorReader, CursorWriter

HEADER = struct.Struct("=HBBIQ")  # magic, kind, zero, buffers, size of the body
SIZE = struct.Struct("=Q")
INT = struct.Struct("=q")
MAGIC = 0x5BED
BYTES, STR, INTEGER, PICKLE = 1, 2, 3, 4
LOOKS_MAX = 8  # how many items of a container are looked at ...
LOOKS_DEPTH = 3  # ... and how deep, before it is taken to have no buffers
WITHOUT_BUFFERS = (int, float, str, bytes, bool, complex, bytearray, type(None))
CONTAINERS = (list, tuple, dict)


def may_have_buffers(thing: Any, depth: int = LOOKS_DEPTH) -> bool:
    """Whether pickle is asked for buffers: where this errs, they are pickled in band."""
    if type(thing) in WITHOUT_BUFFERS:
        return False
    if type(thing) not in CONTAINERS:
        return True
    items = thing.values() if type(thing) is dict else thing
    return depth > 0 and any(
        may_have_buffers(item, depth - 1) for item, _ in zip(items, range(LOOKS_MAX))
    )


def body_of(thing: Any, buffers: List[memoryview]) -> Tuple[int, bytes]:
    """Kind and body of an object's frame; its buffers are appended."""
    if type(thing) is bytes:
        return BYTES, thing
    if type(thing) is str:
        try:
            return STR, thing.encode()
        except UnicodeEncodeError:  # lone surrogates, which pickle knows how to write
            pass
    if type(thing) is int and -(2**63) <= thing < 2**63:
        return INTEGER, INT.pack(thing)
    if not may_have_buffers(thing):
        return PICKLE, pickle.dumps(thing, 5)
    found: List[pickle.PickleBuffer] = []
    body = pickle.dumps(thing, 5, buffer_callback=found.append)
    buffers += [buffer.raw() for buffer in found]
    return PICKLE, body


def body_at(buffers: int) -> int:
    return HEADER.size + buffers * SIZE.size


def buffer_at(offset: int) -> int:
    """Of the next byte whose address is a multiple of a line: a slot begins with one."""
    return -(-(offset + CURSOR_SLOT_HEADER) // LINE_BYTES) * LINE_BYTES - CURSOR_SLOT_HEADER


def send_object(writer: CursorWriter, thing: Any, timeout_s: Optional[float] = None) -> int:
    deadline_ns = deadline_in(timeout_s)
    buffers: List[memoryview] = []
    kind, body = body_of(thing, buffers)
    header = HEADER.pack(MAGIC, kind, 0, len(buffers), len(body))
    head = b"".join((header, *(SIZE.pack(len(buffer)) for buffer in buffers), body))
    places, total = [], len(head)
    for buffer in buffers:
        places.append(buffer_at(total))
        total = places[-1] + len(buffer)
    if total > writer._largest:
        raise ValueError(
            f"{type(thing).__name__} object of {total} bytes ({len(body)} of them its body, "
            f"{len(buffers)} buffers) does not fit: at most {writer._largest}"
        )
    claim_slot(writer, total, deadline_ns)
    with writer._payload(total) as payload:
        payload[: len(head)] = head
        for at, buffer in zip(places, buffers):
            payload[at : at + len(buffer)] = buffer
    return commit_slot(writer, total)


def receive_object(reader: CursorReader, timeout_s: Optional[float] = None) -> Any:
    reader._begin(deadline_in(timeout_s))
    message = bytes(reader._message())
    face, position = reader._face, reader.position
    if face.recording is not None:
        face.note("ok", "receive", position, len(message), checksum(message))
    # A frame that cannot be read is taken, too, or it would be met for ever.
    reader._release()
    face.is_busy = False
    return object_in(memoryview(message), position, is_copied=True)


def hold_object(reader: CursorReader, timeout_s: Optional[float] = None) -> Any:
    """Buffers lie in the slot, which is held until it is let go of."""
    view = hold(reader, timeout_s)
    try:
        return object_in(view, reader.position, is_copied=False)
    except BaseException:
        try:
            let_go(reader)
        except BufferError:
            pass  # a frame of the traceback looks at a buffer: the slot stays held
        raise


def object_in(message: memoryview, position: int, *, is_copied: bool) -> Any:
    """The object in a message. Its buffers are parts of that, or copies. Raises RingGarbled."""
    size = len(message)

    def garbled(why: str) -> RingGarbled:
        return RingGarbled(f"message {position} is no object's frame: {why}")

    if size < HEADER.size:
        raise garbled(f"{size} bytes are less than a header")
    magic, kind, reserved, count, length = HEADER.unpack_from(message)
    at = body_at(count)
    if magic != MAGIC:
        raise garbled(f"its magic is {magic:#06x}, not {MAGIC:#06x}")
    if kind not in (BYTES, STR, INTEGER, PICKLE) or reserved:
        raise garbled(f"its kind is {kind + 256 * reserved}")
    if count and kind != PICKLE:
        raise garbled(f"it has {count} buffers and is no pickle")
    if at > size:
        raise garbled(f"{count} sizes of buffers do not fit {size} bytes")
    if length > size - at or (not count and length != size - at):
        raise garbled(f"its body has {length} bytes, and there are {size - at}")
    body = bytes(message[at : at + length])
    if kind == BYTES:
        return body
    if kind == INTEGER:
        if length != INT.size:
            raise garbled(f"an int of {length} bytes")
        return INT.unpack(body)[0]
    if kind == STR:
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise garbled(str(error)) from None
    places: List[Tuple[int, int]] = []  # no parts yet: an error's traceback would hold them
    end = at + length
    for index in range(count):
        (length,) = SIZE.unpack_from(message, HEADER.size + index * SIZE.size)
        start = buffer_at(end)
        end = start + length
        if end > size:
            raise garbled(f"buffer {index} of {length} bytes ends behind its message")
        places.append((start, end))
    if end != size:
        raise garbled(f"it ends at {end} of {size} bytes")
    parts = (message[start:end] for start, end in places)
    return pickle.loads(body, buffers=map(bytearray, parts) if is_copied else parts)
