# How spinloop and its kin spend the time until memory that they watch has changed.
#
# Time passes in slices of SLICE_NS. Within one the waiter looks at the memory itself, without the
# interpreter's lock, in the way of its rung:
#
#   mwaitx, umwait, wfe, wfet   arm the monitor of the line, look (the recheck: what was stored
#                               before arming wakes nobody), then sleep, always with a limit
#   tpause                      look, then sleep for TPAUSE_NS, whatever is stored
#   pause, adaptive             look, then tell the core that this is a spin
#
# After a slice in vain the waiter gives up the core. Spinning on would cost it a scheduler's
# quantum where the process that it waits for needs that core: an mwaitx occupies a core as a spin
# does. Where somebody did run meanwhile, the slices to come are short.
#
# adaptive, which is for hosts that cannot sleep on memory, goes further. After ADAPTIVE_SPIN_NS, or
# sooner where that seems idle, it naps, for a 64th of the time that it has waited by then: whatever
# comes is late by 2 % of the wait and a timer's slack, and the core is free.

from cy_kernels.instructions cimport (
    MWAITX_TIMER, arm_exclusive, monitorx, mwaitx, tpause, tsc, umonitor, umwait, wfe, wfet,
)

cdef extern from *:
    """
    #include <time.h>

    #if defined(__x86_64__) || defined(__i386__)
    #define sb_spin_pause() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define sb_spin_pause() __asm__ __volatile__("yield" ::: "memory")
    #else
    #define sb_spin_pause() __asm__ __volatile__("" ::: "memory")
    #endif

    /* Acquire: what its writer stored before is seen by whoever has seen the word. */
    static inline uint64_t sb_load_word(const void *p, uint32_t size_bits) {
        if (size_bits == 8) return __atomic_load_n((const uint8_t *)p, __ATOMIC_ACQUIRE);
        if (size_bits == 32) return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
        return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
    }

    /* The callback's own loads come after these: it never answers about older bytes. */
    static inline void sb_remember(uint8_t *seen, const uint8_t *p, size_t count) {
        for (size_t i = 0; i < count; i++) seen[i] = __atomic_load_n(p + i, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    }

    static inline int sb_have_changed(const uint8_t *p, const uint8_t *seen, size_t count) {
        for (size_t i = 0; i < count; i++)
            if (__atomic_load_n(p + i, __ATOMIC_RELAXED) != seen[i]) return 1;
        return 0;
    }

    /* The first that is not `value`, or the end. */
    static inline const uint8_t *sb_first_other(const uint8_t *p, size_t count, uint8_t value) {
        const uint8_t *end = p + count;
        while (p < end && __atomic_load_n(p, __ATOMIC_ACQUIRE) == value) p++;
        return p;
    }

    static inline void sb_spin_nap(int64_t ns) {
        struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);  /* a signal ends it, as it should */
    }

    /* Of the process: whether somebody else wanted the core the last time that it was given up. */
    static int sb_crowd;
    #define sb_note_crowd(is_so) __atomic_store_n(&sb_crowd, (is_so), __ATOMIC_RELAXED)
    #define sb_is_crowded() __atomic_load_n(&sb_crowd, __ATOMIC_RELAXED)

    /* Of the thread: whether its last wait was long, and in vain. */
    static __thread int sb_vain;
    #define sb_note_vain(is_so) ((void)(sb_vain = (is_so)))
    #define sb_was_vain() sb_vain
    """
    void pause_core "sb_spin_pause"() noexcept nogil
    u64 load_word "sb_load_word"(const void* p, u32 size_bits) noexcept nogil
    void remember "sb_remember"(u8* seen, const u8* p, size_t count) noexcept nogil
    bint have_changed "sb_have_changed"(const u8* p, const u8* seen, size_t count) noexcept nogil
    const u8* first_other "sb_first_other"(const u8* p, size_t count, u8 value) noexcept nogil
    void nap "sb_spin_nap"(i64 ns) noexcept nogil
    void note_crowd "sb_note_crowd"(bint is_crowded) noexcept nogil
    bint is_crowded "sb_is_crowded"() noexcept nogil
    void note_vain "sb_note_vain"(bint is_so) noexcept nogil
    bint was_vain "sb_was_vain"() noexcept nogil

