"""Step triggers in scenario files: which runs "every" makes, and what is refused and why."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import pytest
from scenario_plans import scenarios

from sim.errors import ScenarioError
from sim.scenario.plan import AtStep
from sim.scenario.planning import make_plan
from sim.scenario.steps import PATHS, Walker, paths_with, steps_of

SCENARIO = """\
schema = 1
name = "steps"
[transport]
kind = "{kind}"
{transport}
[[process]]
name = "writer"
role = "writer"
wait = "{wait}"
workload = {{ {workload} }}
[[process]]
name = "reader"
role = "reader"
count = {readers}
wait = "{reader_wait}"
{faults}
"""
CRASH = """\
[[fault]]
kind = "{kind}"
target = "{target}"
at = {{ {at} }}
"""


def text(at: str, **changed: str) -> str:
    fault = {"kind": "crash_at_step", "target": "writer", "at": at}
    fault.update({key: changed.pop(key) for key in ("kind", "target") if key in changed})
    keys = {
        "kind": changed.pop("transport_kind", "cursor_ring"),
        "transport": "",
        "wait": "park",
        "workload": "messages = 10",
        "readers": "2",
        "reader_wait": "park",
        "faults": CRASH.format(**fault) + changed.pop("more", ""),
        **changed,
    }
    return SCENARIO.format(**keys)


def steps_in(tmp_path: Path, made: str) -> List[str]:
    """The steps of the runs of a file, an occurrence after the first behind a colon."""
    found = []
    for scenario in scenarios(tmp_path, made):
        trigger = make_plan(scenario, 0).injections[0].trigger
        assert isinstance(trigger, AtStep)
        occurrence = f":{trigger.occurrence}" if trigger.occurrence > 1 else ""
        found.append(trigger.step + occurrence)
    return found


def problem_of(tmp_path: Path, made: str) -> tuple[Optional[str], str, Optional[str]]:
    with pytest.raises(ScenarioError) as refused:
        scenarios(tmp_path, made)
    (problem,) = refused.value.problems
    return problem.key, problem.message, problem.nearest


def test_every_makes_one_run_for_each_step_of_a_message_in_the_protocols_order(tmp_path):
    assert steps_in(tmp_path, text('step = "every"', wait="busy_spin")) == [
        "cursor.send.poll_shutdown",
        "cursor.send.poll_owner",
        "cursor.send.poll_reader_owner",
        "cursor.send.poll_reader_owner:2",
        "cursor.send.poll_reader_position",
        "cursor.send.poll_reader_position:2",
        "wait.clock.now",
        "wait.clock.store_heartbeat",
        "wait.clock.offer",
        "cursor.send.store_length",
        "cursor.send.copy_payload",
        "cursor.send.commit",
        "cursor.send.store_position",
        "cursor.send.fence",
        "cursor.send.load_parked",
        "wake.readers.clear_parked",
        "wake.readers.bump_event",
        "wake.readers.futex_wake",
    ]


def test_runs_are_named_after_the_step_behind_what_the_sweep_says(tmp_path):
    swept = '[sweep.product]\n"fault[0].target" = ["writer", "reader[0]"]\n'
    made = scenarios(tmp_path, text('path = "takeover", step = "every"', more=swept))
    names = [scenario.name for scenario in made]
    assert len(names) == len(set(names))
    head = "steps[fault[0].target=writer,fault[0].at.step=cursor.takeover."
    assert names[0] == head + "claim_writer]"
    assert head.replace("takeover.", "send.poll_reader_owner,fault[0].at.occurrence=2]") in names
    reader = 'steps[fault[0].target="reader[0]",fault[0].at.step='
    assert [name for name in names if name.startswith(reader)] == [
        f"{reader}{step}]"
        for step in (
            "cursor.takeover.claim_reader",
            "cursor.takeover.load_reader_position",
            "cursor.takeover.count",
            "wake.writer.clear_parked",
            "wake.writer.bump_event",
            "wake.writer.futex_wake",
        )
    ]


def test_two_sweeps_of_steps_are_multiplied(tmp_path):
    other = CRASH.format(kind="stop_at_step", target="reader[0]", at='path = "end", step = "every"')
    made = scenarios(tmp_path, text('path = "detach", step = "every"', more=other))
    assert [scenario.name for scenario in made] == [
        "steps[fault[0].at.step=cursor.detach.release_writer,"
        "fault[1].at.step=cursor.receive.poll_end]"
    ]


@pytest.mark.parametrize(
    ("changed", "left_out"),
    [
        ({"transport": 'order = "as_shipped"'}, {"flag.send.acquire", "flag.send.reset_fence"}),
        ({"transport": 'mutant = "no-data-fence"'},
         {"flag.send.data_fence", "flag.send.reset_fence"}),
        ({"transport": 'mutant = "reset-before-data"'}, {"flag.send.reset_fence"}),
        ({"reader_wait": "backoff"}, {f"wake.readers.{each}" for each in
                                      ("clear_parked", "bump_event", "futex_wake")}),
    ],
)  # fmt: skip
def test_what_the_order_the_mutant_or_the_peers_never_do_is_left_out(tmp_path, changed, left_out):
    kind = {"transport_kind": "flag_ring"}
    whole = set(steps_in(tmp_path, text('step = "every"', **kind)))
    less = set(steps_in(tmp_path, text('step = "every"', **kind, **changed)))
    assert whole - less == left_out
    assert less - whole <= {"flag.send.widen"}


@pytest.mark.parametrize(
    ("wait", "parts"),
    [
        ("busy_spin", {"clock"}),
        ("pause", {"pause", "clock"}),
        ("yielding", {"yielding"}),
        ("park", {"park"}),
        ("backoff", {"backoff"}),
        ("adaptive", {"adaptive", "park", "clock"}),
        ("best", {"adaptive", "park", "clock"}),
        ("tpause", {"tpause", "clock"}),
        ("mwaitx", {"monitor", "mwaitx", "clock"}),
        ("wfet", {"monitor", "wfet", "clock"}),
    ],
)
def test_a_process_waits_by_its_own_strategy_alone(tmp_path, wait, parts):
    found = steps_in(tmp_path, text('path = "wait", step = "every"', wait=wait))
    assert found[:2] == ["wait.clock.now", "wait.clock.store_heartbeat"]
    assert {step.split(".")[1] for step in found[2:]} == parts
    assert ("wait.clock.offer" in found) == ("clock" in parts)
    assert "wait.park.pause" not in found or wait == "park"


def test_a_single_step_lies_on_the_path_of_a_message_or_else_on_its_own(tmp_path):
    for step, path in (
        ("wake.readers.bump_event", "message"),
        ("cursor.takeover.claim_writer", "attach"),
        ("cursor.takeover.count", "takeover"),
        ("ring.end.mark", "end"),
    ):
        (scenario,) = scenarios(tmp_path, text(f'step = "{step}", after_ops = 3'))
        (injection,) = make_plan(scenario, 0).injections
        assert injection.trigger == AtStep("writer", 3, path, step, 1)


@pytest.mark.parametrize(
    ("at", "changed", "key", "message", "nearest"),
    [
        ('step = "cursor.send.comit"', {}, "step", "unknown step", "cursor.send.commit"),
        ('step = "cursor.receive.release"', {}, "step", "no step of a cursor_ring writer",
         "cursor.detach.release_writer"),
        ('step = "flag.send.acquire"', {"transport_kind": "flag_ring", "transport":
         'order = "as_shipped"'}, "step", "order as_shipped has no such fence", None),
        ('step = "wait.park.fence"', {"wait": "pause"}, "step", "it waits by pause", None),
        ('step = "every", path = "tkeover"', {}, "path", "unknown path", "takeover"),
        ('step = "every", path = "evict"', {}, "path", "transport.evict_dead is false", None),
        ('step = "every", path = "timeout"', {}, "path", "workload has no deadline", None),
        ('step = "every", path = "shutdown"', {}, "path", 'finish = "end"', None),
        ('step = "every", path = "takeover"', {"transport_kind": "flag_ring"}, "path",
         "no step of a flag_ring writer", None),
        ('step = "ring.end.mark", path = "detach"', {}, "path", "but on end", "end"),
        ('step = "every", occurrence = 2', {}, "occurrence", "not with every", None),
        ('step = "cursor.send.commit", occurrence = 0', {}, "occurrence", "too small", None),
        ('step = "cursor.send.commit", process = "reader[0]"', {}, "process",
         "of its own", "writer"),
        ('step = "cursor.send.commit", probe = "x"', {}, None, "a probe and step", None),
        ('path = "end"', {}, "step", "is required", None),
        ('step = "cursor.send.commit"', {"kind": "slow"}, "step", "it obeys nobody", None),
        ('after_ops = 5', {}, None, "needs { step = ... }", None),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_reason(tmp_path, at, changed, key, message, nearest):
    found = problem_of(tmp_path, text(at, **changed))
    assert found[0] == ".".join(filter(None, ("fault[0].at", key)))
    assert message in found[1]
    assert found[2] == nearest


def test_a_process_has_one_gate(tmp_path):
    second = CRASH.format(kind="stall", target="reader[0]",
                          at='process = "writer", step = "cursor.send.fence"')  # fmt: skip
    key, message, _ = problem_of(tmp_path, text('step = "cursor.send.commit"', more=second))
    assert (key, message) == ("fault[1].at.step", "writer has one gate, and fault[0] may use it")


def test_a_ring_without_owners_has_no_successor(tmp_path):
    crash = text('step = "flag.send.set_written"', transport_kind="flag_ring")
    assert len(scenarios(tmp_path, crash)) == 1
    key, message, _ = problem_of(tmp_path, crash + 'restart_after = "1ms"\n')
    assert "knows no owner" in message


def walker(ring: str, role: str) -> Walker:
    return Walker(ring, role, "park", 2, "fenced", None, True, True, True, "end")


@pytest.mark.parametrize("ring", ["cursor_ring", "flag_ring"])
@pytest.mark.parametrize("role", ["writer", "reader"])
def test_every_step_of_a_path_is_found_on_that_path(ring, role):
    for path in PATHS:
        for step, occurrence in steps_of(walker(ring, role), path):
            assert path in paths_with(step, walker(ring, role))
            assert 1 <= occurrence <= 2
