# The role PROGRAM: a list of instructions over a few locations, run through the same ops as the
# protocol. For litmus shapes: what an execution came to is its registers and its memory.

cdef enum:
    LITMUS_LOCATIONS = 16
    LITMUS_LOCATION_BYTES = LINE_BYTES  # a location may be a word, or two that `put2` copies
    LITMUS_BYTES = LITMUS_LOCATIONS * LITMUS_LOCATION_BYTES
    LITMUS_FIRST_SITE = 128  # above every Step; a site is this and the place in the list
    LITMUS_SITES = SITES_MAX - LITMUS_FIRST_SITE


cdef inline void put_words(Ops* ops, int site, u64* word, u64 value, u32 count) noexcept nogil:
    cdef u64 words[2]
    words[0] = words[1] = value
    copy(ops, site, word, words, count * sizeof(u64))


cdef inline void get_words(
    Ops* ops, int site, u64* word, Instruction* it, u32 count
) noexcept nogil:
    cdef u64 words[2]
    copy(ops, site, words, word, count * sizeof(u64))
    ops.registers[it.register_1] = words[0]
    if count == 2:
        ops.registers[it.register_2] = words[1]


# Spin until the location has the value; a turn that changed nothing waits for a change.
cdef inline void spin_until(Ops* ops, int site, u64* word, Instruction* it) noexcept nogil:
    cdef Waiter w
    memset(&w, 0, sizeof(Waiter))
    w.strategy = BUSY_SPIN
    w.deadline_ns = INT64_MAX
    while load64(ops, site, word, it.order) != it.value:
        poll_again(ops, &w)


cdef inline void run_instruction(Ops* ops, Instruction* it, u32 position) noexcept nogil:
    cdef int site = LITMUS_FIRST_SITE + <int>(position % LITMUS_SITES)
    cdef u64* word = <u64*>(ops.machine.region + it.location * LITMUS_LOCATION_BYTES)
    if it.kind == DO_STORE:
        store64(ops, site, word, it.value, it.order)
    elif it.kind == DO_LOAD:
        ops.registers[it.register_1] = load64(ops, site, word, it.order)
    elif it.kind == DO_FENCE:
        fence(ops, site, it.order)
    elif it.kind == DO_ADD:
        ops.registers[it.register_1] = sim_exchange(
            ops, site, word, it.value, 0, 0, False, ~<u64>0, it.order)
    elif it.kind == DO_CAS:
        ops.registers[it.register_1] = sim_exchange(
            ops, site, word, 0, it.value, it.desired, True, ~<u64>0, it.order)
    elif it.kind == DO_PUT:
        put_words(ops, site, word, it.value, 1)
    elif it.kind == DO_GET:
        get_words(ops, site, word, it, 1)
    elif it.kind == DO_PUT2:
        put_words(ops, site, word, it.value, 2)
    elif it.kind == DO_GET2:
        get_words(ops, site, word, it, 2)
    elif it.kind == DO_FUTEX_WAIT:
        ops.registers[it.register_1] = <u64>futex_wait(
            ops, site, <u32*>word, <u32>it.value, INT64_MAX)
    elif it.kind == DO_FUTEX_WAKE:
        futex_wake(ops, site, <u32*>word)
    elif it.kind == DO_UNTIL:
        spin_until(ops, site, word, it)
    elif it.kind == DO_NAP:
        nap(ops, site, ops.machine.clock_ns + <i64>it.value)
    elif it.kind == DO_MONITOR:
        monitor(ops, site, word)
    elif it.kind == DO_MWAIT:
        ops.registers[it.register_1] = <u64>monitor_wait(
            ops, site, ops.machine.clock_ns + <i64>it.value if it.value else INT64_MAX)
    elif it.kind == DO_ASSERT:
        point(ops, site)
        if ops.registers[it.register_1] != it.value:
            find(ops, MISMATCH, position)


cdef void run_program(Ops* ops) noexcept nogil:
    cdef u32 position = 0
    cdef Instruction* it
    memset(ops.registers, 0, sizeof(ops.registers))
    finish_setup(ops)
    while position < ops.program_length:
        between_operations(ops)
        ops.position = position
        it = &ops.program[position]
        position += 1
        if it.kind == DO_SKIP_UNLESS:
            if ops.registers[it.register_1] != it.value:
                position += it.count
        elif it.kind == DO_JUMP:  # a step: a loop of nothing else gives up its turn, too
            yield_core(ops, LITMUS_FIRST_SITE + <int>((position - 1) % LITMUS_SITES))
            position -= 1 + it.count
        else:
            run_instruction(ops, it, position - 1)
        ops.done += 1


