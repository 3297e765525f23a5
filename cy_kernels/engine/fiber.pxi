# Fibers: each simulated process has a stack of its own, and a switch is a dozen instructions.
#
# A switch saves the registers that the platform's C calling convention promises to keep, changes
# the stack and *jumps* to where the other fiber left: a `ret` would miss in the return predictor
# each time (5 ns a round trip against 15). Elsewhere, or with -DSPINBED_PORTABLE_FIBERS,
# makecontext and swapcontext do the same at 300 ns: they save the signal mask by a system call.
#
# A stack has a guard page below it: an overflow is a fault, not a corrupted neighbour.

cdef extern from *:
    """
    #include <stdlib.h>
    #include <sys/mman.h>

    #define SB_STACK_BYTES (64 * 1024)
    #define SB_GUARD_BYTES 4096
    typedef void (*sb_entry)(void *argument);

    #if defined(__x86_64__) && !defined(SPINBED_PORTABLE_FIBERS)
    #define SB_FIBERS "x86-64"
    typedef struct { void *stack; } sb_context;
    void sb_switch(sb_context *from, sb_context *to) __attribute__((visibility("hidden")));
    void sb_start_fiber(void) __attribute__((visibility("hidden")));
    __asm__(
        ".text\\n.p2align 4\\n.hidden sb_switch\\n.type sb_switch,@function\\nsb_switch:\\n"
        "  pushq %rbp\\n  pushq %rbx\\n  pushq %r12\\n  pushq %r13\\n  pushq %r14\\n  pushq %r15\\n"
        "  movq %rsp, (%rdi)\\n  movq (%rsi), %rsp\\n"
        "  popq %r15\\n  popq %r14\\n  popq %r13\\n  popq %r12\\n  popq %rbx\\n  popq %rbp\\n"
        "  popq %rcx\\n  jmp *%rcx\\n.size sb_switch,.-sb_switch\\n"
        ".hidden sb_start_fiber\\n.type sb_start_fiber,@function\\nsb_start_fiber:\\n"
        "  movq %r13, %rdi\\n  callq *%r12\\n  ud2\\n.size sb_start_fiber,.-sb_start_fiber\\n");

    static inline void sb_prepare(sb_context *c, uint8_t *stack, sb_entry entry, void *argument) {
        void **top = (void **)(stack + SB_STACK_BYTES);
        /* r15 r14 r13 r12 rbx rbp, where to go; the call that follows finds rsp aligned. */
        *--top = (void *)sb_start_fiber;
        *--top = NULL; *--top = NULL; *--top = (void *)entry; *--top = argument;
        *--top = NULL; *--top = NULL;
        c->stack = top;
    }
    #elif defined(__aarch64__) && !defined(SPINBED_PORTABLE_FIBERS)
    #define SB_FIBERS "aarch64"
    typedef struct { void *stack; } sb_context;
    void sb_switch(sb_context *from, sb_context *to) __attribute__((visibility("hidden")));
    void sb_start_fiber(void) __attribute__((visibility("hidden")));
    __asm__(
        ".text\\n.p2align 4\\n.hidden sb_switch\\n.type sb_switch,%function\\nsb_switch:\\n"
        "  sub sp, sp, #160\\n"
        "  stp x19, x20, [sp]\\n  stp x21, x22, [sp, #16]\\n  stp x23, x24, [sp, #32]\\n"
        "  stp x25, x26, [sp, #48]\\n  stp x27, x28, [sp, #64]\\n  stp x29, x30, [sp, #80]\\n"
        "  stp d8, d9, [sp, #96]\\n  stp d10, d11, [sp, #112]\\n  stp d12, d13, [sp, #128]\\n"
        "  stp d14, d15, [sp, #144]\\n"
        "  mov x9, sp\\n  str x9, [x0]\\n  ldr x9, [x1]\\n  mov sp, x9\\n"
        "  ldp x19, x20, [sp]\\n  ldp x21, x22, [sp, #16]\\n  ldp x23, x24, [sp, #32]\\n"
        "  ldp x25, x26, [sp, #48]\\n  ldp x27, x28, [sp, #64]\\n  ldp x29, x30, [sp, #80]\\n"
        "  ldp d8, d9, [sp, #96]\\n  ldp d10, d11, [sp, #112]\\n  ldp d12, d13, [sp, #128]\\n"
        "  ldp d14, d15, [sp, #144]\\n"
        "  add sp, sp, #160\\n  br x30\\n.size sb_switch,.-sb_switch\\n"
        ".hidden sb_start_fiber\\n.type sb_start_fiber,%function\\nsb_start_fiber:\\n"
        "  mov x0, x20\\n  blr x19\\n  brk #0\\n.size sb_start_fiber,.-sb_start_fiber\\n");

    static inline void sb_prepare(sb_context *c, uint8_t *stack, sb_entry entry, void *argument) {
        void **top = (void **)(stack + SB_STACK_BYTES - 160);
        memset(top, 0, 160);
        top[0] = (void *)entry;
        top[1] = argument;
        top[11] = (void *)sb_start_fiber; /* x30 */
        c->stack = top;
    }
    #else
    #define SB_FIBERS "portable"
    #include <ucontext.h>
    typedef struct { ucontext_t saved; sb_entry entry; void *argument; } sb_context;
    static inline void sb_switch(sb_context *from, sb_context *to) {
        swapcontext(&from->saved, &to->saved);
    }
    static void sb_start_fiber(unsigned high, unsigned low) {
        sb_context *c = (sb_context *)(((uintptr_t)high << 16 << 16) | low);
        c->entry(c->argument);
        abort();
    }
    static inline void sb_prepare(sb_context *c, uint8_t *stack, sb_entry entry, void *argument) {
        uintptr_t self = (uintptr_t)c;
        getcontext(&c->saved);
        c->saved.uc_stack.ss_sp = stack;
        c->saved.uc_stack.ss_size = SB_STACK_BYTES;
        c->saved.uc_link = NULL;
        c->entry = entry;
        c->argument = argument;
        makecontext(&c->saved, (void (*)(void))sb_start_fiber, 2,
                    (unsigned)(self >> 16 >> 16), (unsigned)self);
    }
    #endif

    /* One stack, its guard page below it; NULL where there is no memory. */
    static inline uint8_t *sb_new_stack(void) {
        uint8_t *whole = mmap(NULL, SB_GUARD_BYTES + SB_STACK_BYTES, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (whole == MAP_FAILED) return NULL;
        if (mprotect(whole, SB_GUARD_BYTES, PROT_NONE) != 0) {
            munmap(whole, SB_GUARD_BYTES + SB_STACK_BYTES);
            return NULL;
        }
        return whole + SB_GUARD_BYTES;
    }
    static inline void sb_free_stack(uint8_t *stack) {
        if (stack != NULL) munmap(stack - SB_GUARD_BYTES, SB_GUARD_BYTES + SB_STACK_BYTES);
    }
    """
    ctypedef struct Context "sb_context":
        pass
    const char* FIBERS "SB_FIBERS"
    void switch_to "sb_switch"(Context* source, Context* to) noexcept nogil
    void prepare_fiber "sb_prepare"(
        Context* context, u8* stack, void (*entry)(void*) noexcept nogil, void* argument
    ) noexcept nogil
    u8* new_stack "sb_new_stack"() noexcept nogil
    void free_stack "sb_free_stack"(u8* stack) noexcept nogil
