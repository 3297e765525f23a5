# Many messages with one call: each is published, and each is released, as if alone.

cdef enum:
    # Who has so many bytes takes no more. The way into the kernels is small beside the copy by
    # then; and an allocator that gives freed memory back to the system (glibc: what is free at the
    # end of its heap, from 128 KiB on) makes a fault of each page again: 5 us for 16 KiB, not 0.5.
    BATCH_BYTES = 65536


cdef u64 send_batch(_Writer writer, object messages, i64 limit_ns) except? NO_POSITION:
    """How many were sent. An error of a ring carries that number, too."""
    cdef u64 sent = 0
    face_enter(&writer.face)
    try:
        limit_ns = deadline_of(limit_ns)  # one for all of them
        for payload in messages:
            writer.send_one(payload, limit_ns)
            sent += 1
        return sent
    except RingError as error:
        error.completed = sent
        raise
    finally:
        writer.face.is_busy = False


cdef list receive_batch(_Reader reader, Py_ssize_t count_max, i64 limit_ns):
    """Wait for one message, and take those behind it that are there already. What was taken is
    handed over, come what may: by an error of the ring that strikes between two, as `received`."""
    cdef list received = []
    cdef u64 taken
    cdef u32 size
    if count_max < 1:
        raise ValueError(f"count_max must be 1 or more messages, not {count_max}")
    face_enter(&reader.face)
    try:
        reader.begin(&size, limit_ns)
        received.append(reader.copy_out(size))
        taken = size
        while (len(received) < count_max and taken < BATCH_BYTES
                and begins_at_once(reader, &size)):
            received.append(reader.copy_out(size))
            taken += size
        return received
    except MemoryError:
        if not received:
            raise
        return received
    except RingError as error:
        error.received = received
        raise
    finally:
        reader.face.is_busy = False


cdef bint begins_at_once(_Reader reader, u32* size) except -1:
    """Whether the next message is there, which then is ours to read."""
    cdef Call call = call_of(ENTER_POLL)
    if goes_straight(&reader.face):
        call.reason = reader.poll(&call.size)
    else:
        begin_message()
        enter(reader, &call)
    if call.reason != READY:
        return False
    size[0] = call.size
    note(&reader.face, INVOKE_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, reader.next_position(), 0, 0)
    return True
