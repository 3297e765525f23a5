"""When ends of a ring were last seen to look at the clock while they waited."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from sim.report.wording import duration


def age(place: Mapping[str, Any], time_ns: Optional[int]) -> str:
    """Of the words of one end of a cursor_ring, `time_ns` on the clock of the processes. "-" where
    it never waited, or where no such clock was looked at. A sleeper has no beat: an old one is no
    proof of anything."""
    beat_ns = place.get("heartbeat_ns", 0)
    if time_ns is None or not 0 < beat_ns <= time_ns:
        return "-"
    return duration(time_ns - beat_ns)
