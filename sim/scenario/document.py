"""From a path to parsed TOML with the lines of its keys, or to what is wrong with it."""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Optional

from sim.errors import Problem, ScenarioError
from sim.scenario.lines import NESTING_MAX, Lines, scan, spell

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_MAX_BYTES = 2**20  # scenario files are a page; a megabyte is somebody else's file

_AT_LINE = re.compile(r" \(at line ([0-9]+), column [0-9]+\)$")
_AT_END = " (at end of document)"
_ABOUT_A_DUPLICATE = re.compile(r"overwrite|twice|already|mutate|[Dd]uplicate|immutable")


@dataclass(frozen=True)
class Document:
    file: str
    keys: Mapping[str, Any]
    lines: Lines


def read_document(path: Path) -> Document:
    """Raises ScenarioError with every problem found."""
    return parse_document(read_text(path), str(path))


def parse_document(text: str, file: str) -> Document:
    """The text of a file called so. Raises ScenarioError with every problem found."""
    lines = scan(text)
    problems = [
        Problem(
            file,
            duplicate.line,
            spell(duplicate.path),
            f"is given twice; first at line {duplicate.first_line}",
        )
        for duplicate in lines.duplicates
    ]
    if lines.too_deep_line is not None:
        message = f"nested more than {NESTING_MAX} levels deep"
        raise ScenarioError([*problems, Problem(file, lines.too_deep_line, None, message)])
    if lines.too_long_line is not None:
        message = "a value without quotes is absurdly long"
        raise ScenarioError([*problems, Problem(file, lines.too_long_line, None, message)])
    try:
        return Document(file, tomllib.loads(text), lines)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(_syntax(file, text, str(error), problems)) from None
    except (ValueError, RecursionError) as error:  # a date that is none; brackets past our scan
        raise ScenarioError([Problem(file, None, None, f"not valid TOML: {error}")]) from None


def _syntax(file: str, text: str, message: str, duplicates: List[Problem]) -> List[Problem]:
    """The parser's one complaint, and the duplicates, which it may not have come to."""
    if duplicates and _ABOUT_A_DUPLICATE.search(message):
        return duplicates
    place = _AT_LINE.search(message)
    line: Optional[int] = int(place.group(1)) if place else None
    if message.endswith(_AT_END):
        line = len(text.rstrip().split("\n"))
    said = _AT_LINE.sub("", message).replace(_AT_END, " before the end of the file")
    return [*duplicates, Problem(file, line, None, f"not valid TOML: {said}")]


def read_text(path: Path, *, what: str = "scenario file", bytes_max: int = FILE_MAX_BYTES) -> str:
    """Raises ScenarioError where that is no text file of a bearable size."""
    file = str(path)
    data = _read_bytes(path, file, what, bytes_max)
    line = None
    if data.startswith(b"\xef\xbb\xbf"):
        line, message = 1, "begins with a byte order mark; there must be none"
    elif b"\0" in data:
        line, message = _line_at(data, data.index(b"\0")), "holds a NUL byte: not a text file"
    else:
        try:
            return data.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            byte = data[error.start]
            line, message = _line_at(data, error.start), f"not UTF-8: byte 0x{byte:02x}"
    raise ScenarioError([Problem(file, line, None, message)])


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _read_bytes(path: Path, file: str, what: str, bytes_max: int) -> bytes:
    """Opens regular files only: a FIFO would block and a device would never end."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            message = f"is a folder, not a {what}"
        elif not stat.S_ISREG(mode):
            message = "is not a regular file"
        else:
            with open(path, "rb") as stream:
                data = stream.read(bytes_max + 1)
            if len(data) <= bytes_max:
                return data
            size_bytes = os.stat(path).st_size
            most = f"{bytes_max} ({bytes_max >> 20} MiB)"
            message = f"is {size_bytes} bytes long; at most {most} are read"
    except FileNotFoundError:
        message = "no such file"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except ValueError as error:  # a NUL in the name
        message = f"is not a file name: {error}"
    raise ScenarioError([Problem(file, None, None, message)])