# The same from Python: what each instruction's fields are, in order. An order may be left out of a
# read-modify-write.
INSTRUCTIONS = {
    "store": ("location", "value", "store order"),
    "load": ("register", "location", "load order"),
    "fence": ("fence order",),
    "add": ("register", "location", "value", "exchange order"),
    "cas": ("register", "location", "value", "desired", "exchange order"),
    "put": ("location", "value"),
    "get": ("register", "location"),
    "put2": ("location", "value"),
    "get2": ("register", "second register", "location"),
    "futex_wait": ("register", "location", "seen"),
    "futex_wake": ("location",),
    "until": ("location", "value", "load order"),
    "skip_unless": ("register", "value", "count"),
    "nap": ("ns",),
    "assert": ("register", "value"),
    "jump": ("back",),  # so many instructions back: to try again, not to count rounds
    "monitor": ("location",),
    "mwait": ("register", "ns"),  # 0: woken or not asleep, 1: so many ns are over; 0 ns: no limit
}
ORDERS = {"relaxed": RELAXED, "acquire": ACQUIRE, "release": RELEASE, "acq_rel": ACQ_REL,
          "seq_cst": SEQ_CST}
ORDERS_OF = {
    "store order": ("relaxed", "release", "seq_cst"),
    "load order": ("relaxed", "acquire", "seq_cst"),
    "fence order": ("acquire", "release", "acq_rel", "seq_cst"),
    "exchange order": tuple(ORDERS),
}
NUMBERS_BELOW = {
    "location": LITMUS_LOCATIONS,
    "register": REGISTERS,
    "second register": REGISTERS,
    "value": 1 << 64,
    "desired": 1 << 64,
    "seen": 1 << 32,
    "ns": 1 << 62,
}


# One field into the instruction, a number `below` that.
cdef int set_field(Instruction* it, str field, object given, object below) except -1:
    if field in ORDERS_OF:
        if given not in ORDERS_OF[field]:
            raise ValueError(f"{given!r} is no {field}: {', '.join(ORDERS_OF[field])}")
        it.order = ORDERS[given]
        return 0
    if type(given) is not int or not 0 <= given < below:
        raise ValueError(f"{field} {given!r}: a whole number from 0 to {below - 1}")
    if field == "location":
        it.location = given
    elif field == "register":
        it.register_1 = given
    elif field == "second register":
        it.register_2 = given
    elif field == "desired":
        it.desired = given
    elif field in ("count", "back"):
        it.count = given
    else:  # value, seen, ns
        it.value = given
    return 0


# `place`: how many instructions come before it, `left`: after it.
cdef int set_instruction(Instruction* it, object given, object place, object left) except -1:
    cdef list kinds = list(INSTRUCTIONS)
    if not isinstance(given, (tuple, list)) or not given or given[0] not in kinds:
        raise ValueError(f"{given!r} begins with no instruction: {', '.join(kinds)}")
    fields = INSTRUCTIONS[given[0]]
    values = tuple(given[1:])
    if "exchange order" in fields and len(values) == len(fields) - 1:
        values += ("acq_rel",)
    if len(values) != len(fields):
        raise ValueError(f"{given[0]} takes {', '.join(fields)}; given are {len(given) - 1}")
    below = {**NUMBERS_BELOW, "count": left + 1, "back": place + 1}
    memset(it, 0, sizeof(Instruction))
    it.kind = kinds.index(given[0])
    for field, value in zip(fields, values):
        set_field(it, field, value, below.get(field))
    return 0


cdef int set_instructions(Ops* ops, list given) except -1:
    cdef u32 place
    free(ops.program)
    ops.program_length = 0
    ops.program = <Instruction*>malloc(max(len(given), 1) * sizeof(Instruction))
    if ops.program == NULL:
        raise MemoryError
    for place, each in enumerate(given):
        try:
            set_instruction(&ops.program[place], each, place, len(given) - place - 1)
        except ValueError as error:
            raise ValueError(f"process {ops.index}, instruction {place}: {error}") from None
    ops.program_length = <u32>len(given)
    return 0
