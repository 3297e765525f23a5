"""From results and expectations to a verdict, an exit status and three lines."""

from __future__ import annotations

import dataclasses

import pytest
from literal_history import (
    HEADER,
    KILL,
    MS,
    STALL,
    allows,
    at_ms,
    exited,
    healed,
    history,
    injected,
    logged,
    op,
    receive_fails,
    received,
    send_fails,
    sends,
    sent,
    spawned,
)

from sim.abc import INVALID, UNKNOWN, VALID, Result, TransportSpec
from sim.checkers import CHECKERS
from sim.errors import ExitStatus
from sim.history.op import HANG, INFO, LEAK, OVERFLOW
from sim.scenario.names import ring_checker_names
from sim.scenario.plan import Expectation, Plan
from sim.verdict import check_all, expectations, fault_results, judge, merge, process_results

BOTH = spawned("writer", "reader")
GOOD = [sent(0, 1), received("reader", 0, 1), receive_fails("reader", 2, "ended")]
ALL_OUT = [exited("writer"), exited("reader")]
OF_A_RING = tuple(ring_checker_names())
REPRODUCE = "spinbed run scenarios/literal.toml --seed 7"


def plan(*declared, checkers=OF_A_RING):
    return Plan(
        name="literal",
        story="",
        path="scenarios/literal.toml",
        seed=7,
        worlds=("live",),
        world="live",
        requires=frozenset(),
        deadline_ns=HEADER.deadline_ns,
        stall_threshold_ns=HEADER.stall_threshold_ns,
        transport=TransportSpec("cursor_ring", readers=1, slots=4, slot_bytes=256),
        processes=(),
        injections=(),
        checkers=checkers,
        expectations=declared,
        header=HEADER,
    )


def expect(**what):
    return Expectation(key="expect[0]", **what)


def judged(*lines, declared=(), checkers=OF_A_RING, **changes):
    return judge(
        plan(*declared, checkers=checkers),
        history(*lines, **changes),
        duration_ns=5 * MS,
        reproduce=REPRODUCE,
        journal="j.jsonl",
    )


def unmet(result):
    return [each.what for each in result.expectations if not each.met]


class Raises:
    alias = "raises"
    doc = ""

    def check(self, history):
        raise ZeroDivisionError("two\nlines")


def results(*answers):
    return [Result(alias=f"c{index}", result=answer) for index, answer in enumerate(answers)]


def test_invalid_outweighs_unknown_and_unknown_outweighs_valid():
    assert merge(results(VALID, VALID)) == VALID
    assert merge(results(VALID, UNKNOWN, VALID)) == UNKNOWN
    assert merge(results(VALID, UNKNOWN, INVALID)) == INVALID


def test_no_checkers_at_all_is_unknown():
    assert merge([]) == UNKNOWN


def test_a_fault_that_did_not_fire_makes_a_valid_run_unknown():
    missed = fault_results(history(injected("stall", "reader", fired=False), faults=(STALL,)))
    assert merge(results(VALID), missed) == UNKNOWN
    assert merge(results(INVALID), missed) == INVALID


def test_a_fault_that_did_not_heal_makes_a_valid_run_unknown():
    lines = [injected("stall", "reader"), healed("stall", "reader", healed=False)]
    found = judged(*GOOD, *lines, faults=(STALL,), checkers=("fifo",))
    assert (found.verdict, found.exit_status) == (UNKNOWN, ExitStatus.UNKNOWN)
    assert "stall on reader did not heal" in found.failure[0]


def test_a_checker_that_raises_is_unknown_and_says_what_it_raised():
    found = check_all([Raises(), CHECKERS["leaks"]], history())
    assert found[0] == Result("raises", UNKNOWN, "the checker raised ZeroDivisionError: two lines")
    assert found[1].result == VALID


def test_a_good_run_is_as_expected():
    result = judged(BOTH, *GOOD, *ALL_OUT)
    assert (result.verdict, result.as_expected, result.exit_status) == ("valid", True, 0)
    assert [each.alias for each in result.checkers] == list(OF_A_RING)
    assert [each.what for each in result.expectations] == ["verdict valid (saw valid)"]
    assert (result.failure, result.duration_ns, result.world) == ((), 5 * MS, "live")


