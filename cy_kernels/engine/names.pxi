# What the machine's numbers are called in Python, each in the order of its enum.

MODELS = ("sc", "tso", "pso", "ra")
STATES = ("absent", "runnable", "watching", "parked", "napping", "held", "done", "dead")
STOPS = ("running", "ended", "stuck", "reached", "in_time", "found", "out_of_steps")
FINDINGS = ("nothing", "torn", "wrong-message", "wrong-length", "lost", "race", "mismatch")
EVENTS = ("turn", "load", "store", "flush", "exchange", "fence", "block", "wake", "timer",
          "started", "finished", "trigger", "stopped", "continued")
MUTANTS = KNOWN_MUTANTS
FIBER_KIND = FIBERS.decode()
# Raised whenever the same tape may mean something else: an op that is new or gone, other moves,
# other options. A tape of another version is refused.
MACHINE_VERSION = 1
