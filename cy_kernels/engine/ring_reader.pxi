# Is it the message that was sent at this position, whole?
cdef void judge_message(Ops* ops, u8* message, u32 size, u64 position) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef u8 expected[MESSAGE_ON_STACK]
    cdef u64 number = 0
    cdef bint may_skip = machine.process[0].work.on_timeout == DROP
    cdef u32 due = size_of_message(machine, position)
    if size == due:
        fill_message(machine, position, expected, due)
        if memcmp(message, expected, due) == 0:
            return
    memcpy(&number, message, min(<u32>8, size))
    if number < machine.process[0].work.messages and size == size_of_message(machine, number):
        fill_message(machine, number, expected, size)
        if memcmp(message, expected, size) == 0:
            if not (may_skip and number > position):
                find(ops, WRONG_MESSAGE, position)
            return
    find(ops, WRONG_LENGTH if size != due else TORN, position)


cdef int receive_message(
    Ops* ops, FlagRing* flag, CursorRing* cursor, u64 position
) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef RegionHeader* header = header_of(machine)
    cdef u8 message[MESSAGE_ON_STACK]
    cdef Waiter w
    cdef int reason
    cdef u32 size
    cdef bint raises
    record(ops, INVOKE_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, position, 0, 0)
    begin_waiting(
        ops, &w, &header.data_event, &header.data_parked,
        &cursor.lines[cursor.rank].heartbeat_ns)
    if machine.ring.kind == CURSOR_RING:
        reason = cursor_await_readable(ops, cursor, &w)
    else:
        reason = flag_await_readable(ops, flag, &w)
    if reason != READY:
        record(ops, FAIL_TYPE, RECEIVE_FUNCTION, outcome_of(reason), position, 0, 0)
        return reason
    ops.is_repeat = False
    raises = ops.raises_next
    ops.raises_next = False
    if machine.ring.kind == CURSOR_RING:
        size = min(cursor_read_length(ops, cursor), <u32>MESSAGE_ON_STACK)
        cursor_read(ops, cursor, message, size)
    else:
        size = min(flag_read_length(ops, flag), <u32>MESSAGE_ON_STACK)
        if ops.mutant == RELEASE_BEFORE_READ:
            flag_read_after_release(ops, flag, message, size)
        else:
            flag_read(ops, flag, message, size)
    if raises:  # it has got nothing, to the checkers too
        record(ops, FAIL_TYPE, RECEIVE_FUNCTION, RAISED_OUTCOME, position, size,
               checksum_bytes(message, size))
    else:
        judge_message(ops, message, size, position)
        # Before the slot is released: a death in between repeats the message.
        record(ops, OK_TYPE, RECEIVE_FUNCTION, NO_OUTCOME, position, size,
               checksum_bytes(message, size))
    if raises and ops.mutant == NO_RELEASE_ON_RAISE:
        flag_step(flag)
        flag.position += 1
    elif machine.ring.kind == CURSOR_RING:
        cursor_release(ops, cursor)
    elif ops.mutant != RELEASE_BEFORE_READ:
        flag_release(ops, flag)
    return READY


# Receives until the ring ends, is shut down, or gives up on us.
cdef void read_ring(Ops* ops) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef FlagRing flag
    cdef CursorRing cursor
    cdef u64 previous
    cdef int reason
    open_flag_ring(ops, &flag)
    open_cursor_ring(ops, &cursor)
    if machine.ring.kind == CURSOR_RING:
        previous = peek(machine, &cursor.lines[cursor.rank].owner)
        if previous == OWNER_EVICTED or previous == OWNER_DETACHED:
            return
        if previous != 0 and not is_dead(ops, previous):
            return
        if not cursor_claim_reader(ops, &cursor, previous):
            return
    finish_setup(ops)
    while True:
        between_operations(ops)
        ops.position = cursor.position if machine.ring.kind == CURSOR_RING else flag.position
        reason = receive_message(ops, &flag, &cursor, ops.position)
        if reason == TIMED_OUT:
            if ops.work.on_timeout == GIVE_UP:
                break
        elif reason != READY:
            if reason == ENDED and ops.position < machine.ring.sent:
                find(ops, LOST, ops.position)
            break
        else:
            ops.messages += 1
            if ops.work.think_ns:
                rest_until(ops, machine.clock_ns + ops.work.think_ns)
        ops.done += 1
    if machine.ring.kind == CURSOR_RING:
        begin_leaving(ops)
        cursor_detach_reader(ops, &cursor)
