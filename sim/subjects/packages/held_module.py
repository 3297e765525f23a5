"""Its import takes as long as another thread wants it to."""

from sim.subjects import fork_with_held_lock

fork_with_held_lock.in_the_body()

VALUE = 42
