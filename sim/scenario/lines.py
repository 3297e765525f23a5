"""Finds the line of every key in a TOML text. Not a parser: it values nothing and never fails.

The TOML parsers of the standard library and of PyPI give values without lines. This scanner walks
the same text once, keeps only where each key path began, and steps over what it does not
understand: the parser says what is wrong with a text, the scanner says where things are. A fuzz
test holds the two together.
"""

from __future__ import annotations

import bisect
import re
import sys
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Tuple, Union

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Path = Tuple[Union[str, int], ...]  # ("process", 1, "workload", "deadline")

# The parsers recurse into brackets and are quadratic in the parts of a dotted key, so a deep text
# costs a crash or minutes. What the format needs is 6 deep.
NESTING_MAX = 32
# Whole numbers are read in quadratic time on old interpreters and refused above 4300 digits on new.
BARE_VALUE_MAX = 200

_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
)
_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[^,\]}#\n]*")
_REST = re.compile(r"[^\n]*")


@dataclass(frozen=True)
class Duplicate:
    path: Path
    line: int
    first_line: int


@dataclass
class Lines:
    """Where the keys of one text are. Lines are 1-based."""

    of: Dict[Path, int] = field(default_factory=dict)
    duplicates: List[Duplicate] = field(default_factory=list)
    too_deep_line: Optional[int] = None  # the scan ended there
    too_long_line: Optional[int] = None  # of a bare value

    def nearest(self, path: Path) -> Optional[int]:
        """The line of the path, or of the closest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.of:
                return self.of[path[:length]]
        return None


class _TooDeep(Exception):
    pass


def scan(text: str) -> Lines:
    scanner = _Scanner(text)
    try:
        scanner.document()
    except _TooDeep:
        scanner.lines.too_deep_line = scanner.line()
    return scanner.lines


class _Scanner:
    """One pass over one text; `position` only grows."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines = Lines()
        self._line_starts = [match.end() for match in re.finditer("\n", text)]
        self._set: Dict[Path, int] = {}  # keys that may not be given again
        self._dotted: Dict[Path, int] = {}  # tables that a dotted key made
        self._counts: Dict[Path, int] = {}  # arrays of tables: how many so far

    def line(self, position: Optional[int] = None) -> int:
        at = self.position if position is None else position
        return bisect.bisect_right(self._line_starts, at) + 1

    def document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_GAP)
            if self.position >= len(self.text):
                return
            began = self.position
            if self._peek("["):
                table = self._header()
            else:
                self._key_value(table)
            self._skip(_REST)  # a comment, or what the parser will complain about
            assert self.position > began or self._peek("\n")

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match.group()

    def _peek(self, start: str) -> bool:
        return self.text.startswith(start, self.position)

    def _accept(self, start: str) -> bool:
        if not self._peek(start):
            return False
        self.position += len(start)
        return True

    def _key(self) -> List[Tuple[str, int]]:
        """The parts of a dotted key with their lines; empty where there is none."""
        parts: List[Tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            line = self.line()
            token = self._skip(_KEY)
            if not token:
                return parts
            parts.append((_unquoted(token), line))
            if len(parts) > NESTING_MAX:
                raise _TooDeep
            self._skip(_BLANK)
            if not self._accept("."):
                return parts

    def _header(self) -> Path:
        """[a.b] or [[a.b]]; the path that the keys below it belong to."""
        is_array = self._accept("[[")
        if not is_array:
            self._accept("[")
        parts = self._key()
        path: Path = ()
        for index, (name, line) in enumerate(parts):
            path += (name,)
            self.lines.of.setdefault(path, line)
            is_last = index == len(parts) - 1
            if is_last and (path in self._set or (not is_array and path in self._dotted)):
                first = self._set.get(path) or self._dotted[path]
                self.lines.duplicates.append(Duplicate(path, line, first))
            elif is_last and not is_array and path not in self._counts:
                self._set[path] = line
            if is_last and is_array:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path += (self._counts[path] - 1,)
                self.lines.of.setdefault(path, line)
        return path

    def _key_value(self, table: Path) -> None:
        parts = self._key()
        path = table
        for index, (name, line) in enumerate(parts):
            path += (name,)
            if len(path) > NESTING_MAX:
                raise _TooDeep
            self.lines.of.setdefault(path, line)
            if index == len(parts) - 1:
                earlier = self._set.get(path) or self._dotted.get(path)
                if earlier:
                    self.lines.duplicates.append(Duplicate(path, line, earlier))
                self._set.setdefault(path, line)
            elif path in self._set:
                self.lines.duplicates.append(Duplicate(path, line, self._set[path]))
            else:
                self._dotted.setdefault(path, line)
        self._skip(_BLANK)
        if parts and self._accept("="):
            self._skip(_BLANK)
            self._value(path)

    def _value(self, path: Path) -> None:
        if len(path) > NESTING_MAX:
            raise _TooDeep
        if self._peek('"') or self._peek("'"):
            if not self._skip(_STRING):
                self._skip(_REST)  # never closed
        elif self._accept("["):
            self._array(path)
        elif self._accept("{"):
            self._inline_table(path)
        else:
            line = self.line()
            if len(self._skip(_BARE)) > BARE_VALUE_MAX and self.lines.too_long_line is None:
                self.lines.too_long_line = line

    def _array(self, path: Path) -> None:
        index = 0
        while True:
            self._skip(_GAP)
            began = self.position
            if self._accept("]") or began >= len(self.text):
                return
            if self._accept(","):
                continue
            element = (*path, index)
            self.lines.of.setdefault(element, self.line())
            self._value(element)
            index += 1
            if self.position == began:  # a stray "}": nothing here is TOML any more
                return

    def _inline_table(self, path: Path) -> None:
        while True:
            self._skip(_GAP)
            began = self.position
            if self._accept("}") or began >= len(self.text):
                return
            if self._accept(","):
                continue
            self._key_value(path)
            if self.position == began:
                return


def _unquoted(token: str) -> str:
    if token[0] == "'":
        return token[1:-1]
    if token[0] != '"':
        return token
    if "\\" not in token:
        return token[1:-1]
    try:
        return str(tomllib.loads(f"k={token}")["k"])
    except ValueError:
        return token[1:-1]


def spell(path: Path) -> str:
    """The path as a person writes it: process[1].workload.deadline."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            text += f".{name}" if text else name
    return text
