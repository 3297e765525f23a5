"""Durations as scenario files write them, and nanoseconds: "300ms" <-> 300_000_000."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Optional

UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}
PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,9})?(ns|us|ms|s|min)$"
DURATION_MAX_NS = 24 * 3600 * 10**9  # nobody waits longer for one scenario

_SHAPE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ns|us|ms|s|min)")
_LOOSE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-zA-Z\u00b5\u03bc]*)\s*")
_OTHER_SPELLINGS = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("\u00b5s", "\u03bcs", "usec", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("nsec", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("m", "mins", "minute", "minutes"), "min"),
}


class BadDuration(ValueError):
    def __init__(self, message: str, nearest: Optional[str] = None) -> None:
        super().__init__(message)
        self.nearest = nearest


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises BadDuration, which knows the nearest valid spelling."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadDuration("is not a duration: a number and ns, us, ms, s or min", _nearest(text))
    time_ns = Decimal(match.group(1)) * UNITS_NS[match.group(2)]
    if time_ns != int(time_ns):
        raise BadDuration("is finer than a nanosecond")
    if time_ns > DURATION_MAX_NS:
        raise BadDuration("is longer than 24 hours (1440min)")
    return int(time_ns)


def format_duration(time_ns: int) -> str:
    """The shortest exact spelling in whole units."""
    assert time_ns >= 0
    for unit in ("min", "s", "ms", "us"):
        if time_ns and time_ns % UNITS_NS[unit] == 0:
            return f"{time_ns // UNITS_NS[unit]}{unit}"
    return f"{time_ns}ns" if time_ns else "0s"


def _nearest(text: str) -> Optional[str]:
    match = _LOOSE.fullmatch(text)
    if match is None or not match.group(2):
        return None
    unit = match.group(2).lower()
    unit = _OTHER_SPELLINGS.get(unit, unit)
    return match.group(1) + unit if unit in UNITS_NS else None
