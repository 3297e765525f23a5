# Python objects as messages: the frame is in layout.pxd (sb_object_header), its life in claims.
#
# bytes, str and int of that very type have frames of their own, which cost no pickle. All else is
# pickled with protocol 5; what offers its memory as a buffer (PEP 574: arrays) is then copied once,
# straight into the slot, and once out of it, or not at all by who holds the slot meanwhile.
#
# A frame is read from memory that a broken writer may still write: each word of it is read once,
# and checked where it was read to.

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.long cimport PyLong_FromLongLong
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    LOOKS_MAX = 8  # how many items of a container are looked at ...
    LOOKS_DEPTH = 3  # ... and how deep, before it is taken to have no buffers
    READ_IN_PLACE_BYTES = 16384  # a shorter pickle is copied sooner than a view of it is made

cdef object _dumps = None
cdef object _loads = None


# pickle takes some ms to import, and who sends bytes does without it.
cdef int load_pickle() except -1:
    global _dumps, _loads
    if _loads is None:
        import pickle

        _dumps, _loads = pickle.dumps, pickle.loads
    return 0


cdef struct Body:
    int kind
    const char* start
    Py_ssize_t size
    i64 number  # an int's body


# Whether pickle is asked for buffers, which costs it 0.1 to 0.2 us: where this errs, they are
# pickled in band, and copied once more.
cdef bint may_have_buffers(object thing, int depth):
    cdef int looks = 0
    kind = type(thing)
    if (thing is None or kind is str or kind is int or kind is float or kind is bytes
            or kind is bool or kind is bytearray or kind is complex):
        return False
    if kind is list:
        return items_may_have_buffers(<list>thing, depth)
    if kind is dict:
        for item in (<dict>thing).values():
            if depth and may_have_buffers(item, depth - 1):
                return True
            looks += 1
            if looks == LOOKS_MAX:
                break
        return False
    return kind is not tuple or items_may_have_buffers(<tuple>thing, depth)


ctypedef fused Sequence:
    list
    tuple


cdef bint items_may_have_buffers(Sequence things, int depth):
    cdef Py_ssize_t index
    if depth:
        for index in range(min(len(things), <Py_ssize_t>LOOKS_MAX)):
            if may_have_buffers(things[index], depth - 1):
                return True
    return False


# Never memory of its own: `keeper` is what has to live until the body was copied.
cdef int describe_body(object thing, Body* body, list buffers, list keeper) except -1:
    cdef int overflow = 0
    kind = type(thing)
    body.kind = OBJECT_PICKLE
    if kind is bytes:
        body.kind = OBJECT_BYTES
        body.start, body.size = PyBytes_AS_STRING(thing), len(<bytes>thing)
    elif kind is str:
        try:
            body.start = PyUnicode_AsUTF8AndSize(thing, &body.size)
            body.kind = OBJECT_STR
        except UnicodeEncodeError:  # lone surrogates, which pickle knows how to write
            pass
    elif kind is int:
        body.number = PyLong_AsLongLongAndOverflow(thing, &overflow)
        if not overflow:
            body.kind = OBJECT_INT
            body.start, body.size = <const char*>&body.number, sizeof(i64)
    if body.kind == OBJECT_PICKLE:
        load_pickle()
        if may_have_buffers(thing, LOOKS_DEPTH):
            stream = _dumps(thing, 5, buffer_callback=buffers.append)
        else:
            stream = _dumps(thing, 5)
        keeper.append(stream)
        body.start, body.size = PyBytes_AS_STRING(stream), len(<bytes>stream)
    return 0


cdef u64 object_sent(CursorWriter writer, object thing, i64 limit_ns) except? NO_POSITION:
    cdef Body body
    cdef list buffers = [], keeper = [], views = None
    cdef u64 total
    describe_body(thing, &body, buffers, keeper)
    total = body_at(len(buffers)) + <u64>body.size
    if buffers:
        views = [buffer.raw() for buffer in buffers]
        for view in views:
            total = buffer_at(total) + <u64>len(view)
    if total > writer.largest:
        raise ValueError(
            f"{type(thing).__name__} object of {total} bytes ({body.size} of them its body, "
            f"{len(buffers)} buffers) does not fit: at most {writer.largest}")
    claim_slot(writer, total, limit_ns)
    try:
        write_frame(cursor_payload(&writer.ring), &body, views)
    except BaseException:
        writer.face.is_busy = False
        raise
    return commit_slot(writer, <u32>total)


cdef inline u64 body_at(u64 buffers) noexcept nogil:
    return sizeof(ObjectHeader) + buffers * sizeof(u64)