def test_a_run_in_which_nothing_ran_is_not_as_expected():
    result = judged()
    assert (result.verdict, result.exit_status) == ("unknown", ExitStatus.UNKNOWN)


LEFT = op("watch", INFO, LEAK, detail={"names": ["spinbed.1"]})
HUNG = op("watch", INFO, HANG, detail={"waiting": ["writer"], "blocked_ns": 2000 * MS})


@pytest.mark.parametrize(
    "alias, status, lines",
    [
        ("no_loss", ExitStatus.SAFETY, [BOTH, sent(0, 1), received("reader", 1), *ALL_OUT]),
        ("no_duplicates", ExitStatus.SAFETY, [BOTH, sent(0), received("reader", 0, 0), *ALL_OUT]),
        ("fifo", ExitStatus.SAFETY, [BOTH, sent(0, 1), received("reader", 1, 0), *ALL_OUT]),
        (
            "no_tearing",
            ExitStatus.SAFETY,
            [BOTH, sent(0), received("reader", 0, content=9), *ALL_OUT],
        ),
        ("liveness", ExitStatus.LIVENESS, [BOTH, *GOOD, HUNG, *ALL_OUT]),
        ("exits", ExitStatus.CRASH, [BOTH, *GOOD, exited("writer"), exited("reader", "SIGSEGV")]),
        ("logs", ExitStatus.SAFETY, [BOTH, *GOOD, logged("reader", "ERROR", "no"), *ALL_OUT]),
        ("leaks", ExitStatus.LEAK, [BOTH, *GOOD, *ALL_OUT, LEFT]),
    ],
)
class TestEachChecker:
    def test_alone_makes_the_run_invalid_and_decides_its_status(self, alias, status, lines):
        result = judged(*lines)
        assert [each.alias for each in result.checkers if each.result != VALID] == [alias]
        assert (result.verdict, result.as_expected) == ("invalid", False)
        assert result.exit_status == status
        assert result.failure[0].startswith(f"expected verdict valid (saw invalid): {alias}: ")
        assert result.failure[1].startswith("j.jsonl:")
        assert result.failure[2] == REPRODUCE

    def test_can_be_what_a_negative_scenario_names(self, alias, status, lines):
        result = judged(*lines, declared=[expect(verdict="invalid", checker=alias)])
        assert (result.as_expected, result.exit_status) == (True, ExitStatus.OK)

    def test_not_named_by_a_negative_scenario_is_a_negative_not_caught(self, alias, status, lines):
        other = "fifo" if alias != "fifo" else "no_loss"
        result = judged(*lines, declared=[expect(verdict="invalid", checker=other)])
        assert (result.as_expected, result.exit_status) == (False, ExitStatus.SAFETY)


def test_a_negative_that_ends_valid_was_not_caught():
    result = judged(BOTH, *GOOD, *ALL_OUT, declared=[expect(verdict="invalid", checker="no_loss")])
    assert result.exit_status == ExitStatus.SAFETY
    assert unmet(result) == ["verdict invalid by no_loss (saw valid; no_loss: valid)"]
    assert result.failure[1:] == ("j.jsonl: no single operation is to blame", REPRODUCE)


def test_a_negative_has_no_licence_to_crash_as_well():
    lines = [BOTH, sent(0, 1), received("reader", 1), exited("writer"), exited("reader", "SIGSEGV")]
    result = judged(*lines, declared=[expect(verdict="invalid", checker="no_loss")])
    assert (result.verdict, result.exit_status) == ("invalid", ExitStatus.CRASH)
    assert unmet(result)[0].startswith("exits: reader: incarnation 0 exited with SIGSEGV")
    both = [expect(verdict="invalid", checker=alias) for alias in ("no_loss", "exits")]
    assert judged(*lines, declared=both).as_expected


def test_an_unknown_verdict_costs_2_unless_it_is_expected():
    lines = [BOTH, *GOOD, op("reader", INFO, OVERFLOW), *ALL_OUT]
    assert judged(*lines).exit_status == ExitStatus.UNKNOWN
    assert judged(*lines, declared=[expect(verdict="unknown")]).as_expected
    assert judged(BOTH, *GOOD, *ALL_OUT, declared=[expect(verdict="unknown")]).exit_status == 1


