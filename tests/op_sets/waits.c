/* Two processes wait for each other over a shared mapping, in turns, each way of waiting in its own
   mode. The ops are the C text of the kernels themselves, put before this; what is written here is
   only the order in which a waiter and a waker use them, which is that of cy_kernels/protocol.

   park      raise the flag, fence, look again, sleep on the futex; publish, fence, look at the flag
   exclusive mark the granule, look again, wfe
   pause     look, and pause between
   counter   whether the counter runs beside the clock as it says */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>

#define NOBODY ((void *)0)
#define NOWHERE 0
#define LINE 64
#define WATCHDOG_S 120
#define COUNTED_NS 50000000
#define TURN_DEADLINE_NS 60000000000 /* only against a hang: a turn is some microseconds */

struct side {
    uint64_t turn;      /* how often this side has been given the turn */
    char space[LINE - sizeof(uint64_t)];
    uint32_t event, parked;
    char rest[LINE - 2 * sizeof(uint32_t)];
};

static uint64_t polls, sleeps; /* of this process: that its waits were waits */

static void give_turn(struct side *to, uint64_t turn, int is_parked_mode) {
    store64(NOBODY, NOWHERE, &to->turn, turn, __ATOMIC_RELEASE);
    if (!is_parked_mode) return;
    fence(NOBODY, NOWHERE, __ATOMIC_SEQ_CST);
    if (load32(NOBODY, NOWHERE, &to->parked, __ATOMIC_RELAXED)) {
        store32(NOBODY, NOWHERE, &to->parked, 0, __ATOMIC_RELAXED);
        add32(NOBODY, NOWHERE, &to->event, 1);
        futex_wake(NOBODY, NOWHERE, &to->event);
    }
}

static int has_turn(struct side *mine, uint64_t turn) {
    polls++;
    return load64(NOBODY, NOWHERE, &mine->turn, __ATOMIC_ACQUIRE) >= turn;
}

static void park(struct side *mine, uint64_t turn, int64_t deadline_ns) {
    uint32_t seen = load32(NOBODY, NOWHERE, &mine->event, __ATOMIC_ACQUIRE);
    store32(NOBODY, NOWHERE, &mine->parked, 1, __ATOMIC_RELAXED);
    fence(NOBODY, NOWHERE, __ATOMIC_SEQ_CST);
    if (has_turn(mine, turn)) return;
    sleeps++;
    futex_wait(NOBODY, NOWHERE, &mine->event, seen, deadline_ns);
}

static void wait_exclusive(struct side *mine, uint64_t turn) {
    sb_arm_exclusive(&mine->turn);
    if (has_turn(mine, turn)) return;
    sleeps++;
    sb_wfe();
}

static void await_turn(struct side *mine, uint64_t turn, char mode) {
    int64_t deadline_ns = now(NOBODY, NOWHERE) + TURN_DEADLINE_NS;
    while (!has_turn(mine, turn)) {
        if (mode == 'p') park(mine, turn, deadline_ns);
        else if (mode == 'e') wait_exclusive(mine, turn);
        else pause_core(NOBODY, NOWHERE);
        if (now(NOBODY, NOWHERE) >= deadline_ns) {
            printf("turn %llu never came\n", (unsigned long long)turn);
            exit(2);
        }
    }
}

/* 0 where every turn came. The first side says whether it had to wait for any. */
static int hand_over(char mode, uint64_t turns) {
    int kind = MAP_SHARED | MAP_ANONYMOUS;
    struct side *sides = mmap(NULL, 2 * sizeof *sides, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (sides == MAP_FAILED) return 1;
    pid_t other = fork();
    if (other < 0) return 1;
    int me = other == 0;
    if (me == 1) prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint64_t turn = 1; turn <= turns; turn++) {
        if (me == 1) await_turn(&sides[1], turn, mode);
        give_turn(&sides[!me], turn, mode == 'p');
        if (me == 0) await_turn(&sides[0], turn, mode);
    }
    if (me == 1) _exit(0);
    int status;
    if (waitpid(other, &status, 0) != other || status != 0) return 1;
    printf("%llu turns, %s\n", (unsigned long long)turns,
           polls > turns && (sleeps > 0 || mode == 'y') ? "waited" : "never waited");
    return 0;
}

/* Whether the rate that the register tells lies between the least and the most that the counter can
   have run at, whatever held this process up between two reads; and whether it ever went back. */
static int counter(void) {
    int64_t early_ns = now(NOBODY, NOWHERE), begun_ns, ended_ns, late_ns;
    uint64_t first = sb_tsc(), last = first, next;
    int backwards = 0;
    begun_ns = now(NOBODY, NOWHERE);
    do {
        ended_ns = now(NOBODY, NOWHERE);
        next = sb_tsc();
        late_ns = now(NOBODY, NOWHERE);
        backwards += next < last;
        last = next;
    } while (ended_ns - begun_ns < COUNTED_NS);
    double told = sb_cntfrq_el0(), ticks = last - first;
    double least = ticks * 1e9 / (late_ns - early_ns), most = ticks * 1e9 / (ended_ns - begun_ns);
    if (told < least * 0.999 || told > most * 1.001) printf("%f to %f, ", least, most);
    printf("%.0f Hz, %d times back\n", told, backwards);
    return 0;
}

int main(int count, char **words) {
    if (count != 3) return 64;
    alarm(WATCHDOG_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    return words[1][0] == 'c' ? counter() : hand_over(words[1][0], strtoull(words[2], NULL, 10));
}
