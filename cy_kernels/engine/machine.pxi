# The simulated machine: what an execution consists of, and nothing that happens.
#
#   Machine   one region of shared memory, a clock, up to 64 processes, a scheduler, a choice tape
#   Ops       one process: its fiber, its store buffer, what it waits for (the protocol's `ops`)
#   Location  one word (or byte) of the region that the processes exchange values through
#
# Memory is a table of locations, not the region's bytes: the region is only where addresses come
# from. A location is what one atomic access reads or writes whole, or one aligned 8-byte word of
# what `copy` moves. It is met for the first time when somebody touches it, and starts as 0.
#
# An execution is a function of the program, the model and the choice tape, and of nothing else.

cdef enum:
    PROCESSES_MAX = 64  # bits of a mask
    BUFFER_MAX = 64  # stores that one process can have in its buffer; then the oldest leaves
    READS_MAX = 128  # locations that one turn of a waiting loop can read and still be recognised
    SITES_MAX = 256
    OUTCOMES_MAX = 16
    STEP_NS = 10  # what a step takes in virtual time
    ACTORS_MAX = 2 * PROCESSES_MAX  # what a scheduler can move: a process, or its store buffer
    DEPTH_MAX = 64
    TAPE_FIRST_BYTES = 1 << 16
    OPTIONS_MAX = 255  # of one choice: the tape has a byte for it
    HISTORY = 32  # RA: stores of a location that can still be read; the oldest is forgotten

cdef enum Model:
    SC = 0
    TSO
    PSO
    RA

cdef enum State:
    ABSENT = 0  # not started, or its life is over and the next has not begun
    RUNNABLE
    WATCHING  # a waiting loop that would only repeat itself
    PARKED  # in FUTEX_WAIT
    NAPPING
    HELD  # at a trigger; the driver decides
    DONE
    DEAD

cdef enum Held:  # why a process is HELD
    HELD_NOT = 0
    HELD_COUNT  # so many operations are completed
    HELD_STEP
    HELD_ATTACHED

cdef enum Phase:  # of a life, for triggers at sites that several phases pass
    IN_MESSAGES = 0
    IN_END  # the writer ends the ring or shuts it down
    IN_DETACH

cdef enum Stop:  # why an execution stopped; 0 while it runs
    RUNNING = 0
    ENDED_ALL  # every process is done or dead, and nothing is pending
    STUCK  # nothing can move any more and somebody has not finished
    REACHED  # a process is held at a trigger: go on when it was acted on
    IN_TIME  # the clock came to until_ns
    FOUND  # an oracle objected
    OUT_OF_STEPS

cdef enum Finding:
    NO_FINDING = 0
    TORN  # a message whose bytes are of no message that was sent
    WRONG_MESSAGE  # a whole message, but not the one of this position
    WRONG_LENGTH
    LOST  # a reader ended before the writer's last message
    RACE  # a non-atomic access that another one races with
    MISMATCH  # a litmus program's own assertion

cdef enum Event:
    TURN = 0  # a process was given the turn
    LOAD
    STORE  # into the buffer, or with SC and RA at once into memory
    FLUSH  # from the buffer into memory
    EXCHANGE  # a read-modify-write
    FENCE
    BLOCK  # the process waits; value is the State
    WAKE
    TIMER
    STARTED
    FINISHED
    HIT  # a trigger
    STOPPED  # from outside: SIGSTOP
    CONTINUED

cdef enum Tracing:  # bits
    KEEPS_TRACE = 1
    KEEPS_FOOTPRINTS = 2  # for the reduced search

cdef struct Location:
    u64 value
    u64 watchers  # processes that wait for a change
    u32 offset
    u32 version  # changes so far
    u16 writer_site
    u16 writer
    u32 unheard  # futex wakes that found nobody asleep

cdef struct Entry:  # of a store buffer
    u64 value
    u64 mask  # bits of the word that the store gives
    u32 location
    u16 site
    u16 generation  # PSO: a later one leaves after all of an earlier one

cdef struct Read:
    u32 location
    u32 version  # RA: the time of the message that was read

cdef struct Message:  # RA: one store, in its location's modification order
    u64 value
    int time
    u32 view  # the row that an acquire learns from it; 0: nothing
    u16 site
    u8 process
    u8 is_bound  # a read-modify-write's: nothing comes between it and the one before it

cdef struct Timeline:  # RA: what a location has held
    u32 first
    u32 count
    u32 bucket  # the row of its futex queue's lock; 0: not used so far
    bint is_plain  # touched by `copy`
    Message messages[2 * HISTORY]

cdef struct Access:  # RA: of one process to one location: its clock at the last of each kind
    int clock[4]
    u16 site[4]

cdef struct Row:  # RA: about a row of views
    int clock  # of the process whose view it was; INT32_MAX: several processes'
    u32 process
    u32 references
    u32 length

cdef struct Views:  # RA: see views.pxi
    int* rows
    Row* about
    u32* spare
    u32 spare_count
    u32 stride
    u32 room
    u32 used
    u32 base  # entries before those of the locations: the clocks
    u32 width  # entries in use
    Timeline* timelines
    Access* accesses
    u32 timeline_room

