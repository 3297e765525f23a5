# cursor_ring: monotonic positions, one line per party, crash-safe commit, takeover, eviction.
#
#   header page | reader lines: 64 x 64 bytes (position, owner, heartbeat) | slots
#   slot: sequence (8), length (4), reserved (4), payload; padded to whole 64-byte lines
#
# Sending position p: wait until every live reader's position is above p - slots; write length and
# payload into slot p mod slots; *commit* by storing sequence := p + 1. One store decides, so a
# writer that dies anywhere leaves the message sent or not sent. The shared writer_position follows
# the commit and may lag by one after a death: a successor scans forward from it while slots carry
# the sequence they should. A reader needs one cache line a message: sequence, length and the
# payload's start lie together.
#
# Receiving p: wait until slot p mod slots has sequence p + 1; read; *release* by storing
# position := p + 1 in the reader's own line. Positions survive the process: a successor goes on
# from there, so a message that was read but not released is read again, never lost.
#
# Owner words name a process (pid and start time in one word), so one compare-and-swap takes a dead
# one's place. Death must be proven by the caller (cy_kernels.owner); a heartbeat proves nothing.

cdef enum:
    READER_LINES_BYTES = 4096  # READERS_MAX x LINE_BYTES

cdef extern from *:
    """
    #define SB_OWNER_DETACHED UINT64_MAX
    #define SB_OWNER_EVICTED (UINT64_MAX - 1)
    """
    const u64 OWNER_DETACHED "SB_OWNER_DETACHED"  # left on purpose: nobody waits for it
    const u64 OWNER_EVICTED "SB_OWNER_EVICTED"  # given up by the writer

cdef struct CursorRing:
    RegionHeader* header
    ReaderLine* lines
    u8* slots_base
    u64 slots
    u64 stride
    u64 slot_bytes
    u64 me  # our owner word
    u64 position
    u64 index
    u64 minimum  # writer: what the slowest reader had reached when last looked at
    u32 readers
    u32 rank
    u32 slowest  # writer: the reader that was at `minimum`


cdef inline SlotHeader* cursor_slot(CursorRing* ring) noexcept nogil:
    return <SlotHeader*>(ring.slots_base + ring.index * ring.stride)


cdef inline u8* cursor_payload(CursorRing* ring) noexcept nogil:
    return <u8*>cursor_slot(ring) + CURSOR_SLOT_HEADER


cdef inline void cursor_step(CursorRing* ring) noexcept nogil:
    ring.position += 1
    ring.index += 1
    if ring.index == ring.slots:
        ring.index = 0


