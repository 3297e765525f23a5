# The model RA: release and acquire, with stale reads.
#
# Each location has a timeline of messages (stores, in modification order), each process a view: of
# each location the newest message that it knows of. A load reads any message that is not older
# than its view, a store goes anywhere behind it; which one is a choice. A release gives the view
# away with the message, an acquire takes it in. Like the promising semantics without promises
# (Kang et al., "A promising semantics for relaxed-memory concurrency", 2017), that is RC11 (Lahav
# et al., "Repairing sequential consistency in C/C++11", 2017) where
#
#   - nothing is read before it was written: acyclic(po | rf), no load buffering;
#   - a release sequence goes on through read-modify-writes alone, as C++20 has it;
#   - seq_cst fences are executed in one order, that po and rf agree with: each takes in what those
#     before it knew. RC11 itself asks for acyclic(psc) only;
#   - seq_cst loads and stores are acquire loads and release stores: more is allowed than by C11.
#
# A location keeps HISTORY messages; what is older can no longer be read, and no store goes before
# the oldest of them. A store whose gap was halved eight times by others cannot be chosen either.
# What that leaves out are behaviours, so no finding is false for it.
#
# System calls on a futex are seq_cst fences and meet at the queue's lock (kernel_meets); a wake-up
# gives the waker's view to the sleeper. The attaching of all processes happens before all that
# they do then. A life that begins later finds the newest store of every location, as its parent
# was busy for longer than a store takes, and is ordered after the former life of the same process;
# whoever finds a process dead is ordered after its end.

cdef enum:
    TIME_STEP = 256  # between a message and the next that is appended: 8 halvings

include "views_rows.pxi"
include "views_races.pxi"
include "views_lives.pxi"


cdef inline Timeline* timeline_at(Ops* ops, u32 index) noexcept nogil:
    return &ops.machine.views.timelines[index]


# Where the view of the process has the location.
cdef inline int* seen_of(Ops* ops, u32 index) noexcept nogil:
    return view_of(ops) + ops.machine.views.base + index


cdef inline void read_message(
    Ops* ops, u32 index, Message* message, int site, int order
) noexcept nogil:
    cdef int* seen = seen_of(ops, index)
    note_read(ops, index, <u32>message.time)
    ops.machine.pairs[site * SITES_MAX + message.site] = 1
    if message.time > seen[0]:
        seen[0] = message.time
    if order == NOT_ATOMIC:
        note_access(ops, index, PLAIN_READ, site)
    else:
        learn(ops, message.view, acquires(order))
        note_access(ops, index, ATOMIC_READ, site)


cdef inline u64 view_read(Ops* ops, u32 index, int site, int order) noexcept nogil:
    cdef Timeline* line = timeline_at(ops, index)
    cdef Message* newest = &line.messages[line.first + line.count - 1]
    cdef int seen = seen_of(ops, index)[0]
    cdef u32 options = 1
    while options < line.count and (newest - options).time >= seen:
        options += 1
    ops.age = 0
    if options > 1:
        ops.age = choose(ops.machine, options)
        newest -= ops.age
    read_message(ops, index, newest, site, order)
    return newest.value


# Can a message come between this one and the next? The newest has no next.
cdef inline bint is_open(Message* message, Message* newest) noexcept nogil:
    return message == newest or (
        not (message + 1).is_bound and (message + 1).time - message.time >= 2)


# A message at that place of the timeline; what was there and behind it moves up.
cdef inline Message* make_room(Machine* machine, Timeline* line, u32 place) noexcept nogil:
    cdef u32 end
    if line.count == HISTORY:
        give_back_row(machine, line.messages[line.first].view)
        line.first += 1
        line.count -= 1
    if line.first + line.count == 2 * HISTORY:
        memmove(line.messages, &line.messages[line.first], line.count * sizeof(Message))
        place -= line.first
        line.first = 0
    end = line.first + line.count
    if place < end:
        memmove(&line.messages[place + 1], &line.messages[place], (end - place) * sizeof(Message))
    line.count += 1
    return &line.messages[place]


cdef inline void add_message(
    Ops* ops, u32 index, u32 place, int time, u64 value, u32 view, int site, bint is_bound
) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Timeline* line = timeline_at(ops, index)
    cdef bint is_newest = place == line.first + line.count
    cdef Message* message = make_room(machine, line, place)
    message.value = value
    message.time = time
    message.view = view
    message.site = <u16>site
    message.process = <u8>ops.index
    message.is_bound = is_bound
    if is_newest:
        write_through(ops, index, value, ~<u64>0, site)
        if time > INT32_MAX - TIME_STEP:  # no room for another
            machine.stop = OUT_OF_STEPS


