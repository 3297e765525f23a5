"""What the benchmark makes of its repetitions: literal ones in, literal figures out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

import pytest

from sim.bench import goals, loops
from sim.bench.epochs import centres_ns
from sim.bench.payloads import Payloads
from sim.bench.peer import Form
from sim.bench.plan import PAIR, QUICK, WHOLE, WORKLOADS, Cell, Turn, cells, turns
from sim.bench.rows import Rows
from sim.bench.series import Repetition, Series
from sim.bench.steps import Described

SMALL = Cell(PAIR, Form.BYTES, 64, 1, 0, False)
FAST, SLOW = (100.0, 101.0), (400.0, 410.0)
BYTES = Payloads(Form.BYTES, 64)


def repetition(
    alias: str,
    rate: float,
    *,
    round_: int = 0,
    cell: Cell = SMALL,
    lines: Tuple[Optional[float], Optional[float]] = FAST,
    **figures: Any,
) -> Repetition:
    told = {"messages_per_s": rate, "lost": 0, "wrong": 0, **figures}
    return Repetition(Turn(round_, cell, alias), told, lines, 0.0)


def rows_of(*repetitions: Repetition) -> Rows:
    series = Series({"load_average": [0.0]}, (0, 1), WHOLE, [PAIR], [])
    series.repetitions = list(repetitions)
    return Rows(series)


def test_a_ratio_is_of_one_round() -> None:
    rows = rows_of(
        repetition("spinbed", 10.0),
        repetition("pipe", 5.0),
        repetition("spinbed", 90.0, round_=1),
        repetition("pipe", 30.0, round_=1),
    )
    found = rows.ratio("spinbed", "pipe", SMALL, "messages_per_s")
    assert found is not None and (found.low, found.median, found.high) == (2.0, 2.5, 3.0)


def test_a_ratio_is_of_one_epoch() -> None:
    rows = rows_of(
        repetition("spinbed", 10.0),
        repetition("pipe", 1.0, lines=SLOW),
        repetition("spinbed", 8.0, round_=1, lines=SLOW),
        repetition("pipe", 4.0, round_=1, lines=SLOW),
        repetition("pipe", 1.0, round_=2),
        repetition("spinbed", 3.0, round_=2, lines=(100, 400)),
    )
    found = rows.ratio("spinbed", "pipe", SMALL, "messages_per_s")
    assert found is not None and (found.median, found.count) == (2.0, 1)
    assert rows.epochs == {"100 ns": 2, "400 ns": 3, "mixed": 1}


def test_a_row_is_of_the_epoch_of_most_of_its_repetitions() -> None:
    rows = rows_of(
        *(repetition("pipe", rate, round_=index) for index, rate in enumerate((5.0, 7.0, 6.0))),
        repetition("pipe", 1.0, round_=3, lines=SLOW),
    )
    row = rows.rows["pipe", SMALL]
    assert (row.median("messages_per_s"), row.epoch, row.repetitions, row.all_repetitions) == (
        6.0,
        "100 ns",
        3,
        4,
    )


def test_without_a_look_at_the_line_all_is_of_one_unknown_epoch() -> None:
    rows = rows_of(
        repetition("a", 4.0, lines=(None, None)), repetition("b", 2.0, lines=(None, None))
    )
    assert rows.centres_ns == []
    found = rows.ratio("a", "b", SMALL, "messages_per_s")
    assert found is not None and found.median == 2.0


def test_a_rare_look_is_no_epoch() -> None:
    many = [repetition("a", 1.0, round_=index) for index in range(40)]
    assert centres_ns([*many, repetition("a", 1.0, lines=(900.0, 100.0))]) == [100.0]


def goal(text: str) -> goals.Goal:
    return next(each for each in goals.GOALS if each.text == text)


def verdict(rows: Rows, text: str) -> str:
    return next(each for each in goals.outcomes(rows) if each.goal.text == text).verdict


def test_a_goal_is_met_where_it_is_met_pinned_and_unpinned() -> None:
    pinned = replace(SMALL, is_pinned=True)
    both = [
        repetition("spinbed", 30.0),
        repetition("subetha", 10.0),
        repetition("spinbed", 30.0, cell=pinned),
        repetition("subetha", 10.0, cell=pinned),
    ]
    text = "64 B: messages/s beside subetha"
    assert verdict(rows_of(*both), text) == "met"
    worse = repetition("subetha", 20.0, cell=pinned)
    assert verdict(rows_of(*both[:3], worse), text) == "met unpinned only"
    assert verdict(rows_of(*both[:1]), text) == "not measured"
    assert verdict(rows_of(both[1], repetition("spinbed", 19.0)), text) == "not met"


def test_a_goal_that_is_no_further_off_than_the_ring_from_itself_is_within_noise() -> None:
    ours, theirs = repetition("spinbed", 22.0), repetition("subetha", 10.0)
    text = "64 B: messages/s beside subetha"
    assert verdict(rows_of(ours, theirs, repetition("spinbed-again", 21.5)), text) == "met"
    noisy = repetition("spinbed-again", 15.0)
    assert verdict(rows_of(ours, theirs, noisy), text) == "met, within noise"


def test_the_best_lossless_peer_is_the_best_that_lost_nothing() -> None:
    cell = replace(SMALL, size_bytes=4096)
    rows = rows_of(
        repetition("spinbed", 30.0, cell=cell),
        repetition("kickmsg", 60.0, cell=cell, lost=3),
        repetition("zerocopy", 90.0, cell=cell, wrong=1),
        repetition("cloudtoid", 10.0, cell=cell),
        repetition("pipe", 2.0, cell=cell),
        repetition("spinbed-again", 50.0, cell=cell),
    )
    found = goal("4 KiB: messages/s beside the best lossless peer").measure(rows, cell)
    assert found is not None and found.median == 3.0


def peer(alias: str) -> Described:
    return Described(alias, (Form.BYTES,), (64,), 4, False, "", "")


def test_peers_take_turns_within_a_cell_and_the_order_turns_round_by_round() -> None:
    order = [each for each in turns([SMALL], [peer("a"), peer("b"), peer("c")], WHOLE)]
    names = "".join(each.alias for each in order)
    assert names == "abccbaabccbaabc"


@pytest.mark.parametrize("extent", [WHOLE, QUICK])
def test_no_cell_is_there_twice(extent: Any) -> None:
    found = cells(list(WORKLOADS), extent)
    assert len(found) == len(set(found)) and found


def test_losses_are_counted_by_what_comes_next() -> None:
    sent = [BYTES.pool[index % 64] for index in range(130)]
    kept = [message for index, message in enumerate(sent) if index not in (3, 4, 100)]
    coming = iter([*kept, BYTES.end])
    tally = loops.Tally(BYTES)
    loops.drain_small(lambda: next(coming), False, tally)
    assert (tally.received, tally.skipped, tally.wrong) == (127, 3, 0)


def test_a_message_of_other_bytes_is_wrong_and_none_is_lost() -> None:
    sent: List[bytes] = [*BYTES.pool[:9], b"x" * 64, *BYTES.pool[10:64], BYTES.end]
    for polls in (False, True):
        coming = iter([None, *sent] if polls else sent)
        tally = loops.Tally(BYTES)
        loops.drain_small(lambda coming=coming: next(coming), polls, tally)  # type: ignore[misc]
        assert (tally.received, tally.skipped, tally.wrong) == (63, 0, 1)


def test_a_last_message_of_the_step_before_ends_nothing() -> None:
    for drain in (
        lambda receive, tally: loops.drain_small(receive, False, tally),
        lambda receive, tally: loops.drain_large(receive, None, tally),
    ):
        coming = iter([BYTES.end, BYTES.end, *BYTES.pool[1:], BYTES.end])
        tally = loops.Tally(BYTES)
        drain(lambda coming=coming: next(coming), tally)
        assert (tally.received, tally.skipped) == (63, 1)


def test_who_polls_sends_each_message_once_and_in_order() -> None:
    taken: List[bytes] = []
    calls = [0]

    def send(message: bytes) -> bool:
        calls[0] += 1
        if calls[0] % 3 == 0:
            return False  # no room
        taken.append(message)
        return True

    assert loops.flood_polling(send, BYTES, 0, 1) == 64
    assert taken == BYTES.pool


def test_large_messages_are_told_apart_by_their_last_bytes_and_some_by_all() -> None:
    large = Payloads(Form.BYTES, 1 << 20)
    torn_at_the_end = large.pool[1][:-1] + b"!"
    torn_in_the_middle = large.pool[0][:5000] + b"!" + large.pool[0][5001:]
    seen: Dict[str, int] = {}
    for name, messages in (
        ("end", [large.pool[0], torn_at_the_end]),
        ("middle", [torn_in_the_middle]),  # the first is compared as a whole
        ("none", [large.pool[0], large.pool[1]]),
    ):
        coming = iter([*messages, large.end])
        tally = loops.Tally(large)
        loops.drain_large(lambda coming=coming: next(coming), None, tally)  # type: ignore[misc]
        seen[name] = tally.wrong
    assert seen == {"end": 1, "middle": 1, "none": 0}


def test_batches_are_checked_message_by_message() -> None:
    batches = iter([BYTES.pool[:40], BYTES.pool[41:64], [BYTES.pool[0], BYTES.end]])
    tally = loops.Tally(BYTES)
    loops.drain_batches(lambda: next(batches), tally)
    assert (tally.received, tally.skipped) == (64, 1)


def test_latencies_belong_to_the_messages_that_arrived() -> None:
    sent = [0, 10, 20, 30, 40]
    seen = [(0, 1, 0), (1, 12, 0), (3, 35, 0), (0, 44, 0)]
    assert loops.matched(sent, seen, 4) == [1, 2, 5, 4]
