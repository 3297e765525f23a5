"""What a program says, out of the datagrams that sim/inside/channel.py describes.

Anybody's program can write anything there. What is no message of that form is text: the names of
probes, which a report shows as they are, and nobody else has to doubt what a message holds.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional

KINDS = ("probe", "log", "hook", "answer")
LEVELS_MAX = 32  # of tables in tables; a report is written by a recursive encoder
TIME_NS_MAX = 1 << 63


def messages(received: bytes) -> List[Dict[str, Any]]:
    """Of one datagram: a JSON object, or names of probes, one a line."""
    text = received.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and _is_message(said):
        return [said]
    return [{"probe": line.strip(), "detail": {}} for line in text.splitlines() if line.strip()]


def kind_of(message: Mapping[str, Any]) -> Optional[str]:
    return next((each for each in KINDS if each in message), None)


def _is_message(said: Mapping[str, Any]) -> bool:
    kind = kind_of(said)
    if kind is None or not isinstance(said[kind], dict if kind == "log" else str):
        return False
    if not isinstance(said.get("detail", {}), dict) or not isinstance(said.get("module", ""), str):
        return False
    if type(said.get("pid", 0)) is not int or not _is_time(said.get("time_ns", 0)):
        return False
    return _is_shallow(said) and (kind != "log" or _is_record(said["log"]))


def _is_record(log: Mapping[str, Any]) -> bool:
    texts = (log.get("logger", ""), log.get("message", ""))
    return all(isinstance(each, str) for each in texts) and type(log.get("level")) in (str, int)


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value < TIME_NS_MAX


def _is_shallow(value: Any, levels: int = LEVELS_MAX) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    within = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(each, levels - 1) for each in within)
