# The step gate: a point before every op at which a live process can be made to stop itself, die, or
# wait for a token, at a named site and its nth occurrence within one message.
#
# One control block serves all kernels of a process; it lies in memory that others map too, so that
# what happened can be read after a death. With none installed the gate is one predictable branch.
# The action is taken *before* the op of the site, so a process that dies there has done everything
# up to that op and nothing of it.

from cy_kernels.layout cimport Gate

cdef extern from *:
    """
    #include <signal.h>
    #define SB_GATE_ANY 0xffffffffu
    enum { SB_GATE_STOP = 1, SB_GATE_KILL = 2, SB_GATE_TOKEN = 3 };

    static sb_gate *sb_process_gate;

    static inline long sb_gate_futex(uint32_t *word, int operation, uint32_t value) {
        return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
    }

    static __attribute__((noinline, cold)) void sb_gate_pass(sb_gate *gate, uint32_t site) {
        uint32_t taken;
        gate->visited[site / 64 % 4] |= (uint64_t)1 << site % 64;
        if (gate->step != site && gate->step != SB_GATE_ANY) return;
        if (gate->step == site) {
            if (gate->is_repeat && gate->seen) return;
            if (++gate->seen != gate->occurrence) return;
        }
        gate->last_step = site;
        gate->last_occurrence = gate->seen;
        if (gate->step != SB_GATE_ANY) gate->step = 0;
        __atomic_fetch_add(&gate->arrivals, 1, __ATOMIC_SEQ_CST);
        sb_gate_futex(&gate->arrivals, FUTEX_WAKE, INT_MAX);
        if (gate->action == SB_GATE_KILL) kill(getpid(), SIGKILL);
        if (gate->action == SB_GATE_STOP) kill(getpid(), SIGSTOP);
        if (gate->action != SB_GATE_TOKEN) return;
        taken = gate->tokens_taken;
        while (__atomic_load_n(&gate->tokens, __ATOMIC_SEQ_CST) == taken)
            sb_gate_futex(&gate->tokens, FUTEX_WAIT, taken);
        gate->tokens_taken = taken + 1;
    }

    #ifdef SPINBED_NO_GATE
    #define SB_AT(site) ((void)0)
    #else
    #define SB_AT(site) \\
        ((void)(__builtin_expect(sb_process_gate != NULL, 0) \\
                && (sb_gate_pass(sb_process_gate, (uint32_t)(site)), 1)))
    #endif

    /* A message begins: occurrences are counted anew. */
    #define sb_gate_begin() \\
        ((void)(__builtin_expect(sb_process_gate != NULL, 0) \\
                && (sb_process_gate->seen = 0, sb_process_gate->is_repeat = 0, 1)))
    #define sb_gate_repeats(is_repeated) \\
        ((void)(__builtin_expect(sb_process_gate != NULL, 0) \\
                && (sb_process_gate->is_repeat = (is_repeated), 1)))
    """
    Gate* process_gate "sb_process_gate"
    void begin_message "sb_gate_begin"() noexcept nogil
    void mark_repeats "sb_gate_repeats"(bint is_repeated) noexcept nogil
