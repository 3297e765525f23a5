/* Three fibers hand the turn around, and one line says in which order and with what in registers.
   The fibers themselves are the C text of cy_kernels/engine/fiber.pxi, put before this. */
#include <stdio.h>

#define FIBERS 3
#define ROUNDS 5

static sb_context driver, fibers[FIBERS];
static double kept[FIBERS];
static int order[FIBERS * ROUNDS], turns;

static void take_turns(void *argument) {
    int me = (int)(intptr_t)argument;
    double value = me + 0.5; /* lives in a register that a switch has to keep */
    for (int round = 0; round < ROUNDS; round++) {
        order[turns++] = 10 * me + round;
        value = value * 1.5 + round;
        kept[me] = value;
        sb_switch(&fibers[me], me + 1 < FIBERS ? &fibers[me + 1] : &driver);
    }
}

int main(void) {
    double value = 3.25;
    for (int i = 0; i < FIBERS; i++) {
        uint8_t *stack = sb_new_stack();
        if (stack == NULL) return 1;
        sb_prepare(&fibers[i], stack, take_turns, (void *)(intptr_t)i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        sb_switch(&driver, &fibers[0]);
        value *= 2;
    }
    printf("%s", SB_FIBERS);
    for (int i = 0; i < turns; i++) printf(" %d", order[i]);
    printf(" %g %g %g %g\n", value, kept[0], kept[1], kept[2]);
    return 0;
}
