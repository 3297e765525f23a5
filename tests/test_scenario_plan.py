"""From files to plans: defaults, selectors, and dice that fall the same way again."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Set

import pytest
from scenario_plans import FIVE, MS, SMALLEST, S, plan_of, scenarios, targets

from sim.abc import Capability
from sim.checkers import ASKED_FOR, CHECKERS, OF_CLUSTERS
from sim.faults import FAULTS
from sim.history.history import Allowance
from sim.scenario.plan import AfterOps, AtTime, Expectation, WriterWorkload
from sim.scenario.planning import GRACE_NS, Dice, make_plan


def test_the_smallest_file_gets_every_documented_default(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SMALLEST, seed=7)
    assert (plan.name, plan.story, plan.seed, plan.worlds) == (
        "smallest",
        "",
        7,
        ("live", "virtual"),
    )
    assert plan.path == str(tmp_path / "scenario.toml")
    assert (plan.deadline_ns, plan.stall_threshold_ns) == (30 * S, 5 * S)
    spec = plan.transport
    assert (spec.kind, spec.readers, spec.slots, spec.slot_bytes) == ("cursor_ring", 1, 8, 4096)
    assert (spec.order, spec.mutant, spec.reserve, spec.evict_dead) == ("fenced", None, True, False)
    writer, reader = plan.processes
    assert (writer.name, writer.role, writer.rank) == ("writer", "writer", None)
    assert (reader.name, reader.role, reader.rank) == ("reader", "reader", 0)
    assert (writer.wait, writer.start, writer.env) == ("park", "template", {})
    assert isinstance(writer.workload, WriterWorkload)
    assert dataclasses.replace(writer.workload, payload_seed=0) == WriterWorkload(
        messages=100,
        sizes_bytes=(64,),
        interval_ns=0,
        deadline_ns=None,
        on_timeout="retry",
        payload_seed=0,
    )
    assert dataclasses.astuple(reader.workload) == (0, None, "retry")
    others = (*ASKED_FOR, *OF_CLUSTERS)
    assert plan.checkers == tuple(alias for alias in CHECKERS if alias not in others)
    assert (plan.injections, plan.expectations, plan.requires) == ((), (), frozenset())


def test_the_header_says_the_same_as_the_plan(tmp_path: Path) -> None:
    text = FIVE + 'workload = { deadline = "2s", on_timeout = "stop" }\n'
    text += '[[fault]]\nkind = "kill"\ntarget = "reader[4]"\nat = "1s"\n'
    text += '[[fault]]\nkind = "stall"\ntarget = "writer"\nat = "2s"\nheal_after = "1s"\n'
    header = plan_of(tmp_path, text, seed=3).header
    assert (header.name, header.world, header.seed, header.grace_ns) == (
        "smallest",
        "live",
        3,
        GRACE_NS,
    )
    assert (header.transport, header.readers, header.knows_owner) == ("cursor_ring", 5, True)
    writer = header.process("writer")
    reader = header.process("reader[4]")
    assert writer is not None and reader is not None
    assert (writer.messages, writer.deadline_ns, writer.on_timeout) == (100, None, "retry")
    assert (reader.rank, reader.messages) == (4, None)
    assert (reader.deadline_ns, reader.on_timeout) == (2 * S, "stop")
    assert [(f.index, f.alias, f.target, f.heals, f.fatal) for f in header.faults] == [
        (0, "kill", "reader[4]", False, True),
        (1, "stall", "writer", True, False),
    ]
    assert header.allows("exit", "reader[4]", "SIGKILL")
    assert not header.allows("exit", "reader[3]", "SIGKILL")


def test_flag_ring_knows_no_owner_in_the_header(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SMALLEST + '[transport]\nkind = "flag_ring"\n')
    assert plan.header.knows_owner is False


def test_ranks_count_over_all_reader_tables_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        'schema = 1\nname = "ranks"\n'
        '[[process]]\nname = "slow"\nrole = "reader"\ncount = 2\n'
        '[[process]]\nname = "writer"\nrole = "writer"\n'
        '[[process]]\nname = "fast"\nrole = "reader"\n'
    )
    plan = plan_of(tmp_path, text)
    assert [(p.name, p.rank) for p in plan.processes] == [
        ("slow[0]", 0),
        ("slow[1]", 1),
        ("writer", None),
        ("fast", 2),
    ]
    assert plan.transport.readers == 3


RANDOM = (
    FIVE.replace(
        'role = "writer"\n',
        'role = "writer"\nworkload = { messages = 20, size_bytes = { uniform = [5, 9] } }\n',
    )
    + '[[fault]]\nkind = "stall"\ntarget = "reader:some"\nat = "1s"\nheal_after = "1s"\n'
    + '[[fault]]\nkind = "slow"\ntarget = "reader:one"\n'
    + 'every = "2s"\ntimes = 6\nheal_after = "1s"\n'
)


def test_the_same_seed_gives_the_same_plan(tmp_path: Path) -> None:
    assert plan_of(tmp_path, RANDOM, seed=11) == plan_of(tmp_path, RANDOM, seed=11)


def test_another_seed_gives_other_choices(tmp_path: Path) -> None:
    plans = [plan_of(tmp_path, RANDOM, seed=seed) for seed in range(8)]
    workloads = [plan.processes[0].workload for plan in plans]
    assert len({w.payload_seed for w in workloads if isinstance(w, WriterWorkload)}) == 8
    assert len({w.sizes_bytes for w in workloads if isinstance(w, WriterWorkload)}) == 8
    assert len({tuple(targets(plan)) for plan in plans}) > 1


def test_the_plan_does_not_depend_on_the_hash_seed_of_python(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(RANDOM)
    script = (
        "import sys; from sim.scenario.loader import load; "
        "from sim.scenario.planning import make_plan; "
        "plan = make_plan(load(sys.argv[1])[0], 5); "
        "print([i.fault.target for i in plan.injections], plan.processes[0].workload)"
    )
    said = set()
    for hash_seed in ("0", "1"):
        env = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(filter(None, sys.path))}
        said.add(
            subprocess.run(
                [sys.executable, "-c", script, str(path)],
                env=env,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=120,
            ).stdout
        )
    assert len(said) == 1 and "reader[" in said.pop()


def test_dice_fall_as_they_always_did() -> None:
    """Literal values: plans that people stored must not change with spinbed or with Python."""
    dice = Dice(0, "name", "purpose")
    assert [dice.below(100) for _ in range(6)] == [27, 77, 30, 55, 0, 64]


def test_a_further_fault_leaves_the_choices_of_the_others_alone(tmp_path: Path) -> None:
    before = plan_of(tmp_path, RANDOM, seed=4)
    more = RANDOM + '[[fault]]\nkind = "slow"\ntarget = "reader:some"\nat = "20s"\n'
    after = plan_of(tmp_path, more, seed=4)
    assert [i.fault for i in after.injections if i.key != "fault[2]"] == [
        i.fault for i in before.injections
    ]
    assert after.processes == before.processes


@pytest.mark.parametrize(
    ("selector", "least", "most"),
    [("one", 1, 1), ("some", 1, 4), ("majority", 3, 3), ("all", 5, 5)],
)
def test_a_selector_chooses_so_many_different_processes(
    selector: str, least: int, most: int, tmp_path: Path
) -> None:
    text = FIVE + f'[[fault]]\nkind = "stall"\ntarget = "reader:{selector}"\nat = "1s"\n'
    (scenario,) = scenarios(tmp_path, text)
    counts = set()
    seen: Set[str] = set()
    for seed in range(60):
        chosen = targets(make_plan(scenario, seed))
        assert len(set(chosen)) == len(chosen)
        counts.add(len(chosen))
        seen.update(chosen)
    assert (min(counts), max(counts)) == (least, most)
    assert seen == {f"reader[{index}]" for index in range(5)}


def test_a_selector_by_role_chooses_over_all_tables_of_that_role(tmp_path: Path) -> None:
    text = SMALLEST.replace('name = "reader"', 'name = "slow"')
    text += '[[process]]\nname = "fast"\nrole = "reader"\ncount = 2\n'
    text += '[[fault]]\nkind = "stall"\ntarget = "reader:all"\nat = "1s"\n'
    assert targets(plan_of(tmp_path, text)) == ["slow", "fast[0]", "fast[1]"]


def test_a_selector_of_one_process_chooses_it(tmp_path: Path) -> None:
    text = SMALLEST + '[[fault]]\nkind = "stall"\ntarget = "reader:some"\nat = "1s"\n'
    assert targets(plan_of(tmp_path, text)) == ["reader"]


def test_times_and_every_become_injections_in_the_order_of_time(tmp_path: Path) -> None:
    text = FIVE + '[[fault]]\nkind = "stall"\ntarget = "writer"\nat = "1s"\nevery = "500ms"\n'
    text += 'times = 3\nheal_after = "20ms"\n'
    text += '[[fault]]\nkind = "raise_in_read"\ntarget = "reader[0]"\nevery = "1200ms"\ntimes = 2\n'
    plan = plan_of(tmp_path, text)
    assert [(i.index, i.key, i.trigger, i.heal_after_ns) for i in plan.injections] == [
        (0, "fault[0]", AtTime(1000 * MS), 20 * MS),
        (1, "fault[1]", AtTime(1200 * MS), None),
        (2, "fault[0]", AtTime(1500 * MS), 20 * MS),
        (3, "fault[0]", AtTime(2000 * MS), 20 * MS),
        (4, "fault[1]", AtTime(2400 * MS), None),
    ]


def test_nobody_is_killed_twice(tmp_path: Path) -> None:
    text = FIVE + '[[fault]]\nkind = "kill"\ntarget = "reader:one"\nevery = "1s"\ntimes = 5\n'
    (scenario,) = scenarios(tmp_path, text)
    for seed in range(20):
        assert sorted(targets(make_plan(scenario, seed))) == [f"reader[{i}]" for i in range(5)]


def test_after_ops_counts_the_ops_of_the_target_unless_another_is_named(tmp_path: Path) -> None:
    text = FIVE + '[[fault]]\nkind = "stall"\ntarget = "reader:all"\nat = { after_ops = 3 }\n'
    text += '[[fault]]\nkind = "slow"\ntarget = "writer"\n'
    text += 'at = { process = "reader[2]", after_ops = 9 }\nper_op = "2ms"\n'
    plan = plan_of(tmp_path, text)
    assert [i.trigger for i in plan.injections] == [
        *(AfterOps(f"reader[{index}]", 3) for index in range(5)),
        AfterOps("reader[2]", 9),
    ]
    slow = FAULTS["slow"](target="writer", per_op_ns=2 * MS)  # type: ignore[call-arg]
    assert plan.injections[-1].fault == slow


def test_restart_after_is_when_a_restart_heals(tmp_path: Path) -> None:
    text = SMALLEST + '[[fault]]\nkind = "restart"\ntarget = "writer"\nat = "1s"\n'
    (default,) = plan_of(tmp_path, text).injections
    (injection,) = plan_of(tmp_path, text + 'restart_after = "50ms"\n').injections
    assert (default.heal_after_ns, injection.heal_after_ns) == (0, 50 * MS)
    assert getattr(injection.fault, "restart_after_ns") == 50 * MS  # noqa: B009


def test_a_fault_without_heal_after_is_healed_at_the_end(tmp_path: Path) -> None:
    text = SMALLEST + '[[fault]]\nkind = "stall"\ntarget = "writer"\nat = "1s"\n'
    (injection,) = plan_of(tmp_path, text).injections
    assert injection.heal_after_ns is None


def test_a_plan_requires_what_its_faults_require(tmp_path: Path) -> None:
    text = SMALLEST + '[[fault]]\nkind = "restart"\ntarget = "writer"\nat = "1s"\n'
    text += '[[fault]]\nkind = "stall"\ntarget = "reader"\nat = "2s"\n'
    assert plan_of(tmp_path, text).requires == {
        Capability.KILL,
        Capability.RESTART,
        Capability.PAUSE,
    }


def test_drawn_sizes_are_one_a_message_within_both_limits(tmp_path: Path) -> None:
    text = SMALLEST.replace(
        'role = "writer"\n',
        'role = "writer"\nworkload = { messages = 400, size_bytes = { uniform = [3, 6] } }\n',
    )
    workload = plan_of(tmp_path, text).processes[0].workload
    assert isinstance(workload, WriterWorkload)
    assert len(workload.sizes_bytes) == 400
    assert set(workload.sizes_bytes) == {3, 4, 5, 6}


def test_a_rate_becomes_an_interval(tmp_path: Path) -> None:
    text = SMALLEST.replace('role = "writer"\n', 'role = "writer"\nworkload = { rate_hz = 2000 }\n')
    workload = plan_of(tmp_path, text).processes[0].workload
    assert isinstance(workload, WriterWorkload)
    assert workload.interval_ns == 500_000


EXPECTS = """
[[expect]]
process = "writer"
op = "send"
outcome = "timeout"
count = { min = 2, max = 4 }
[[expect]]
process = "reader"
exit = { signal = "SIGBUS" }
[[expect]]
process = "reader[0]"
exit = { status = 3 }
[[expect]]
process = "writer"
log = { logger = "app", level = "WARNING", matches = "could not", count = 1 }
[[expect]]
verdict = "invalid"
checker = "fifo"
[[expect]]
process = "writer"
op = "send"
outcome = "error:OSError"
count = 0
"""


def test_expectations_are_kept_and_account_for_what_they_expect(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, FIVE + EXPECTS)
    assert plan.expectations == (
        Expectation(
            "expect[0]",
            process="writer",
            op="send",
            outcome="timeout",
            count_min=2,
            count_max=4,
        ),
        Expectation("expect[1]", process="reader", exit="SIGBUS"),
        Expectation("expect[2]", process="reader[0]", exit="3"),
        Expectation(
            "expect[3]",
            process="writer",
            count_min=1,
            count_max=1,
            log_logger="app",
            log_level="WARNING",
            log_matches="could not",
        ),
        Expectation("expect[4]", verdict="invalid", checker="fifo"),
        Expectation(
            "expect[5]",
            process="writer",
            op="send",
            outcome="error:OSError",
            count_min=0,
            count_max=0,
        ),
    )
    assert plan.header.allowances == (
        Allowance("outcome", "writer", "send", "timeout", "expect[0]"),
        Allowance("exit", "reader", None, "SIGBUS", "expect[1]"),
        Allowance("exit", "reader[0]", None, "3", "expect[2]"),
        Allowance("log", "writer", None, "app", "expect[3]", "WARNING", "could not"),
    )
    assert plan.header.allows("exit", "reader[3]", "SIGBUS")
    assert not plan.header.allows("outcome", "writer", "error:OSError", "send")


def test_an_outcome_is_expected_once_at_least_where_no_count_is_given(tmp_path: Path) -> None:
    text = FIVE + '[[expect]]\nprocess = "reader"\nop = "receive"\noutcome = "raised"\n'
    (expectation,) = plan_of(tmp_path, text).expectations
    assert (expectation.count_min, expectation.count_max) == (1, None)


def test_check_tables_replace_the_standard_set(tmp_path: Path) -> None:
    text = SMALLEST + '[[check]]\nalias = "fifo"\n[[check]]\nalias = "no_loss"\n'
    assert plan_of(tmp_path, text).checkers == ("fifo", "no_loss")
