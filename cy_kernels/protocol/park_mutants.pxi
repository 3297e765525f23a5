# park with one known bug switched on: each loses a wake-up, and somebody sleeps for ever.
#
#   mutant              what is wrong, by the numbers of wait_park.pxi            shown by
#   event-after-parked  waiter 2, 1, 3: the word is loaded when the flag is up    every model
#   no-recheck          waiter without 4                                          every model
#   no-waiter-fence     waiter without 3: the poll overtakes the flag             TSO, PSO, RA
#   no-waker-fence      waker without 2: it looks before its change is visible    TSO, PSO, RA
#   bump-after-wake     waker 4, 6, 5: who sleeps just before 5 is not woken      every model
#   clear-after-bump    waker 5, 4, 6: the flag of who armed in between is lost   every model
#
# flag_ring polls behind a full fence of its own, so no-waiter-fence changes nothing there. The
# Dekker ones need the last message before both sides wait: an end of the ring wakes regardless.

# The waiter announces that it will sleep.
cdef inline void arm_mutant(Ops* ops, Waiter* w) noexcept nogil:
    if mutant_of(ops) == EVENT_AFTER_PARKED:
        store32(ops, Step.WAIT__PARK__RAISE_PARKED, w.parked, 1, RELAXED)
        w.seen = load32(ops, Step.WAIT__PARK__LOAD_EVENT, w.event, ACQUIRE)
    else:
        w.seen = load32(ops, Step.WAIT__PARK__LOAD_EVENT, w.event, ACQUIRE)
        store32(ops, Step.WAIT__PARK__RAISE_PARKED, w.parked, 1, RELAXED)
    if mutant_of(ops) != NO_WAITER_FENCE:
        fence(ops, Step.WAIT__PARK__FENCE, SEQ_CST)


cdef inline void wake_readers_mutant(Ops* ops, RegionHeader* h) noexcept nogil:
    if mutant_of(ops) == BUMP_AFTER_WAKE:
        store32(ops, Step.WAKE__READERS__CLEAR_PARKED, &h.data_parked, 0, RELAXED)
        futex_wake(ops, Step.WAKE__READERS__FUTEX_WAKE, &h.data_event)
        add32(ops, Step.WAKE__READERS__BUMP_EVENT, &h.data_event, 1)
    else:
        add32(ops, Step.WAKE__READERS__BUMP_EVENT, &h.data_event, 1)
        store32(ops, Step.WAKE__READERS__CLEAR_PARKED, &h.data_parked, 0, RELAXED)
        futex_wake(ops, Step.WAKE__READERS__FUTEX_WAKE, &h.data_event)


cdef inline void wake_writer_mutant(Ops* ops, RegionHeader* h) noexcept nogil:
    if mutant_of(ops) == BUMP_AFTER_WAKE:
        store32(ops, Step.WAKE__WRITER__CLEAR_PARKED, &h.space_parked, 0, RELAXED)
        futex_wake(ops, Step.WAKE__WRITER__FUTEX_WAKE, &h.space_event)
        add32(ops, Step.WAKE__WRITER__BUMP_EVENT, &h.space_event, 1)
    else:
        add32(ops, Step.WAKE__WRITER__BUMP_EVENT, &h.space_event, 1)
        store32(ops, Step.WAKE__WRITER__CLEAR_PARKED, &h.space_parked, 0, RELAXED)
        futex_wake(ops, Step.WAKE__WRITER__FUTEX_WAKE, &h.space_event)
