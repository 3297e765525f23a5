"""Does anything still move? As in the live world, in virtual time."""

from __future__ import annotations

SAMPLES_PER_THRESHOLD = 10
SAMPLE_MIN_NS = 10_000_000
SAMPLE_MAX_NS = 100_000_000


class Progress:
    """Progress is an operation that ends ok. One that times out and is tried again is none."""

    def __init__(self, stall_threshold_ns: int) -> None:
        self._threshold_ns = stall_threshold_ns
        wanted_ns = stall_threshold_ns // SAMPLES_PER_THRESHOLD
        self._every_ns = min(max(wanted_ns, SAMPLE_MIN_NS), SAMPLE_MAX_NS)
        self._seen = -1
        self.moved_ns = 0
        self.next_sample_ns = 0
        self.restart(0)

    def restart(self, now_ns: int) -> None:
        """Count from now: so far there was a reason why nothing had to move."""
        self.moved_ns = now_ns
        self.next_sample_ns = now_ns + self._every_ns

    def is_due(self, now_ns: int) -> bool:
        return now_ns >= self.next_sample_ns

    def is_stalled(self, now_ns: int, *, ok: int, idle_until_ns: int) -> bool:
        """No progress for the threshold, and nobody is idle by plan. `ok`: operations so far."""
        self.next_sample_ns = now_ns + self._every_ns
        if ok != self._seen or idle_until_ns > now_ns:
            self._seen = ok
            self.moved_ns = now_ns
            return False
        return now_ns - self.moved_ns >= self._threshold_ns