def test_a_fault_that_did_not_fire_costs_2_and_is_named():
    result = judged(BOTH, *GOOD, *ALL_OUT, faults=(STALL,))
    assert (result.verdict, result.exit_status) == ("unknown", ExitStatus.UNKNOWN)
    assert result.failure[0].endswith("(saw unknown): stall on reader did not fire")


CRASH = [exited("writer"), exited("reader", "SIGSEGV")]


@pytest.mark.parametrize(
    "lines, status",
    [
        ([received("reader", 3), HUNG, *CRASH, LEFT], ExitStatus.SAFETY),
        ([HUNG, *CRASH, LEFT], ExitStatus.CRASH),
        ([HUNG, *ALL_OUT, LEFT], ExitStatus.LIVENESS),
        ([*ALL_OUT, send_fails(2), LEFT], ExitStatus.LIVENESS),
        ([op("reader", INFO, OVERFLOW), *ALL_OUT, LEFT], ExitStatus.LEAK),
        ([op("reader", INFO, OVERFLOW), *ALL_OUT], ExitStatus.UNKNOWN),
        ([*ALL_OUT], ExitStatus.OK),
    ],
)
def test_the_worst_status_wins(lines, status):
    assert judged(BOTH, *GOOD, *lines).exit_status == status


TIMED_OUT = [BOTH, send_fails(0), send_fails(0), *GOOD, *ALL_OUT]


def test_a_time_out_that_nothing_accounts_for_costs_3_and_is_told_in_three_lines():
    result = judged(*TIMED_OUT)
    assert (result.verdict, result.as_expected, result.exit_status) == ("valid", False, 3)
    assert result.failure == (
        "writer: send timeout, which nothing accounts for (saw 2)",
        "j.jsonl:7: writer, incarnation 0: send timeout at position 0",
        REPRODUCE,
    )


@pytest.mark.parametrize(
    "declared",
    [
        {"process": "writer", "op": "send", "outcome": "timeout"},
        {"process": "writer", "op": "send", "outcome": "timeout", "count_max": 2},
        {"process": "writer", "outcome": "timeout"},
        {"op": "send", "outcome": "timeout", "count_min": 0},
    ],
)
def test_a_time_out_that_is_expected_is_accounted_for(declared):
    assert judged(*TIMED_OUT, declared=[expect(**declared)]).exit_status == 0


def test_a_time_out_that_a_fault_accounts_for_needs_no_expectation():
    allowed = allows("outcome", "writer", op="send", value="timeout", because="fault[0]")
    assert judged(*TIMED_OUT, **allowed).as_expected


def test_an_expected_outcome_must_come_as_often_as_it_is_expected():
    once = {"process": "writer", "op": "send", "outcome": "timeout"}
    few = judged(BOTH, *GOOD, *ALL_OUT, declared=[expect(**once)])
    assert (unmet(few), few.exit_status) == (["writer: send timeout, at least 1 (saw 0)"], 3)
    assert few.failure[1] == "j.jsonl:16: writer, incarnation 0: exit 0"
    many = judged(*TIMED_OUT, declared=[expect(**once, count_max=1)])
    assert (unmet(many), many.exit_status) == (["writer: send timeout, exactly 1 (saw 2)"], 3)
    assert many.failure[1] == "j.jsonl:9: writer, incarnation 0: send timeout at position 0"


def test_ok_is_an_outcome_that_can_be_counted():
    exactly = {"process": "reader", "op": "receive", "outcome": "ok", "count_max": 2}
    assert judged(BOTH, *GOOD, *ALL_OUT, declared=[expect(**exactly, count_min=2)]).as_expected
    assert not judged(BOTH, *GOOD, *ALL_OUT, declared=[expect(**exactly, count_min=3)]).as_expected


def test_a_name_without_an_index_stands_for_all_of_that_name():
    failed = [receive_fails(f"reader[{n}]", 0, "timeout") for n in (0, 1)]
    found = expectations(
        [expect(process="reader", op="receive", outcome="timeout", count_min=2)],
        history(*failed),
        VALID,
        results(VALID),
    )
    assert [each.what for each in found if "timeout" in each.what] == [
        "reader: receive timeout, at least 2 (saw 2)"
    ]


