# Rows of views: flat arrays of ints, entry by entry the larger wins. First the clocks of the
# processes (happens-before, for the races), then for each location the time of the newest store
# that is known of. Rows live in one pool:
#
#   0                 nothing
#   1 + 3p            what has happened to process p
#   2 + 3p            what its relaxed loads have brought and no acquire has taken in
#   3 + 3p            what had happened to it when it last ended
#   1 + 3 processes   what the seq_cst fences have in common
#   from there on     given away by releases, counted by the messages that carry them

cdef extern from *:
    """
    /* n is a multiple of 8. Vectors of the compiler's: -O2 alone leaves these loops scalar. */
    typedef int32_t sb_four __attribute__((vector_size(16), aligned(4), may_alias));
    static inline sb_four sb_larger(sb_four a, sb_four b) {
        sb_four of_a = a > b;
        return (a & of_a) | (b & ~of_a);
    }
    static inline void sb_join(int32_t *to, const int32_t *from, uint32_t n) {
        for (uint32_t i = 0; i < n; i += 8) {
            sb_four *t = (sb_four *)(to + i);
            const sb_four *f = (const sb_four *)(from + i);
            t[0] = sb_larger(t[0], f[0]);
            t[1] = sb_larger(t[1], f[1]);
        }
    }
    static inline void sb_meet(int32_t *a, int32_t *b, uint32_t n) {
        for (uint32_t i = 0; i < n; i += 4) {
            sb_four *x = (sb_four *)(a + i), *y = (sb_four *)(b + i);
            *x = *y = sb_larger(*x, *y);
        }
    }
    """
    void join_row "sb_join"(int* to, const int* source, u32 n) noexcept nogil
    void meet_rows "sb_meet"(int* a, int* b, u32 n) noexcept nogil

cdef enum:
    FIRST_ROWS = 256
    FIRST_STRIDE = 64


cdef inline u32 eights(u32 n) noexcept nogil:
    return (n + 7) & ~<u32>7


cdef inline int* row_at(Views* views, u32 row) noexcept nogil:
    return views.rows + <size_t>row * views.stride


cdef inline int* view_of(Ops* ops) noexcept nogil:
    return row_at(&ops.machine.views, 1 + 3 * <u32>ops.index)


cdef inline int* pending_of(Ops* ops) noexcept nogil:
    return row_at(&ops.machine.views, 2 + 3 * <u32>ops.index)


cdef inline int* ending_of(Ops* ops) noexcept nogil:
    return row_at(&ops.machine.views, 3 + 3 * <u32>ops.index)


cdef inline u32 fences_row(Machine* machine) noexcept nogil:
    return 1 + 3 * <u32>machine.processes


# Room for so many rows, so long; what they hold is kept. False: no memory.
cdef bint resize_rows(Machine* machine, u32 room, u32 stride) noexcept nogil:
    cdef Views* views = &machine.views
    cdef int* rows = <int*>calloc(<size_t>room * stride, sizeof(int))
    cdef Row* about = <Row*>realloc(views.about, room * sizeof(Row))
    cdef u32* spare = <u32*>realloc(views.spare, room * sizeof(u32))
    cdef u32 i
    if about != NULL:
        views.about = about
    if spare != NULL:
        views.spare = spare
    if rows == NULL or about == NULL or spare == NULL:
        free(rows)
        machine.is_out_of_memory = True
        machine.stop = OUT_OF_STEPS
        return False
    for i in range(views.used):
        memcpy(rows + <size_t>i * stride, row_at(views, i), views.stride * sizeof(int))
    free(views.rows)
    views.rows = rows
    views.room = room
    views.stride = stride
    return True


# A row of its own, whatever it holds, referred to once; 0: no memory. May move all rows.
cdef inline u32 take_row(Machine* machine) noexcept nogil:
    cdef Views* views = &machine.views
    cdef u32 row
    if views.spare_count:
        views.spare_count -= 1
        row = views.spare[views.spare_count]
    else:
        if views.used == views.room and not resize_rows(machine, 2 * views.room, views.stride):
            return 0
        row = views.used
        views.used += 1
    views.about[row].references = 1
    views.about[row].length = views.width
    return row


cdef inline void give_back_row(Machine* machine, u32 row) noexcept nogil:
    cdef Views* views = &machine.views
    if row:
        views.about[row].references -= 1
        if views.about[row].references == 0:
            views.spare[views.spare_count] = row
            views.spare_count += 1


cdef inline u32 share_row(Machine* machine, u32 row) noexcept nogil:
    machine.views.about[row].references += 1
    return row


# All that has happened to the process, for whoever acquires it. What comes later is not in it.
cdef inline u32 released_row(Ops* ops) noexcept nogil:
    cdef Views* views = &ops.machine.views
    cdef u32 row = take_row(ops.machine)
    cdef int* view = view_of(ops)
    if row:
        memcpy(row_at(views, row), view, views.width * sizeof(int))
        views.about[row].process = <u32>ops.index
        views.about[row].clock = view[ops.index]
        view[ops.index] += 1
    return row


# What either of two rows says: a read-modify-write goes on with what it read.
cdef u32 joined_row(Machine* machine, u32 one, u32 other) noexcept nogil:
    cdef Views* views = &machine.views
    cdef u32 row = take_row(machine)
    cdef int* joined = row_at(views, row)
    if row:
        memset(joined, 0, views.width * sizeof(int))
        join_row(joined, row_at(views, one), views.about[one].length)
        join_row(joined, row_at(views, other), views.about[other].length)
        views.about[row].clock = INT32_MAX
        views.about[row].process = 0
    return row


# A message that carries the row was read. Who knows a process's clock knows what it had released
# by then, so most rows are looked at and left alone.
cdef inline void learn(Ops* ops, u32 row, bint is_acquire) noexcept nogil:
    cdef Views* views = &ops.machine.views
    cdef Row* about = &views.about[row]
    cdef int* view = view_of(ops)
    if row == 0 or view[about.process] >= about.clock:
        return
    if not is_acquire:
        view = pending_of(ops)
        if view[about.process] >= about.clock:
            return
        ops.has_pending = True
    join_row(view, row_at(views, row), about.length)


cdef inline bint acquires(int order) noexcept nogil:
    return order == ACQUIRE or order == ACQ_REL or order == SEQ_CST


cdef inline bint releases(int order) noexcept nogil:
    return order == RELEASE or order == ACQ_REL or order == SEQ_CST
