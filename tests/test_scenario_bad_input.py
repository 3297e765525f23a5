"""Bad scenario files: each is refused at its line, at its key, with the value and a near name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Optional

import pytest
from bad_scenarios import BAD, GOOD, LINES

from sim.errors import Problem, ScenarioError
from sim.scenario.document import FILE_MAX_BYTES
from sim.scenario.loader import discover, load


def problems_of(path: Path, text: str | bytes) -> tuple[Problem, ...]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert all("\n" not in str(problem) for problem in caught.value.problems)
    assert all(problem.file == str(path) for problem in caught.value.problems)
    return caught.value.problems


def test_the_file_that_the_bad_ones_are_made_from_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    (scenario,) = load(path)
    assert scenario.name == "good"


@pytest.mark.parametrize("case", sorted(BAD))
def test_names_line_key_value_and_the_nearest_name(case: str, tmp_path: Path) -> None:
    old, new, key, fragment, nearest = BAD[case]
    assert GOOD.count(old) >= 1, "the case no longer fits GOOD"
    text = GOOD.replace(old, new, 1)
    if case == "restart-without-owners":
        text = text.replace('kind = "stall"', 'kind = "restart" #!')
        text = text.replace('heal_after = "1s"', 'restart_after = "1s"')
    marked = [number for number, row in enumerate(text.split("\n"), 1) if row.endswith("#!")]
    (line,) = marked or [LINES[case]]
    (problem,) = problems_of(tmp_path / "bad.toml", text)
    assert (problem.line, problem.key) == (line, key)
    assert fragment in problem.message
    assert problem.nearest == nearest


@pytest.mark.parametrize(
    ("text", "line", "key", "fragment"),
    [
        ("schema = 1\nschema = 1\n" + GOOD[11:], 2, "schema", "given twice; first at line 1"),
        (GOOD.replace("slots = 8", "slots = 8\nslots = 9"), 8, "transport.slots", "at line 7"),
        (GOOD + "[transport]\n", 32, "transport", "given twice; first at line 5"),
        (GOOD + "x = { a = 1, a = 2 }\n", 32, "expect[0].x.a", "given twice; first at line 32"),
        (GOOD + "= 1\n", 32, None, "not valid TOML: Invalid statement"),
        (GOOD + 'story = "open\n', 32, None, "not valid TOML: Illegal character '\\n'"),
        (GOOD + "x = [1, 2\n", 32, None, "not valid TOML"),
        (GOOD + "x = 01\n", 32, None, "not valid TOML"),
        (GOOD + "x = 2024-13-01\n", 32, None, "not valid TOML"),
        (GOOD + "x = " + "[" * 100_000 + "\n", 32, None, "more than 32 levels deep"),
        (GOOD + ".".join("a" * 50_000) + " = 1\n", 32, None, "more than 32 levels deep"),
        (GOOD + "[" + ".".join("a" * 50_000) + "]\n", 32, None, "more than 32 levels deep"),
        (GOOD + "x = " + "{ a = " * 50_000 + "\n", 32, None, "more than 32 levels deep"),
        (GOOD + "x = " + "9" * 500_000 + "\n", 32, None, "absurdly long"),
        (GOOD.encode() + b'story = "\xff"\n', 32, None, "not UTF-8: byte 0xff"),
        (GOOD.encode("utf-16"), 1, None, "NUL byte"),
        (GOOD.encode() + b"# \0\n", 32, None, "holds a NUL byte"),
        (b"\xef\xbb\xbf" + GOOD.encode(), 1, None, "byte order mark"),
        (GOOD + "#" * FILE_MAX_BYTES, None, None, "1049"),
    ],
)  # fmt: skip
def test_refuses_what_is_not_toml(
    text: str | bytes, line: Optional[int], key: Optional[str], fragment: str, tmp_path: Path
) -> None:
    (problem,) = problems_of(tmp_path / "bad.toml", text)
    assert (problem.line, problem.key) == (line, key)
    assert fragment in problem.message


def test_a_file_at_the_limit_of_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    path.write_text(GOOD + "#" * (FILE_MAX_BYTES - len(GOOD)))
    assert len(load(path)) == 1


def test_reports_all_problems_of_a_file_in_the_order_of_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace('deadline = "10s"', 'dedline = "10s"')
        .replace("slots = 8", 'slots = "eight"')
        .replace('wait = "park"', 'wait = "prak"')
        .replace("count = 3", "count = 99")
        .replace('kind = "stall"', 'kind = "stal"')
        .replace('target = "reader[1]"', "target = 5")
        .replace('heal_after = "1s"', 'heal_after = "1 s"')
        .replace('outcome = "timeout"', 'outcome = "timeout"\n[sweep.product]\nx = [1]')
    )
    found = problems_of(tmp_path / "bad.toml", text)
    assert [(problem.line, problem.key) for problem in found] == [
        (3, "dedline"),
        (7, "transport.slots"),
        (13, "process[0].wait"),
        (19, "process[1].count"),
        (23, "fault[0].kind"),
        (24, "fault[0].target"),
        (33, "sweep.product.x"),
    ]


def test_problems_between_tables_are_reported_beside_those_within(tmp_path: Path) -> None:
    text = (
        GOOD.replace('name = "good"', 'name = ""')
        .replace("size_bytes = 64", "size_bytes = 300")
        .replace('target = "reader[1]"', 'target = "reader[9]"')
        .replace('process = "writer"\nop', 'process = "wirter"\nop')
    )
    found = problems_of(tmp_path / "bad.toml", text)
    assert [(problem.line, problem.key) for problem in found] == [
        (2, "name"),
        (14, "process[0].workload.size_bytes"),
        (24, "fault[0].target"),
        (29, "expect[0].process"),
    ]


def test_duplicate_keys_are_all_reported_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("slots = 8", "slots = 8\nslots = 9") + 'outcome = "closed"\n'
    found = problems_of(tmp_path / "bad.toml", text)
    assert [(problem.line, problem.key) for problem in found] == [
        (8, "transport.slots"),
        (33, "expect[0].outcome"),
    ]


def test_nobody_sends_and_nobody_receives_are_two_problems(tmp_path: Path) -> None:
    found = problems_of(tmp_path / "bad.toml", 'schema = 1\nname = "empty"\n')
    assert [problem.message.split(":")[0] for problem in found] == [
        "nobody sends",
        "nobody receives",
    ]


def test_each_bad_value_of_a_sweep_is_blamed_at_its_own_line(tmp_path: Path) -> None:
    text = GOOD + '[sweep.product]\n"fault[0].target" = [\n"reader[7]",\n"reader[0]",\n"nobody"]\n'
    found = problems_of(tmp_path / "bad.toml", text)
    assert [(problem.line, problem.key, problem.nearest) for problem in found] == [
        (34, "fault[0].target", "reader[2]"),
        (36, "fault[0].target", None),
    ]


def test_a_problem_prints_as_one_line_that_can_be_clicked(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    (problem,) = problems_of(path, GOOD.replace('wait = "park"', 'wait = "prak"'))
    assert re.fullmatch(
        re.escape(f"{path}:13: process[0].wait: unknown wait strategy 'prak'; one of ")
        + r"[a-z_, ]+ \(did you mean 'park'\?\)",
        str(problem),
    )


def test_a_long_value_is_cut_in_its_message(tmp_path: Path) -> None:
    text = GOOD.replace('wait = "park"', f'wait = "{"x" * 10_000}"')
    (problem,) = problems_of(tmp_path / "bad.toml", text)
    assert len(problem.message) < 250


def refused(path: object) -> Problem:
    with pytest.raises(ScenarioError) as caught:
        load(path)  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    return problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    problem = refused(tmp_path / "none.toml")
    assert problem == Problem(str(tmp_path / "none.toml"), None, None, "no such file")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path).message == "is a folder, not a scenario file"


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert refused(tmp_path / "pipe.toml").message == "is not a regular file"


def test_a_device_without_end_is_refused() -> None:
    assert refused("/dev/zero").message == "is not a regular file"


def test_a_name_with_a_nul_is_no_file() -> None:
    assert "is not a file name" in refused("a\0b.toml").message


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").symlink_to(tmp_path / "a.toml")
    assert "cannot be read: Too many levels" in refused(tmp_path / "a.toml").message


def test_discovery_names_every_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScenarioError) as caught:
        discover([tmp_path / "none", tmp_path / "empty", "a\0b"])
    assert [problem.message for problem in caught.value.problems][:2] == [
        "no such file or folder",
        "holds no *.toml file",
    ]
    assert len(caught.value.problems) == 3


def test_discovery_sorts_folders_and_names_no_file_twice(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.toml", "a.toml", "b/c.toml", "b/notes.md"):
        (tmp_path / name).write_text("")
    found = discover([tmp_path, tmp_path / "a.toml"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.toml",
        "b/c.toml",
        "z.toml",
    ]
