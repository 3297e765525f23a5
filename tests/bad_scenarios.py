"""What can be wrong with a scenario file: a good one, and the single changes that spoil it."""

from __future__ import annotations

GOOD = """\
schema = 1
name = "good"
deadline = "10s"

[transport]
kind = "cursor_ring"
slots = 8
slot_bytes = 256

[[process]]
name = "writer"
role = "writer"
wait = "park"
workload = { messages = 10, size_bytes = 64, deadline = "300ms" }

[[process]]
name = "reader"
role = "reader"
count = 3
workload = { think = "50us" }

[[fault]]
kind = "stall"
target = "reader[1]"
at = { process = "reader[1]", after_ops = 5 }
heal_after = "1s"

[[expect]]
process = "writer"
op = "send"
outcome = "timeout"
"""
TIMES_OUT = 'process = "writer"\nop = "send"\noutcome = "timeout"'
# (what is replaced in GOOD, by what, key, part of the message, nearest). The line to be named is
# the one that ends in "#!". Each file has one problem, and exactly that one is reported.
BAD = {
    # keys
    "key-at-top": ('deadline = "10s"', 'dedline = "10s" #!', "dedline", "'dedline'", "deadline"),
    "key-far": ('deadline = "10s"', 'qqqq = 1 #!', "qqqq", "known: check, cluster, deadline", None),
    "section": ("[transport]", "[transprot] #!", "transprot", "unknown key", "transport"),
    "key-transport": ("slots = 8", "slot = 8 #!", "transport.slot", "'slot'", "slots"),
    "key-process": ('wait = "park"', 'wiat = "park" #!', "process[0].wiat", "'wiat'", "wait"),
    "key-workload": (
        'workload = { think = "50us" }', 'workload = { thnik = "50us" } #!',
        "process[1].workload.thnik", "'thnik'", "think",
    ),
    "key-of-the-other-role": (
        'workload = { think = "50us" }', 'workload = { messages = 3 } #!',
        "process[1].workload.messages", "known: deadline, on_timeout, think", None,
    ),
    "key-fault": (
        'heal_after = "1s"', 'heal_aftr = "1s" #!', "fault[0].heal_aftr", "unknown", "heal_after"
    ),
    "key-at": (
        "after_ops = 5 }", "after_ops = 5, afterops = 6 } #!",
        "fault[0].at.afterops", "unknown key", "after_ops",
    ),
    "key-expect": ("op = \"send\"", "op = \"send\"\ncuont = 1 #!", "expect[0].cuont", "unknown",
                   "count"),
    "key-count": (
        'op = "send"', 'op = "send"\ncount = { mni = 1 } #!',
        "expect[0].count.mni", "unknown", "min",
    ),
    "key-size": (
        "size_bytes = 64, deadline = \"300ms\" }", "size_bytes = { unifrom = [1, 2], "
        "uniform = [1, 2] } } #!",
        "process[0].workload.size_bytes.unifrom", "unknown", "uniform",
    ),
    "key-check": ("[[expect]]", '[[check]]\nalias = "fifo"\nmax = 1 #!\n[[expect]]',
                  "check[0].max", "known: alias", None),
    "parameter-of-another-fault": (
        'heal_after = "1s"', 'per_op = "1ms" #!', "fault[0].per_op", "unknown key 'per_op'", None
    ),
    "heals-what-cannot-heal": ('kind = "stall"\ntarget = "reader[1]"', 'kind = "kill"\n'
                               'target = "reader[1]"', "fault[0].heal_after", "nothing to heal",
                               None),
    "heals-by-another-key": ('kind = "stall"', 'kind = "restart"', "fault[0].heal_after",
                             "unknown key", "restart_after"),
    # names
    "kind": ('kind = "cursor_ring"', 'kind = "cursor_rign" #!', "transport.kind",
             "unknown transport 'cursor_rign'", "cursor_ring"),
    "kind-of-a-plug-in": ('kind = "cursor_ring"', 'kind = "their-pkg:Ring" #!', "transport.kind",
                          "unknown transport 'their-pkg:Ring'", None),
    "wait": ('wait = "park"', 'wait = "prak" #!', "process[0].wait",
             "unknown wait strategy 'prak'", "park"),
    "wait-far": ('wait = "park"', 'wait = "futex" #!', "process[0].wait",
                      "one of busy_spin, pause", None),
    "role": ('role = "reader"', 'role = "raeder" #!', "process[1].role", "unknown role 'raeder'",
             "reader"),
    "start": ('wait = "park"', 'start = "frok" #!', "process[0].start", "'frok'", "fork"),
    "fault": ('kind = "stall"', 'kind = "stal" #!', "fault[0].kind", "unknown fault 'stal'",
              "stall"),
    "checker": ("[[expect]]", '[[check]]\nalias = "no_los" #!\n[[expect]]', "check[0].alias",
                "unknown checker 'no_los'", "no_loss"),
    "checker-expected": (
        'process = "writer"\nop = "send"\noutcome = "timeout"',
        'verdict = "invalid"\nchecker = "fifoo" #!', "expect[0].checker", "'fifoo'", "fifo",
    ),
    "verdict": ('process = "writer"\nop = "send"\noutcome = "timeout"', 'verdict = "vaild" #!',
                "expect[0].verdict", "unknown verdict 'vaild'", "valid"),
    "outcome": ('outcome = "timeout"', 'outcome = "timeuot" #!', "expect[0].outcome",
                "unknown outcome 'timeuot'", "timeout"),
    "op": ('op = "send"', 'op = "sned" #!', "expect[0].op", "unknown operation 'sned'", "send"),
    "signal": (
        'op = "send"\noutcome = "timeout"', 'exit = { signal = "SIGBUSS" } #!',
        "expect[0].exit.signal", "unknown signal 'SIGBUSS'", "SIGBUS",
    ),
    "level": ('op = "send"\noutcome = "timeout"', 'log = { level = "WARN" } #!',
              "expect[0].log.level", "unknown level 'WARN'", "WARNING"),
    "world": ('deadline = "10s"', 'worlds = ["live", "virtaul"] #!', "worlds[1]",
              "unknown world 'virtaul'", "virtual"),
    "on-timeout": ('deadline = "300ms" }', 'on_timeout = "rety" } #!',
                   "process[0].workload.on_timeout", "unknown choice 'rety'", "retry"),
    "order": ("slots = 8", 'order = "as_shiped" #!', "transport.order",
              "unknown order 'as_shiped' of cursor_ring", None),
    "mutant": (
        'kind = "cursor_ring"', 'kind = "flag_ring"\nmutant = "flag-before-dat" #!',
        "transport.mutant", "unknown mutant 'flag-before-dat'", "flag-before-data",
    ),
    "mutant-where-none-are": ("slots = 8", 'mutant = "flag-before-data" #!', "transport.mutant",
                              "it has no mutants", None),
    "mutant-with-the-other-order": (
        'kind = "cursor_ring"',
        'kind = "flag_ring"\norder = "as_shipped"\nmutant = "flag-before-data" #!',
        "transport.mutant", "not on 'as_shipped'", None,
    ),
    # types
    "text-for-number": ("slots = 8", 'slots = "8" #!', "transport.slots",
                        "expected a whole number, got '8' (a string)", None),
    "fraction": ("slots = 8", "slots = 8.5 #!", "transport.slots", "8.5", None),
    "boolean-for-number": ("count = 3", "count = true #!", "process[1].count",
                           "expected a whole number, got true (a boolean)", None),
    "number-for-boolean": ("slots = 8", "reserve = 1 #!", "transport.reserve",
                           "expected true or false, got 1", None),
    "number-for-text": ('name = "good"', "name = 5 #!", "name", "expected a string, got 5", None),
    "table-for-array": ("[[expect]]", "[expect] #!", "expect", "expected [[expect]]", None),
    "text-for-table": ('workload = { think = "50us" }', 'workload = "50us" #!',
                       "process[1].workload", "expected a table, got '50us'", None),
    "number-in-array": ('deadline = "10s"', "worlds = [1] #!", "worlds[0]", "expected a string",
                        None),
    "env-number": ('wait = "park"', "env = { A = 1 } #!", "process[0].env.A",
                   "expected a string, got 1", None),
    "nan": ('deadline = "300ms" }', "rate_hz = nan } #!", "process[0].workload.rate_hz",
            "nan is not a finite number", None),
    "date": ('deadline = "10s"', "deadline = 1979-05-27 #!", "deadline", "expected a duration",
             None),
    # durations
    "bare-duration": ('deadline = "10s"', "deadline = 10 #!", "deadline",
                      "expected a duration such as \"300ms\", got 10", None),
    "no-unit": ('deadline = "10s"', 'deadline = "10" #!', "deadline", "'10' is not a duration",
                None),
    "unit": ('deadline = "10s"', 'deadline = "10 sec" #!', "deadline", "'10 sec'", "10s"),
    "negative-duration": ('heal_after = "1s"', 'heal_after = "-1s" #!', "fault[0].heal_after",
                          "'-1s' is not a duration", None),
    "no-time": ('deadline = "10s"', 'deadline = "0s" #!', "deadline", "more than 0", None),
    "too-fine": ('think = "50us" }', 'think = "0.5ns" } #!', "process[1].workload.think",
                 "finer than a nanosecond", None),
    "too-long": ('deadline = "10s"', 'deadline = "1441min" #!', "deadline", "24 hours", None),
    # limits and sizes
    "no-readers": ("count = 3", "count = 0 #!", "process[1].count", "0 is too small: at least 1",
                   None),
    "too-many-readers": ("count = 3", "count = 65 #!", "process[1].count",
                         "65 is too large: at most 64", None),
    "too-many-in-all": (
        "[[fault]]", '[[process]]\nname = "more"\nrole = "reader"\ncount = 62 #!\n[[fault]]',
        "process[2].count", "65 readers in all; at most 64", None,
    ),
    "two-of-the-writer": ('wait = "park"', "count = 2 #!", "process[0].count", "at most 1", None),
    "no-slots": ("slots = 8", "slots = 0 #!", "transport.slots", "0 is too small", None),
    "huge-number": ("slots = 8", "slots = 99999999999999999999999 #!", "transport.slots",
                    "99999999999999999999999 is too large", None),
    "region": ("slots = 8\nslot_bytes = 256", "slots = 100000 #!\nslot_bytes = 1000000",
               "transport.slots", "100000000000 bytes; at most", None),
    "rate": ('deadline = "300ms" }', "rate_hz = 0 } #!", "process[0].workload.rate_hz",
             "0 is too small: above 0", None),
    "size": ("size_bytes = 64,", "size_bytes = 257,", "process[0].workload.size_bytes",
             "a message of 257 bytes does not fit slot_bytes = 256", None),
    "size-with-overhead": (
        'kind = "cursor_ring"\nslots = 8\nslot_bytes = 256',
        'kind = "flag_ring"\nslots = 8\nslot_bytes = 70', "process[0].workload.size_bytes",
        "a message of 64 bytes needs 71 with the 7 of flag_ring; it does not fit slot_bytes = 70",
        None,
    ),
    "size-drawn": (
        "size_bytes = 64,", "size_bytes = { uniform = [1, 300] },",
        "process[0].workload.size_bytes", "300 bytes does not fit slot_bytes = 256", None,
    ),
    "size-backwards": ("size_bytes = 64,", "size_bytes = { uniform = [9, 1] },",
                       "process[0].workload.size_bytes.uniform", "9 is more than 1", None),
    "size-of-three": ("size_bytes = 64,", "size_bytes = { uniform = [1, 2, 3] },",
                      "process[0].workload.size_bytes.uniform", "has 3: at most 2", None),
    "size-negative": ("size_bytes = 64,", "size_bytes = -1,", "process[0].workload.size_bytes",
                      "-1 is too small: at least 0", None),
    "status": ('op = "send"\noutcome = "timeout"', "exit = { status = 256 } #!",
               "expect[0].exit.status", "256 is too large: at most 255", None),
    "counts-backwards": ('op = "send"', 'op = "send"\ncount = { min = 3, max = 2 } #!',
                         "expect[0].count", "min = 3 is more than max = 2", None),
    "schema": ("schema = 1", "schema = 2 #!", "schema", "2 is too large: at most 1", None),
    # shapes of names
    "scenario-name": ('name = "good"', 'name = "not/good" #!', "name", "'not/good' is not valid",
                      None),
    "process-name": ('name = "reader"', 'name = "Reader!" #!', "process[1].name", "'Reader!'",
                     None),
    "reserved-name": ('name = "reader"', 'name = "nemesis" #!', "process[1].name",
                      "'nemesis' is what the history calls", None),
    "env-name": ('wait = "park"', 'env = { "A=B" = "1" } #!', "process[0].env",
                 "'A=B' cannot be the name", None),
    "env-nul": ('wait = "park"', 'env = { A = "\\u0000" } #!', "process[0].env", "holds a NUL",
                None),
    "env-long": ('wait = "park"', f'env = {{ A = "{"x" * 131072}" }} #!', "process[0].env",
                 "A and its value are 131074 bytes; at most 131071", None),
    "env-kernels": ('wait = "park"', 'env = { SPINBED_KERNELS = "fast" } #!', "process[0].env",
                    "SPINBED_KERNELS is 'fast': not compiled or pure", None),
    "pattern": ('op = "send"\noutcome = "timeout"', 'log = { matches = "(" } #!',
                "expect[0].log.matches", "'(' is not a regular expression", None),
    # what does not agree
    "target-out-of-range": ('target = "reader[1]"', 'target = "reader[3]" #!', "fault[0].target",
                            "'reader[3]' names nobody; there are writer, reader[0]", "reader[2]"),
    "target-misspelt": ('target = "reader[1]"', 'target = "writre" #!', "fault[0].target",
                        "'writre' names nobody", "writer"),
    "target-of-several": ('target = "reader[1]"', 'target = "reader" #!', "fault[0].target",
                          "'reader' is 3 processes", "reader[0]"),
    "target-selector": ('target = "reader[1]"', 'target = "reader:mayority" #!',
                        "fault[0].target", "unknown selector in 'reader:mayority'",
                        "reader:majority"),
    "target-selector-of-nobody": ('target = "reader[1]"', 'target = "raeder:one" #!',
                                  "fault[0].target", "'raeder:one' names nobody", "reader:one"),
    "target-shape": ('target = "reader[1]"', 'target = "reader[x]" #!', "fault[0].target",
                     "'reader[x]' is not valid", None),
    "target-of-the-wrong-role": (
        'kind = "stall"\ntarget = "reader[1]"\nat = { process = "reader[1]", after_ops = 5 }\n'
        'heal_after = "1s"',
        'kind = "raise_in_read"\ntarget = "writer" #!\nat = "1s"',
        "fault[0].target", "'writer' is a writer: raise_in_read needs a reader", None,
    ),
    "at-names-nobody": ('at = { process = "reader[1]"', 'at = { process = "reader[7]"',
                        "fault[0].at.process", "'reader[7]' names nobody", "reader[2]"),
    "at-a-selector": ('at = { process = "reader[1]"', 'at = { process = "reader:one"',
                      "fault[0].at.process", "'reader:one' is a selector", None),
    "at-missing": ('at = { process = "reader[1]", after_ops = 5 }\n', "", "fault[0].at",
                   "is required", None),
    "at-too-late": ('at = { process = "reader[1]", after_ops = 5 }', 'at = "10s" #!',
                    "fault[0].at", "10s after the start is not before the deadline of 10s", None),
    "at-a-number": ('at = { process = "reader[1]", after_ops = 5 }', "at = 5 #!", "fault[0].at",
                    "expected a duration", None),
    "every-too-late": (
        'at = { process = "reader[1]", after_ops = 5 }', 'every = "6s" #!\ntimes = 2',
        "fault[0].every", "12s after the start is not before the deadline of 10s", None,
    ),
    "every-of-ops": ('heal_after = "1s"', 'heal_after = "1s"\nevery = "2s" #!', "fault[0].every",
                     "not with a place", None),
    "every-without-times": ('at = { process = "reader[1]", after_ops = 5 }', 'every = "2s"',
                            "fault[0].times", "is required with `every`", None),
    "times-without-every": ('heal_after = "1s"', 'heal_after = "1s"\ntimes = 2 #!',
                            "fault[0].times", "`every` is not given", None),
    "heals-after-the-next": (
        'at = { process = "reader[1]", after_ops = 5 }\nheal_after = "1s"',
        'every = "1s"\ntimes = 2\nheal_after = "1s" #!', "fault[0].heal_after",
        "1s is not less than every = 1s", None,
    ),
    "dies-twice": (
        'kind = "stall"\ntarget = "reader[1]"\nat = { process = "reader[1]", after_ops = 5 }\n'
        'heal_after = "1s"',
        'kind = "kill"\ntarget = "reader:one"\nevery = "1s"\ntimes = 4 #!', "fault[0].times",
        "up to 4 deaths of 3 processes", None,
    ),
    "too-many-injections": (
        'target = "reader[1]"\nat = { process = "reader[1]", after_ops = 5 }\nheal_after = "1s"',
        'target = "reader:all"\nheal_after = "1ms"\nevery = "2ms"\ntimes = 1000 #!',
        "fault[0].times", "makes up to 3000 injections in all; at most 2000", None,
    ),
    "restart-without-owners": (
        'kind = "cursor_ring"', 'kind = "flag_ring"\n# restart', "fault[0].kind",
        "flag_ring knows no owner", None,
    ),
    "evict-without-owners": (
        'kind = "cursor_ring"', 'kind = "flag_ring"\nevict_dead = true #!',
        "transport.evict_dead", "flag_ring knows no owner", None,
    ),
    "second-writer": ("[[fault]]", '[[process]]\nname = "other"\nrole = "writer" #!\n[[fault]]',
                      "process[2].role", "the first is process[0]", None),
    "name-twice": ("[[fault]]", '[[process]]\nname = "reader" #!\nrole = "reader"\n[[fault]]',
                   "process[2].name", "the name of an earlier [[process]]", None),
    "expects-of-nobody": ('process = "writer"\nop', 'process = "writer[0]" #!\nop',
                          "expect[0].process", "'writer[0]' names nobody", "writer"),
    "expects-of-a-selector": ('process = "writer"\nop = "send"',
                              'process = "reader:one" #!\nop = "receive"', "expect[0].process",
                              "takes no selector", "reader"),
    "expects-of-the-wrong-role": ('op = "send"', 'op = "receive" #!', "expect[0].op",
                                  "'receive', but writer is a writer", "send"),
    "expects-nothing": ('op = "send"\noutcome = "timeout"\n', "", "expect[0]",
                        "expects nothing: give one of verdict", None),
    "expects-two-things": ('outcome = "timeout"', 'outcome = "timeout"\nexit = { status = 1 } #!',
                           "expect[0].exit", "two expectations", None),
    "expects-no-exit": ('op = "send"\noutcome = "timeout"', "exit = {} #!", "expect[0].exit",
                        "needs one of signal and status", None),
    "expects-two-verdicts": (
        "[[expect]]", '[[expect]]\nverdict = "valid"\n[[expect]]\nverdict = "valid" #!\n'
        "[[expect]]", "expect[1].verdict", "a second verdict; the first is expect[0]", None,
    ),
    "expects-a-checker-and-valid": (
        "[[expect]]", '[[expect]]\nverdict = "valid"\nchecker = "fifo" #!\n[[expect]]',
        "expect[0].checker", "the verdict is valid", None,
    ),
    "expects-a-checker-that-does-not-run": (
        "[[expect]]", '[[check]]\nalias = "no_loss"\n[[expect]]\nverdict = "invalid"\n'
        'checker = "fifo" #!\n[[expect]]', "expect[0].checker", "'fifo' does not run", None,
    ),
    "check-twice": ("[[expect]]", '[[check]]\nalias = "fifo"\n[[check]]\nalias = "fifo" #!\n'
                    "[[expect]]", "check[1].alias", "'fifo' is listed twice", None),
    # what is missing
    "name-missing": ('name = "good"\n', "", "name", "is required", None),
    "role-missing": ('role = "reader"\n', "", "process[1].role", "is required: one of writer",
                     None),
    "kind-missing": ('kind = "stall"\n', "", "fault[0].kind", "is required: one of stall", None),
    "target-missing": ('target = "reader[1]"\n', "", "fault[0].target", "is required", None),
    "alias-missing": ("[[expect]]", "[[check]] #!\n[[expect]]", "check[0].alias", "is required",
                      None),
    # later
    "unknown-model": ("[transport]", "[explore]\nmodels = [\"tos\"] #!\n[transport]",
                      "explore.models[0]", "unknown memory model 'tos'", "tso"),
    "unknown-scheduler": ("[transport]", "[explore]\nschedulers = [\"radnom\"] #!\n[transport]",
                          "explore.schedulers[0]", "unknown scheduler 'radnom'", "random"),
    "scheduler-depth": ("[transport]", "[explore]\nschedulers = [\"pct:x\"] #!\n[transport]",
                        "explore.schedulers[0]", "the depth is a whole number", None),
    "no-executions": ("[transport]", "[explore]\nexecutions = 0 #!\n[transport]",
                      "explore.executions", "at least 1", None),
    "sometimes-of-nothing": ("[transport]", "[[sometimes]] #!\n[transport]", "sometimes[0]",
                             "names nothing: give one of rung, step, outcome", None),
    "sometimes-two": ("[transport]", "[[sometimes]]\nrung = \"park\"\nstep = "
                      "\"cursor.send.commit\" #!\n[transport]", "sometimes[0].step",
                      "rung and step are two things", None),
    "sometimes-rung": ("[transport]", "[[sometimes]]\nrung = \"prak\" #!\n[transport]",
                       "sometimes[0].rung", "unknown rung 'prak'", "park"),
    "program-of-a-writer": ('role = "writer"\n', 'role = "writer"\nprogram = "a:b" #!\n',
                            "process[0].program", "unknown key 'program'", None),
    "python": ('wait = "park"', 'python = "pypy" #!', "process[0].python", "is a version", None),
    "python-start": ('wait = "park"', 'python = "3.11"\nstart = "fork" #!', "process[0].start",
                     "in the runner's interpreter, not in '3.11'", None),
    "probe-of-a-reader": ("after_ops = 5 }", 'probe = "x" } #!', "fault[0].at",
                          "only a program has probes", None),
    "hang-class": (TIMES_OUT, 'hang = "peer-ded" #!', "expect[0].hang", "'peer-ded'", "peer-dead"),
    "hang-on": (TIMES_OUT, 'hang = "peer-dead"\non = "raeder" #!', "expect[0].on", "", "reader[2]"),
    # sweeps
    "sweep-key": ("[[fault]]", '[sweep.product]\n"transport.slot" = [1] #!\n[[fault]]',
                  'sweep.product."transport.slot"', "'transport.slot' names no key of this file",
                  "transport.slots"),
    "sweep-absent-key": ("[[fault]]", '[sweep.product]\n"transport.order" = ["fenced"] #!\n'
                         "[[fault]]", 'sweep.product."transport.order"', "names no key", None),
    "sweep-name": ("[[fault]]", '[sweep.product]\nname = ["a", "b"] #!\n[[fault]]',
                   "sweep.product.name", "cannot be swept", None),
    "sweep-of-nothing": ("[[fault]]", '[sweep.product]\n"transport.slots" = [] #!\n[[fault]]',
                         'sweep.product."transport.slots"', "is empty", None),
    "sweep-twice": ("[[fault]]", '[sweep.product]\n"transport.slots" = [4, 4] #!\n[[fault]]',
                    'sweep.product."transport.slots"[1]', "4 is listed twice", None),
    "sweep-value": ("[[fault]]", '[sweep.product]\n"transport.slots" = [4,\n0] #!\n[[fault]]',
                    "transport.slots", "0 is too small", None),
    "sweep-too-large": (
        "[[fault]]", "[sweep.product] #!\n"
        f'"transport.slots" = {[*range(1, 40)]}\n"process[1].count" = {[*range(2, 40)]}\n[[fault]]',
        "sweep", "makes 1482 runs; at most 1000", None,
    ),
    "sweep-lengths": (
        "[[fault]]", '[sweep.zip] #!\n"transport.slots" = [1, 2]\n"process[1].count" = [2]\n'
        "[[fault]]", "sweep.zip", "needs lists of one length", None,
    ),
    "sweep-overlap": (
        "[[fault]]", '[sweep.product]\ntransport = [{}]\n"transport.slots" = [1] #!\n[[fault]]',
        'sweep.product."transport.slots"', "is swept already by 'transport'", None,
    ),
    "sweep-empty": ("[[fault]]", "[sweep] #!\n[[fault]]", "sweep", "give [sweep.product]", None),
    "sweep-unknown": ("[[fault]]", '[sweep]\nprodcut = { "transport.slots" = [1] } #!\n[[fault]]',
                      "sweep.prodcut", "unknown key", "product"),
}  # fmt: skip

# Where the value to blame stands in a line that the change did not touch.
LINES = {
    "heals-what-cannot-heal": 26,
    "heals-by-another-key": 26,
    "size-with-overhead": 14,
    "size": 14,
    "size-drawn": 14,
    "size-backwards": 14,
    "size-of-three": 14,
    "size-negative": 14,
    "at-names-nobody": 25,
    "at-a-selector": 25,
    "at-missing": 22,
    "every-without-times": 22,
    "expects-nothing": 28,
    "name-missing": 1,
    "role-missing": 16,
    "kind-missing": 22,
    "target-missing": 22,
}
