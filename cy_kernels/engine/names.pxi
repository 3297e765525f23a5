# What the machine's numbers are called in Python, each in the order of its enum.

MODELS = ("sc", "tso", "pso", "ra")
ROLES = ("nobody", "writer", "reader", "program")
STATES = ("absent", "runnable", "watching", "parked", "napping", "held", "done", "dead")
STOPS = ("running", "ended", "stuck", "reached", "in_time", "found", "out_of_steps")
FINDINGS = ("nothing", "torn", "wrong-message", "wrong-length", "lost", "race", "mismatch")
EVENTS = ("turn", "load", "store", "flush", "exchange", "fence", "block", "wake", "timer",
          "started", "finished", "trigger", "stopped", "continued")
MUTANTS = KNOWN_MUTANTS
ALL_MUTANTS = (*MUTANTS, *MONITOR_MUTANTS)
FIBER_KIND = FIBERS.decode()
# Raised whenever the same tape may mean something else: an op that is new or gone, other moves,
# other options. A tape of another version is refused.
MACHINE_VERSION = 1

STEPS_MAX = 10_000_000
FIRST_RECORDS = 64
FIRST_LOCATIONS = 256
FIRST_TRACE = 1024
ON_TIMEOUT = ("retry", "drop", "stop")
HELD_FOR = (None, "count", "step", "attached")
PHASES = ("messages", "end", "detach")


cdef dict condition_of(Ops* ops):
    return {
        "state": STATES[ops.state],
        "is_stopped": bool(ops.machine.stopped >> ops.index & 1),
        "held_for": HELD_FOR[ops.held_for] if ops.state == HELD else None,
        "is_attached": bool(ops.is_attached),
        "site": ops.site,
        "occurrence": ops.seen,
        "ended_ns": ops.ended_ns,
        "idle_until_ns": ops.idle_until_ns,
        "messages": ops.messages,
        "position": ops.position,  # a reader's: of the message that it receives next
        "per_op_ns": ops.slow_ns,
        "slowed_ops": ops.slowed,
        "raises_next": bool(ops.raises_next),
    }
