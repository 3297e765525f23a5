# What every writing and every reading end does, whatever its ring.

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.memoryview cimport PyMemoryView_FromObject

cdef class _Writer:
    """One open writing side. Not for use from two threads at once."""

    kernels = "compiled"

    cdef Face face
    cdef readonly str wait
    cdef u64 largest

    def __dealloc__(self):
        face_close(&self.face)

    cdef int poll(self, Ops* ops) noexcept nogil:
        return CLOSED

    cdef int await_slot(self, Ops* ops, Waiter* w) noexcept nogil:
        return CLOSED

    cdef int wait_for_slot(self, Call* call, i64 deadline_ns) except -1:
        return CLOSED

    cdef void write(self, Ops* ops, const u8* payload, u32 size) noexcept nogil:
        pass

    cdef u64 next_position(self) noexcept nogil:
        return 0

    cdef str waiting_for(self):
        return ""

    def send(self, payload, i64 deadline_ns=-1):
        """Send one message; its position. See the stub for what it raises."""
        cdef Py_buffer view
        cdef Call call
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
            begin_call(&call, <void*>self)
            try:
                enter(&self.face, poll_slot, &call)
                reason = call.reason
                if reason == NOT_READY:
                    reason = self.wait_for_slot(&call, deadline_ns)
            except BaseException:  # a signal handler or the gate raised: nothing was claimed
                note(&self.face, FAIL_TYPE, SEND_FUNCTION, ERROR_OUTCOME, position, size, checksum)
                raise
            if reason != READY:
                note(&self.face, FAIL_TYPE, SEND_FUNCTION, outcome_of(reason), position, size,
                     checksum)
                raise error_of(reason, position, self.waiting_for())
            call.payload = <const u8*>view.buf
            call.size = size
            if is_raised_in(&self.face, write_slot, &call):
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
        cdef Call call
        face_enter(&self.face)
        begin_call(&call, <void*>self)
        try:
            enter(&self.face, end_ring, &call)
        finally:
            self.face.is_busy = False

    def shutdown(self):
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""
        cdef Call call
        if not self.face.is_open:
            raise ValueError("operation on a closed end")
        begin_message()
        begin_call(&call, <void*>self)
        enter(&self.face, shut_writer, &call)

    cdef void detach(self, Ops* ops) noexcept nogil:
        pass

    def close(self):
        """Give up the writer's place and let go of the region. A second call is a no-op."""
        cdef Call call
        face_leave(&self.face)
        if self.face.is_open:
            begin_message()
            begin_call(&call, <void*>self)
            enter(&self.face, detach_writer, &call)
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


