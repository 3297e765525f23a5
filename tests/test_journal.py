"""The journal: what is written is read back exactly, and what was damaged is refused by line."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_history import (
    HEADER,
    KILL,
    allows,
    exited,
    header,
    history,
    logged,
    op,
    receive_fails,
    received,
    sends,
    sent,
    spawned,
)

from sim.errors import ScenarioError, WorldError
from sim.history.history import History
from sim.history.journal import PROBLEMS_MAX, Journal, read
from sim.history.op import TYPES, Op

SMALL = history(
    spawned("writer"),
    sent(0),
    received("reader", 0),
    receive_fails("reader", 1, "ended"),
    logged("reader", "WARNING", 'a "quoted" \u00fc \udc80 line\n'),
    exited("writer", "SIGKILL"),
    faults=(KILL,),
    **allows("log", "reader", value="cy_kernels", pattern="a.b"),
)


def written(path, what=SMALL):
    with Journal.create(path, what.header) as journal:
        journal.write(what.ops)
    return path


def problems(path):
    with pytest.raises(ScenarioError) as caught:
        read(path)
    return [str(problem).replace(str(path), "J") for problem in caught.value.problems]


def damaged(tmp_path, change):
    """The problems of a small journal whose lines `change` has edited."""
    path = written(tmp_path / "j.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))
    return problems(path)


def edited(lines, number, **changes):
    value = json.loads(lines[number - 1])
    value.update(changes)
    lines[number - 1] = json.dumps(value).encode() + b"\n"


def test_a_history_comes_back_exactly(tmp_path):
    assert read(written(tmp_path / "j.jsonl")) == SMALL


def test_an_empty_history_comes_back_exactly(tmp_path):
    empty = History(header=HEADER, ops=())
    assert read(written(tmp_path / "j.jsonl", empty)) == empty


numbers = st.none() | st.integers(min_value=0, max_value=2**64 - 1)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ops = st.builds(
    Op,
    time_ns=st.integers(),
    process=st.text(),
    incarnation=st.integers(min_value=0),
    type=st.sampled_from(TYPES),
    f=st.text(),
    position=numbers,
    size_bytes=numbers,
    checksum=numbers,
    outcome=st.none() | st.text(),
    detail=st.none() | st.dictionaries(st.text(), values, max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(ops, max_size=5), st.text(), numbers)
def test_any_history_comes_back_exactly(tmp_path_factory, some, name, limit):
    what = History(header=header(name=name, mutant=name, slots=limit or 0), ops=tuple(some))
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    assert read(written(path, what)) == what


def test_an_op_is_on_the_line_two_after_its_index(tmp_path):
    lines = written(tmp_path / "j.jsonl").read_text("ascii").splitlines()
    assert json.loads(lines[2 + 2])["f"] == SMALL.ops[2].f == "send"
    assert json.loads(lines[2 + 2])["checksum"] == SMALL.ops[2].checksum


def test_ops_come_in_the_order_in_which_they_were_written(tmp_path):
    with Journal.create(tmp_path / "j.jsonl", HEADER) as journal:
        for each in SMALL.ops:
            journal.write([each])
    assert read(tmp_path / "j.jsonl").ops == SMALL.ops


def test_nobody_sees_half_a_journal(tmp_path):
    with Journal.create(tmp_path / "j.jsonl", HEADER) as journal:
        journal.write(SMALL.ops)
        assert not (tmp_path / "j.jsonl").exists()
        assert [name.startswith("j.jsonl.tmp-") for name in os.listdir(tmp_path)] == [True]
    assert os.listdir(tmp_path) == ["j.jsonl"]


def test_an_error_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyError):
        with Journal.create(tmp_path / "j.jsonl", HEADER) as journal:
            journal.write(SMALL.ops)
            raise KeyError
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_the_journal_of_before(tmp_path):
    written(tmp_path / "j.jsonl")
    with pytest.raises(TypeError):
        with Journal.create(tmp_path / "j.jsonl", HEADER) as journal:
            journal.write([op("reader", "info", "log", detail={"not": b"json"})])
    assert read(tmp_path / "j.jsonl") == SMALL


def test_a_directory_that_is_not_there_is_an_error_of_the_world(tmp_path):
    with pytest.raises(WorldError, match="ENOENT"):
        written(tmp_path / "nowhere" / "j.jsonl")


def test_a_full_disk_is_an_error_of_the_world(tmp_path):
    """/dev/full is a disk without space that every Linux has."""
    full = open("/dev/full", "w", encoding="ascii")
    journal = Journal(tmp_path / "j.jsonl", full)
    with pytest.raises(WorldError, match="ENOSPC"):
        journal.write([sends(0)] * 1000)
    with contextlib.suppress(OSError):
        full.close()


def test_a_missing_file_is_named(tmp_path):
    assert problems(tmp_path / "gone.jsonl") == ["J: No such file or directory"]


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "j.jsonl").touch()
    assert problems(tmp_path / "j.jsonl") == ["J: is empty; a journal begins with its header"]


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = written(tmp_path / "j.jsonl")
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert problems(path)


def test_a_cut_names_its_line(tmp_path):
    def in_a_line(lines):
        lines[3:] = [lines[3][:20]]

    def between_lines(lines):
        del lines[3:]

    assert damaged(tmp_path, in_a_line)[0] == "J:4: is cut in the middle of a line"
    assert damaged(tmp_path, between_lines) == [
        "J:3: is cut: the last line does not say how many ops there are"
    ]


def test_a_line_taken_out_is_noticed(tmp_path):
    total = len(SMALL.ops)
    assert damaged(tmp_path, lambda lines: lines.pop(4)) == [
        f"J:{total + 1}: ops: says {total} ops, but there are {total - 1}"
    ]


def test_another_version_is_refused_with_both_named(tmp_path):
    assert damaged(tmp_path, lambda lines: edited(lines, 1, schema=2)) == [
        "J:1: schema: is 2, but this spinbed reads schema 1"
    ]


@pytest.mark.parametrize("first", [b"[]", b"{}", b"17", b'{"header":{}}', b'"schema"'])
def test_what_is_no_journal_is_refused(tmp_path, first):
    (tmp_path / "j.jsonl").write_bytes(first + b"\n")
    assert problems(tmp_path / "j.jsonl")[0] == "J:1: schema: is missing: this is not a journal"


def test_every_damaged_line_is_named(tmp_path):
    def change(lines):
        edited(lines, 3, positon=4)
        edited(lines, 4, type="invoked")
        edited(lines, 5, time_ns="soon", process=None)
        lines[5] = b"{nonsense\n"
        lines[6] = b'{"f":"\xff"}\n'
        lines[7] = b'{"f":"send","f":"send"}\n'
        lines[8] = b"[1]\n"

    assert damaged(tmp_path, change) == [
        "J:6: is not JSON: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
        "J:7: is not UTF-8 at byte 6",
        "J:8: is not JSON: a key appears twice",
        "J:3: positon: is not a known key (did you mean 'position'?)",
        "J:4: type: 'invoked' is no type of op (did you mean 'invoke'?)",
        "J:5: time_ns: is 'soon', not an integer",
        "J:5: process: is None, not a string",
        "J:9: is [1], not an op",
    ]


def test_a_true_is_no_number(tmp_path):
    found = damaged(tmp_path, lambda lines: edited(lines, 4, position=True))
    assert found == ["J:4: position: is True, not an integer or null"]


def test_a_damaged_header_is_named_by_its_keys(tmp_path):
    def change(lines):
        value = json.loads(lines[0])
        value["header"]["processes"][1]["rank"] = "first"
        value["header"]["processes"][0]["wokload"] = {}
        del value["header"]["allowances"][0]["process"]
        lines[0] = json.dumps(value).encode() + b"\n"

    assert damaged(tmp_path, change) == [
        "J:1: header.processes[0].wokload: is not a known key",
        "J:1: header.processes[1].rank: is 'first', not an integer or null",
        "J:1: header.allowances[0].process: is missing",
    ]


def test_deep_nesting_is_refused(tmp_path):
    def change(lines):
        lines[2] = b"[" * 200_000 + b"]" * 200_000 + b"\n"

    assert damaged(tmp_path, change) == ["J:3: is nested too deeply"]


def test_a_file_of_nonsense_is_refused_in_few_words(tmp_path):
    (tmp_path / "j.jsonl").write_bytes(b"nonsense\n" * 1000)
    found = problems(tmp_path / "j.jsonl")
    assert len(found) == PROBLEMS_MAX + 1
    assert found[-1] == f"J: and {1000 - PROBLEMS_MAX} more problems"
