# The ends of flag_ring.

def flag_region_bytes(*, slots, slot_bytes, readers):
    """Bytes of a region: header page, chunks, metadata. Raises ValueError for impossible values."""
    g = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
    return HEADER_PAGE + g["slots"] * g["slot_bytes"] + g["slots"] * (1 + g["readers"])


def flag_format(buffer, *, slots, slot_bytes, readers):
    """Make a zeroed buffer an empty flag_ring."""
    geometry = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
    format_header(buffer, KIND_FLAG, geometry, flag_region_bytes(**geometry))


cdef int flag_open(
    Face* face, FlagRing* ring, object buffer, object geometry, str wait, str order, object mutant,
    object recorder
) except -1:
    cdef int chosen = NO_MUTANT
    if order not in ("fenced", "as_shipped"):
        raise ValueError(f"order {order!r} is not fenced or as_shipped")
    if mutant is not None:
        if mutant not in MUTANTS:
            known = ", ".join(MUTANTS) or "none"
            raise ValueError(f"mutant {mutant!r} is not one of this build's: {known}")
        if order != "fenced":
            raise ValueError("mutants act on the fenced order")
        chosen = 1 + MUTANTS.index(mutant)
    face_open(face, buffer, KIND_FLAG, flag_region_bytes, geometry, wait, chosen, recorder)
    memset(ring, 0, sizeof(FlagRing))
    ring.header = face.header
    ring.chunks = <u8*>face.region.buf + HEADER_PAGE
    ring.slots = face.shape.slots
    ring.chunk_bytes = face.shape.slot_bytes
    ring.readers = face.shape.readers
    ring.metadata = ring.chunks + ring.slots * ring.chunk_bytes
    ring.is_fenced = order == "fenced"
    return 0


cdef class FlagWriter(_Writer):
    cdef FlagRing ring

    def __init__(self, buffer, *, slots, slot_bytes, readers, str wait="park", str order="fenced",
                 mutant=None, recorder=None):
        geometry = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
        flag_open(&self.face, &self.ring, buffer, geometry, wait, order, mutant, recorder)
        self.wait = wait_of(&self.face)
        self.largest = self.ring.chunk_bytes - FLAG_MESSAGE_HEADER
        self.face.is_busy = False

    cdef int poll(self) noexcept nogil:
        return flag_poll_writable(NULL, &self.ring)

    cdef void write(self, const u8* payload, u32 size) noexcept nogil:
        flag_write(NULL, &self.ring, payload, size)

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        if call.entry == ENTER_POLL:
            call.reason = flag_poll_writable(ops, &self.ring)
        elif call.entry == ENTER_AWAIT:
            call.reason = flag_await_writable(ops, &self.ring, call.waiter)
        elif call.entry == ENTER_WRITE:
            flag_write(ops, &self.ring, call.payload, call.size)
        else:
            _Writer.act(self, ops, call)

    cdef int wait_for_slot(self, i64 deadline_ns) except -1:
        cdef Call call = call_of(ENTER_AWAIT)
        cdef Waiter w
        start_waiter(&self.face, &w, &self.face.header.space_event, &self.face.header.space_parked,
                     NULL, deadline_ns)
        call.waiter = &w
        return wait(self, &call)

    cdef u64 next_position(self) noexcept nogil:
        return self.ring.position

    cdef str waiting_for(self):
        cdef u8* flags = flag_metadata(&self.ring)
        ranks = [str(rank) for rank in range(self.ring.readers) if flags[1 + rank] == 0]
        return f"slot {self.ring.index} to be read by rank {', '.join(ranks)}"


cdef class FlagReader(_Reader):
    cdef FlagRing ring

    def __init__(self, buffer, *, rank, slots, slot_bytes, readers, str wait="park",
                 str order="fenced", mutant=None, recorder=None):
        geometry = checked_geometry(slots, slot_bytes, readers, FLAG_MESSAGE_HEADER)
        rank = checked_rank(rank, geometry)
        flag_open(&self.face, &self.ring, buffer, geometry, wait, order, mutant, recorder)
        self.wait = wait_of(&self.face)
        self.rank = rank
        self.ring.rank = rank
        self.face.is_busy = False

    cdef int poll(self, u32* size) noexcept nogil:
        cdef int reason = flag_poll_readable(NULL, &self.ring)
        if reason == READY:
            size[0] = flag_read_length(NULL, &self.ring)
        return reason

    cdef void read(self, u8* to, u32 size) noexcept nogil:
        flag_read(NULL, &self.ring, to, size)

    cdef void release(self) noexcept nogil:
        flag_release(NULL, &self.ring)

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        if call.entry == ENTER_POLL:
            call.reason = flag_poll_readable(ops, &self.ring)
        elif call.entry == ENTER_AWAIT:
            call.reason = flag_await_readable(ops, &self.ring, call.waiter)
        elif call.entry == ENTER_READ and mutant_of(ops) == RELEASE_BEFORE_READ:
            flag_read_after_release(ops, &self.ring, call.to, call.size)
        elif call.entry == ENTER_READ:
            flag_read(ops, &self.ring, call.to, call.size)
        elif call.entry == ENTER_RELEASE:
            if mutant_of(ops) != RELEASE_BEFORE_READ:
                flag_release(ops, &self.ring)
        else:
            _Reader.act(self, ops, call)
        if call.entry in (ENTER_POLL, ENTER_AWAIT) and call.reason == READY:
            call.size = flag_read_length(ops, &self.ring)

    cdef const u8* message(self) noexcept:
        return flag_chunk(&self.ring) + FLAG_MESSAGE_HEADER

    cdef void step_over(self) noexcept nogil:
        flag_step(&self.ring)
        self.ring.position += 1

    cdef u64 next_position(self) noexcept nogil:
        return self.ring.position


def flag_describe(buffer):
    """The region decoded, for evidence: header, events, flags slot by slot. Writes nothing."""
    cdef Py_buffer view
    cdef RegionHeader* header
    cdef u8* flags
    cdef u64 slot
    cdef Shape shape
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    try:
        check_region(&view, KIND_FLAG, flag_region_bytes, {}, &shape)
        header = <RegionHeader*>view.buf
        flags = <u8*>view.buf + HEADER_PAGE + shape.slots * shape.slot_bytes
        state = describe_header(header, KIND_FLAG, &shape)
        state["slot_flags"] = [
            [flags[slot * (1 + shape.readers) + i] for i in range(1 + shape.readers)]
            for slot in range(shape.slots)
        ]
        return state
    finally:
        PyBuffer_Release(&view)
