"""Hangs of real processes: told from what is seen of them, and proven by doing what is missing."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest
from live_plans import injection, plan

from sim.abc import Fault
from sim.faults.kill import Kill
from sim.faults.never_attach import NeverAttach
from sim.faults.stall import Stall
from sim.hang.observed import tell_apart
from sim.history.op import HANG
from sim.live.execution import run_plan
from sim.live.supervisor import Supervisor
from sim.scenario.plan import AfterOps, AtTime
from sim.testing.literal_plan import SECOND

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def hang(supervisor: Supervisor, kind: str, fault: Fault, after_ops: int = 20) -> Dict[str, Any]:
    """The detail of the one that the run ends in: nobody has a deadline."""
    at = AfterOps(fault.target, after_ops) if after_ops else AtTime(0)
    given = injection(fault, at)
    made = plan(kind=kind, slots=4, deadline_ns=None, injections=[given], stall_threshold_ns=SECOND)
    history, _ = run_plan(made, supervisor, tell_apart)
    (op,) = history.where(HANG)
    return json.loads(json.dumps(op.detail))


@pytest.mark.parametrize("kind", ["cursor_ring", "flag_ring"])
def test_a_dead_reader_is_named_and_without_it_the_others_get_on(supervisor, kind):
    detail = hang(supervisor, kind, Kill("reader[1]"))
    assert (detail["class"], detail["on"]) == ("peer-dead", ["reader[1]"])
    assert set(detail["who"]) == {"writer", "reader[0]"}
    assert detail["proof"].startswith("proven: reader[1] was given up on, and writer")
    assert "is dead: SIGKILL" in detail["waits"]


@pytest.mark.parametrize("target", ["writer", "reader[0]"])
def test_a_stopped_one_is_named_and_when_it_goes_on_so_do_the_others(supervisor, target):
    detail = hang(supervisor, "cursor_ring", Stall(target))
    assert (detail["class"], detail["on"]) == ("peer-stopped", [target])
    assert detail["proof"].startswith(f"proven: {target} went on, and ")


def test_a_dead_writer_is_named_and_nothing_can_be_done_to_show_it(supervisor):
    detail = hang(supervisor, "flag_ring", Kill("writer"))
    assert (detail["class"], detail["on"]) == ("peer-dead", ["writer"])
    assert detail["proof"] == "inferred: nothing that could be done would show it"


def test_one_that_never_came_is_named(supervisor):
    detail = hang(supervisor, "flag_ring", NeverAttach("reader[1]"), after_ops=0)
    assert (detail["class"], detail["on"]) == ("startup-never", ["reader[1]"])


def test_the_journal_holds_all_that_the_class_was_told_from(supervisor):
    detail = hang(supervisor, "cursor_ring", Stall("reader[0]"))
    told = tell_apart(detail["evidence"])
    assert told is not None
    assert {**told, "proof": detail["proof"]} == {name: detail[name] for name in told}
    assert not {"stall", "fault", "inject"} & set(json.dumps(detail["evidence"]).split('"'))
    one = next(each for each in detail["evidence"]["processes"] if each["name"] == "writer")
    assert one["op"]["f"] == "send" and one["threads"][0]["state"] == "S"
    assert one["threads"][0]["cpu_ns"] < detail["evidence"]["window_ns"]
