# Known bugs of spinning waits that are switched on by name, to test the tests. In the product
# `mutant` is the constant 0, and all of this folds away.
#
#   no-timer             an mwaitx that nothing but a store or an interrupt ends
#   clock-at-bit-four    `& 16` for `& 15`: the clock is read 16 times in a row, then not for 16
#   smallest-line        asks whether the buffer fits into the smallest monitored line
#   on-by-default        runs mwaitx where the host does not say that it has it
#   line-straddle        looks at the length of what it watches, not at where it lies
#   is-true-only         takes no result of the callback for an answer but True itself
#   past-the-deadline    a fixed time in mwaitx, whatever is left of the time-out
#   no-recheck           waits without a look at memory after arming
#   keeps-the-core       spins on where others want to run
#   keeps-the-lock       waits without letting other Python threads run
#   deaf-to-signals      no signal handler runs until the wait is over
#   keeps-the-result     one reference too many to what the callback returned
#   keeps-the-buffer     not given back where the callback raises

cdef enum Mutant:
    NO_MUTANT = 0
    NO_TIMER
    CLOCK_AT_BIT_FOUR
    SMALLEST_LINE
    ON_BY_DEFAULT
    LINE_STRADDLE
    IS_TRUE_ONLY
    PAST_THE_DEADLINE
    NO_RECHECK
    KEEPS_THE_CORE
    KEEPS_THE_LOCK
    DEAF_TO_SIGNALS
    KEEPS_THE_RESULT
    KEEPS_THE_BUFFER

KNOWN_MUTANTS = (
    "no-timer",
    "clock-at-bit-four",
    "smallest-line",
    "on-by-default",
    "line-straddle",
    "is-true-only",
    "past-the-deadline",
    "no-recheck",
    "keeps-the-core",
    "keeps-the-lock",
    "deaf-to-signals",
    "keeps-the-result",
    "keeps-the-buffer",
)
