"""Which runs `-k` selects, by their names."""

from __future__ import annotations

from typing import Callable

Selects = Callable[[str], bool]


def selection(expression: str) -> Selects:
    """`word` is a part of the name; words side by side must all hold; `not word`; `a or b`.

    `=name` is the whole name and nothing else, whatever characters it has. Raises ValueError.
    """
    if expression.startswith("="):
        return lambda name: name == expression[1:]
    alternatives = [_all_of(part) for part in _split(expression.split(), "or")]
    return lambda name: any(holds(name) for holds in alternatives)


def _all_of(words: list[str]) -> Selects:
    terms = []
    negated = False
    for word in words:
        if word == "not":
            negated = not negated
        elif word != "and":
            terms.append((word, negated))
            negated = False
    if negated or not terms:
        raise ValueError("a word is missing" + (" after 'not'" if negated else ""))
    return lambda name: all((word in name) is not negated for word, negated in terms)


def _split(words: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts
