"""The line scanner against the TOML parser: every key the parser yields has its line."""

from __future__ import annotations

import sys
from typing import Any, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario.lines import NESTING_MAX, Path, scan, spell

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BARE = st.text("abcXYZ019_-", min_size=1, max_size=5)
RAW = st.text("ab.#=[]{}, '\u00e9\U0001f600\"\\\n\t", max_size=6)


def quoted(text: str) -> str:
    swaps = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\u0009"}
    return '"' + "".join(swaps.get(c, c) for c in text) + '"'


KEYS = st.one_of(
    BARE.map(lambda text: (text, text)),
    RAW.map(lambda text: (text, quoted(text))),
    st.text('ab #=[]{}."\\', max_size=5).map(lambda text: (text, f"'{text}'")),
)
SCALARS = st.one_of(
    st.sampled_from(
        ["1", "0x1f", "1_000", "3.5e-2", "inf", "-nan", "true", "1979-05-27",
         "1979-05-27 07:32:00Z", "''", "'# = [x'", '"""\na = 1\n[b]\n"""', "'''\n[[c]]\nd=2'''",
         '""""x"" """""', "'''it''s'''''", '"""\\\n   # not a comment \\""" x"""', '"\\" ] } #"']
    ),
    RAW.map(quoted),
)  # fmt: skip
BLANKS = st.sampled_from(["", " ", "\t ", "  "])
GAPS = st.sampled_from(["", " ", "\n", " # ] } x = [1\n", "\n\n\t"])
KINDS = st.sampled_from(["scalar", "scalar", "array", "table"])
INDENTS = st.sampled_from(["", "  "])
LINE_ENDS = st.sampled_from(["\n", " # a = 1\n", "\r\n", "\n\n"])
UP_TO_2, UP_TO_3, UP_TO_4, FROM_1_TO_3 = (
    st.integers(low, high) for low, high in ((0, 2), (0, 3), (0, 4), (1, 3))
)
YES_OR_NO = st.booleans()


