"""The text of a scenario in which nothing goes wrong, for tests to name and to spoil."""

from __future__ import annotations

GOOD = """\
schema = 1
name = "NAME"
story = "One writer sends a few messages to one reader, and nothing goes wrong."
deadline = "60s"
stall_threshold = "30s"
[transport]
kind = "cursor_ring"
slots = 4
slot_bytes = 256
[[process]]
name = "writer"
role = "writer"
workload = { messages = 20, size_bytes = 8, deadline = "20s" }
[[process]]
name = "reader"
role = "reader"
workload = { deadline = "20s" }
"""
