"""The table of hangs: causes by scenario against what was told."""

from __future__ import annotations

import dataclasses
from typing import Optional

from test_report_formats import GREEN

from sim.report.hangs import confusion
from sim.report.heartbeats import age
from sim.verdict import RunResult


def ran(expected: Optional[str], told: Optional[str]) -> RunResult:
    is_as_expected = expected == told
    return dataclasses.replace(GREEN, hang_expected=expected, hang=told, as_expected=is_as_expected)


def test_a_run_that_names_no_hang_needs_no_table() -> None:
    assert confusion([ran(None, None), ran(None, "unknown")]) == ()


def test_wrong_ones_and_false_alarms_are_seen_at_their_place() -> None:
    runs = [
        *[ran("peer-dead", "peer-dead")] * 11,
        ran("peer-dead", "lost-wakeup"),
        ran("deadlock", None),
        *[ran(None, None)] * 2,
        ran(None, "peer-dead"),
    ]
    assert confusion(runs) == [
        "cause (runs)    lost-wakeup  peer-dead  none",
        "deadlock (1)              -          -     1",
        "peer-dead (12)            1         11     -",
        "none (3)                  -          1     2",
        "13 of 16 as labelled; 1 false alarms",
    ]


def test_a_skipped_run_counts_nowhere() -> None:
    skipped = dataclasses.replace(ran("peer-dead", None), verdict=None)
    assert confusion([skipped, ran("peer-dead", "peer-dead")])[-1] == (
        "1 of 1 as labelled; 0 false alarms"
    )


def test_a_hang_that_a_file_expects_without_its_class_counts_nowhere() -> None:
    expected = dataclasses.replace(ran(None, "startup-never"), as_expected=True)
    assert confusion([expected, ran("peer-dead", "peer-dead")])[-1] == (
        "1 of 1 as labelled; 0 false alarms"
    )


def test_how_long_after_the_threshold_hangs_were_told_is_said() -> None:
    runs = [
        *[dataclasses.replace(ran("deadlock", "deadlock"), hang_late_ns=n) for n in range(20)],
        dataclasses.replace(ran("deadlock", "deadlock"), hang_late_ns=1_500_000_000),
        ran("deadlock", "unknown"),
        ran(None, None),
    ]
    assert confusion(runs)[-1] == (
        "21 told within 1.50 s after the stall threshold, 95 % within 0.00 s; 1 at the deadline"
    )


def test_a_heartbeat_has_an_age_where_there_was_one_and_the_clock_is_known() -> None:
    assert age({"heartbeat_ns": 2_000_000_000}, 3_210_000_000) == "1.21 s"
    assert age({"heartbeat_ns": 0}, 3_210_000_000) == "-"  # it never waited
    assert age({"heartbeat_ns": 9_000_000_000}, 3_210_000_000) == "-"  # the clock of another host
    assert age({}, 3_210_000_000) == age({"heartbeat_ns": 1}, None) == "-"