class Writer:
    """Builds a valid document together with what it means: {path: raw text of its last key}."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.raw: dict[Path, str] = {}

    def fresh(self, table: Path) -> tuple[Path, str]:
        for _ in range(50):
            name, raw = self.draw(KEYS)
            path: Path = (*table, name)
            if path not in self.raw:
                self.raw[path] = raw
                return path, raw
        name = f"k{len(self.raw)}"
        path = (*table, name)
        self.raw[path] = name
        return path, name

    def blank(self) -> str:
        return str(self.draw(BLANKS))

    def gap(self) -> str:
        return str(self.draw(GAPS))

    def value(self, path: Path, depth: int) -> str:
        kind = self.draw(KINDS)
        if depth > 3 or kind == "scalar":
            return str(self.draw(SCALARS))
        count = self.draw(UP_TO_3)
        if kind == "array":
            items = [
                self.gap() + self.value((*path, index), depth + 1) + self.gap()
                for index in range(count)
            ]
            tail = "," + self.gap() if items and self.draw(YES_OR_NO) else self.gap()
            return "[" + ",".join(items) + tail + "]"
        pairs = [self.blank() + self.pair(path, depth + 1) + self.blank() for _ in range(count)]
        return "{" + ",".join(pairs) + "}"

    def pair(self, table: Path, depth: int) -> str:
        path, key = self.fresh(table)
        while depth < 4 and self.draw(UP_TO_4) == 0:
            path, part = self.fresh(path)
            key += self.blank() + "." + self.blank() + part
        return key + self.blank() + "=" + self.blank() + self.value(path, depth)

    def lines(self, table: Path) -> None:
        for _ in range(self.draw(UP_TO_3)):
            indent = self.draw(INDENTS)
            end = self.draw(LINE_ENDS)
            self.text += indent + self.pair(table, 0) + end

    def document(self) -> None:
        self.lines(())
        for _ in range(self.draw(UP_TO_3)):
            path, header = self.fresh(())
            for _ in range(self.draw(UP_TO_2)):
                path, part = self.fresh(path)
                header += self.blank() + "." + self.blank() + part
            if self.draw(YES_OR_NO):
                self.text += f"[{self.blank()}{header}{self.blank()}]\n"
                self.lines(path)
                continue
            for index in range(self.draw(FROM_1_TO_3)):
                self.text += f"[[{header}]] # {index}\n"
                self.lines((*path, index))
                if self.draw(YES_OR_NO):
                    inner, part = self.fresh((*path, index))
                    self.text += f"  [{header}.{part}]\n"
                    self.lines(inner)


@st.composite
def documents(draw: Any) -> Writer:
    writer = Writer(draw)
    writer.document()
    return writer


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index)
            yield from paths(inner, (*path, index))


@settings(max_examples=250, deadline=None)
@given(documents())
def test_every_key_path_of_the_parser_has_a_line_that_contains_the_key(writer: Writer) -> None:
    text = writer.text
    parsed = tomllib.loads(text)
    found = scan(text)
    rows = text.split("\n")
    for path in paths(parsed):
        assert path in found.of, (path, text)
        if isinstance(path[-1], str):
            assert writer.raw[path] in rows[found.of[path] - 1], (path, text)
    assert set(found.of) == set(paths(parsed)), text
    assert not found.duplicates, text
    assert found.too_deep_line is None


@settings(max_examples=300, deadline=None)
@given(st.text("ab.=[]{},#'\"\\\n 1", max_size=60))
def test_scans_any_text_to_its_end_and_agrees_where_it_is_toml(text: str) -> None:
    found = scan(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.of.values())
    try:
        parsed = tomllib.loads(text)
    except ValueError:
        return
    assert set(paths(parsed)) <= set(found.of)
    assert not found.duplicates


@pytest.mark.parametrize(
    ("text", "path", "line", "first_line"),
    [
        ("a = 1\nb = 2\na = 3\n", "a", 3, 1),
        ("[t]\nx = 1\n[u]\n[t]\n", "t", 4, 1),
        ("[[p]]\nx = 1\n[[p]]\nx = 1\nx = 2\n", "p[1].x", 5, 4),
        ("w = { d = 1,\n d = 2 }\n", "w.d", 2, 1),
        ("a.b = 1\na.b = 2\n", "a.b", 2, 1),
        ("a = 1\na.b = 2\n", "a", 2, 1),
        ("a.b = 1\n[a]\n", "a", 2, 1),
        ("[a]\nb = 1\n[a.b]\n", "a.b", 3, 2),
        ('"a" = 1\na = """\n\n"""\n', "a", 2, 1),
    ],
)
def test_names_both_lines_of_a_duplicate(text: str, path: str, line: int, first_line: int) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    (duplicate,) = scan(text).duplicates
    assert (spell(duplicate.path), duplicate.line, duplicate.first_line) == (path, line, first_line)


def test_reports_all_duplicates_of_a_text() -> None:
    found = scan("a = 1\na = 2\n[t]\nb = 1\nb = 2\nb = 3\n")
    assert [duplicate.line for duplicate in found.duplicates] == [2, 5, 6]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ny = " + "[" * 100_000, 2),
        ("\n\n" + ".".join(["a"] * 100_000) + " = 1", 3),
        ("[" + ".".join(["a"] * 100_000) + "]", 1),
        ("a = " + "{ b = " * 50_000, 1),
    ],
)
def test_stops_at_absurd_nesting_and_says_where(text: str, line: int) -> None:
    assert scan(text).too_deep_line == line


def test_nesting_up_to_the_limit_is_scanned() -> None:
    depth = NESTING_MAX - 1
    text = "a = " + "[" * depth + "1" + "]" * depth
    found = scan(text)
    assert found.too_deep_line is None
    assert set(paths(tomllib.loads(text))) == set(found.of)


def test_marks_the_line_of_an_absurdly_long_number() -> None:
    assert scan("a = 1\nb = " + "9" * 5000 + "\n").too_long_line == 2


def test_a_missing_key_gets_the_line_of_the_table_around_it() -> None:
    found = scan("a = 1\n[[process]]\nname = 'w'\n")
    assert found.nearest(("process", 0, "role")) == 2
    assert found.nearest(("nothing",)) is None


def test_spells_a_path_as_a_person_writes_it() -> None:
    path: Path = ("process", 1, "work load", "deadline")
    assert spell(path) == 'process[1]."work load".deadline'
