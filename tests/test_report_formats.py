"""The reports, from literal results: what is printed is what these texts say."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any, Iterator, List, Tuple
from xml.etree import ElementTree

import jsonschema
import pytest

from sim.abc import INVALID, UNKNOWN, VALID, Result
from sim.errors import ExitStatus
from sim.report import rendered, text, wording
from sim.verdict import ExpectationResult, FaultResult, ProcessResult, RunResult

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[1] / "docs" / "report-schema.json").read_text()
)

GREEN = RunResult(
    name="hello",
    path="scenarios/smoke/hello.toml",
    world="live",
    seed=0,
    verdict=VALID,
    as_expected=True,
    exit_status=ExitStatus.OK,
    checkers=(Result("no_loss", VALID), Result("fifo", VALID)),
    expectations=(ExpectationResult("verdict valid", True, ExitStatus.SAFETY),),
    faults=(FaultResult("stall", "reader[1]", True, True), FaultResult("kill", "w", True, None)),
    processes=(
        ProcessResult("writer", 0, 4711, "3.11.7", "compiled", "park", "park", "", "0"),
        ProcessResult("reader[1]", 1, 4712, "3.11.7", "compiled", "park", "park", "", None),
    ),
    duration_ns=12_400_000,
    reproduce="spinbed run scenarios/smoke/hello.toml --seed 0 --world live",
)


def changed(**changes: Any) -> RunResult:
    values = {**GREEN.__dict__, **changes}
    return RunResult(**values)


NEGATIVE = changed(
    name="mutant-skips-not-ready-slot",
    path="scenarios/negative/mutant.toml",
    verdict=INVALID,
    checkers=(Result("no_loss", INVALID, "message 3 never reached reader[0]", (17,)),),
    duration_ns=2_345_000_000,
)
RED = changed(
    name="stalled-reader",
    path="scenarios/fast/stalled_reader.toml",
    seed=18446744073709551615,
    as_expected=False,
    exit_status=ExitStatus.LIVENESS,
    expectations=(ExpectationResult("every send ends ok", False, ExitStatus.LIVENESS),),
    duration_ns=61_000_000_000,
    journal=".spinbed/journals/stalled-reader.jsonl",
    failure=(
        "writer: 7 sends timed out, and nothing accounts for them",
        "op 1312, +0.213 s, writer: send of message 108 failed: timeout",
        "spinbed run scenarios/fast/stalled_reader.toml --seed 18446744073709551615 --world live",
    ),
)
LOST = changed(
    name="lost",
    verdict=UNKNOWN,
    as_expected=False,
    exit_status=ExitStatus.UNKNOWN,
    checkers=(Result("world", UNKNOWN, "shm_open failed: ENOSPC"),),
    failure=("shm_open failed: ENOSPC", "no history: the run did not end", GREEN.reproduce),
)
SKIPPED = changed(
    name="frozen",
    verdict=None,
    as_expected=None,
    checkers=(),
    expectations=(),
    faults=(),
    processes=(),
    duration_ns=0,
    skipped="the live world cannot freeze here",
)
ALL = (GREEN, NEGATIVE, RED, LOST, SKIPPED)

TEXT = """\
ok    valid    hello                        seed 0     12 ms
ok    invalid  mutant-skips-not-ready-slot  seed 0    2.35 s
FAIL  valid    stalled-reader               seed 18446744073709551615   1 m 1 s
      writer: 7 sends timed out, and nothing accounts for them
      op 1312, +0.213 s, writer: send of message 108 failed: timeout
      spinbed run scenarios/fast/stalled_reader.toml --seed 18446744073709551615 --world live
FAIL  unknown  lost                         seed 0     12 ms
      shm_open failed: ENOSPC
      no history: the run did not end
      spinbed run scenarios/smoke/hello.toml --seed 0 --world live
skip  -        frozen                       seed 0      0 ms

5 runs: 2 as expected, 2 not, 1 skipped
  skipped 1 (frozen): the live world cannot freeze here
