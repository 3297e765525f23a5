"""The types of arguments: from the words of the command line to values, or what is wrong."""

from __future__ import annotations

import argparse
import difflib
import secrets
from pathlib import Path
from typing import Any, Iterable, Optional

JOURNALS = Path(".spinbed") / "journals"
SEED_MAX = 2**64 - 1
WORLDS = ("live", "virtual")
JOBS_MAX = 256  # each is a thread, a watcher, a template and a run's processes


def seed(text: str) -> int:
    """Raises argparse.ArgumentTypeError."""
    if text == "random":
        return secrets.randbits(64)
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) > SEED_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: 0 to {SEED_MAX}, or 'random'")
    return int(text)


def count(most: int) -> Any:
    def counted(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= 9
        if not is_number or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return counted


def folder(text: str) -> Path:
    if not text:  # Path takes it for the current folder
        raise argparse.ArgumentTypeError("'' names no folder")
    return Path(text)


def file(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("'' names no file")
    return Path(text)


def nearest(word: str, names: Iterable[str]) -> Optional[str]:
    return next(iter(difflib.get_close_matches(word, list(names), n=1)), None)


def hint(word: str, names: Iterable[str]) -> str:
    near = nearest(word, names)
    known = ", ".join(names)
    return f" (did you mean {near!r}?)" if near else f" (there is {known})"


def world(text: str) -> str:
    if text not in WORLDS:
        raise argparse.ArgumentTypeError(f"no world {text!r}{hint(text, WORLDS)}")
    return text