def test_outcomes_are_grouped_by_process_op_and_outcome():
    lines = [receive_fails("reader", 2, "timeout"), receive_fails("reader", 2, "closed")]
    found = unmet(judged(*TIMED_OUT[:-2], *lines, *ALL_OUT, receive_fails("reader", 2, "timeout")))
    assert found == [
        "writer: send timeout, which nothing accounts for (saw 2)",
        "reader: receive timeout, which nothing accounts for (saw 2)",
        "reader: receive closed, which nothing accounts for (saw 1)",
    ]


def test_an_exit_that_is_expected_must_come():
    declared = [expect(process="reader", exit="SIGKILL")]
    allowed = allows("exit", "reader", value="SIGKILL", because="expect[0]")
    dead = [BOTH, sent(0), received("reader", 0), exited("writer"), exited("reader", "SIGKILL")]
    assert judged(*dead, declared=declared, **allowed).as_expected
    result = judged(BOTH, *GOOD, *ALL_OUT, declared=declared, **allowed)
    assert unmet(result) == ["reader: exit SIGKILL, at least 1 (saw 0)"]
    assert result.exit_status == ExitStatus.CRASH


def test_a_log_that_is_expected_must_come():
    declared = [expect(process="reader", log_logger="cy_kernels", log_matches="could not")]
    allowed = allows("log", "reader", value="cy_kernels")
    line = logged("reader", "WARNING", "k could not be loaded")
    assert judged(BOTH, line, *GOOD, *ALL_OUT, declared=declared, **allowed).as_expected
    result = judged(BOTH, *GOOD, *ALL_OUT, declared=declared, **allowed)
    assert unmet(result) == ["reader: log cy_kernels could not, at least 1 (saw 0)"]
    assert result.exit_status == ExitStatus.SAFETY


def test_exits_and_warnings_must_be_accounted_for_even_where_no_check_asks():
    lines = [BOTH, *GOOD, logged("reader", "ERROR", "no"), *CRASH]
    result = judged(*lines, checkers=("no_loss",))
    assert (result.verdict, result.exit_status) == ("valid", ExitStatus.SAFETY)
    assert len(unmet(result)) == 2
    assert judged(BOTH, *GOOD, *CRASH, checkers=("no_loss",)).exit_status == ExitStatus.CRASH


def test_a_fault_is_fired_and_healed_by_what_the_history_says():
    both = (STALL, dataclasses.replace(KILL, index=1))
    found = fault_results(
        history(
            injected("stall", "reader"),
            injected("kill", "reader", injection=1),
            healed("stall", "reader"),
            faults=both,
        )
    )
    assert [(f.alias, f.target, f.fired, f.healed) for f in found] == [
        ("stall", "reader", True, True),
        ("kill", "reader", True, None),
    ]
    assert [each["f"] for each in found[0].evidence] == ["inject", "heal"]


def test_a_fault_that_was_not_healed_says_so():
    stopped = history(injected("stall", "reader"), faults=(STALL,))
    failed = history(
        injected("stall", "reader"), healed("stall", "reader", healed=False), faults=(STALL,)
    )
    never = history(faults=(STALL,))
    assert [fault_results(h)[0].healed for h in (stopped, failed, never)] == [False, False, None]
    assert not fault_results(never)[0].fired


def test_each_life_of_a_process_is_listed():
    lines = [BOTH, exited("reader", "SIGKILL"), spawned("reader", life=1), exited("writer")]
    found = process_results(history(*lines, exited("reader", "SIGKILL", life=1, ended_by="run")))
    assert [(p.name, p.incarnation, p.exit) for p in found] == [
        ("writer", 0, "0"),
        ("reader", 0, "SIGKILL"),
        ("reader", 1, None),
    ]
    assert (found[0].pid, found[0].python, found[0].kernels) == (4711, "3.11.7", "compiled")
    assert found[0].wait == "park"


def test_where_names_process_incarnation_and_position():
    lines = [BOTH, exited("writer", "SIGKILL"), spawned("writer", life=1)]
    late = [sends(0, life=1), at_ms(900, op("writer", "ok", "send", 0, life=1))]
    result = judged(*lines, *late, received("reader", 0), exited("writer", life=1), *ALL_OUT[1:])
    assert result.failure[1] == "j.jsonl:9: writer, incarnation 1: send invoke at position 0"
