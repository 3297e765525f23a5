# What an end has learnt of its waits, from one to the next.

cdef struct Habit:
    i64 gap_ns  # how long they took, on average; 0: nothing is known yet
    u32 waits
    u32 rescued  # ended by the timer of a hardware wait although a store should have ended them
