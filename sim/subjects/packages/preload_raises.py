"""What a fork server cannot import: its settings are garbled."""

from sim.subjects import preload

preload.wait_for_gate()

THREADS = int("many")