cdef enum:
    SLICE_NS = 20000
    CROWDED_SLICE_NS = 1000  # where somebody ran the last time that the core was given up
    CROWD_NS = 5000  # giving it up to nobody takes less
    TPAUSE_NS = 1000
    BLIND_PAUSES = 16  # between two calls of a callback whose buffer is too long to be watched
    ADAPTIVE_SPIN_NS = 10000000  # in traffic gaps are shorter
    ADAPTIVE_CROWDED_SPIN_NS = 2000000  # then a sleeper comes before who goes on giving up the core
    ADAPTIVE_IDLE_SPIN_NS = 500000  # after a wait in vain
    ADAPTIVE_NAP_SHARE = 64
    ADAPTIVE_NAP_MAX_NS = 1000000  # so that Ctrl-C is heeded in time
    SEEN_BYTES = 256  # four lines: more than any queue has for one message
    PAST_DEADLINE_CYCLES = 1000000

cdef enum Rung:
    PAUSE_RUNG
    ADAPTIVE_RUNG
    TPAUSE_RUNG
    MWAITX_RUNG
    UMWAIT_RUNG
    WFE_RUNG
    WFET_RUNG

RUNGS = ("pause", "adaptive", "tpause", "mwaitx", "umwait", "wfe", "wfet")

cdef enum Goal:
    CALLBACK_SAYS  # nothing here can tell
    BYTES_CHANGE
    WORD_EQUALS
    WORD_DIFFERS
    WORD_PASSES
    ALL_EQUAL

cdef struct Wait:
    int rung
    int goal
    u32 size_bits
    u64 value
    const u8* bytes
    size_t count
    const u8* watched  # in the line that a monitor is armed on
    u64 tsc_hz
    u64 clock_ticks  # the clock is read when so many have passed since; 0: always
    u64 clock_tsc
    u32 polls
    i64 began_ns
    i64 now_ns  # when the clock was last read
    i64 slice_end_ns
    i64 deadline_ns  # INT64_MAX: none
    u8 seen[SEEN_BYTES]


cdef inline bint is_met(Wait* w) noexcept nogil:
    cdef u64 word
    if w.goal == BYTES_CHANGE:
        return have_changed(w.bytes, w.seen, w.count)
    if w.goal == CALLBACK_SAYS:
        return False
    if w.goal == ALL_EQUAL:
        w.watched = first_other(w.bytes, w.count, <u8>w.value)
        return w.watched == w.bytes + w.count
    word = load_word(w.bytes, w.size_bits)
    if w.goal == WORD_EQUALS:
        return word == w.value
    if w.goal == WORD_DIFFERS:
        return word != w.value
    return not ((word - w.value) >> (w.size_bits - 1)) & 1  # at or past it, as numbers that wrap


cdef inline void look_at_clock(Wait* w) noexcept nogil:
    w.now_ns = read_clock()
    w.clock_tsc = tsc()


# Every 16th poll, and where polls are slow every SLICE_NS: the counter is cheaper than the clock.
cdef inline bint is_clock_due(Wait* w) noexcept nogil:
    cdef u32 polls = w.polls
    w.polls += 1
    if mutant == CLOCK_AT_BIT_FOUR:
        return not polls & 16
    return (not polls & 15) or tsc() - w.clock_tsc >= w.clock_ticks


cdef inline i64 time_left_ns(Wait* w) noexcept nogil:
    """Of the slice, or of the time-out."""
    return min(w.slice_end_ns, w.deadline_ns) - w.now_ns


# At least one: to mwaitx a timer of 0 is none.
cdef inline u64 ticks_of(Wait* w, i64 ns) noexcept nogil:
    return <u64>ns * w.tsc_hz // 1000000000 + 1


cdef bint wait_paused(Wait* w) noexcept nogil:
    if w.goal == CALLBACK_SAYS:
        for _ in range(BLIND_PAUSES):
            pause_core()
        return False
    while not is_met(w):
        pause_core()
        if is_clock_due(w):
            look_at_clock(w)
            if time_left_ns(w) <= 0:
                return False
    return True


