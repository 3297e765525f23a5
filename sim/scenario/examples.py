"""Scenarios to begin with: each is valid as it stands, and says what may be changed."""

from __future__ import annotations

from typing import Mapping

PROGRAM = """\
# A program of your own under a fault. Every key: docs/scenario-format.md.
schema = 1
name = "NAME"
story = "What happens, and why it matters."
deadline = "30s"                   # a program that has not ended by then hangs

[[process]]
name = "app"
argv = ["python3", "-c", "print('hello')"]    # a command; or a function in a fresh interpreter:
# program = "pkg.module:function"             # called without arguments
# python = "3.11"                             # in another interpreter
# cwd = "."
# env = { LANG = "C" }

# What goes wrong. In a program of Python, spinbed.probe("ready") names a place to strike at.
[[fault]]
kind = "env_var"
target = "app"
variable = "LANG"
value = "C"

# [[fault]]
# kind = "stall"
# target = "app"
# at = { probe = "ready" }
# heal_after = "2s"

# What must come of it: without any of these, exit status 0, no warning, nothing left behind.
[[expect]]
process = "app"
output = { stream = "stdout", matches = "^hello$", count = 1 }

# [[expect]]
# process = "app"
# exit = { status = 1 }
"""

RING = """\
# A writer and readers over shared memory, and a reader that stops. Every key:
# docs/scenario-format.md.
schema = 1
name = "NAME"
story = "What happens, and why it matters."
deadline = "20s"                   # last resort for the whole run

[transport]
kind = "cursor_ring"               # or flag_ring, the protocol that vLLM ships
slots = 8
slot_bytes = 4096

[[process]]
name = "writer"
role = "writer"
wait = "park"
workload = { messages = 200, size_bytes = 64, rate_hz = 2000, deadline = "2s" }

[[process]]
name = "reader"
role = "reader"
count = 2                          # reader[0], reader[1]
workload = { deadline = "2s" }

# What goes wrong, when, and when it is undone.
[[fault]]
kind = "stall"
target = "reader[1]"               # or reader:one: the seed decides whom
at = { process = "reader[1]", after_ops = 50 }
heal_after = "200ms"

# What must come of it: without any of these, nothing is lost, repeated, torn or late.
# [[expect]]
# process = "writer"
# op = "send"
# outcome = "timeout"
"""

EXAMPLES: Mapping[str, str] = {"program": PROGRAM, "ring": RING}
