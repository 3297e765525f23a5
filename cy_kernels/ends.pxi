# What every writing and every reading end does, whatever its ring.

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.memoryview cimport PyMemoryView_FromObject

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

    cdef int claim_slowly(self, i64 deadline_ns, u64 position, u32 size, u64 checksum) except -1:
        """Poll under the guard of a gate, and wait."""
        cdef Call call = call_of(ENTER_POLL)
        call.reason = NOT_READY
        try:
            if not goes_straight(&self.face):
                begin_message()
                enter(self, &call)
            if call.reason == NOT_READY:
                return self.wait_for_slot(deadline_ns)
        except BaseException:  # a signal handler or the gate raised: nothing was claimed
            note(&self.face, FAIL_TYPE, SEND_FUNCTION, ERROR_OUTCOME, position, size, checksum)
            raise
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
        cdef Py_buffer view
        cdef u64 position, checksum = 0
        cdef u32 size
        cdef int reason
        face_enter(&self.face)
        try:
            PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        except BaseException:
            self.face.is_busy = False
            raise
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
                reason = self.claim_slowly(deadline_ns, position, size, checksum)
            if reason != READY:
                note(&self.face, FAIL_TYPE, SEND_FUNCTION, outcome_of(reason), position, size,
                     checksum)
                raise error_of(reason, position, self.waiting_for())
            if goes_straight(&self.face):
                self.write(<const u8*>view.buf, size)
            elif self.is_raised_in_write(<const u8*>view.buf, size):
                note(&self.face, self.raised_type(position), SEND_FUNCTION, ERROR_OUTCOME, position,
                     size, checksum)
                raise gate_raised()
            note(&self.face, OK_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
            return position
        finally:
            PyBuffer_Release(&view)
            self.face.is_busy = False

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

    cdef int begin(self, u32* size, i64 deadline_ns) except -1:
        """Wait until the next message is ours to read, and tell its size. Raises what ends the wait
        instead."""
        cdef u64 position = self.next_position()
        cdef int reason
        note(&self.face, INVOKE_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, position, 0, 0)
        reason = self.poll(size) if goes_straight(&self.face) else NOT_READY
        if reason == NOT_READY:
            reason = self.begin_slowly(size, deadline_ns, position)
        if reason != READY:
            note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, outcome_of(reason), position, 0, 0)
            raise error_of(reason, position, "the writer")
        return 0

    cdef int begin_slowly(self, u32* size, i64 deadline_ns, u64 position) except -1:
        """Poll under the guard of a gate, and wait."""
        cdef Call call = call_of(ENTER_POLL)
        cdef Waiter w
        call.reason = NOT_READY
        try:
            if not goes_straight(&self.face):
                begin_message()
                enter(self, &call)
            if call.reason == NOT_READY:
                start_waiter(&self.face, &w, &self.face.header.data_event,
                             &self.face.header.data_parked, self.heartbeat(), deadline_ns)
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
        cdef bytes out
        cdef u8* to
        cdef u32 size
        face_enter(&self.face)
        try:
            self.begin(&size, deadline_ns)
            out = PyBytes_FromStringAndSize(NULL, size)
            to = <u8*>PyBytes_AS_STRING(out)
            if goes_straight(&self.face):
                self.read(to, size)
            elif self.is_raised_in_read(to, size):
                note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, ERROR_OUTCOME, self.next_position(),
                     0, 0)
                raise gate_raised()
            if self.face.recorder != NULL:
                note(&self.face, OK_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, self.next_position(),
                     size, checksum_bytes(to, size))
            self.finish()
            return out
        finally:
            self.face.is_busy = False

    def receiving(self, i64 deadline_ns=-1):
        """A context manager: the next message in place, released when the block ends, however."""
        return _HeldSlot(self, deadline_ns)

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


cdef class _Message:
    """The bytes of one message in place, and a hold on the region for as long as anybody looks."""

    cdef Py_buffer region
    cdef const u8* start
    cdef u32 size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, <void*>self.start, self.size, True, flags)

    def __dealloc__(self):
        PyBuffer_Release(&self.region)


cdef object held_message(_Reader reader, u32 size):
    cdef _Message message = _Message.__new__(_Message)
    PyObject_GetBuffer(<object>reader.face.region.obj, &message.region, PyBUF_SIMPLE)
    message.start = reader.message()
    message.size = size
    return PyMemoryView_FromObject(message)


@cython.auto_pickle(False)
cdef class _HeldSlot:
    """The with-block around one message: `with reader.receiving() as view`."""

    cdef _Reader reader
    cdef i64 deadline_ns
    cdef object view
    cdef u32 size

    def __init__(self, _Reader reader not None, i64 deadline_ns):
        if self.reader is not None:
            raise RingError("a with-block has one reader")
        self.reader = reader
        self.deadline_ns = deadline_ns

    def __enter__(self):
        cdef _Reader reader = self.reader
        if reader is None:
            raise RingError("no reader to receive with")
        face_enter(&reader.face)
        try:
            reader.begin(&self.size, self.deadline_ns)
            self.view = held_message(reader, self.size)
        except BaseException:
            reader.face.is_busy = False
            raise
        reader.face.holds_slot = True
        return self.view

    def __exit__(self, kind, error, traceback):
        cdef _Reader reader = self.reader
        cdef u64 checksum = 0
        view, self.view = self.view, None
        if view is None:
            raise RingError("no message is held")
        try:
            view.release()  # BufferError if somebody still looks at the slot: it stays held
        except BaseException:
            self.view = view
            raise
        if not reader.face.is_open:  # closed in the block: there is nothing left to release
            return False
        if reader.face.recorder != NULL:
            checksum = checksum_bytes(reader.message(), self.size)
        if kind is None:
            note(&reader.face, OK_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, reader.next_position(),
                 self.size, checksum)
        else:
            note(&reader.face, FAIL_TYPE, RECEIVE_FUNCTION, RAISED_OUTCOME, reader.next_position(),
                 self.size, checksum)
        try:
            if kind is not None and mutant_of(&reader.face.ops) == NO_RELEASE_ON_RAISE:
                reader.step_over()
            else:
                reader.finish()
        finally:
            reader.face.holds_slot = False
            reader.face.is_busy = False
        return False
