# What every writing and every reading end does, whatever its ring.

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.memoryview cimport PyMemoryView_FromObject
from cpython.ref cimport Py_DECREF

cdef enum:
    # What the other side is about to do is seen sooner than the GIL is given away and taken back:
    # about 2 us of polls come before a wait that lets other threads run.
    SHORT_WAIT_POLLS = 80
    GIL_FREE_BYTES = 65536  # a copy from here on lets other threads run: some us, against 0.1


cdef extern from *:
    """
    #define SB_NO_POSITION UINT64_MAX
    """
    const u64 NO_POSITION "SB_NO_POSITION"


cdef class _Writer(_End):
    """One open writing side. Not for use from two threads at once."""

    cdef u64 largest

    cdef int poll(self) noexcept nogil:
        return CLOSED

    cdef int wait_for_slot(self, i64 deadline_ns) except -1:
        return CLOSED

    cdef void write(self, const u8* payload, u32 size) noexcept nogil:
        pass

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        if call.entry == ENTER_END:
            ring_end(ops, self.face.header, self.next_position())
        elif call.entry == ENTER_SHUTDOWN:
            ring_shutdown(ops, self.face.header)

    cdef int claim_slowly(self, i64 limit_ns) except -1:
        """Poll under the guard of a gate, and wait."""
        cdef Call call = call_of(ENTER_POLL)
        call.reason = NOT_READY
        if not goes_straight(&self.face):
            begin_message()
            enter(self, &call)
        else:
            for _ in range(SHORT_WAIT_POLLS):
                pause_core(NULL, 0)
                call.reason = self.poll()
                if call.reason != NOT_READY:
                    break
        if call.reason == NOT_READY:
            return self.wait_for_slot(deadline_of(limit_ns))
        return call.reason

    cdef bint is_raised_in_write(self, const u8* payload, u32 size) noexcept:
        cdef Call call = call_of(ENTER_WRITE)
        call.payload, call.size = payload, size
        return is_raised_in(self, &call)

    cdef u64 next_position(self) noexcept nogil:
        return 0

    cdef str waiting_for(self):
        return ""

    def send(self, payload, i64 deadline_ns=-1):
        """Send one message; its position. See the stub for what it raises."""
        face_enter(&self.face)
        try:
            return self.send_one(payload, at_most(deadline_ns))
        finally:
            self.face.is_busy = False

    @cython.final
    cdef u64 send_one(self, payload, i64 limit_ns) except? NO_POSITION:
        cdef Py_buffer view
        cdef u64 position, checksum = 0
        cdef u32 size
        cdef int reason
        PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        try:
            if <u64>view.len > self.largest:
                raise ValueError(
                    f"a message of {view.len} bytes does not fit: at most {self.largest}")
            size = <u32>view.len
            position = self.next_position()
            if self.face.recorder != NULL:
                checksum = checksum_bytes(<const u8*>view.buf, size)
                note(&self.face, INVOKE_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
            reason = self.poll() if goes_straight(&self.face) else NOT_READY
            if reason == NOT_READY:
                try:
                    reason = self.claim_slowly(limit_ns)
                except BaseException:  # a signal handler or the gate raised: nothing was claimed
                    note(&self.face, FAIL_TYPE, SEND_FUNCTION, ERROR_OUTCOME, position, size,
                         checksum)
                    raise
            if reason != READY:
                note(&self.face, FAIL_TYPE, SEND_FUNCTION, outcome_of(reason), position, size,
                     checksum)
                raise error_of(reason, position, self.waiting_for())
            if not goes_straight(&self.face):
                if self.is_raised_in_write(<const u8*>view.buf, size):
                    note(&self.face, self.raised_type(position), SEND_FUNCTION, ERROR_OUTCOME,
                         position, size, checksum)
                    raise gate_raised()
            elif size < GIL_FREE_BYTES:
                self.write(<const u8*>view.buf, size)
            else:
                with nogil:
                    self.write(<const u8*>view.buf, size)
            note(&self.face, OK_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
            return position
        finally:
            PyBuffer_Release(&view)

    cdef int raised_type(self, u64 position) noexcept:
        """How a send ended that was raised out of: a mutant's readers may see it all the same."""
        if self.next_position() == position and mutant_of(&self.face.ops) == NO_MUTANT:
            return FAIL_TYPE
        return INFO_TYPE

    def end(self):
        """No more messages: readers drain what there is, then raise RingEnded."""
        face_enter(&self.face)
        try:
            enter_as_message(self, ENTER_END)
        finally:
            self.face.is_busy = False

    def shutdown(self):
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""
        if not self.face.is_open:
            raise ValueError("operation on a closed end")
        enter_as_message(self, ENTER_SHUTDOWN)

    def close(self):
        """Give up the writer's place and let go of the region. A second call is a no-op."""
        face_leave(&self.face)
        if self.face.is_open:
            enter_as_message(self, ENTER_DETACH)
        face_close(&self.face)

    def abandon(self):
        """Let go of the region and leave shared state as a crash would."""
        face_leave(&self.face)
        face_close(&self.face)

    @property
    def position(self):
        """Of the next message this end will send."""
        return self.next_position()

    @property
    def slots(self):
        return self.face.shape.slots if self.face.is_open else None

    @property
    def slot_bytes(self):
        return self.face.shape.slot_bytes if self.face.is_open else None

    @property
    def readers(self):
        return self.face.shape.readers if self.face.is_open else None


cdef class _Reader(_End):
    """One open reading side. Not for use from two threads at once."""

    cdef readonly int rank

    cdef int poll(self, u32* size) noexcept nogil:
        """With READY, `size` is the message's."""
        return CLOSED

    cdef u64* heartbeat(self) noexcept:
        """Where the time of this end's last look at the clock goes, if anywhere."""
        return NULL

    cdef const u8* message(self) noexcept:
        return NULL

    cdef void read(self, u8* to, u32 size) noexcept nogil:
        pass

    cdef void release(self) noexcept nogil:
        pass

    cdef void act(self, Ops* ops, Call* call) noexcept nogil:
        if call.entry == ENTER_SHUTDOWN:
            ring_shutdown(ops, self.face.header)

    cdef void step_over(self) noexcept nogil:
        """Go on to the next message and leave this one's slot unreleased: a mutant's way."""

    cdef u64 next_position(self) noexcept nogil:
        return 0

    cdef int begin(self, u32* size, i64 limit_ns) except -1:
        """Wait until the next message is ours to read, and tell its size. Raises what ends the wait
        instead."""
        cdef u64 position = self.next_position()
        cdef int reason
        note(&self.face, INVOKE_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, position, 0, 0)
        reason = self.poll(size) if goes_straight(&self.face) else NOT_READY
        if reason == NOT_READY:
            reason = self.begin_slowly(size, limit_ns, position)
        if reason != READY:
            note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, outcome_of(reason), position, 0, 0)
            raise error_of(reason, position, "the writer")
        return 0

    cdef int begin_slowly(self, u32* size, i64 limit_ns, u64 position) except -1:
        """Poll under the guard of a gate, and wait."""
        cdef Call call = call_of(ENTER_POLL)
        cdef Waiter w
        call.reason = NOT_READY
        try:
            if not goes_straight(&self.face):
                begin_message()
                enter(self, &call)
            else:
                for _ in range(SHORT_WAIT_POLLS):
                    pause_core(NULL, 0)
                    call.reason = self.poll(&call.size)
                    if call.reason != NOT_READY:
                        break
            if call.reason == NOT_READY:
                start_waiter(&self.face, &w, &self.face.header.data_event,
                             &self.face.header.data_parked, self.heartbeat(),
                             deadline_of(limit_ns))
                call.entry, call.waiter = ENTER_AWAIT, &w
                wait(self, &call)
        except BaseException:  # a signal handler or the gate raised: nothing was read
            note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, ERROR_OUTCOME, position, 0, 0)
            raise
        size[0] = call.size
        return call.reason

    cdef bint is_raised_in_read(self, u8* to, u32 size) noexcept:
        cdef Call call = call_of(ENTER_READ)
        call.to, call.size = to, size
        return is_raised_in(self, &call)

    cdef int finish(self) except -1:
        """Release the slot of a message that is recorded already, so that a death in between
        repeats it. So does the gate where it raises before the release: then the record is wrong,
        and there is somebody to correct it."""
        if goes_straight(&self.face):
            self.release()
            return 0
        return self.finish_guarded()

    cdef int finish_guarded(self) except -1:
        cdef Call call = call_of(ENTER_RELEASE)
        cdef u64 position = self.next_position()
        if is_raised_in(self, &call):
            if self.next_position() == position:
                correct(&self.face, FAIL_TYPE, ERROR_OUTCOME)
            raise gate_raised()
        return 0

    def receive(self, i64 deadline_ns=-1):
        """The next message, copied out. Raises RingTimeout, RingEnded, RingClosed, RingEvicted."""
        cdef u32 size
        face_enter(&self.face)
        try:
            self.begin(&size, at_most(deadline_ns))
            return self.copy_out(size)
        finally:
            self.face.is_busy = False

    @cython.final
    cdef bytes copy_out(self, u32 size):
        """The message that is ours to read, its slot released."""
        cdef bytes out = PyBytes_FromStringAndSize(NULL, size)
        cdef u8* to = <u8*>PyBytes_AS_STRING(out)
        if not goes_straight(&self.face):
            if self.is_raised_in_read(to, size):
                note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, ERROR_OUTCOME, self.next_position(),
                     0, 0)
                raise gate_raised()
        elif size < GIL_FREE_BYTES:
            self.read(to, size)
        else:
            with nogil:
                self.read(to, size)
        if self.face.recorder != NULL:
            note(&self.face, OK_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, self.next_position(), size,
                 checksum_bytes(to, size))
        self.finish()
        return out

    def receiving(self, i64 deadline_ns=-1):
        """A context manager: the next message in place, released when the block ends, however."""
        return _HeldSlot(self, at_most(deadline_ns))

    def shutdown(self):
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""
        if not self.face.is_open:
            raise ValueError("operation on a closed end")
        enter_as_message(self, ENTER_SHUTDOWN)

    def close(self):
        """Leave: the writer no longer waits for us. A second call is a no-op."""
        face_leave(&self.face)
        if self.face.is_open:
            enter_as_message(self, ENTER_DETACH)
        face_close(&self.face)

    def abandon(self):
        """Let go of the region and leave shared state as a crash would."""
        face_leave(&self.face)
        face_close(&self.face)

    @property
    def position(self):
        """Of the next message this end will read."""
        return self.next_position()

    @property
    def slots(self):
        return self.face.shape.slots if self.face.is_open else None

    @property
    def slot_bytes(self):
        return self.face.shape.slot_bytes if self.face.is_open else None

    @property
    def readers(self):
        return self.face.shape.readers if self.face.is_open else None