cdef struct RaceFound:
    int process
    int site
    int other_process
    int other_site

cdef struct Trace:  # one line of what happened, kept only where somebody asks for it
    u64 value
    u32 offset
    u32 choice  # tape length when it happened
    u16 site
    u8 kind
    u8 process
    u8 order
    u8 age  # RA: of the message that was read; so many are newer

cdef struct Machine
cdef struct Search  # exhaustive.pxi

cdef struct Ops:
    int mutant
    int index
    Machine* machine
    Context context
    u8* stack
    int state
    int woken_by  # SLEPT, SLEPT_TO_DEADLINE or SLEPT_TO_SIGNAL
    int site  # where it is
    u32 age  # RA: so many messages are newer than the one that it has just read
    u32 next_location  # what its next op touches, once it was told; 0: nothing
    bint next_writes
    bint next_drains  # it first empties the store buffer
    u32 futex  # location it is parked on
    u32 futex_seen  # what it expected there
    i64 timer_ns  # INT64_MAX: none
    u64 owner  # its owner word
    int incarnation
    # The waiting loop's last turn.
    bint is_idle  # it has changed nothing so far
    u32 read_count
    Read reads[READS_MAX]
    Read monitored  # by its last `monitor`
    bint is_monitoring  # it sleeps in `monitor_wait`
    bint has_overslept  # the timer ended its last hardware wait
    Habit habit
    # Store buffer, oldest first.
    u32 buffered
    u16 generation
    u64 filter  # bit (location mod 64) of everything in it
    # RA: its views are rows; what its last release fence gave away, and what no acquire took in.
    u32 released
    bint has_pending
    u32 exchange_place  # behind the message that its read-modify-write has read
    Entry entries[BUFFER_MAX]
    # The trigger: a step, or so many operations completed.
    int armed_site
    u32 armed_occurrence
    u32 armed_after
    int armed_phase  # not before this one
    u32 seen
    bint is_repeat
    bint is_setup  # attaching before the start: no scheduling
    bint is_held_back  # not started with the others
    bint is_attached
    bint stops_attached  # held once it is
    int held_for
    int phase
    i64 ended_ns  # when its life was over
    i64 idle_until_ns  # it pauses, because its work says so
    u64 slowed  # operations that slow_ns made longer
    u64 done  # operations completed, over all incarnations
    u64 next_stop  # UINT64_MAX: none
    u64 messages  # of this incarnation: that many were sent or received
    # What it does.
    int role
    int wait
    Work work
    i64 slow_ns
    bint raises_next
    u64 position
    Instruction* program
    u32 program_length
    u64 registers[REGISTERS]
    # Its flight recorder.
    u32 outcomes  # bit OUTCOMES_MAX * function + outcome: in any execution an operation ended so
    RecordLine* records
    u32 record_count
    u32 record_room

cdef struct Machine:
    int model
    int scheduler
    int processes
    u8* region
    u64 region_bytes
    u32* location_of  # by offset; 0 is none
    Location* locations
    u32 location_count
    u32 location_room
    Ops* process
    Context driver
    bint is_starting  # everybody attaches, one after the other, before anybody goes on
    # Who can move: bit p for process p.
    u64 runnable
    u64 stopped  # SIGSTOP
    u64 buffering  # has stores in its buffer
    u64 timed  # has a timer
    int current
    i64 clock_ns
    i64 until_ns
    i64 next_event_ns
    u64 steps
    u64 steps_max
    int stop
    int reached
    # Choices.
    u64 rng
    u32 depth  # pct, delay: how many preemptions or deviations
    u32 expected_choices  # of one execution, for those that spread something over it
    u32 change_at[DEPTH_MAX]  # tape lengths, ascending
    u32 changes  # of them made
    u32 fall_to[DEPTH_MAX]  # pct: the priority that each of them leaves
    u32 actor  # round_robin: who moved last
    u64 priority[ACTORS_MAX]  # pct, pos: the highest moves
    bint fires_timers  # a timer may fire while somebody can still run
    bint wakes_spuriously
    bint misses_wakes  # a store may fail to end a monitor_wait
    bint stops_at_finding
    bint beats  # waits store heartbeats: evidence that nothing depends on
    int patience  # polls that a strategy spends before it goes to sleep
    u8* tape
    u32 tape_length
    u32 tape_room
    const u8* replay
    u32 replay_length
    bint has_diverged  # the replayed tape named an option that is not there
    Search* search  # NULL unless executions are enumerated
    # What the oracles say.
    int finding
    int finding_process
    u64 finding_position
    # The ring.
    RingWork ring
    Views views
    RaceFound race
    u8 pairs[SITES_MAX * SITES_MAX]  # site that read, site that had written
    u8 visited[SITES_MAX]  # sites that somebody came to, in any execution
    u64 memory_hash
    u8* sketch  # of the states that were met; NULL: nobody asked for it
    # The trace.
    int traces  # KEEPS_TRACE, KEEPS_FOOTPRINTS
    Trace* trace
    u32 trace_count
    u32 trace_room
    bint is_out_of_memory
