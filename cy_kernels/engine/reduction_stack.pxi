# The stack of a reduced search: at each node who can step, whom to try, and who sleeps.

cdef inline void add_move(Reduction* r, u32 actor, u32 option, int entry) noexcept nogil:
    if r.trouble == NO_TROUBLE:
        r.moves[r.move_count].actor = actor
        r.moves[r.move_count].option = option
        r.moves[r.move_count].entry = entry
        r.move_count += 1


cdef void list_flushes(Machine* machine, Reduction* r, int process, u32 option) noexcept nogil:
    cdef Ops* ops = &machine.process[process]
    cdef u32 leaving[BUFFER_MAX]
    cdef u32 count, i, actor
    if machine.model != PSO:
        actor = actor_of(r, A_BUFFER, process, 0)
        r.buffers_of[process] |= <u64>1 << actor
        add_move(r, actor, option, -1)
        return
    count = leaving_entries(ops, leaving)
    for i in range(count):
        actor = actor_of(
            r, A_BUFFER, process, machine.locations[ops.entries[leaving[i]].location].offset)
        r.buffers_of[process] |= <u64>1 << actor
        add_move(r, actor, option, <int>i if count > 1 else -1)


cdef void list_moves(Machine* machine, Moves* moves, Reduction* r) noexcept nogil:
    cdef u64 mask = moves.runnable
    cdef u32 option = 0, actor
    cdef int index
    r.move_count = 0
    while mask:
        index = (machine.current + lowest_bit(mask)) & 63
        mask &= mask - 1
        if not (machine.process[index].next_drains and machine.process[index].buffered):
            add_move(r, actor_of(r, A_PROCESS, index, 0), option, -1)
        option += 1
    mask = moves.buffering
    while mask:
        list_flushes(machine, r, (machine.current + lowest_bit(mask)) & 63, option)
        mask &= mask - 1
        option += 1
    if moves.extra == 0:
        return
    if machine.fires_timers and machine.timed & ~machine.stopped:
        add_move(r, r.clock_actor, option, -1)
        option += 1
    if machine.wakes_spuriously:
        for index in range(machine.processes):
            if machine.process[index].state == PARKED:
                actor = actor_of(r, A_SPURIOUS_WAKE, index, 0)
                r.extras |= <u64>1 << actor
                add_move(r, actor, option, -1)
                option += 1


# Who was asleep before the last step, and does not conflict with it, sleeps on.
cdef void inherit_sleepers(Machine* machine, Reduction* r, Node* node) noexcept nogil:
    cdef Taken* last
    cdef u32 i
    node.sleepers = r.sleeper_count
    node.asleep = 0
    if r.taken_count == 0:
        return
    last = &r.taken[r.taken_count - 1]
    if last.node == NO_STEP:
        return
    for i in range(r.nodes[last.node].sleepers, node.sleepers):
        if conflict(&r.sleepers[i].footprint, &last.footprint):
            continue
        if not has_room(machine, <void**>&r.sleepers, r.sleeper_count, &r.sleeper_room,
                        sizeof(Sleeper)):
            return
        r.sleepers[r.sleeper_count] = r.sleepers[i]
        r.sleeper_count += 1
        node.asleep |= <u64>1 << r.sleepers[i].actor


cdef Node* push_node(Machine* machine, Reduction* r) noexcept nogil:
    cdef Node* node
    if not has_room(machine, <void**>&r.nodes, r.node_count, &r.node_room, sizeof(Node)):
        return NULL
    node = &r.nodes[r.node_count]
    memset(node, 0, sizeof(Node))
    node.sleepers = r.sleeper_count
    r.node_count += 1
    return node


# The first move that is not asleep; NULL: each of them was tried elsewhere, or there is no room.
cdef Move* expand(Machine* machine, Reduction* r) noexcept nogil:
    cdef Node* node = push_node(machine, r)
    cdef Move* first = NULL
    cdef u32 i
    if node == NULL:
        return NULL
    inherit_sleepers(machine, r, node)
    for i in range(r.move_count):
        node.enabled |= <u64>1 << r.moves[i].actor
        if first == NULL and not node.asleep >> r.moves[i].actor & 1:
            first = &r.moves[i]
    if first == NULL:
        r.sleeper_count = node.sleepers
        r.node_count -= 1
        return NULL
    node.chosen = first.actor
    node.backtrack = <u64>1 << first.actor | (node.enabled & r.extras)
    return first


cdef u32 pick_reduced(Machine* machine, Moves* moves) noexcept nogil:
    cdef Reduction* r = machine.search.reduction
    cdef Move* move = NULL
    cdef u32 i
    list_moves(machine, moves, r)
    if r.trouble or r.taken_count == SEARCH_STEPS:
        machine.stop = OUT_OF_STEPS
        return 0
    if r.depth == r.node_count:
        move = expand(machine, r)
        if move == NULL:
            r.is_pruned = True
            machine.stop = OUT_OF_STEPS
            return 0
    else:
        for i in range(r.move_count):
            if r.moves[i].actor == r.nodes[r.depth].chosen:
                move = &r.moves[i]
        if move == NULL:
            r.trouble = DIVERGED
            machine.stop = OUT_OF_STEPS
            return 0
    begin_step(machine, r, move.actor, r.depth)
    r.depth += 1
    r.entry = move.entry
    return move.option


# A choice inside a step.
cdef u32 choose_reduced(Machine* machine, u32 count) noexcept nogil:
    cdef Reduction* r = machine.search.reduction
    cdef u32 option = 0
    cdef Node* node
    if r.entry >= 0:
        option = <u32>r.entry
        r.entry = -1
        return option
    if r.depth == r.node_count:
        node = push_node(machine, r)
        if node == NULL:
            return 0
        node.options = count
    else:
        option = r.nodes[r.depth].option
    r.depth += 1
    return option


# Whose step was tried at the node sleeps there from now on; the next to try, if any.
cdef bint try_another(Machine* machine, Reduction* r, Node* node) noexcept nogil:
    cdef u64 left
    if node.options:
        node.option += 1
        return node.option < node.options
    if not has_room(machine, <void**>&r.sleepers, r.sleeper_count, &r.sleeper_room,
                    sizeof(Sleeper)):
        return False
    r.sleepers[r.sleeper_count].actor = node.chosen
    r.sleepers[r.sleeper_count].footprint = node.footprint
    r.sleeper_count += 1
    node.asleep |= <u64>1 << node.chosen
    left = node.backtrack & node.enabled & ~node.asleep
    if left == 0:
        return False
    node.chosen = lowest_bit(left)
    memset(&node.footprint, 0, sizeof(Footprint))
    return True


# Learn from the execution and prepare the next one; False: there is none.
cdef bint has_next_reduced(Machine* machine) noexcept nogil:
    cdef Reduction* r = machine.search.reduction
    cdef u32 i
    for i in range(r.taken_count):
        if r.taken[i].node != NO_STEP:
            join_footprint(&r.nodes[r.taken[i].node].footprint, &r.taken[i].footprint)
    find_races(machine, r)
    if r.expands_all:
        for i in range(r.node_count):
            r.nodes[i].backtrack |= r.nodes[i].enabled
    while r.node_count:
        if try_another(machine, r, &r.nodes[r.node_count - 1]):
            r.changed = r.node_count - 1
            return True
        r.node_count -= 1
        r.sleeper_count = r.nodes[r.node_count].sleepers
    return False
