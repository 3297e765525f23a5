"""What a program's datagrams mean, whatever is in them."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from sim.live.datagrams import LEVELS_MAX, messages

PROBE: Dict[str, Any] = {"probe": "ready", "detail": {"port": 1}, "pid": 2, "time_ns": 3}
LOG: Dict[str, Any] = {"log": {"logger": "a", "level": "WARNING", "message": "m"}, "pid": 2}
HOOK: Dict[str, Any] = {"hook": "missing", "module": "m", "event": "raised"}


@pytest.mark.parametrize("said", [PROBE, LOG, HOOK, {"probe": "x", "ask": True}])
def test_a_message_is_taken_as_it_is(said: Dict[str, Any]) -> None:
    assert messages(json.dumps(said).encode()) == [said]


BAD = [
    {},
    {"ask": True},
    {"probe": 3},
    {"probe": None},
    {"probe": ["a"]},
    {**PROBE, "detail": 5},
    {**PROBE, "time_ns": "now"},
    {**PROBE, "time_ns": -1},
    {**PROBE, "time_ns": 1 << 63},
    {**PROBE, "time_ns": float("nan")},
    {**PROBE, "time_ns": True},
    {**PROBE, "pid": "2"},
    {**PROBE, "pid": True},
    {"log": 3},
    {"log": {}},
    {"log": {"logger": 1, "level": "WARNING", "message": "m"}},
    {"log": {"logger": "a", "level": "WARNING", "message": {}}},
    {"log": {"logger": "a", "level": [], "message": "m"}},
    {"hook": None},
    {**HOOK, "module": {}},
]


@pytest.mark.parametrize("said", BAD, ids=repr)
def test_what_is_no_message_is_text(said: Dict[str, Any]) -> None:
    text = json.dumps(said)
    assert messages(text.encode()) == [{"probe": text, "detail": {}}]


def test_a_table_in_tables_is_no_deeper_than_a_report_can_write() -> None:
    detail: Dict[str, Any] = {}
    for _ in range(LEVELS_MAX - 2):
        detail = {"a": detail}
    deepest = {"probe": "x", "detail": detail}
    assert messages(json.dumps(deepest).encode()) == [deepest]
    (said,) = messages(json.dumps({"probe": "x", "detail": {"a": detail}}).encode())
    assert said["probe"].startswith('{"probe": "x"')


@pytest.mark.parametrize("text", ["[" * 30_000, '{"a":' * 9000, "9" * 6000])
def test_what_no_parser_takes_is_text(text: str) -> None:
    assert messages(text.encode()) == [{"probe": text, "detail": {}}]


def test_text_is_a_probe_a_line() -> None:
    said = messages(b"a\n\n b \n\xff")
    assert [each["probe"] for each in said] == ["a", "b", "\ufffd"]
    assert messages(b"") == messages(b"\n \n") == []
