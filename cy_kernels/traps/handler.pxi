# The handler of SIGILL: what it does with an instruction of ours, and to whom it hands on the rest.
#
# - It blocks every signal but those that the processor raises, so that no other handler runs inside
#   an emulated wait: a pending one ends the wait instead (monitor.pxi). SIGILL itself stays
#   unblocked: the kernel kills who traps while it is blocked.
# - Whatever is not ours goes to the handler that was there before, with its own mask. Where that is
#   the default action, it is put back, and the instruction runs again: the process dies at the very
#   place, as it would without us.
# - A handler that ends by putting back whom it found, which was us, and raising again, would come
#   to itself for ever: the second SIGILL of a thread that hands one on is the default action's.

cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <signal.h>
    #include <string.h>
    #include <time.h>

    #if defined(__x86_64__)
    #include <ucontext.h>

    #define SB_TRAP_REFUSAL NULL

    static struct sigaction sb_previous;
    static uint64_t sb_handing_on;  /* the thread that does, 0: none */

    static inline greg_t *sb_register(ucontext_t *context, int number) {
        static const int order[16] = {
            REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
            REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
        return &context->uc_mcontext.gregs[order[number & 15]];
    }

    static void sb_asked_for(sb_trapped *seen, uint64_t cycles) {
        uint64_t most = SB_LOAD(seen->longest_cycles);
        seen->cycles = cycles;
        while (cycles > most && !__atomic_compare_exchange_n(
            &seen->longest_cycles, &most, cycles, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    }

    static void sb_trap_arm(sb_trap *trap, sb_trapped *seen, uint64_t address, uint32_t extensions,
                            uint64_t unblocked) {
        seen->address = address;
        seen->extensions = extensions;
        if (extensions != 0) SB_ADD(seen->reserved, 1);
        sb_arm(trap, address, unblocked);
    }

    /* umwait, tpause: the flags as the manual says, the carry for the limit. */
    static void sb_trap_until(sb_trap *trap, sb_trapped *seen, ucontext_t *context, int has_line,
                              uint32_t control, uint64_t unblocked) {
        greg_t *flags = &context->uc_mcontext.gregs[REG_EFL];
        uint64_t deadline = (uint64_t)(uint32_t)*sb_register(context, 2) << 32
            | (uint32_t)*sb_register(context, 0);
        uint64_t cycles = sb_cycles();
        seen->control = control;
        seen->deadline = deadline;
        sb_asked_for(seen, deadline > cycles ? deadline - cycles : 0);
        if (control > 1) SB_ADD(seen->reserved, 1);
        *flags &= ~(greg_t)0x8d5;  /* OF SF ZF AF PF CF */
        *flags |= sb_wait(trap, has_line, deadline, SB_LOAD(trap->limit_cycles), unblocked);
    }

    /* A timer that is not asked for, and one of 0 cycles, is none. */
    static void sb_trap_mwaitx(sb_trap *trap, sb_trapped *seen, ucontext_t *context,
                               uint64_t unblocked) {
        uint32_t extensions = (uint32_t)*sb_register(context, 1);
        uint32_t cycles = (uint32_t)*sb_register(context, 3);
        int is_bounded = (extensions & 2) && cycles != 0;
        seen->control = (uint32_t)*sb_register(context, 0);
        seen->extensions = extensions;
        seen->cycles = cycles;
        if (extensions & ~3u) SB_ADD(seen->reserved, 1);
        if (is_bounded) sb_asked_for(seen, cycles);
        else SB_ADD(seen->unbounded, 1);
        sb_wait(trap, 1, is_bounded ? sb_cycles() + cycles : SB_NEVER, SB_NO_LIMIT, unblocked);
    }

    static void sb_emulate(sb_trap *trap, sb_decoded it, ucontext_t *context) {
        sb_trapped *seen = &trap->seen[it.instruction];
        uint64_t operand = (uint64_t)*sb_register(context, it.operand);
        uint64_t rcx = (uint64_t)*sb_register(context, 1), blocked;
        memcpy(&blocked, &context->uc_sigmask, sizeof(blocked));
        SB_ADD(seen->emulated, 1);
        if (it.instruction == SB_UMONITOR) sb_trap_arm(trap, seen, operand, 0, ~blocked);
        else if (it.instruction == SB_MONITORX)
            sb_trap_arm(trap, seen, (uint64_t)*sb_register(context, 0), (uint32_t)rcx, ~blocked);
        else if (it.instruction == SB_MWAITX) sb_trap_mwaitx(trap, seen, context, ~blocked);
        else sb_trap_until(trap, seen, context, it.instruction == SB_UMWAIT, (uint32_t)operand,
                           ~blocked);
        context->uc_mcontext.gregs[REG_RIP] += it.length;
    }

    /* How much of an instruction at `at` may be read: what follows the first two bytes may lie on
       a page that is not there. This system call reads before it looks at its first argument. */
    static size_t sb_readable(uint64_t at) {
        uint64_t page = (at | 4095) + 1;
        if (page - at >= SB_LENGTH_MAX) return SB_LENGTH_MAX;
        if (syscall(SYS_rt_sigprocmask, -1, page, NULL, 8) == -1 && errno == EFAULT)
            return (size_t)(page - at);
        return SB_LENGTH_MAX;
    }

    static void sb_die_of(int number, const siginfo_t *info) {
        struct sigaction action;
        memset(&action, 0, sizeof(action));
        action.sa_handler = SIG_DFL;
        sigaction(number, &action, NULL);
        if (info->si_code <= 0) raise(number);  /* else the instruction does it again */
    }

    static void sb_hand_on(int number, siginfo_t *info, ucontext_t *context) {
        struct sigaction next = sb_previous;
        uint64_t mask, more, thread = sb_thread();
        int is_default = !(next.sa_flags & SA_SIGINFO) && next.sa_handler == SIG_DFL;
        int is_ignored = !(next.sa_flags & SA_SIGINFO) && next.sa_handler == SIG_IGN;
        if (is_ignored && info->si_code <= 0) return;
        if (is_default || is_ignored || SB_LOAD(sb_handing_on) == thread) {
            sb_die_of(number, info);
            return;
        }
        memcpy(&mask, &context->uc_sigmask, sizeof(mask));
        memcpy(&more, &next.sa_mask, sizeof(more));
        mask |= more;
        if (!(next.sa_flags & SA_NODEFER)) mask |= (uint64_t)1 << (number - 1);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
        SB_STORE(sb_handing_on, thread);
        if (next.sa_flags & SA_SIGINFO) next.sa_sigaction(number, info, context);
        else next.sa_handler(number);
        SB_STORE(sb_handing_on, 0);
    }

    static void sb_on_sigill(int number, siginfo_t *info, void *its_context) {
        ucontext_t *context = (ucontext_t *)its_context;
        uint64_t at = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
        int saved_errno = errno;
        sb_decoded it = {-1, 0, 0};
        sb_trap *trap;
        SB_ADD(sb_inside, 1);
        trap = SB_LOAD(sb_installed_trap);
        if (trap != NULL) {
            if (info->si_code > 0) it = sb_decode((const uint8_t *)at, sb_readable(at));
            if (it.instruction >= 0) sb_emulate(trap, it, context);
            else SB_ADD(trap->handed_on, 1);
        }
        SB_ADD(sb_inside, (uint32_t)-1);
        if (it.instruction < 0) sb_hand_on(number, info, context);
        errno = saved_errno;
    }

    /* Whoever forks is in no handler, and the other threads are not in the child. */
    static void sb_forget_threads(void) { SB_STORE(sb_inside, 0); }

    /* 0, or the errno. */
    static int sb_trap_install(sb_trap *trap) {
        static const int never_blocked[] = {
            SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
        static int has_atfork;
        struct sigaction now, ours;
        size_t i;
        int error;
        if (!has_atfork) {
            error = pthread_atfork(NULL, NULL, sb_forget_threads);
            if (error) return error;
            has_atfork = 1;
        }
        if (sigaction(SIGILL, NULL, &now)) return errno;
        SB_STORE(sb_installed_trap, trap);
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == sb_on_sigill) return 0;
        memset(&ours, 0, sizeof(ours));
        ours.sa_sigaction = sb_on_sigill;
        ours.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigfillset(&ours.sa_mask);
        for (i = 0; i < sizeof(never_blocked) / sizeof(*never_blocked); i++)
            sigdelset(&ours.sa_mask, never_blocked[i]);
        sb_previous = now;
        return sigaction(SIGILL, &ours, NULL) ? errno : 0;
    }

    /* Who is in an emulated wait leaves it. 0; ETIMEDOUT: somebody did not within `within_ms`. */
    static int sb_trap_uninstall(int within_ms) {
        struct timespec ms = {0, 1000000};
        struct sigaction now;
        SB_STORE(sb_installed_trap, (sb_trap *)NULL);
        if (sigaction(SIGILL, NULL, &now)) return errno;
        /* Whoever came on top of us keeps his place; what he hands to us goes on to the previous
           handler. */
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == sb_on_sigill
            && sigaction(SIGILL, &sb_previous, NULL)) return errno;
        for (; SB_LOAD(sb_inside) != 0; within_ms--) {
            if (within_ms <= 0) return ETIMEDOUT;
            nanosleep(&ms, NULL);
        }
        return 0;
    }

    #else

    #define SB_TRAP_REFUSAL "only x86-64 has the instructions that it emulates"
    static int sb_trap_install(sb_trap *trap) { (void)trap; return ENOSYS; }
    static int sb_trap_uninstall(int within_ms) { (void)within_ms; return ENOSYS; }

    #endif
    """
    const char* TRAP_REFUSAL "SB_TRAP_REFUSAL"
    int trap_install "sb_trap_install"(Trap* trap) noexcept nogil
    int trap_uninstall "sb_trap_uninstall"(int within_ms) noexcept nogil
