# The waker's half of park, and the two ways a ring stops. The caller has published its change and
# made a full fence before (the pairing is explained in wait_park.pxi).

cdef inline void wake_readers(Ops* ops, RegionHeader* h) noexcept nogil:
    if BUMP_AFTER_WAKE <= mutant_of(ops) <= CLEAR_AFTER_BUMP:
        wake_readers_mutant(ops, h)
        return
    store32(ops, Step.WAKE__READERS__CLEAR_PARKED, &h.data_parked, 0, RELAXED)
    add32(ops, Step.WAKE__READERS__BUMP_EVENT, &h.data_event, 1)
    futex_wake(ops, Step.WAKE__READERS__FUTEX_WAKE, &h.data_event)


cdef inline void wake_writer(Ops* ops, RegionHeader* h) noexcept nogil:
    if BUMP_AFTER_WAKE <= mutant_of(ops) <= CLEAR_AFTER_BUMP:
        wake_writer_mutant(ops, h)
        return
    store32(ops, Step.WAKE__WRITER__CLEAR_PARKED, &h.space_parked, 0, RELAXED)
    add32(ops, Step.WAKE__WRITER__BUMP_EVENT, &h.space_event, 1)
    futex_wake(ops, Step.WAKE__WRITER__FUTEX_WAKE, &h.space_event)


# No more messages: readers drain what there is up to `position`, then end. Wakes unconditionally,
# so it needs no Dekker pairing. A ring that is closed stays closed.
cdef inline void ring_end(Ops* ops, RegionHeader* h, u64 position) noexcept nogil:
    store64(ops, Step.RING__END__STORE_POSITION, &h.end_position, position, RELAXED)
    cas32(ops, Step.RING__END__MARK, &h.shutdown, OPEN, ENDED_STATE)
    wake_readers(ops, h)


# Everybody, both sides, now.
cdef inline void ring_shutdown(Ops* ops, RegionHeader* h) noexcept nogil:
    store32(ops, Step.RING__SHUTDOWN__MARK, &h.shutdown, CLOSED_STATE, SEQ_CST)
    wake_readers(ops, h)
    wake_writer(ops, h)