"""


def test_text_says_a_line_a_run_three_lines_a_failure_and_the_totals() -> None:
    assert rendered("text", ALL) == TEXT


def test_text_of_one_green_run_is_one_line_and_the_total() -> None:
    assert rendered("text", [GREEN]) == (
        "ok    valid    hello  seed 0     12 ms\n\n1 run: 1 as expected, 0 not, 0 skipped\n"
    )


def test_text_names_the_strategies_that_ran_as_another_one() -> None:
    (writer, reader) = GREEN.processes
    best = dataclasses.replace(writer, wait="adaptive", wait_asked_for="best")
    mwaitx = dataclasses.replace(reader, wait="adaptive", wait_asked_for="mwaitx")
    lines = text.totals([GREEN, changed(processes=[best, mwaitx, best])]).plain.splitlines()
    assert lines[2:] == ["  waits: best, mwaitx ran as adaptive"]


def test_text_counts_each_reason_for_skipping_once() -> None:
    other = changed(name="other", as_expected=None, verdict=None, skipped="no kernels")
    assert text.totals([SKIPPED, other, *[SKIPPED] * 3]).plain.splitlines()[2:] == [
        "  skipped 4 (frozen, frozen, frozen, ...): the live world cannot freeze here",
        "  skipped 1 (other): no kernels",
    ]


def test_text_never_sends_a_terminal_what_a_name_carries() -> None:
    lines = rendered("text", [changed(name="red\x1b[31m\nnext"), GREEN]).splitlines()
    assert lines[0].startswith("ok    valid    red\\x1b[31m\\x0anext")


def test_text_of_a_failure_without_three_lines_still_names_what_and_how_to_reproduce() -> None:
    bare = changed(as_expected=False, exit_status=ExitStatus.SAFETY, checkers=NEGATIVE.checkers)
    assert text.failure_lines(bare) == [
        "no_loss: message 3 never reached reader[0]",
        GREEN.reproduce,
    ]


@pytest.mark.parametrize(
    ("duration_ns", "shown"),
    [
        (0, "0 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1.00 s"),
        (1_000_000_000, "1.00 s"),
        (59_990_000_000, "59.99 s"),
        (119_700_000_000, "2 m 0 s"),
        (3_600_000_000_000, "60 m 0 s"),
    ],
)
def test_durations_are_shown_as_people_read_them(duration_ns: int, shown: str) -> None:
    assert wording.duration(duration_ns) == shown


def test_json_satisfies_its_schema_and_says_everything_that_the_result_says() -> None:
    document = json.loads(rendered("json", ALL))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document, SCHEMA)
    assert document["scenarios"][0] == {
        "name": "hello",
        "path": "scenarios/smoke/hello.toml",
        "world": "live",
        "seed": 0,
        "verdict": "valid",
        "as_expected": True,
        "exit_status": 0,
        "checkers": [
            {"alias": "no_loss", "result": "valid", "why": ""},
            {"alias": "fifo", "result": "valid", "why": ""},
        ],
        "expectations": [{"what": "verdict valid", "met": True}],
        "hang": None,
        "job": None,
        "faults": [
            {"alias": "stall", "target": "reader[1]", "fired": True, "healed": True},
            {"alias": "kill", "target": "w", "fired": True, "healed": None},
        ],
        "processes": [
            {
                "name": "writer",
                "incarnation": 0,
                "pid": 4711,
                "python": "3.11.7",
                "kernels": "compiled",
                "wait": "park",
                "wait_asked_for": "park",
                "rung": "",
                "exit": "0",
            },
            {
                "name": "reader[1]",
                "incarnation": 1,
                "pid": 4712,
                "python": "3.11.7",
                "kernels": "compiled",
                "wait": "park",
                "wait_asked_for": "park",
                "rung": "",
                "exit": None,
            },
        ],
        "duration_ns": 12_400_000,
        "reproduce": GREEN.reproduce,
    }


def test_json_of_a_skipped_run_says_what_the_host_lacks() -> None:
    (scenario,) = json.loads(rendered("json", [SKIPPED]))["scenarios"]
    assert (scenario["verdict"], scenario["as_expected"]) == (None, None)
    assert scenario["expectations"] == [
        {
            "what": "the host offers what the run needs: the live world cannot freeze here",
            "met": False,
        }
    ]


def objects(value: Any, path: Tuple[Any, ...] = ()) -> Iterator[Tuple[Any, ...]]:
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from objects(item, (*path, index))


def at(document: Any, path: Tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


DOCUMENT = json.loads(rendered("json", [GREEN]))
PATHS: List[Tuple[Any, ...]] = list(objects(DOCUMENT))


def test_the_schema_knows_six_kinds_of_objects() -> None:
    assert len(PATHS) == 6


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_the_schema_forbids_a_key_too_many(path: Tuple[Any, ...]) -> None:
    document = copy.deepcopy(DOCUMENT)
    at(document, path)["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_the_schema_forbids_a_key_too_few(path: Tuple[Any, ...]) -> None:
    for key in at(DOCUMENT, path):
        document = copy.deepcopy(DOCUMENT)
        del at(document, path)[key]
        with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required"):
            jsonschema.validate(document, SCHEMA)


def test_junit_counts_a_failure_an_error_and_a_skipped_case() -> None:
    suites = ElementTree.fromstring(rendered("junit", ALL))
    assert suites.tag == "testsuites"
    (suite,) = suites
    assert suite.attrib == {
        "name": "spinbed",
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
        "time": "63.370",
    }
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {
        "hello": ["system-out"],
        "mutant-skips-not-ready-slot": ["system-out"],
        "stalled-reader": ["failure", "system-out"],
        "lost": ["error", "system-out"],
        "frozen": ["skipped", "system-out"],
    }


def test_junit_tells_the_three_lines_and_where_the_journal_is() -> None:
    suites = ElementTree.fromstring(rendered("junit", [RED]))
    case = suites[0][0]
    assert case.attrib == {
        "classname": "scenarios/fast/stalled_reader.toml",
        "name": "stalled-reader",
        "time": "61.000",
    }
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == RED.failure[0]
    assert failure.text == "\n".join(RED.failure)
    assert case.findtext("system-out") == (
        "seed 18446744073709551615, world live\njournal .spinbed/journals/stalled-reader.jsonl"
    )


def test_junit_stays_xml_whatever_a_text_holds() -> None:
    nasty = "]]> <&\"' \x00\x1b\x7f\ud800\ufffe \U0001f600"
    result = changed(
        name=nasty, path=nasty, as_expected=False, failure=(nasty, nasty, nasty), journal=nasty
    )
    written = rendered("junit", [result, changed(as_expected=None, skipped=nasty)])
    suites = ElementTree.fromstring(written.encode("utf-8"))
    name = suites[0][0].get("name")
    assert name is not None
    assert name == "]]> <&\"' \\x00\\x1b\x7f\\xd800\\xfffe \U0001f600"


def test_junit_calls_a_skip_that_was_required_a_failure() -> None:
    required = changed(
        verdict=None, as_expected=False, skipped="no kernels", failure=("skipped, but --require",)
    )
    suites = ElementTree.fromstring(rendered("junit", [required]))
    assert suites[0].get("failures") == "1"
    assert suites[0].get("skipped") == "0"
