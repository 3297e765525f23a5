"""Which names `-k` selects."""

from __future__ import annotations

import pytest

from sim.selection import selection

NAMES = (
    "stalled-reader",
    "stalled-reader-strict",
    "killed-writer",
    "crash[fault[0].target=writer]",
    "crash[fault[0].target=reader[0]]",
    "two words",
)


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("stalled", {"stalled-reader", "stalled-reader-strict"}),
        ("reader", {"stalled-reader", "stalled-reader-strict", "crash[fault[0].target=reader[0]]"}),
        ("stalled not strict", {"stalled-reader"}),
        ("not stalled", set(NAMES[2:])),
        ("not not stalled", set(NAMES[:2])),
        ("stalled and strict", {"stalled-reader-strict"}),
        ("strict or killed", {"stalled-reader-strict", "killed-writer"}),
        ("stalled not strict or two", {"stalled-reader", "two words"}),
        ("=stalled-reader", {"stalled-reader"}),
        ("=crash[fault[0].target=reader[0]]", {"crash[fault[0].target=reader[0]]"}),
        ("=two words", {"two words"}),
        ("=two", set()),
        ("nobody", set()),
        ("STALLED", set()),
    ],
)
def test_selects_by_words_of_the_name(expression: str, selected: set[str]) -> None:
    selects = selection(expression)
    assert {name for name in NAMES if selects(name)} == selected


@pytest.mark.parametrize("expression", ["", "  ", "not", "a or", "or a", "a not", "and"])
def test_a_word_that_is_missing_is_said_at_once(expression: str) -> None:
    with pytest.raises(ValueError, match="a word is missing"):
        selection(expression)
