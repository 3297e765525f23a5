# Known bugs that are switched on by name, to test the tester. In the product `mutant_of` is the
# constant 0, and all of this folds away. What each does: flag_mutants.pxi, park_mutants.pxi, and
# the head of wait_monitor.pxi.

cdef enum Mutant:
    NO_MUTANT = 0
    # of flag_ring
    FLAG_BEFORE_DATA
    RESET_BEFORE_DATA
    FLAG_BEFORE_RESET
    STEP_OVER_NOT_READY
    RELEASE_BEFORE_READ
    NO_RELEASE_ON_RAISE
    NO_DATA_FENCE
    # of park and its wakers, with any ring
    EVENT_AFTER_PARKED
    NO_RECHECK
    NO_WAITER_FENCE
    NO_WAKER_FENCE
    BUMP_AFTER_WAKE
    CLEAR_AFTER_BUMP
    # of the strategies that wait on a monitored line, with any ring
    NO_MONITOR_RECHECK
    NO_MONITOR_TIMER

KNOWN_MUTANTS = (
    "flag-before-data",
    "reset-before-data",
    "flag-before-reset",
    "step-over-not-ready",
    "release-before-read",
    "no-release-on-raise",
    "no-data-fence",
    "event-after-parked",
    "no-recheck",
    "no-waiter-fence",
    "no-waker-fence",
    "bump-after-wake",
    "clear-after-bump",
)
# These show only where the strategy is one of those, the second only where hardware misses a wake.
MONITOR_MUTANTS = ("no-monitor-recheck", "no-monitor-timer")