cdef class _Reader:
    """One open reading side. Not for use from two threads at once."""

    kernels = "compiled"

    cdef Face face
    cdef readonly str wait
    cdef readonly int rank

    def __dealloc__(self):
        face_close(&self.face)

    cdef int poll(self, Ops* ops) noexcept nogil:
        return CLOSED

    cdef int await_message(self, Ops* ops, Waiter* w) noexcept nogil:
        return CLOSED

    cdef u64* heartbeat(self) noexcept:
        """Where the time of this end's last look at the clock goes, if anywhere."""
        return NULL

    cdef u32 message_size(self, Ops* ops) noexcept nogil:
        return 0

    cdef const u8* message(self) noexcept:
        return NULL

    cdef void read(self, Ops* ops, u8* to, u32 size) noexcept nogil:
        pass

    cdef void release(self, Ops* ops) noexcept nogil:
        pass

    cdef void step_over(self) noexcept nogil:
        """Go on to the next message and leave this one's slot unreleased: a mutant's way."""

    cdef u64 next_position(self) noexcept nogil:
        return 0

    cdef int begin(self, Call* call, i64 deadline_ns) except -1:
        """Wait until the next message is ours to read; its size is in `call`. Raises what ends the
        wait instead."""
        cdef u64 position = self.next_position()
        cdef int reason
        note(&self.face, INVOKE_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, position, 0, 0)
        begin_call(call, <void*>self)
        try:
            enter(&self.face, poll_message, call)
            reason = call.reason
            if reason == NOT_READY:
                reason = self.wait_for_message(call, deadline_ns)
            if reason == READY:
                enter(&self.face, size_message, call)
        except BaseException:  # a signal handler or the gate raised: nothing was read
            note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, ERROR_OUTCOME, position, 0, 0)
            raise
        if reason != READY:
            note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, outcome_of(reason), position, 0, 0)
            raise error_of(reason, position, "the writer")
        return 0

    cdef int wait_for_message(self, Call* call, i64 deadline_ns) except -1:
        cdef Waiter w
        start_waiter(&self.face, &w, &self.face.header.data_event, &self.face.header.data_parked,
                     self.heartbeat(), deadline_ns)
        call.waiter = &w
        return wait(&self.face, await_message, call)

    cdef int finish(self, Call* call) except -1:
        """Release the slot of a message that is recorded already, so that a death in between
        repeats it. So does the gate where it raises before the release: then the record is wrong,
        and there is somebody to correct it."""
        cdef u64 position = self.next_position()
        if is_raised_in(&self.face, release_message, call):
            if self.next_position() == position:
                correct(&self.face, FAIL_TYPE, ERROR_OUTCOME)
            raise gate_raised()
        return 0

    def receive(self, i64 deadline_ns=-1):
        """The next message, copied out. Raises RingTimeout, RingEnded, RingClosed, RingEvicted."""
        cdef Call call
        cdef bytes out
        face_enter(&self.face)
        try:
            self.begin(&call, deadline_ns)
            out = PyBytes_FromStringAndSize(NULL, call.size)
            call.to = <u8*>PyBytes_AS_STRING(out)
            if is_raised_in(&self.face, read_message, &call):
                note(&self.face, FAIL_TYPE, RECEIVE_FUNCTION, ERROR_OUTCOME, self.next_position(),
                     0, 0)
                raise gate_raised()
            if self.face.recorder != NULL:
                note(&self.face, OK_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, self.next_position(),
                     call.size, checksum_bytes(call.to, call.size))
            self.finish(&call)
            return out
        finally:
            self.face.is_busy = False

    def receiving(self, i64 deadline_ns=-1):
        """A context manager: the next message in place, released when the block ends, however."""
        return _HeldSlot(self, deadline_ns)

    def shutdown(self):
        """Wake everybody on both sides: every pending and later operation raises RingClosed."""
        cdef Call call
        if not self.face.is_open:
            raise ValueError("operation on a closed end")
        begin_message()
        begin_call(&call, <void*>self)
        enter(&self.face, shut_reader, &call)

    cdef void detach(self, Ops* ops) noexcept nogil:
        pass

    def close(self):
        """Leave: the writer no longer waits for us. A second call is a no-op."""
        cdef Call call
        face_leave(&self.face)
        if self.face.is_open:
            begin_message()
            begin_call(&call, <void*>self)
            enter(&self.face, detach_reader, &call)
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
        cdef Call call
        if reader is None:
            raise RingError("no reader to receive with")
        face_enter(&reader.face)
        try:
            reader.begin(&call, self.deadline_ns)
            self.size = call.size
            self.view = held_message(reader, self.size)
        except BaseException:
            reader.face.is_busy = False
            raise
        reader.face.holds_slot = True
        return self.view

    def __exit__(self, kind, error, traceback):
        cdef _Reader reader = self.reader
        cdef Call call
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
        begin_call(&call, <void*>reader)
        try:
            if kind is not None and mutant_of(&reader.face.ops) == NO_RELEASE_ON_RAISE:
                reader.step_over()
            else:
                reader.finish(&call)
        finally:
            reader.face.holds_slot = False
            reader.face.is_busy = False
        return False
