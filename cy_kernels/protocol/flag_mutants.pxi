# flag_ring with one known bug switched on, to test the tester. All act on the `fenced` order.
#
#   mutant              order of the writer's (reader's) ops                      shown by
#   flag-before-data    W:=0, fence, R:=0, fence, W:=1, data                      every model
#   reset-before-data   R:=0, data, W:=0, fence, W:=1                             every model
#   flag-before-reset   W:=0, data, fence, fence, W:=1, R:=0                      every model
#   step-over-not-ready a waiter moves on to the next slot after each poll        every model
#   release-before-read (R_i:=1, fence, data)                                     every model
#   no-release-on-raise (the reader goes on, R_i stays 0, when it raises in it)    every model
#   no-data-fence       W:=0, data, R:=0, W:=1 (no fence after the data)          PSO, RA; not TSO
#
# A nap in the window of the misplaced op lets real processes show it within a few messages; a
# simulator needs none.

cdef enum:
    WINDOW_NS = 200000


cdef inline void flag_window(Ops* ops, int site) noexcept nogil:
    nap(ops, site, now(ops, site) + WINDOW_NS)


cdef inline void flag_write_half_by_half(
    Ops* ops, FlagRing* ring, const u8* payload, u32 size
) noexcept nogil:
    cdef u8 frame[FLAG_MESSAGE_HEADER]
    cdef u32 half = size // 2
    flag_frame(frame, size)
    copy(ops, Step.FLAG__SEND__COPY_HEADER, flag_chunk(ring), frame, FLAG_MESSAGE_HEADER)
    copy(ops, Step.FLAG__SEND__COPY_PAYLOAD, flag_chunk(ring) + FLAG_MESSAGE_HEADER, payload, half)
    flag_window(ops, Step.FLAG__SEND__WIDEN)
    copy(ops, Step.FLAG__SEND__COPY_PAYLOAD, flag_chunk(ring) + FLAG_MESSAGE_HEADER + half,
         payload + half, size - half)


cdef inline void flag_write_mutant(
    Ops* ops, FlagRing* ring, const u8* payload, u32 size
) noexcept nogil:
    cdef int mutant = mutant_of(ops)
    cdef u8* written = flag_metadata(ring)
    if mutant == RESET_BEFORE_DATA:
        flag_reset_read_flags(ops, ring)
        flag_write_half_by_half(ops, ring, payload, size)
        store8(ops, Step.FLAG__SEND__CLEAR_WRITTEN, written, 0, RELAXED)
        fence(ops, Step.FLAG__SEND__DATA_FENCE, SEQ_CST)
        store8(ops, Step.FLAG__SEND__SET_WRITTEN, written, 1, RELAXED)
        return
    store8(ops, Step.FLAG__SEND__CLEAR_WRITTEN, written, 0, RELAXED)
    if mutant == FLAG_BEFORE_DATA:
        fence(ops, Step.FLAG__SEND__RESET_FENCE, RELEASE)
        flag_reset_read_flags(ops, ring)
        fence(ops, Step.FLAG__SEND__DATA_FENCE, SEQ_CST)
        store8(ops, Step.FLAG__SEND__SET_WRITTEN, written, 1, RELAXED)
        flag_write_half_by_half(ops, ring, payload, size)
        return
    flag_write_chunk(ops, ring, payload, size)
    if mutant != NO_DATA_FENCE:
        fence(ops, Step.FLAG__SEND__RESET_FENCE, RELEASE)
    if mutant != FLAG_BEFORE_RESET:
        flag_reset_read_flags(ops, ring)
    if mutant != NO_DATA_FENCE:
        fence(ops, Step.FLAG__SEND__DATA_FENCE, SEQ_CST)
    store8(ops, Step.FLAG__SEND__SET_WRITTEN, written, 1, RELAXED)
    if mutant == FLAG_BEFORE_RESET:
        flag_window(ops, Step.FLAG__SEND__WIDEN)
        flag_reset_read_flags(ops, ring)


cdef inline void flag_read_after_release(Ops* ops, FlagRing* ring, u8* to, u32 size) noexcept nogil:
    cdef u8* payload = flag_chunk(ring) + FLAG_MESSAGE_HEADER
    flag_release(ops, ring)
    flag_window(ops, Step.FLAG__RECEIVE__WIDEN)
    copy(ops, Step.FLAG__RECEIVE__COPY_PAYLOAD, to, payload, size)
