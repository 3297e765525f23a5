# One message in place: the memory of its slot behind a view, and the end of that view.
#
# The slot is written again some time after it was let go of, so nobody may look at it then, not
# even through a slice of the view. Slices share the one buffer that the view took from _Message,
# which comes back to it with the last of them: until then the slot stays held.

cdef class _Message:
    """The bytes of one message in place, and a hold on the region for as long as anybody looks."""

    cdef Py_buffer region
    cdef u8* start
    cdef u32 size
    cdef bint is_read_only
    cdef bint is_over  # who kept this very object sees nothing any more
    cdef Py_ssize_t looks  # views that were not released, their slices counted as one with them

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.is_over:
            raise BufferError("the slot of this message was let go of")
        Py_DECREF(None)  # Cython's mark of a view not filled in yet, which FillInfo writes over
        PyBuffer_FillInfo(view, self, self.start, self.size, self.is_read_only, flags)
        self.looks += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.looks -= 1

    def __dealloc__(self):
        PyBuffer_Release(&self.region)


cdef _Message message_at(_End end, const u8* start, u32 size, bint is_read_only):
    cdef _Message message = _Message.__new__(_Message)
    PyObject_GetBuffer(<object>end.face.region.obj, &message.region, PyBUF_SIMPLE)
    message.start = <u8*>start
    message.size = size
    message.is_read_only = is_read_only
    return message


cdef int revoke(_Message message, object view) except -1:
    """From here on nobody sees the slot; BufferError where somebody still could."""
    view.release()  # BufferError where an array, or another buffer, was made of it
    if message.looks:
        raise BufferError("a slice of the view is still in use: its slot stays held")
    message.is_over = True
    return 0


@cython.auto_pickle(False)
cdef class _HeldSlot:
    """The with-block around one message: `with reader.receiving() as view`."""

    cdef _Reader reader
    cdef i64 limit_ns
    cdef _Message message
    cdef object view

    def __init__(self, _Reader reader not None, i64 limit_ns):
        if self.reader is not None:
            raise RingError("a with-block has one reader")
        self.reader = reader
        self.limit_ns = limit_ns

    def __enter__(self):
        if self.reader is None:
            raise RingError("no reader to receive with")
        self.message = held_message(self.reader, self.limit_ns)
        self.view = PyMemoryView_FromObject(self.message)
        return self.view

    def __exit__(self, kind, error, traceback):
        cdef _Message message = self.message
        if message is None:
            raise RingError("no message is held")
        if kind is None:
            revoke(message, self.view)
        else:  # whose traceback may hold slices: what is seen through those is nobody's any more
            self.view.release()
            message.is_over = True
        self.message = self.view = None
        let_go(self.reader, message, kind is None)
        return False


cdef _Message held_message(_Reader reader, i64 limit_ns):
    """Wait for the next message, and hold its slot."""
    cdef _Message message
    cdef u32 size
    face_enter(&reader.face)
    try:
        reader.begin(&size, limit_ns)
        message = message_at(reader, reader.message(), size, True)
    except BaseException:
        reader.face.is_busy = False
        raise
    reader.face.holds_slot = True
    return message


cdef int let_go(_Reader reader, _Message message, bint is_taken) except -1:
    """Release the slot of a message that nobody sees any more. `is_taken` is False where its
    receiver raised."""
    cdef u64 checksum = 0
    if not reader.face.is_open:  # closed while it was held: there is nothing left to release
        return 0
    if reader.face.recorder != NULL:
        checksum = checksum_bytes(message.start, message.size)
        note(&reader.face, OK_TYPE if is_taken else FAIL_TYPE, RECEIVE_FUNCTION,
             NO_OUTCOME if is_taken else RAISED_OUTCOME, reader.next_position(), message.size,
             checksum)
    try:
        if not is_taken and mutant_of(&reader.face.ops) == NO_RELEASE_ON_RAISE:
            reader.step_over()
        else:
            reader.finish()
    finally:
        reader.face.holds_slot = False
        reader.face.is_busy = False
    return 0
