# flag_ring: one written flag and one read flag per reader on each slot; the protocol of vLLM's
# shared-memory queue (shm_broadcast.ShmRingBuffer), byte for byte.
#
#   behind the header page:  slots x chunk_bytes of chunks, then slots x (1 + readers) of metadata
#   chunk:     overflow (1 byte, 0 here) | buffer count (2, big-endian) | length (4, same) | data
#   metadata:  byte 0: written flag W | bytes 1..n: read flags R_i
#
#   state    W  R          reader i           writer
#   EMPTY    0  any        waits              may write
#   FULL     1  all 0      may read           waits
#   PARTIAL  1  some 1     reads iff R_i = 0  waits
#   DRAINED  1  all 1      waits              may write
#
# Positions live in each process, and nobody owns anything: after a death the ring cannot be
# resumed. Two orders: `as_shipped`, and `fenced`, which adds a release fence between the data and
# the reset of R (a reader loads W, then R_i; between the two the writer can come around, so the
# reset R with the old W = 1 is what lets it in), an acquire between a check and the data, and a
# release at R_i := 1.

cdef struct FlagRing:
    RegionHeader* header
    u8* chunks
    u8* metadata
    u64 slots
    u64 chunk_bytes
    u32 readers
    u32 rank
    u64 index  # position modulo slots, unless a mutant stepped over a slot
    u64 position
    u32 slowest  # writer: the first reader that has not read what is in the slot
    bint is_fenced


cdef inline u8* flag_metadata(FlagRing* ring) noexcept nogil:
    return ring.metadata + ring.index * (1 + ring.readers)


cdef inline u8* flag_chunk(FlagRing* ring) noexcept nogil:
    return ring.chunks + ring.index * ring.chunk_bytes


cdef inline void flag_step(FlagRing* ring) noexcept nogil:
    ring.index += 1
    if ring.index == ring.slots:
        ring.index = 0


cdef inline int flag_poll_writable(Ops* ops, FlagRing* ring) noexcept nogil:
    cdef u8* flags = flag_metadata(ring)
    cdef u32 rank
    if load32(ops, Step.FLAG__SEND__POLL_SHUTDOWN, &ring.header.shutdown, RELAXED) == CLOSED_STATE:
        return CLOSED
    fence(ops, Step.FLAG__SEND__POLL_FENCE, SEQ_CST)
    if load8(ops, Step.FLAG__SEND__POLL_WRITTEN, flags, RELAXED) != 0:
        for rank in range(ring.readers):
            if load8(ops, Step.FLAG__SEND__POLL_READ_FLAG, flags + 1 + rank, RELAXED) == 0:
                ring.slowest = rank
                return NOT_READY
    if ring.is_fenced:
        # Pairs with the release of R_i := 1: the readers' loads of the old data are over.
        fence(ops, Step.FLAG__SEND__ACQUIRE, ACQUIRE)
    return READY


cdef inline int flag_await_writable(Ops* ops, FlagRing* ring, Waiter* w) noexcept nogil:
    cdef int reason
    while True:
        reason = flag_poll_writable(ops, ring)
        if reason != NOT_READY:
            settle(ops, w, reason)
            return reason
        if mutant_of(ops) == STEP_OVER_NOT_READY:
            flag_step(ring)
        w.watched = flag_metadata(ring) + 1 + ring.slowest
        reason = wait_round(ops, w)
        if reason != AGAIN:
            return reason
        poll_again(ops, w)


cdef inline void flag_frame(u8* frame, u32 length) noexcept nogil:
    frame[0] = 0  # not in the overflow channel
    frame[1] = 0
    frame[2] = 1  # one buffer
    frame[3] = <u8>(length >> 24)
    frame[4] = <u8>(length >> 16)
    frame[5] = <u8>(length >> 8)
    frame[6] = <u8>length


cdef inline void flag_write_chunk(
    Ops* ops, FlagRing* ring, const u8* payload, u32 size
) noexcept nogil:
    cdef u8 frame[FLAG_MESSAGE_HEADER]
    flag_frame(frame, size)
    copy(ops, Step.FLAG__SEND__COPY_HEADER, flag_chunk(ring), frame, FLAG_MESSAGE_HEADER)
    copy(ops, Step.FLAG__SEND__COPY_PAYLOAD, flag_chunk(ring) + FLAG_MESSAGE_HEADER, payload, size)


cdef inline void flag_reset_read_flags(Ops* ops, FlagRing* ring) noexcept nogil:
    cdef u32 rank
    for rank in range(ring.readers):
        store8(ops, Step.FLAG__SEND__RESET_READ_FLAG, flag_metadata(ring) + 1 + rank, 0, RELAXED)


