cdef int send_message(
    Ops* ops, FlagRing* flag, CursorRing* cursor, u8* payload, u32 size, u64 position
) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef RegionHeader* header = header_of(machine)
    cdef Waiter w
    cdef u64 checksum = checksum_bytes(payload, size)
    cdef int reason
    record(ops, INVOKE_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
    begin_waiting(
        ops, &w, &header.space_event, &header.space_parked, &header.writer_heartbeat_ns)
    if machine.ring.kind == CURSOR_RING:
        reason = await_cursor_slot(ops, cursor, &w)
    else:
        reason = flag_await_writable(ops, flag, &w)
    if reason != READY:
        record(ops, FAIL_TYPE, SEND_FUNCTION, outcome_of(reason), position, size, checksum)
        return reason
    ops.is_repeat = False
    if machine.ring.kind == CURSOR_RING:
        cursor_write(ops, cursor, payload, size)
    else:
        flag_write(ops, flag, payload, size)
    record(ops, OK_TYPE, SEND_FUNCTION, NO_OUTCOME, position, size, checksum)
    return READY


# Sends what was not sent by an earlier incarnation, then ends the ring or shuts it down.
cdef void write_ring(Ops* ops) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Work* work = &ops.work
    cdef FlagRing flag
    cdef CursorRing cursor
    cdef u8 payload[MESSAGE_ON_STACK]
    cdef u64 previous, number, position = 0
    cdef i64 due_ns = machine.clock_ns
    cdef bint is_new = True
    cdef bint is_over = False
    cdef int reason
    cdef u32 size
    open_flag_ring(ops, &flag)
    open_cursor_ring(ops, &cursor)
    if machine.ring.kind == CURSOR_RING:
        previous = peek(machine, &cursor.header.writer_owner)
        if not (previous == 0 or is_dead(ops, previous)):
            return
        if not cursor_claim_writer(ops, &cursor, previous):
            return
        position = cursor.position
    finish_setup(ops)
    number = position
    while number < work.messages:
        between_operations(ops)
        if is_new and work.interval_ns:
            if machine.clock_ns < due_ns:
                rest_until(ops, due_ns)
            due_ns = max(due_ns, machine.clock_ns) + work.interval_ns
        size = size_of_message(machine, number)
        fill_message(machine, number, payload, size)
        position = cursor.position if machine.ring.kind == CURSOR_RING else flag.position
        ops.position = position
        is_new = True
        reason = send_message(ops, &flag, &cursor, payload, size, position)
        if reason == READY:
            number += 1
            ops.messages += 1
            machine.ring.sent = max(machine.ring.sent, position + 1)
        elif reason == TIMED_OUT:
            if work.on_timeout == GIVE_UP:
                break
            if work.on_timeout == DROP:
                number += 1
            else:
                is_new = False
        else:  # its successor, or whoever shut the ring down, decides the end
            is_over = True
            break
        ops.done += 1
    if not is_over:
        between_operations(ops)
        ops.phase = IN_END
        position = cursor.position if machine.ring.kind == CURSOR_RING else flag.position
        if work.shuts_down:
            ring_shutdown(ops, header_of(machine))
        else:
            ring_end(ops, header_of(machine), position)
    if machine.ring.kind == CURSOR_RING:
        begin_leaving(ops)
        cursor_detach_writer(ops, &cursor)
