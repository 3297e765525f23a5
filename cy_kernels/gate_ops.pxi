# The step gate: a point before every op at which a live process can be made to stop itself, die,
# raise, or wait for a token, at a named site and its nth occurrence within one message.
#
# One control block serves all kernels of a process; it lies in memory that others map too, so that
# what happened can be read after a death. Who enters the protocol looks whether a gate is installed
# (entries.pxi); with none it takes the protocol compiled with the constant NULL for its ops, in
# which nothing of this is left. The action is taken *before* the op of the site, so a process that
# dies or raises there has done everything up to that op and nothing of it.

from cy_kernels.layout cimport Gate

cdef extern from *:
    """
    #include <setjmp.h>
    #include <signal.h>
    #define SB_GATE_ANY 0xffffffffu
    enum { SB_GATE_STOP = 1, SB_GATE_KILL = 2, SB_GATE_TOKEN = 3, SB_GATE_RAISE = 4 };

    typedef struct {
        int mutant;
        jmp_buf *raise_to;  /* where a raise leaves the protocol: the guard of its entry */
    } sb_ops;

    static sb_gate *sb_process_gate;

    #ifdef SPINBED_NO_GATE
    #define SB_HAS_GATE 0
    #else
    #define SB_HAS_GATE 1
    #endif
    #define sb_installed_gate() (SB_HAS_GATE ? sb_process_gate : NULL)

    static inline long sb_gate_futex(uint32_t *word, int operation, uint32_t value) {
        return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
    }

    static __attribute__((noinline, cold, unused)) void sb_gate_pass(sb_ops *ops, uint32_t site) {
        sb_gate *gate = sb_installed_gate();
        uint32_t taken, action;
        if (gate == NULL) return;
        gate->visited[site / 64 % 4] |= (uint64_t)1 << site % 64;
        if (gate->step != site && gate->step != SB_GATE_ANY) return;
        if (gate->step == site) {
            if (gate->is_repeat && gate->seen) return;
            if (++gate->seen != gate->occurrence) return;
        }
        gate->last_step = site;
        gate->last_occurrence = gate->seen;
        action = gate->action;  /* whoever sees the arrival may arm another one */
        if (gate->step != SB_GATE_ANY) gate->step = 0;
        __atomic_fetch_add(&gate->arrivals, 1, __ATOMIC_SEQ_CST);
        sb_gate_futex(&gate->arrivals, FUTEX_WAKE, INT_MAX);
        if (action == SB_GATE_KILL) kill(getpid(), SIGKILL);
        if (action == SB_GATE_STOP) kill(getpid(), SIGSTOP);
        if (action == SB_GATE_RAISE && ops->raise_to != NULL) _longjmp(*ops->raise_to, 1);
        if (action != SB_GATE_TOKEN) return;
        taken = gate->tokens_taken;
        while (__atomic_load_n(&gate->tokens, __ATOMIC_SEQ_CST) == taken)
            sb_gate_futex(&gate->tokens, FUTEX_WAIT, taken);
        gate->tokens_taken = taken + 1;
    }

    static inline __attribute__((always_inline, unused)) void sb_at(sb_ops *ops, uint32_t site) {
        if (__builtin_expect(ops != NULL, 0)) sb_gate_pass(ops, site);
    }
    #define SB_AT(ops, site) (SB_HAS_GATE ? sb_at((ops), (uint32_t)(site)) : (void)0)

    /* Another frame than that of who enters, so that none of its variables are in doubt after a
       jump; and everything between here and the gate holds no reference, no lock and no buffer.
       True: left by a raise. */
    static __attribute__((noinline, cold, unused)) int sb_gate_guard(
            void (*act)(void *, sb_ops *, void *), void *end, void *call, int mutant) {
        jmp_buf here;
        sb_ops ops = {.mutant = mutant, .raise_to = &here};
        if (_setjmp(here) != 0) return 1;
        act(end, &ops, call);
        return 0;
    }

    /* A message begins: occurrences are counted anew. */
    static inline void sb_gate_begin(void) {
        sb_gate *gate = sb_installed_gate();
        if (__builtin_expect(gate != NULL, 0)) gate->seen = gate->is_repeat = 0;
    }
    static inline void sb_gate_repeats(int is_repeated) {
        sb_gate *gate = sb_installed_gate();
        if (__builtin_expect(gate != NULL, 0)) gate->is_repeat = is_repeated;
    }
    """
    ctypedef struct Ops "sb_ops":
        int mutant
    const bint HAS_GATE "SB_HAS_GATE"
    Gate* process_gate "sb_process_gate"
    Gate* installed_gate "sb_installed_gate"() noexcept nogil
    bint gate_guard "sb_gate_guard"(
        void (*act)(void*, Ops*, void*) noexcept nogil, void* end, void* call, int mutant
    ) noexcept nogil
    void begin_message "sb_gate_begin"() noexcept nogil
    void mark_repeats "sb_gate_repeats"(bint is_repeated) noexcept nogil