cdef bint wait_tpause(Wait* w) noexcept nogil:
    cdef i64 left_ns
    while not is_met(w):
        look_at_clock(w)
        left_ns = time_left_ns(w)
        if left_ns <= 0:
            return False
        tpause(tsc() + ticks_of(w, min(left_ns, TPAUSE_NS)))
        if w.goal == CALLBACK_SAYS:
            return False
    return True


cdef inline void arm(Wait* w) noexcept nogil:
    if w.rung == MWAITX_RUNG:
        monitorx(w.watched)
    elif w.rung == UMWAIT_RUNG:
        umonitor(w.watched)
    else:
        arm_exclusive(w.watched)


cdef inline void sleep_armed(Wait* w, u64 ticks) noexcept nogil:
    if w.rung == MWAITX_RUNG:
        if mutant == PAST_THE_DEADLINE:
            ticks = PAST_DEADLINE_CYCLES
        mwaitx(0 if mutant == NO_TIMER else MWAITX_TIMER, <u32>ticks)
    elif w.rung == UMWAIT_RUNG:
        umwait(tsc() + ticks)
    elif w.rung == WFET_RUNG:
        wfet(tsc() + ticks)
    else:
        wfe()  # the OS's event stream is its limit


cdef bint wait_armed(Wait* w) noexcept nogil:
    cdef i64 left_ns
    cdef const u8* armed
    while True:
        look_at_clock(w)
        left_ns = time_left_ns(w)
        if left_ns <= 0:
            return is_met(w)
        armed = w.watched
        arm(w)
        if mutant != NO_RECHECK and is_met(w):
            return True
        if w.watched != armed:  # of a row of flags another is the first that is missing
            continue
        sleep_armed(w, ticks_of(w, left_ns))
        if is_met(w):
            return True


cdef inline i64 slice_ns() noexcept nogil:
    return CROWDED_SLICE_NS if is_crowded() else SLICE_NS


cdef inline i64 grace_ns() noexcept nogil:
    if was_vain():
        return ADAPTIVE_IDLE_SPIN_NS
    return ADAPTIVE_CROWDED_SPIN_NS if is_crowded() else ADAPTIVE_SPIN_NS


# What the wait has shown, once it is over.
cdef inline bint learned(Wait* w, bint was_met) noexcept nogil:
    note_vain(not was_met and w.now_ns - w.began_ns >= ADAPTIVE_SPIN_NS)
    return was_met


cdef void give_up_core(Wait* w) noexcept nogil:
    cdef i64 since_ns = w.now_ns
    cdef i64 waited_ns = since_ns - w.began_ns
    if mutant == KEEPS_THE_CORE:
        look_at_clock(w)
    elif w.rung == ADAPTIVE_RUNG and waited_ns >= grace_ns():
        nap(min(waited_ns // ADAPTIVE_NAP_SHARE, ADAPTIVE_NAP_MAX_NS, w.deadline_ns - since_ns))
        look_at_clock(w)
    else:
        yield_core()
        look_at_clock(w)
        note_crowd(w.now_ns - since_ns > CROWD_NS)
    w.slice_end_ns = w.now_ns + slice_ns()


# Wait until it is met, the slice or the time-out is over, or the callback has to be asked.
cdef bint spend(Wait* w) noexcept nogil:
    cdef bint was_met
    if w.rung <= ADAPTIVE_RUNG:
        was_met = wait_paused(w)
    elif w.rung == TPAUSE_RUNG:
        was_met = wait_tpause(w)
    else:
        was_met = wait_armed(w)
    if not was_met and w.now_ns >= w.slice_end_ns and w.now_ns < w.deadline_ns:
        give_up_core(w)
    return was_met


# Until it is met, the time-out is over, or `until_ns`.
cdef bint wait_met(Wait* w, i64 until_ns) noexcept nogil:
    while not spend(w):
        if w.now_ns >= w.deadline_ns:
            return is_met(w)
        if w.now_ns >= until_ns:
            return False
    return True
