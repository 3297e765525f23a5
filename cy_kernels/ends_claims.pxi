# A message written in place: its slot is claimed, filled by whoever claimed it, and committed.
#
# Claiming changes nothing in the region: a writer that dies with a claim has sent nothing, and its
# successor claims the same slot.

from cpython.long cimport PyLong_AsLongLongAndOverflow

cdef int claim_slot(CursorWriter writer, u64 size, i64 limit_ns) except -1:
    """Wait for the slot of the next message. The end stays entered for whoever fills it."""
    cdef int reason
    if size > writer.largest:
        raise ValueError(f"a message of {size} bytes does not fit: at most {writer.largest}")
    face_enter(&writer.face)
    try:
        reason = writer.poll() if goes_straight(&writer.face) else NOT_READY
        if reason == NOT_READY:
            reason = writer.claim_slowly(limit_ns)
    except BaseException:
        note_unclaimed(writer, ERROR_OUTCOME)
        writer.face.is_busy = False
        raise
    if reason != READY:
        note_unclaimed(writer, outcome_of(reason))
        writer.face.is_busy = False
        raise error_of(reason, writer.next_position(), writer.waiting_for())
    return 0


# A record of a send says what is sent, which nobody knows before the commit: there it begins. What
# fails before is one of nothing.
cdef int note_unclaimed(CursorWriter writer, int outcome) except -1:
    cdef u64 position = writer.next_position()
    note(&writer.face, INVOKE_TYPE, SEND_FUNCTION, NO_OUTCOME, position, 0, 0)
    note(&writer.face, FAIL_TYPE, SEND_FUNCTION, outcome, position, 0, 0)
    return 0


cdef u64 commit_slot(CursorWriter writer, u32 size) except? NO_POSITION:
    """Send what lies in the claimed slot; its position."""
    cdef Call call = call_of(ENTER_COMMIT)
    cdef u64 position = writer.next_position()
    cdef u64 checksum = 0
    call.size = size
    if writer.face.recorder != NULL:
        checksum = checksum_bytes(cursor_payload(&writer.ring), size)
        note(&writer.face, INVOKE_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
    try:
        if goes_straight(&writer.face):
            cursor_commit_in_place(NULL, &writer.ring, size)
        elif is_raised_in(writer, &call):
            note(&writer.face, writer.raised_type(position), SEND_FUNCTION, ERROR_OUTCOME, position,
                 size, checksum)
            raise gate_raised()
        note(&writer.face, OK_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
    finally:
        writer.face.is_busy = False
    return position


cdef object claim_view(CursorWriter writer, object size_bytes, i64 limit_ns):
    cdef u64 size = checked_size(size_bytes)
    claim_slot(writer, size, limit_ns)
    try:
        writer.claimed = message_at(writer, cursor_payload(&writer.ring), <u32>size, False)
        writer.claimed_view = PyMemoryView_FromObject(writer.claimed)
    except BaseException:
        writer.face.is_busy = False
        raise
    writer.face.holds_slot = True
    return writer.claimed_view


cdef u64 commit_view(CursorWriter writer, object size_bytes) except? NO_POSITION:
    """`size_bytes` None: all that was claimed."""
    cdef u64 size
    must_hold(writer, writer.claimed, "claimed")
    size = writer.claimed.size if size_bytes is None else checked_size(size_bytes)
    if size > writer.claimed.size:
        raise ValueError(f"{size} bytes are more than the {writer.claimed.size} that were claimed")
    drop_claim(writer)
    return commit_slot(writer, <u32>size)


cdef int abort_view(CursorWriter writer) except -1:
    must_hold(writer, writer.claimed, "claimed")
    drop_claim(writer)
    writer.face.is_busy = False
    return 0


cdef int drop_claim(CursorWriter writer) except -1:
    revoke(writer.claimed, writer.claimed_view)
    writer.claimed = writer.claimed_view = None
    writer.face.holds_slot = False
    return 0


cdef int must_hold(_End end, _Message message, str how) except -1:
    if not end.face.is_open:
        raise ValueError("operation on a closed end")
    if message is None:
        raise RingError(f"no slot is {how}")
    return 0


cdef u64 checked_size(object size_bytes) except? NO_POSITION:
    cdef int overflow = 0
    exact = size_bytes if type(size_bytes) is int else _exact_int(operator.index(size_bytes))
    cdef i64 size = PyLong_AsLongLongAndOverflow(exact, &overflow)
    if overflow < 0 or (overflow == 0 and size < 0):
        raise ValueError(f"size_bytes must be 0 or more, not {exact}")
    return NO_POSITION - 1 if overflow else <u64>size


cdef object hold_view(CursorReader reader, i64 limit_ns):
    reader.held = held_message(reader, limit_ns)
    reader.held_view = PyMemoryView_FromObject(reader.held)
    return reader.held_view


cdef int release_view(CursorReader reader) except -1:
    cdef _Message message = reader.held
    must_hold(reader, message, "held")
    revoke(message, reader.held_view)
    reader.held = reader.held_view = None
    return let_go(reader, message, True)