# Call when writable. Afterwards the message is sent and its position is behind us.
cdef inline void flag_write(Ops* ops, FlagRing* ring, const u8* payload, u32 size) noexcept nogil:
    if NO_MUTANT < mutant_of(ops) <= NO_DATA_FENCE:
        flag_write_mutant(ops, ring, payload, size)
    else:
        store8(ops, Step.FLAG__SEND__CLEAR_WRITTEN, flag_metadata(ring), 0, RELAXED)
        flag_write_chunk(ops, ring, payload, size)
        if ring.is_fenced:
            # A reader that loaded the old W = 1 goes on at the reset of its R, not at W := 1: the
            # data must be there before either. Pairs with the acquire in flag_poll_readable.
            fence(ops, Step.FLAG__SEND__RESET_FENCE, RELEASE)
        flag_reset_read_flags(ops, ring)
        # The reset before W := 1: a reader that sees W = 1 with its old R = 0 would read and set
        # R, and a late reset would make it read again.
        fence(ops, Step.FLAG__SEND__DATA_FENCE, SEQ_CST)
        store8(ops, Step.FLAG__SEND__SET_WRITTEN, flag_metadata(ring), 1, RELAXED)
    flag_step(ring)
    ring.position += 1
    if mutant_of(ops) != NO_WAKER_FENCE:
        fence(ops, Step.FLAG__SEND__FINAL_FENCE, SEQ_CST)  # also the waker's of wait_park.pxi
    if load32(ops, Step.FLAG__SEND__LOAD_PARKED, &ring.header.data_parked, RELAXED) != 0:
        wake_readers(ops, ring.header)


cdef inline int flag_poll_readable(Ops* ops, FlagRing* ring) noexcept nogil:
    cdef u8* flags = flag_metadata(ring)
    cdef u32 state = load32(ops, Step.FLAG__RECEIVE__POLL_SHUTDOWN, &ring.header.shutdown, ACQUIRE)
    if state == CLOSED_STATE:
        return CLOSED
    if state == ENDED_STATE and ring.position >= load64(
            ops, Step.FLAG__RECEIVE__POLL_END, &ring.header.end_position, RELAXED):
        return ENDED
    fence(ops, Step.FLAG__RECEIVE__POLL_FENCE, SEQ_CST)
    if load8(ops, Step.FLAG__RECEIVE__POLL_WRITTEN, flags, RELAXED) == 0:
        return NOT_READY
    if load8(ops, Step.FLAG__RECEIVE__POLL_READ_FLAG, flags + 1 + ring.rank, RELAXED) != 0:
        return NOT_READY
    if ring.is_fenced:
        # Pairs with the fence before W := 1: the data behind the flag is the new one.
        fence(ops, Step.FLAG__RECEIVE__ACQUIRE, ACQUIRE)
    return READY


cdef inline int flag_await_readable(Ops* ops, FlagRing* ring, Waiter* w) noexcept nogil:
    cdef int reason
    while True:
        reason = flag_poll_readable(ops, ring)
        if reason != NOT_READY:
            settle(ops, w, reason)
            return reason
        if mutant_of(ops) == STEP_OVER_NOT_READY:
            flag_step(ring)
        w.watched = flag_metadata(ring)  # W := 1 is the last store of a message
        reason = wait_round(ops, w)
        if reason != AGAIN:
            return reason
        poll_again(ops, w)


# The message's length, never more than a chunk can hold even where the frame was torn.
cdef inline u32 flag_read_length(Ops* ops, FlagRing* ring) noexcept nogil:
    cdef u8 frame[FLAG_MESSAGE_HEADER]
    cdef u64 length
    copy(ops, Step.FLAG__RECEIVE__COPY_HEADER, frame, flag_chunk(ring), FLAG_MESSAGE_HEADER)
    length = (<u64>frame[3] << 24) | (<u64>frame[4] << 16) | (<u64>frame[5] << 8) | frame[6]
    return <u32>min(length, ring.chunk_bytes - FLAG_MESSAGE_HEADER)


cdef inline void flag_read(Ops* ops, FlagRing* ring, u8* to, u32 size) noexcept nogil:
    copy(ops, Step.FLAG__RECEIVE__COPY_PAYLOAD, to, flag_chunk(ring) + FLAG_MESSAGE_HEADER, size)


cdef inline void flag_release(Ops* ops, FlagRing* ring) noexcept nogil:
    cdef u8* flag = flag_metadata(ring) + 1 + ring.rank
    if ring.is_fenced:
        store8(ops, Step.FLAG__RECEIVE__SET_READ_FLAG, flag, 1, RELEASE)
    else:
        store8(ops, Step.FLAG__RECEIVE__SET_READ_FLAG, flag, 1, RELAXED)
    flag_step(ring)
    ring.position += 1
    if mutant_of(ops) != NO_WAKER_FENCE:
        fence(ops, Step.FLAG__RECEIVE__FINAL_FENCE, SEQ_CST)
    if load32(ops, Step.FLAG__RECEIVE__LOAD_PARKED, &ring.header.space_parked, RELAXED) != 0:
        wake_writer(ops, ring.header)