cdef inline void view_write(
    Ops* ops, u32 index, u64 value, u64 mask, int site, int order
) noexcept nogil:
    cdef Timeline* line = timeline_at(ops, index)
    cdef Message* newest = &line.messages[line.first + line.count - 1]
    cdef Message* after = newest
    cdef int* seen = seen_of(ops, index)
    cdef u32 options = 1, option = 0, view = 0
    if newest.time > seen[0] and order != NOT_ATOMIC:
        while after != &line.messages[line.first] and (after - 1).time >= seen[0]:
            after -= 1
            options += is_open(after, newest)
        after = newest
        if options > 1:
            option = choose(ops.machine, options)
        while option:
            after -= 1
            option -= is_open(after, newest)
    seen[0] = after.time + TIME_STEP
    if after != newest:
        seen[0] = after.time + ((after + 1).time - after.time) // 2
    note_access(ops, index, PLAIN_WRITE if order == NOT_ATOMIC else ATOMIC_WRITE, site)
    if order == NOT_ATOMIC:
        value = (after.value & ~mask) | (value & mask)
    elif releases(order):
        view = released_row(ops)
    elif ops.released:
        view = share_row(ops.machine, ops.released)
    add_message(ops, index, <u32>(after - line.messages) + 1, seen_of(ops, index)[0], value, view,
                site, False)


# Of the locations in a row, not of the clocks: an order of fences is no happens-before.
cdef inline void meet_fences(Ops* ops) noexcept nogil:
    cdef Views* views = &ops.machine.views
    cdef u32 base = views.base
    meet_rows(view_of(ops) + base, row_at(views, fences_row(ops.machine)) + base,
              views.width - base)


cdef inline void view_fence(Ops* ops, int order) noexcept nogil:
    if acquires(order) and ops.has_pending:
        join_row(view_of(ops), pending_of(ops), ops.machine.views.width)
        ops.has_pending = False
    if order == SEQ_CST:
        meet_fences(ops)
    if releases(order):
        give_back_row(ops.machine, ops.released)
        ops.released = released_row(ops)


# Whether a read-modify-write can read that message: one that will store, only if its own message
# fits right behind.
cdef inline bint is_exchangeable(
    Message* message, Message* newest, bint compares, u64 expected
) noexcept nogil:
    return (compares and message.value != expected) or is_open(message, newest)


cdef inline u64 view_exchange_read(
    Ops* ops, u32 index, int site, int order, bint compares, u64 expected
) noexcept nogil:
    cdef Timeline* line = timeline_at(ops, index)
    cdef Message* newest = &line.messages[line.first + line.count - 1]
    cdef Message* message = newest
    cdef int seen = seen_of(ops, index)[0]
    cdef u32 options = 1, option = 0
    while message != &line.messages[line.first] and (message - 1).time >= seen:
        message -= 1
        options += is_exchangeable(message, newest, compares, expected)
    message = newest
    if options > 1:
        option = choose(ops.machine, options)
    while option:
        message -= 1
        option -= is_exchangeable(message, newest, compares, expected)
    ops.exchange_place = <u32>(message - line.messages) + 1
    ops.age = <u32>(newest - message)
    read_message(ops, index, message, site, order)
    return message.value


cdef inline void view_exchange_write(
    Ops* ops, u32 index, u64 value, int site, int order
) noexcept nogil:
    cdef Machine* machine = ops.machine
    cdef Message* read = &timeline_at(ops, index).messages[ops.exchange_place - 1]
    cdef u32 view, of_read = read.view
    cdef int time = read.time + 1
    seen_of(ops, index)[0] = time
    note_access(ops, index, ATOMIC_WRITE, site)
    if releases(order):
        view = released_row(ops)
        if of_read and not acquires(order):
            of_read = joined_row(machine, view, of_read)
            give_back_row(machine, view)
            view = of_read
    elif of_read == 0 or ops.released == 0 or of_read == ops.released:
        view = of_read + ops.released if of_read != ops.released else of_read
        if view:
            share_row(machine, view)
    else:
        view = joined_row(machine, of_read, ops.released)
    add_message(ops, index, ops.exchange_place, time, value, view, site, True)
