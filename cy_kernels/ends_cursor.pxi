# The ends of cursor_ring, and the policy around its protocol: whose death is proven, whom to evict.

cdef enum:
    EVICT_CHECK_NS = 10000000  # how often a blocked writer with evict_dead looks who has died


cdef u64 cursor_stride(u64 slot_bytes) noexcept:
    return (CURSOR_SLOT_HEADER + slot_bytes + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES


def cursor_region_bytes(*, slots, slot_bytes, readers):
    """Bytes of a region: header page, reader lines, slots. Raises ValueError out of bounds."""
    g = checked_geometry(slots, slot_bytes, readers, 0)
    return HEADER_PAGE + READER_LINES_BYTES + g["slots"] * cursor_stride(g["slot_bytes"])


def cursor_format(buffer, *, slots, slot_bytes, readers):
    """Make a zeroed buffer an empty cursor_ring."""
    geometry = checked_geometry(slots, slot_bytes, readers, 0)
    format_header(buffer, KIND_CURSOR, geometry, cursor_region_bytes(**geometry))


cdef int cursor_open(
    Face* face, CursorRing* ring, object buffer, object geometry, str wait, object recorder
) except -1:
    cdef u64 me = owner_word(os.getpid())
    face_open(
        face, buffer, KIND_CURSOR, cursor_region_bytes, geometry, wait, NO_MUTANT, recorder)
    memset(ring, 0, sizeof(CursorRing))
    ring.header = face.header
    ring.lines = <ReaderLine*>(<u8*>face.region.buf + HEADER_PAGE)
    ring.slots_base = <u8*>face.region.buf + HEADER_PAGE + READER_LINES_BYTES
    ring.slots = face.shape.slots
    ring.slot_bytes = face.shape.slot_bytes
    ring.stride = cursor_stride(ring.slot_bytes)
    ring.readers = face.shape.readers
    ring.me = me
    return 0


cdef object busy_error(str place, u64 owner):
    return RingBusy(f"{place} is owned by pid {pid_of(owner)}, which is not proven dead")


cdef bint is_dead(RegionHeader* header, u64 owner):
    """Proven dead: never for an owner of another pid namespace, whose pids we can't see."""
    return header.pid_namespace == pid_namespace() and is_proven_dead(owner)


cdef class CursorWriter(_Writer):
    cdef _Message claimed
    cdef object claimed_view
    cdef CursorRing ring
    cdef bint evicts

    def __init__(self, buffer, *, slots, slot_bytes, readers, str wait="park", recorder=None,
                 evict_dead=False):
        cdef Call call = call_of(ENTER_CLAIM)
        cdef u64 previous
        geometry = checked_geometry(slots, slot_bytes, readers, 0)
        cursor_open(&self.face, &self.ring, buffer, geometry, wait, recorder)
        self.wait = wait_of(&self.face)
        self.evicts = evict_dead
        self.largest = self.ring.slot_bytes
        previous = self.ring.header.writer_owner
        begin_message()
        try:
            if previous != 0 and not is_dead(self.ring.header, previous):
                raise busy_error("the writer's place", previous)
            call.owner = previous
            enter(self, &call)
            if not call.reason:
                raise busy_error("the writer's place", self.ring.header.writer_owner)
        except BaseException:
            face_close(&self.face)
            raise
        self.face.is_busy = False

    cdef int poll(self) noexcept nogil:
        return cursor_poll_writable(NULL, &self.ring)

    cdef void write(self, const u8* payload, u32 size) noexcept nogil:
        cursor_write(NULL, &self.ring, payload, size)

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        if call.entry == ENTER_POLL:
            call.reason = cursor_poll_writable(ops, &self.ring)
        elif call.entry == ENTER_AWAIT:
            call.reason = cursor_await_writable(ops, &self.ring, call.waiter)
        elif call.entry == ENTER_WRITE:
            cursor_write(ops, &self.ring, call.payload, call.size)
        elif call.entry == ENTER_COMMIT:
            cursor_commit_in_place(ops, &self.ring, call.size)
        elif call.entry == ENTER_CLAIM:
            call.reason = cursor_claim_writer(ops, &self.ring, call.owner)
        elif call.entry == ENTER_EVICT:
            call.reason = cursor_evict(ops, &self.ring, call.rank, call.owner)
        elif call.entry == ENTER_DETACH:
            cursor_detach_writer(ops, &self.ring)
        else:
            _Writer.act(self, ops, call)

    cdef int wait_for_slot(self, i64 deadline_ns) except -1:
        cdef Call call = call_of(ENTER_AWAIT)
        cdef Waiter w
        cdef int reason
        cdef i64 last_ns
        start_waiter(&self.face, &w, &self.face.header.space_event, &self.face.header.space_parked,
                     &self.face.header.writer_heartbeat_ns, deadline_ns)
        call.waiter = &w
        last_ns = w.deadline_ns
        while True:
            if self.evicts:
                w.deadline_ns = min(last_ns, clock_ns() + EVICT_CHECK_NS)
            reason = wait(self, &call)
            if reason != TIMED_OUT or not self.evicts:
                return reason
            if not self.evict_dead_readers() and clock_ns() >= last_ns:
                return reason
            mark_repeats(True)

    cdef int evict_dead_readers(self) except -1:
        """How many were given up."""
        cdef Call call = call_of(ENTER_EVICT)
        cdef int evicted = 0
        cdef u32 rank
        cdef u64 owner
        for rank in range(self.ring.readers):
            owner = self.ring.lines[rank].owner
            if owner in (0, OWNER_DETACHED, OWNER_EVICTED):
                continue
            if is_dead(self.ring.header, owner):
                call.rank, call.owner = rank, owner
                enter(self, &call)
                evicted += call.reason
        return evicted

    cdef u64 next_position(self) noexcept nogil:
        return self.ring.position

    def send_within(self, payload, timeout_s=None):
        cdef i64 limit_ns = limit_of(timeout_s)
        face_enter(&self.face)
        try:
            return self.send_one(payload, limit_ns)
        finally:
            self.face.is_busy = False

    def send_many(self, messages, timeout_s=None):
        return send_batch(self, messages, limit_of(timeout_s))

    def claim(self, size_bytes, timeout_s=None):
        return claim_view(self, size_bytes, limit_of(timeout_s))

    def commit(self, size_bytes=None):
        return commit_view(self, size_bytes)

    def abort(self):
        abort_view(self)

    def send_object(self, thing, timeout_s=None):
        return object_sent(self, thing, limit_of(timeout_s))

    cdef str waiting_for(self):
        cdef u32 rank
        cdef u64 owner
        laggards = []
        for rank in range(self.ring.readers):
            owner = self.ring.lines[rank].owner
            if owner in (OWNER_DETACHED, OWNER_EVICTED):
                continue
            if self.ring.position - self.ring.lines[rank].position < self.ring.slots:
                continue
            if owner == 0:
                who = "never attached"
            else:
                dead = ", dead" if is_dead(self.ring.header, owner) else ""
                who = f"pid {pid_of(owner)}{dead}"
            laggards.append(f"rank {rank} ({who}) at {self.ring.lines[rank].position}")
        return "a free slot behind " + (", ".join(laggards) or "nobody")


cdef class CursorReader(_Reader):
    cdef _Message held
    cdef object held_view
    cdef CursorRing ring

    def __init__(self, buffer, *, rank, slots, slot_bytes, readers, str wait="park", recorder=None):
        cdef Call call = call_of(ENTER_CLAIM)
        cdef u64 previous
        geometry = checked_geometry(slots, slot_bytes, readers, 0)
        rank = checked_rank(rank, geometry)
        cursor_open(&self.face, &self.ring, buffer, geometry, wait, recorder)
        self.wait = wait_of(&self.face)
        self.rank = rank
        self.ring.rank = rank
        previous = self.ring.lines[rank].owner
        begin_message()
        try:
            if previous == OWNER_EVICTED or previous == OWNER_DETACHED:
                how = "was given up by the writer" if previous == OWNER_EVICTED else "left"
                raise RingEvicted(f"rank {rank} {how}: its position is lost")
            if previous != 0 and not is_dead(self.ring.header, previous):
                raise busy_error(f"rank {rank}", previous)
            call.owner = previous
            enter(self, &call)
            if not call.reason:
                raise busy_error(f"rank {rank}", self.ring.lines[rank].owner)
        except BaseException:
            face_close(&self.face)
            raise
        self.face.is_busy = False

    cdef int poll(self, u32* size) noexcept nogil:
        cdef int reason = cursor_poll_readable(NULL, &self.ring)
        if reason == READY:
            size[0] = cursor_read_length(NULL, &self.ring)
        return reason

    cdef void read(self, u8* to, u32 size) noexcept nogil:
        cursor_read(NULL, &self.ring, to, size)

    cdef void release(self) noexcept nogil:
        cursor_release(NULL, &self.ring)

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        if call.entry == ENTER_POLL:
            call.reason = cursor_poll_readable(ops, &self.ring)
        elif call.entry == ENTER_AWAIT:
            call.reason = cursor_await_readable(ops, &self.ring, call.waiter)
        elif call.entry == ENTER_READ:
            cursor_read(ops, &self.ring, call.to, call.size)
        elif call.entry == ENTER_RELEASE:
            cursor_release(ops, &self.ring)
        elif call.entry == ENTER_CLAIM:
            call.reason = cursor_claim_reader(ops, &self.ring, call.owner)
        elif call.entry == ENTER_DETACH:
            cursor_detach_reader(ops, &self.ring)
        else:
            _Reader.act(self, ops, call)
        if call.entry in (ENTER_POLL, ENTER_AWAIT) and call.reason == READY:
            call.size = cursor_read_length(ops, &self.ring)

    cdef u64* heartbeat(self) noexcept:
        return &self.ring.lines[self.rank].heartbeat_ns

    cdef const u8* message(self) noexcept:
        return cursor_payload(&self.ring)

    cdef u64 next_position(self) noexcept nogil:
        return self.ring.position

    def receive_within(self, timeout_s=None):
        cdef i64 limit_ns = limit_of(timeout_s)
        cdef u32 size
        face_enter(&self.face)
        try:
            self.begin(&size, limit_ns)
            return self.copy_out(size)
        finally:
            self.face.is_busy = False

    def receive_many(self, count_max, timeout_s=None):
        return receive_batch(self, count_max, limit_of(timeout_s))

    def receiving_within(self, timeout_s=None):
        return _HeldSlot(self, limit_of(timeout_s))

    def hold(self, timeout_s=None):
        return hold_view(self, limit_of(timeout_s))

    def let_go(self):
        release_view(self)

    def receive_object(self, timeout_s=None):
        return object_received(self, limit_of(timeout_s))

    def hold_object(self, timeout_s=None):
        return object_held(self, limit_of(timeout_s))


def cursor_shutdown(buffer):
    """Shut the ring down from outside, for its readers: its writer is gone. Raises RingMismatch."""
    cdef Py_buffer view
    cdef Shape shape
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    try:
        check_region(&view, KIND_CURSOR, cursor_region_bytes, {}, &shape)
        ring_shutdown(NULL, <RegionHeader*>view.buf)
    finally:
        PyBuffer_Release(&view)


def cursor_describe(buffer):
    """The region decoded, for evidence: header, events, owners and positions. Writes nothing."""
    cdef Py_buffer view
    cdef RegionHeader* header
    cdef ReaderLine* lines
    cdef u32 rank
    cdef Shape shape
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        check_region(&view, KIND_CURSOR, cursor_region_bytes, {}, &shape)
        header = <RegionHeader*>view.buf
        lines = <ReaderLine*>(<u8*>view.buf + HEADER_PAGE)
        state = describe_header(header, KIND_CURSOR, &shape)
        state["writer"] = describe_place(
            header.writer_owner, header.writer_position, header.writer_heartbeat_ns,
            header.takeovers)
        state["reader"] = [
            describe_place(lines[rank].owner, lines[rank].position, lines[rank].heartbeat_ns,
                           lines[rank].takeovers)
            for rank in range(shape.readers)
        ]
        return state
    finally:
        PyBuffer_Release(&view)


cdef object describe_place(u64 owner, u64 position, u64 heartbeat_ns, u64 takeovers):
    names = {0: "nobody", OWNER_DETACHED: "left", OWNER_EVICTED: "evicted"}
    return {
        "owner": names.get(owner, "process"),
        "pid": None if owner in names else pid_of(owner),
        "position": position,
        "heartbeat_ns": heartbeat_ns,
        "takeovers": takeovers,
    }
