# The monitor of each thread and the wait for it, as the instructions have them: one line is armed
# at a time; a wait ends with a store to it, at its deadline, at the operating system's limit or
# with an interrupt; and whoever waits with nothing armed does not wait.
#
# A store is noticed by what it changes: the line is compared with what it held when it was armed.
# So a store that leaves every byte as it was, or one that is undone before the next look, is not
# noticed, though hardware would wake of it. Nothing of ours waits for such a store.
#
# All of it runs inside the handler of a signal: no allocation, no lock, no thread-local variable
# (the first access to one may allocate). A thread is known by its thread pointer, fs:0.

cdef extern from *:
    """
    #if defined(__x86_64__)
    #include <sched.h>
    #include <unistd.h>
    #include <sys/syscall.h>

    enum { SB_LINE_BYTES = 64, SB_THREADS = 256, SB_NO_LIMIT = 0 };
    #define SB_HELD_CYCLES 4000000u  /* one to two ms */
    #define SB_NEVER UINT64_MAX

    typedef struct {
        uint64_t key;              /* whose; 0: nobody's yet */
        uint64_t line;
        uint64_t hash;             /* of the line when it was armed */
        uint32_t line_bytes;
        uint32_t is_armed;
    } sb_monitor;

    static sb_monitor sb_monitors[SB_THREADS];
    static sb_trap *sb_installed_trap;
    static uint32_t sb_inside;     /* threads in the handler: uninstalling waits for them */

    static inline uint64_t sb_cycles(void) { return __builtin_ia32_rdtsc(); }

    static inline uint64_t sb_thread(void) {
        uint64_t pointer;
        __asm__ __volatile__("movq %%fs:0, %0" : "=r"(pointer));
        return pointer;
    }

    #define SB_LOAD(word) __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
    #define SB_STORE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_SEQ_CST)
    #define SB_ADD(word, value) __atomic_fetch_add(&(word), (value), __ATOMIC_SEQ_CST)

    /* Of this thread. Where there are more threads than places, one is taken from another thread,
       whose next wait then finds nothing armed: a spurious wake-up, which it must stand. */
    static sb_monitor *sb_monitor_of_thread(void) {
        uint64_t key = sb_thread(), found;
        uint32_t home = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32), i;
        for (i = 0; i < SB_THREADS; i++) {
            sb_monitor *monitor = &sb_monitors[(home + i) % SB_THREADS];
            found = SB_LOAD(monitor->key);
            if (found == 0 && __atomic_compare_exchange_n(
                    &monitor->key, &found, key, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                return monitor;
            if (found == key) return monitor;
        }
        SB_STORE(sb_monitors[home % SB_THREADS].is_armed, 0);
        SB_STORE(sb_monitors[home % SB_THREADS].key, key);
        return &sb_monitors[home % SB_THREADS];
    }

    /* Every step is a bijection, so a store to one word always makes another hash. */
    static uint64_t sb_hash(const sb_monitor *monitor) {
        const volatile uint64_t *words = (const volatile uint64_t *)monitor->line;
        uint64_t hash = monitor->line;
        uint32_t i;
        for (i = 0; i < monitor->line_bytes / 8; i++) {
            hash = (hash ^ words[i]) * 0x9fb21c651e98df25u;
            hash ^= hash >> 32;
        }
        return hash;
    }

    static inline int sb_has_changed(const sb_monitor *monitor) {
        return sb_hash(monitor) != monitor->hash;
    }

    /* The handler blocks signals: one that waits to be delivered is the interrupt that ends a wait,
       and its handler runs as soon as ours has returned. One for the whole process may go to a
       thread that does not block it, as an interrupt goes to some core. */
    static inline int sb_is_interrupted(uint64_t unblocked) {
        uint64_t pending = 0;
        syscall(SYS_rt_sigpending, &pending, sizeof(pending));
        return (pending & unblocked) != 0;
    }

    /* The disturbance for this wait or arming; SB_CALM where it is not its turn. */
    static int sb_turn(sb_trap *trap, uint64_t *count) {
        uint64_t number = SB_ADD(*count, 1) + 1;
        uint32_t how = SB_LOAD(trap->how), every = SB_LOAD(trap->every);
        return how < SB_DISTURBANCES && (every < 2 || number % every == 0) ? (int)how : SB_CALM;
    }

    static void sb_chosen(sb_trap *trap, int how) { SB_ADD(trap->disturbed[how], 1); }
    static void sb_struck(sb_trap *trap, int how) { SB_ADD(trap->struck[how], 1); }

    static int sb_takes_token(sb_trap *trap) {
        uint32_t taken = SB_LOAD(trap->tokens_taken);
        return SB_LOAD(trap->tokens) != taken && __atomic_compare_exchange_n(
            &trap->tokens_taken, &taken, taken + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }

    /* Hold the thread where it is until the line is stored to, which is the race that is wanted; or
       until a token is granted, an interrupt, the end of the disturbance, or for its time. */
    static void sb_hold(sb_trap *trap, const sb_monitor *monitor, int how, uint64_t unblocked) {
        uint64_t most = SB_LOAD(trap->cycles), began = sb_cycles();
        if (most == 0) most = SB_HELD_CYCLES;
        sb_chosen(trap, how);
        SB_ADD(trap->held, 1);
        while (SB_LOAD(trap->how) == (uint32_t)how && SB_LOAD(sb_installed_trap) == trap) {
            if (sb_has_changed(monitor)) {
                sb_struck(trap, how);
                break;
            }
            if (sb_takes_token(trap) || sb_is_interrupted(unblocked)) break;
            if (sb_cycles() - began >= most) break;
            sched_yield();
        }
        SB_ADD(trap->held, (uint32_t)-1);
    }

    static void sb_arm(sb_trap *trap, uint64_t address, uint64_t unblocked) {
        sb_monitor *monitor = sb_monitor_of_thread();
        uint32_t line_bytes = SB_LOAD(trap->line_bytes);
        if (line_bytes < 8 || line_bytes > 4096 || (line_bytes & (line_bytes - 1)))
            line_bytes = SB_LINE_BYTES;
        monitor->is_armed = 0;
        monitor->line_bytes = line_bytes;
        monitor->line = address & ~(uint64_t)(line_bytes - 1);
        monitor->hash = sb_hash(monitor);
        if (sb_turn(trap, &trap->armings) == SB_RACED_ARM) {
            sb_hold(trap, monitor, SB_RACED_ARM, unblocked);
            monitor->hash = sb_hash(monitor);
        }
        monitor->is_armed = 1;
    }

    /* Poll until something ends it: what, of SB_BY_*. `monitor` NULL: there is no line. */
    static int sb_poll(sb_trap *trap, const sb_monitor *monitor, int how, uint64_t deadline,
                       uint64_t limit, uint64_t unblocked) {
        uint64_t early = how == SB_EARLY ? sb_cycles() + SB_LOAD(trap->cycles) : SB_NEVER, cycles;
        int is_missed = 0;
        for (;;) {
            if (monitor != NULL && sb_has_changed(monitor)) {
                if (how != SB_MISSED || SB_LOAD(trap->how) != SB_MISSED) return SB_BY_CHANGE;
                if (!is_missed) sb_struck(trap, SB_MISSED);
                is_missed = 1;
            }
            cycles = sb_cycles();
            if (cycles >= early) {
                sb_struck(trap, SB_EARLY);
                return SB_BY_DISTURBANCE;
            }
            if (cycles >= deadline) return SB_BY_DEADLINE;
            if (cycles >= limit) return SB_BY_LIMIT;
            if (sb_is_interrupted(unblocked)) return SB_BY_SIGNAL;
            if (SB_LOAD(sb_installed_trap) != trap) return SB_BY_REMOVAL;
            sched_yield();
        }
    }

    /* True: the limit ended it. */
    static int sb_wait(sb_trap *trap, int has_line, uint64_t deadline, uint64_t limit_cycles,
                       uint64_t unblocked) {
        uint64_t limit = limit_cycles == SB_NO_LIMIT ? SB_NEVER : sb_cycles() + limit_cycles;
        sb_monitor monitor = {0};
        int how, ending;
        if (has_line) {
            sb_monitor *own = sb_monitor_of_thread();
            monitor = *own;
            own->is_armed = 0;
            if (!monitor.is_armed || SB_LOAD(own->key) != sb_thread()) {
                SB_ADD(trap->ended[SB_UNARMED], 1);
                return 0;
            }
        }
        how = sb_turn(trap, &trap->waits);
        if (how == SB_RACED_ARM || (how != SB_EARLY && !has_line)) how = SB_CALM;
        SB_ADD(trap->waiting, 1);
        if (how == SB_RACED_WAIT || how == SB_RACED_LOST) sb_hold(trap, &monitor, how, unblocked);
        else if (how != SB_CALM) sb_chosen(trap, how);
        if (how == SB_RACED_LOST) monitor.hash = sb_hash(&monitor);
        ending = sb_poll(trap, has_line ? &monitor : NULL, how, deadline, limit, unblocked);
        SB_ADD(trap->waiting, (uint32_t)-1);
        SB_ADD(trap->ended[ending], 1);
        return ending == SB_BY_LIMIT;
    }
    #endif
    """
