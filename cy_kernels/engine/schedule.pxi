# Who moves next. The moves of a moment, in the order of their option numbers:
#
#   the processes that can run, from the one that has the turn upwards and around,
#   then the store buffers that can give up a store, in the same order,
#   then, where the machine allows it, the clock jumping to the next timer, a spurious wake-up.
#
# The scheduler runs on the stack of the process that gives up the turn, so a step that stays with
# the same process costs no switch.

cdef enum Scheduler:
    REPLAY = 0
    ROUND_ROBIN
    RANDOM
    PCT
    POS
    DELAY
    EXHAUSTIVE  # explore_all's own
    REDUCED

SCHEDULERS = ("replay", "round_robin", "random", "pct", "pos", "delay")

cdef enum:
    DISTURB_ONE_IN = 64  # how often the random walk lets a timer fire early or wakes somebody


cdef struct Moves:
    u64 runnable  # both rotated, so that bit 0 is the process that has the turn
    u64 buffering
    u32 running_count
    u32 count  # with the buffers
    u32 extra  # early timers, spurious wake-ups


include "schedule_random.pxi"
include "schedule_round_robin.pxi"
include "schedule_priority.pxi"
include "schedule_pct.pxi"
include "schedule_pos.pxi"
include "schedule_delay.pxi"
include "exhaustive.pxi"
include "reduction.pxi"
include "reduction_stack.pxi"
include "footprints.pxi"
include "races.pxi"


# Before the first choice of an execution.
cdef void begin_schedule(Machine* machine) noexcept nogil:
    machine.actor = ACTORS_MAX - 1
    if machine.scheduler == PCT:
        begin_pct(machine)
    elif machine.scheduler == POS:
        draw_priorities(machine)
    elif machine.scheduler == DELAY:
        draw_changes(machine, machine.depth)


# Asleep in the kernel or behind a monitor; who only polls sees no difference.
cdef inline bint may_wake_for_nothing(Ops* ops) noexcept nogil:
    return ops.state == PARKED or (ops.state == WATCHING and ops.is_monitoring)


cdef inline u32 extra_moves(Machine* machine) noexcept nogil:
    cdef u32 extra = 0
    cdef int index
    if machine.fires_timers and machine.timed & ~machine.stopped:
        extra += 1
    if machine.wakes_spuriously:
        for index in range(machine.processes):
            extra += may_wake_for_nothing(&machine.process[index])
    return extra


cdef inline u32 pick(Machine* machine, Moves* moves) noexcept nogil:
    if machine.scheduler == RANDOM:
        return pick_random(machine, moves)
    if machine.scheduler == REPLAY:
        return replayed(machine, moves.count + moves.extra)
    if machine.scheduler == EXHAUSTIVE:
        return enumerated(machine, moves.count + moves.extra)
    if machine.scheduler == REDUCED:
        return pick_reduced(machine, moves)
    if machine.scheduler == PCT:
        return pick_pct(machine, moves)
    if machine.scheduler == POS:
        return pick_pos(machine, moves)
    if machine.scheduler == DELAY:
        return pick_delay(machine, moves.count + moves.extra)
    return pick_round_robin(machine, moves)


# A choice inside a step: which message a load reads, which store leaves a buffer.
cdef inline u32 choose(Machine* machine, u32 count) noexcept nogil:
    cdef u32 option
    if count > OPTIONS_MAX:
        count = OPTIONS_MAX
    if machine.scheduler == REPLAY:
        option = replayed(machine, count)
    elif machine.scheduler == EXHAUSTIVE:
        option = enumerated(machine, count)
    elif machine.scheduler == REDUCED:
        option = choose_reduced(machine, count)
    elif machine.scheduler == ROUND_ROBIN:
        option = 0
    elif machine.scheduler == DELAY:
        option = pick_delay(machine, count)
    else:
        option = random_below(machine, count)
    write_down(machine, option)
    return option


# The next timer's time has come, or the clock is made to jump to it. False: there is none.
# What waits without a timer is stuck at once, however far until_ns is.
cdef bint fire_timer(Machine* machine) noexcept nogil:
    cdef u64 timed = machine.timed
    cdef i64 earliest = INT64_MAX
    cdef int index, first = -1
    while timed:
        index = lowest_bit(timed)
        timed &= timed - 1
        if machine.process[index].timer_ns < earliest:
            earliest = machine.process[index].timer_ns
            first = index
    if first < 0 and machine.clock_ns < machine.until_ns:
        return False
    if first < 0 or machine.until_ns < earliest:
        machine.clock_ns = max(machine.clock_ns, machine.until_ns)
        machine.stop = IN_TIME
        return True
    machine.clock_ns = max(machine.clock_ns, earliest)
    trace(&machine.process[first], TIMER, machine.process[first].site, 0, <u64>earliest, 0)
    machine.process[first].woken_by = SLEPT_TO_DEADLINE
    make_runnable(machine, &machine.process[first])
    return True


cdef void look_at_timers(Machine* machine) noexcept nogil:
    cdef u64 timed
    cdef int index
    while True:
        timed = machine.timed
        machine.next_event_ns = machine.until_ns
        while timed:
            index = lowest_bit(timed)
            timed &= timed - 1
            machine.next_event_ns = min(machine.next_event_ns, machine.process[index].timer_ns)
        if machine.clock_ns < machine.next_event_ns or machine.stop != RUNNING:
            return
        fire_timer(machine)


