# The layout of regions and flight recorders: one source, sizes asserted by the C compiler.
#
# Each group of words that one side writes has a 64-byte line of its own, so that two sides never
# write one line. The flag ring's chunks and metadata are those of the queue it reproduces: its
# bytes begin behind one header page, and nothing of ours lies among them.

from cy_kernels.atomics cimport i64, u8, u16, u32, u64

cdef extern from *:
    """
    #include <stdint.h>
    #include <stddef.h>

    typedef struct {
        uint64_t magic;            /* "SPINBED" and a zero byte */
        uint32_t version;
        uint32_t kind;             /* 1 flag_ring, 2 cursor_ring */
        uint64_t slots;
        uint64_t slot_bytes;
        uint32_t readers;
        uint32_t is_ready;         /* 1 once all of the above is valid */
        uint64_t creator;          /* owner word of the creator */
        uint64_t pid_namespace;    /* inode: owner words mean nothing in another one */
        uint64_t region_bytes;

        uint32_t shutdown __attribute__((aligned(64)));  /* 0 open, 1 ended, 2 closed */
        uint64_t end_position;     /* valid once ended */

        uint32_t data_event __attribute__((aligned(64)));   /* futex word: readers park here */
        uint32_t data_parked;      /* raised by a reader before it parks, cleared by the waker */

        uint32_t space_event __attribute__((aligned(64)));  /* futex word: the writer parks here */
        uint32_t space_parked;

        uint64_t writer_position __attribute__((aligned(64)));  /* may lag: see cursor_ring */
        uint64_t writer_owner;
        uint64_t writer_heartbeat_ns;
        uint64_t takeovers;
    } sb_region_header;

    typedef struct {
        uint64_t position __attribute__((aligned(64)));
        uint64_t owner;
        uint64_t heartbeat_ns;
        uint64_t takeovers;
    } sb_reader_line;

    typedef struct {
        uint64_t sequence;         /* position + 1 of the message in it: the commit point */
        uint32_t length;
        uint32_t reserved;
    } sb_slot_header;

    typedef struct {
        uint16_t magic;            /* 0x5bed */
        uint8_t kind;              /* 1 bytes, 2 str (UTF-8), 3 int (64 bits), 4 pickle */
        uint8_t reserved;          /* 0 */
        uint32_t buffers;          /* how many; of a pickle */
        uint64_t size;             /* of the body in bytes */
    } sb_object_header;

    typedef struct {
        uint64_t magic;
        uint64_t capacity;
        uint64_t count;            /* published after the record it counts */
        uint64_t overflowed;
        uint64_t first_stamp;      /* taken together with first_ns */
        int64_t first_ns;
        uint64_t stamps_are_tsc;   /* 0: the stamps are ns already */
        uint64_t reserved;
    } sb_recorder_header;

    typedef struct {
        uint64_t stamp;
        uint64_t position;
        uint64_t checksum;
        uint32_t size_bytes;
        uint8_t type;
        uint8_t function;
        uint16_t outcome;
    } sb_record;

    typedef struct {
        uint32_t step;             /* armed: a step number, SB_GATE_ANY, or 0 for none */
        uint32_t occurrence;       /* of that site within one message, from 1 */
        uint32_t action;
        uint32_t seen;             /* occurrences of the armed site in this message so far */
        uint32_t is_repeat;        /* another poll of the same wait: counted sites aren't again */
        uint32_t arrivals;         /* how often the action was taken; futex word of the driver */
        uint32_t last_step;        /* where it was taken last */
        uint32_t last_occurrence;
        uint32_t tokens;           /* granted so far; futex word of the process that waits */
        uint32_t tokens_taken;
        uint32_t reserved[2];
        uint64_t visited[4];       /* bit n: step n was passed while a gate was installed */
    } sb_gate;

    #define SB_HEADER_PAGE 4096
    _Static_assert(sizeof(sb_region_header) == 320, "region header");
    _Static_assert(offsetof(sb_region_header, shutdown) == 64, "shutdown line");
    _Static_assert(offsetof(sb_region_header, data_event) == 128, "data line");
    _Static_assert(offsetof(sb_region_header, space_event) == 192, "space line");
    _Static_assert(offsetof(sb_region_header, writer_position) == 256, "writer line");
    _Static_assert(sizeof(sb_reader_line) == 64, "reader line");
    _Static_assert(sizeof(sb_slot_header) == 16, "slot header");
    _Static_assert(sizeof(sb_object_header) == 16, "object header");
    _Static_assert(sizeof(sb_recorder_header) == 64, "recorder header");
    _Static_assert(sizeof(sb_record) == 32, "record");
    _Static_assert(sizeof(sb_gate) == 80, "gate");
    """
    ctypedef struct RegionHeader "sb_region_header":
        u64 magic
        u32 version
        u32 kind
        u64 slots
        u64 slot_bytes
        u32 readers
        u32 is_ready
        u64 creator
        u64 pid_namespace
        u64 region_bytes
        u32 shutdown
        u64 end_position
        u32 data_event
        u32 data_parked
        u32 space_event
        u32 space_parked
        u64 writer_position
        u64 writer_owner
        u64 writer_heartbeat_ns
        u64 takeovers
    ctypedef struct ReaderLine "sb_reader_line":
        u64 position
        u64 owner
        u64 heartbeat_ns
        u64 takeovers
    ctypedef struct SlotHeader "sb_slot_header":
        u64 sequence
        u32 length
        u32 reserved
    ctypedef struct ObjectHeader "sb_object_header":
        u16 magic
        u8 kind
        u8 reserved
        u32 buffers
        u64 size
    ctypedef struct RecorderHeader "sb_recorder_header":
        u64 magic
        u64 capacity
        u64 count
        u64 overflowed
        u64 first_stamp
        i64 first_ns
        u64 stamps_are_tsc
        u64 reserved
    ctypedef struct RecordLine "sb_record":
        u64 stamp
        u64 position
        u64 checksum
        u32 size_bytes
        u8 type
        u8 function
        u16 outcome
    ctypedef struct Gate "sb_gate":
        u32 step
        u32 occurrence
        u32 action
        u32 seen
        u32 is_repeat
        u32 arrivals
        u32 last_step
        u32 last_occurrence
        u32 tokens
        u32 tokens_taken
        u64 visited[4]
    enum:
        HEADER_PAGE "SB_HEADER_PAGE"

cdef enum:
    LAYOUT_VERSION = 1
    KIND_FLAG = 1
    KIND_CURSOR = 2
    READERS_MAX = 64
    SLOTS_MAX = 1048576
    LINE_BYTES = 64
    FLAG_MESSAGE_HEADER = 7  # overflow byte, buffer count (2, big-endian), length (4, big-endian)
    CURSOR_SLOT_HEADER = 16

cdef enum:  # ObjectHeader
    OBJECT_MAGIC = 0x5bed
    OBJECT_BYTES = 1
    OBJECT_STR = 2
    OBJECT_INT = 3
    OBJECT_PICKLE = 4

cdef enum:  # RegionHeader.shutdown
    OPEN = 0
    ENDED_STATE = 1
    CLOSED_STATE = 2