# A slot begins with a line, and its payload behind the slot's header.
cdef inline u64 buffer_at(u64 offset) noexcept nogil:
    return (offset + CURSOR_SLOT_HEADER + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES \
        - CURSOR_SLOT_HEADER


cdef int write_frame(u8* to, Body* body, list views) except -1:
    cdef ObjectHeader* header = <ObjectHeader*>to
    cdef u64* sizes = <u64*>(to + sizeof(ObjectHeader))
    cdef u64 at, index
    cdef Py_buffer view
    header.magic = OBJECT_MAGIC
    header.kind = <u8>body.kind
    header.reserved = 0
    header.buffers = 0 if views is None else <u32>len(views)
    header.size = <u64>body.size
    at = body_at(header.buffers)
    copy_bytes(to + at, body.start, <u64>body.size)
    if views is None:
        return 0
    at += <u64>body.size
    for index in range(<u64>len(views)):
        PyObject_GetBuffer(views[index], &view, PyBUF_SIMPLE)
        at = buffer_at(at)
        copy_bytes(to + at, view.buf, <u64>view.len)
        at += <u64>view.len
        sizes[index] = <u64>view.len
        PyBuffer_Release(&view)
    return 0


cdef inline void copy_bytes(void* to, const void* start, u64 size) noexcept:
    if size < GIL_FREE_BYTES:
        memcpy(to, start, size)
    else:
        with nogil:
            memcpy(to, start, size)


cdef object object_received(CursorReader reader, i64 limit_ns):
    cdef const u8* start
    cdef u32 size
    face_enter(&reader.face)
    try:
        reader.begin(&size, limit_ns)
        start = reader.message()
        try:
            return read_frame(reader, start, size, None)
        finally:  # a frame that cannot be read is taken, too, or it would be met for ever
            if reader.face.recorder != NULL:
                note(&reader.face, OK_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, reader.next_position(),
                     size, checksum_bytes(start, size))
            reader.finish()
    finally:
        reader.face.is_busy = False


cdef object object_held(CursorReader reader, i64 limit_ns):
    """Buffers lie in the slot, which is held until it is let go of."""
    view = hold_view(reader, limit_ns)
    try:
        return read_frame(reader, reader.held.start, reader.held.size, view)
    except BaseException:
        try:
            release_view(reader)
        except BufferError:
            pass  # a frame of the traceback looks at a buffer: the slot stays held
        raise


cdef object read_frame(CursorReader reader, const u8* start, u32 size, object held):
    """The object in a message. Its buffers are parts of `held`, or copies where that is None."""
    cdef const ObjectHeader* header = <const ObjectHeader*>start
    cdef ObjectHeader h
    cdef u64 at
    if size < sizeof(ObjectHeader):
        raise garbled(reader, f"{size} bytes are less than a header")
    memcpy(&h, header, sizeof(ObjectHeader))
    if h.magic != OBJECT_MAGIC:
        raise garbled(reader, f"its magic is {h.magic:#06x}, not {OBJECT_MAGIC:#06x}")
    if h.kind not in (OBJECT_BYTES, OBJECT_STR, OBJECT_INT, OBJECT_PICKLE) or h.reserved != 0:
        raise garbled(reader, f"its kind is {h.kind + 256 * h.reserved}")
    if h.buffers and h.kind != OBJECT_PICKLE:
        raise garbled(reader, f"it has {h.buffers} buffers and is no pickle")
    if h.buffers > (size - sizeof(ObjectHeader)) // sizeof(u64):
        raise garbled(reader, f"{h.buffers} sizes of buffers do not fit {size} bytes")
    at = body_at(h.buffers)
    if h.size > size - at or (not h.buffers and h.size != size - at):
        raise garbled(reader, f"its body has {h.size} bytes, and there are {size - at}")
    if h.kind == OBJECT_BYTES:
        return bytes_of(start + at, h.size)
    if h.kind == OBJECT_INT:
        if h.size != sizeof(i64):
            raise garbled(reader, f"an int of {h.size} bytes")
        return PyLong_FromLongLong((<const i64*>(start + at))[0])
    if h.kind == OBJECT_STR:
        try:
            return PyUnicode_DecodeUTF8(<const char*>start + at, <Py_ssize_t>h.size, NULL)
        except UnicodeDecodeError as error:
            raise garbled(reader, str(error)) from None
    load_pickle()
    return read_pickle(reader, start, size, &h, held)


cdef object read_pickle(
    CursorReader reader, const u8* start, u32 size, ObjectHeader* h, object held
):
    cdef u64 at = body_at(h.buffers), index, length
    cdef _Message message
    cdef list buffers = None
    if h.buffers:
        buffers = []
        at += h.size
        for index in range(h.buffers):
            length = (<const u64*>(start + sizeof(ObjectHeader)))[index]
            at = buffer_at(at)
            if at > size or length > size - at:
                raise garbled(reader, f"buffer {index} of {length} bytes ends behind its message")
            buffers.append(bytearray_of(start + at, length) if held is None
                           else held[at:at + length])
            at += length
        if at != size:
            raise garbled(reader, f"it ends at {at} of {size} bytes")
        at = body_at(h.buffers)
    if h.size < READ_IN_PLACE_BYTES:
        return _loads(bytes_of(start + at, h.size), buffers=buffers)
    message = message_at(reader, start + at, <u32>h.size, True)
    view = PyMemoryView_FromObject(message)
    try:
        return _loads(view, buffers=buffers)
    finally:
        view.release()


cdef object garbled(CursorReader reader, str why):
    return RingGarbled(f"message {reader.next_position()} is no object's frame: {why}")


cdef bytes bytes_of(const u8* start, u64 size):
    cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    copy_bytes(PyBytes_AS_STRING(out), start, size)
    return out


cdef object bytearray_of(const u8* start, u64 size):
    out = PyByteArray_FromStringAndSize(NULL, <Py_ssize_t>size)
    copy_bytes(PyByteArray_AS_STRING(out), start, size)
    return out