cdef inline void set_timer(Ops* ops, i64 until_ns) noexcept nogil:
    if until_ns == INT64_MAX:
        return
    if ops.machine.traces & KEEPS_FOOTPRINTS:
        note_clock(ops.machine)
    ops.timer_ns = until_ns
    ops.machine.timed |= <u64>1 << ops.index
    ops.machine.next_event_ns = min(ops.machine.next_event_ns, until_ns)


cdef void disturb(Machine* machine, u32 which) noexcept nogil:
    cdef int index
    if machine.fires_timers and machine.timed & ~machine.stopped:
        if which == 0:
            fire_timer(machine)
            return
        which -= 1
    for index in range(machine.processes):
        if may_wake_for_nothing(&machine.process[index]):
            if which == 0:
                trace(&machine.process[index], WAKE, machine.process[index].site, 0, 1, 0)
                machine.process[index].woken_by = SLEPT
                make_runnable(machine, &machine.process[index])
                return
            which -= 1


# Nobody can run: what happens then is no choice of the scheduler's but for the order of flushes.
cdef inline void idle(Machine* machine) noexcept nogil:
    cdef int index
    if fire_timer(machine):
        return
    for index in range(machine.processes):
        if machine.process[index].state not in (ABSENT, DONE, DEAD):
            machine.stop = STUCK
            return
    machine.stop = ENDED_ALL


# Give up the turn and return when it comes back. `me` is NULL for the driver, to which it comes
# back when the execution stops.
cdef void schedule(Machine* machine, Ops* me) noexcept nogil:
    cdef Moves moves
    cdef u32 option
    cdef Ops* next
    while True:
        if machine.stop != RUNNING:
            if me == NULL:
                return
            switch_to(&me.context, &machine.driver)
            return
        if machine.clock_ns >= machine.next_event_ns:
            look_at_timers(machine)
            continue
        moves.runnable = rotate_right(machine.runnable, machine.current)
        moves.buffering = rotate_right(machine.buffering, machine.current)
        moves.running_count = count_bits(moves.runnable)
        moves.count = moves.running_count + count_bits(moves.buffering)
        if moves.count == 0:
            idle(machine)
            continue
        if machine.steps >= machine.steps_max:
            machine.stop = OUT_OF_STEPS
            continue
        moves.extra = 0
        if machine.fires_timers or machine.wakes_spuriously:
            moves.extra = extra_moves(machine)
        option = 0
        if moves.count + moves.extra > 1:
            option = pick(machine, &moves)
            write_down(machine, option)
        elif machine.scheduler == POS:
            pick_pos(machine, &moves)  # an op that happens without a choice draws anew as well
        elif machine.scheduler == REDUCED:
            pick_reduced(machine, &moves)
        if machine.scheduler == REDUCED and machine.stop != RUNNING:
            continue
        machine.steps += 1
        if machine.sketch != NULL:
            note_state(machine)
        machine.clock_ns += STEP_NS
        if option >= moves.count:
            disturb(machine, option - moves.count)
        elif option >= moves.running_count:
            flush_one(&machine.process[
                (machine.current + nth_bit(moves.buffering, option - moves.running_count)) & 63])
        else:
            machine.current = (machine.current + nth_bit(moves.runnable, option)) & 63
            next = &machine.process[machine.current]
            if next == me:
                return
            if machine.traces:
                trace(next, TURN, next.site, 0, 0, 0)
            switch_to(&machine.driver if me == NULL else &me.context, &next.context)
            if me != NULL:
                return


# An op of the process is about to happen. Where the turn passes to another, it happens later.
cdef inline void take_turn_at(Ops* ops, u32 location, bint writes) noexcept nogil:
    ops.next_location = location
    ops.next_writes = writes
    if not ops.is_setup:
        schedule(ops.machine, ops)


# The same for one that begins by emptying the store buffer.
cdef inline void take_draining_turn(Ops* ops, u32 location, bint writes) noexcept nogil:
    ops.next_drains = True
    take_turn_at(ops, location, writes)
    ops.next_drains = False


# The same for one that touches no shared memory.
cdef inline void take_turn(Ops* ops) noexcept nogil:
    take_turn_at(ops, 0, False)


# Attached: nobody goes on before all are.
cdef inline void finish_setup(Ops* ops) noexcept nogil:
    ops.is_setup = False
    ops.is_attached = True
    if ops.machine.is_starting:
        switch_to(&ops.context, &ops.machine.driver)
    elif ops.stops_attached:
        hold(ops, HELD_ATTACHED)


# The process comes to a site; it is held there if that is its trigger.
cdef inline void arrive(Ops* ops, int site) noexcept nogil:
    ops.site = site
    ops.machine.visited[site] = True
    if ops.armed_site == site:
        come_to_trigger(ops)


cdef void come_to_trigger(Ops* ops) noexcept nogil:
    if ops.done < ops.armed_after or ops.phase < ops.armed_phase:
        return
    if ops.is_repeat and ops.seen:
        return
    ops.seen += 1
    if ops.seen != ops.armed_occurrence:
        return
    ops.armed_site = 0
    trace(ops, HIT, ops.site, 0, ops.seen, 0)
    hold(ops, HELD_STEP)


# Held until the driver lets it go.
cdef void hold(Ops* ops, int reason) noexcept nogil:
    ops.held_for = reason
    block(ops, HELD)
    ops.machine.reached = ops.index
    ops.machine.stop = REACHED
    schedule(ops.machine, ops)
