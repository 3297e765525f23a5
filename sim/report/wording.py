"""How reports write a duration, and text that came from anybody."""

from __future__ import annotations


def duration(duration_ns: int) -> str:
    """A duration as people read it, three digits or so."""
    if duration_ns < 999_500_000:
        return f"{duration_ns / 1e6:.0f} ms"
    if duration_ns < 59_995_000_000:
        return f"{duration_ns / 1e9:.2f} s"
    minutes, seconds = divmod(round(duration_ns / 1e9), 60)
    return f"{minutes} m {seconds} s"


def plain(text: str) -> str:
    """One line that a terminal only shows: what a name carries must not move its cursor."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
