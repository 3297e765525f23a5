# The control block of a trap: what its handler is told, and what it has seen. It may lie in memory
# that others map too, so that they turn a disturbance on and off, and read it after a death.
#
# "Last" operands are those of whichever thread trapped last. Times are cycles of the TSC.

cdef extern from *:
    """
    #include <stdint.h>
    #include <stddef.h>

    enum { SB_UMONITOR, SB_UMWAIT, SB_TPAUSE, SB_MONITORX, SB_MWAITX, SB_INSTRUCTIONS };

    enum {
        SB_BY_CHANGE, SB_BY_DEADLINE, SB_BY_LIMIT, SB_BY_SIGNAL, SB_BY_DISTURBANCE, SB_UNARMED,
        SB_BY_REMOVAL, SB_ENDINGS
    };

    enum {
        SB_CALM, SB_MISSED, SB_EARLY, SB_RACED_ARM, SB_RACED_WAIT, SB_RACED_LOST, SB_DISTURBANCES
    };

    typedef struct {
        uint64_t emulated;
        uint64_t reserved;         /* of these, with bits set that the manuals reserve: a #GP */
        uint64_t unbounded;        /* of these, mwaitx without a timer */
        uint64_t address;          /* last; of the two that arm */
        uint64_t deadline;         /* last; umwait, tpause: EDX:EAX */
        uint64_t cycles;           /* last; mwaitx: EBX; umwait, tpause: what was left until then */
        uint64_t longest_cycles;   /* the most that was ever asked for */
        uint32_t control;          /* last; umwait, tpause: the operand; mwaitx: EAX */
        uint32_t extensions;       /* last; monitorx, mwaitx: ECX */
    } sb_trapped;

    typedef struct {
        uint32_t line_bytes;       /* what one monitor watches; a power of two */
        uint32_t how;              /* the disturbance, SB_CALM for none */
        uint32_t every;            /* of so many waits, or armings, one is disturbed */
        uint32_t tokens;           /* granted so far to who is held */
        uint64_t limit_cycles;     /* IA32_UMWAIT_CONTROL, of umwait and tpause; 0: none */
        uint64_t cycles;           /* early: what is left of a wait; raced: held no longer */

        uint32_t waiting __attribute__((aligned(64)));  /* threads in an emulated wait now */
        uint32_t held;             /* threads that a disturbance holds now */
        uint32_t tokens_taken;
        uint32_t handed_on;        /* SIGILLs that were none of ours */
        uint64_t armings;
        uint64_t waits;            /* that had something to wait for */
        uint64_t ended[8];         /* by SB_BY_* */
        uint64_t disturbed[8];     /* by SB_*: waits, or armings, that the disturbance chose */
        uint64_t struck[8];        /* of these: a store was lost or raced, a wake was too early */
        sb_trapped seen[SB_INSTRUCTIONS];
    } sb_trap;

    _Static_assert(offsetof(sb_trap, waiting) == 64, "what the handler writes");
    _Static_assert(sizeof(sb_trapped) == 64, "what is seen of an instruction");
    _Static_assert(sizeof(sb_trap) == 640, "trap");
    _Static_assert(SB_ENDINGS <= 8 && SB_DISTURBANCES <= 8, "rows of counters");
    """
    ctypedef struct Trapped "sb_trapped":
        u64 emulated
        u64 reserved
        u64 unbounded
        u64 address
        u64 deadline
        u64 cycles
        u64 longest_cycles
        u32 control
        u32 extensions
    ctypedef struct Trap "sb_trap":
        u32 line_bytes
        u32 how
        u32 every
        u32 tokens
        u64 limit_cycles
        u64 cycles
        u32 waiting
        u32 held
        u32 tokens_taken
        u32 handed_on
        u64 armings
        u64 waits
        u64 ended[8]
        u64 disturbed[8]
        u64 struck[8]
        Trapped seen[5]