# The position of the slowest reader that anybody still waits for; with none, our own.
cdef inline u64 cursor_minimum(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef u64 minimum = ring.position
    cdef u64 owner, position
    cdef u32 rank
    for rank in range(ring.readers):
        owner = load64(ops, Step.CURSOR__SEND__POLL_READER_OWNER, &ring.lines[rank].owner, ACQUIRE)
        if owner == OWNER_DETACHED or owner == OWNER_EVICTED:
            continue
        # Pairs with the release in cursor_release: its loads of the old payload are over.
        position = load64(
            ops, Step.CURSOR__SEND__POLL_READER_POSITION, &ring.lines[rank].position, ACQUIRE)
        if position < minimum:
            minimum = position
            ring.slowest = rank
    return minimum


cdef inline int cursor_poll_writable(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef u32 state = load32(
        ops, Step.CURSOR__SEND__POLL_SHUTDOWN, &ring.header.shutdown, RELAXED)
    if state == CLOSED_STATE:
        return CLOSED
    if ring.position - ring.minimum < ring.slots:
        return READY
    if load64(ops, Step.CURSOR__SEND__POLL_OWNER, &ring.header.writer_owner, RELAXED) != ring.me:
        return FENCED
    ring.minimum = cursor_minimum(ops, ring)
    if ring.position - ring.minimum < ring.slots:
        return READY
    return NOT_READY


cdef inline int cursor_await_writable(Ops* ops, CursorRing* ring, Waiter* w) noexcept nogil:
    cdef int reason
    while True:
        reason = cursor_poll_writable(ops, ring)
        if reason != NOT_READY:
            settle(ops, w, reason)
            return reason
        w.watched = &ring.lines[ring.slowest].position
        reason = wait_round(ops, w)
        if reason != AGAIN:
            return reason
        poll_again(ops, w)


# Call when writable.
cdef inline void cursor_write(
    Ops* ops, CursorRing* ring, const u8* payload, u32 size
) noexcept nogil:
    cdef SlotHeader* slot = cursor_slot(ring)
    store32(ops, Step.CURSOR__SEND__STORE_LENGTH, &slot.length, size, RELAXED)
    copy(ops, Step.CURSOR__SEND__COPY_PAYLOAD, cursor_payload(ring), payload, size)
    cursor_commit(ops, ring)


# Call when writable, and the payload is there.
cdef inline void cursor_commit_in_place(Ops* ops, CursorRing* ring, u32 size) noexcept nogil:
    store32(ops, Step.CURSOR__SEND__STORE_LENGTH, &cursor_slot(ring).length, size, RELAXED)
    cursor_commit(ops, ring)


cdef inline void cursor_commit(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef SlotHeader* slot = cursor_slot(ring)
    # Pairs with the acquire in cursor_poll_readable: whoever sees the sequence sees the payload.
    store64(ops, Step.CURSOR__SEND__COMMIT, &slot.sequence, ring.position + 1, RELEASE)
    cursor_step(ring)
    # Only takeover and evidence read it; release, so that it never runs ahead of the commit.
    store64(ops, Step.CURSOR__SEND__STORE_POSITION, &ring.header.writer_position, ring.position,
            RELEASE)
    if mutant_of(ops) != NO_WAKER_FENCE:
        fence(ops, Step.CURSOR__SEND__FENCE, SEQ_CST)  # the waker's fence of wait_park.pxi
    if load32(ops, Step.CURSOR__SEND__LOAD_PARKED, &ring.header.data_parked, RELAXED) != 0:
        wake_readers(ops, ring.header)


cdef inline int cursor_poll_readable(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef u64 sequence
    cdef u32 state = load32(
        ops, Step.CURSOR__RECEIVE__POLL_SHUTDOWN, &ring.header.shutdown, ACQUIRE)
    if state == CLOSED_STATE:
        return CLOSED
    sequence = load64(
        ops, Step.CURSOR__RECEIVE__POLL_SEQUENCE, &cursor_slot(ring).sequence, ACQUIRE)
    if sequence == ring.position + 1:
        return READY
    if sequence > ring.position + 1:
        return EVICTED  # lapped: the writer no longer waits for us
    if state == ENDED_STATE and ring.position >= load64(
            ops, Step.CURSOR__RECEIVE__POLL_END, &ring.header.end_position, RELAXED):
        return ENDED
    return NOT_READY


cdef inline int cursor_await_readable(Ops* ops, CursorRing* ring, Waiter* w) noexcept nogil:
    cdef int reason
    while True:
        reason = cursor_poll_readable(ops, ring)
        if reason != NOT_READY:
            settle(ops, w, reason)
            return reason
        w.watched = &cursor_slot(ring).sequence
        reason = wait_round(ops, w)
        if reason != AGAIN:
            return reason
        poll_again(ops, w)


cdef inline u32 cursor_read_length(Ops* ops, CursorRing* ring) noexcept nogil:
    cdef u64 length = load32(
        ops, Step.CURSOR__RECEIVE__LOAD_LENGTH, &cursor_slot(ring).length, RELAXED)
    return <u32>min(length, ring.slot_bytes)


cdef inline void cursor_read(Ops* ops, CursorRing* ring, u8* to, u32 size) noexcept nogil:
    copy(ops, Step.CURSOR__RECEIVE__COPY_PAYLOAD, to, cursor_payload(ring), size)


cdef inline void cursor_release(Ops* ops, CursorRing* ring) noexcept nogil:
    # Pairs with the acquire in cursor_minimum.
    store64(ops, Step.CURSOR__RECEIVE__RELEASE, &ring.lines[ring.rank].position, ring.position + 1,
            RELEASE)
    cursor_step(ring)
    if mutant_of(ops) != NO_WAKER_FENCE:
        fence(ops, Step.CURSOR__RECEIVE__FENCE, SEQ_CST)
    if load32(ops, Step.CURSOR__RECEIVE__LOAD_PARKED, &ring.header.space_parked, RELAXED) != 0:
        wake_writer(ops, ring.header)


# Take the writer's place from `previous` (0: nobody's, else proven dead); False: somebody else did.
cdef inline bint cursor_claim_writer(Ops* ops, CursorRing* ring, u64 previous) noexcept nogil:
    cdef u64 position, scanned
    if not cas64(
            ops, Step.CURSOR__TAKEOVER__CLAIM_WRITER, &ring.header.writer_owner, previous, ring.me):
        return False
    position = load64(
        ops, Step.CURSOR__TAKEOVER__LOAD_WRITER_POSITION, &ring.header.writer_position, ACQUIRE)
    ring.index = position % ring.slots
    ring.position = position
    for scanned in range(ring.slots):  # commits that the dead writer did not come to count
        if load64(ops, Step.CURSOR__TAKEOVER__SCAN_SEQUENCE, &cursor_slot(ring).sequence,
                  ACQUIRE) != ring.position + 1:
            break
        cursor_step(ring)
    ring.minimum = cursor_minimum(ops, ring)
    store64(ops, Step.CURSOR__TAKEOVER__STORE_WRITER_POSITION, &ring.header.writer_position,
            ring.position, RELEASE)
    if previous != 0:
        add64(ops, Step.CURSOR__TAKEOVER__COUNT, &ring.header.takeovers, 1)
        # The dead one may have committed without waking anybody.
        wake_readers(ops, ring.header)
    return True


cdef inline bint cursor_claim_reader(Ops* ops, CursorRing* ring, u64 previous) noexcept nogil:
    cdef ReaderLine* line = &ring.lines[ring.rank]
    if not cas64(ops, Step.CURSOR__TAKEOVER__CLAIM_READER, &line.owner, previous, ring.me):
        return False
    ring.position = load64(
        ops, Step.CURSOR__TAKEOVER__LOAD_READER_POSITION, &line.position, ACQUIRE)
    ring.index = ring.position % ring.slots
    if previous != 0:
        add64(ops, Step.CURSOR__TAKEOVER__COUNT, &line.takeovers, 1)
        # The dead one may have released without waking the writer.
        wake_writer(ops, ring.header)
    return True


# Give up on a reader that was proven dead; False: its place is no longer that process's.
cdef inline bint cursor_evict(Ops* ops, CursorRing* ring, u32 rank, u64 dead) noexcept nogil:
    return cas64(ops, Step.CURSOR__EVICT__MARK_READER, &ring.lines[rank].owner, dead, OWNER_EVICTED)


cdef inline void cursor_detach_writer(Ops* ops, CursorRing* ring) noexcept nogil:
    cas64(ops, Step.CURSOR__DETACH__RELEASE_WRITER, &ring.header.writer_owner, ring.me, 0)


cdef inline void cursor_detach_reader(Ops* ops, CursorRing* ring) noexcept nogil:
    cas64(ops, Step.CURSOR__DETACH__RELEASE_READER, &ring.lines[ring.rank].owner, ring.me,
          OWNER_DETACHED)
    wake_writer(ops, ring.header)
