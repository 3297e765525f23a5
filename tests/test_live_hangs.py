"""Hangs of real processes: told from what is seen of them, and proven by doing what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Optional

import pytest
from live_plans import injection, plan

from sim.abc import Fault
from sim.faults.kill import Kill
from sim.faults.never_attach import NeverAttach
from sim.faults.stale_region import StaleRegion
from sim.faults.stall import Stall
from sim.hang.observed import tell_apart
from sim.history.op import HANG
from sim.live.execution import run_plan
from sim.live.supervisor import Supervisor
from sim.scenario.loader import load
from sim.scenario.plan import AfterOps, AtTime, Plan
from sim.scenario.planning import make_plan
from sim.testing.literal_plan import SECOND

pytestmark = pytest.mark.usefixtures("nothing_is_left")


HANGS = Path(__file__).resolve().parents[1] / "scenarios" / "hangs"


def hang(
    supervisor: Supervisor,
    kind: str,
    fault: Optional[Fault],
    after_ops: int = 20,
    *,
    by: Optional[str] = None,
) -> Dict[str, Any]:
    """The detail of the one that the run ends in: nobody has a deadline. The fault comes after so
    many operations of its target, or of `by`."""
    given = []
    if fault is not None:
        at = AfterOps(by or fault.target, after_ops) if after_ops else AtTime(0)
        given.append(injection(fault, at))
    threshold = {"stall_threshold_ns": SECOND}
    made = plan(kind=kind, slots=4, deadline_ns=None, injections=given, **threshold)
    return detail_of(supervisor, made)


def detail_of(supervisor: Supervisor, made: Plan) -> Dict[str, Any]:
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
    assert detail["proof"].startswith("proven: reader[1] was started, and writer")


def test_a_dead_writer_gets_a_successor_where_the_ring_can_be_taken_over(supervisor):
    detail = hang(supervisor, "cursor_ring", Kill("writer"))
    assert (detail["class"], detail["on"]) == ("peer-dead", ["writer"])
    assert detail["proof"].startswith("proven: writer got a successor, and reader")


def test_who_waits_in_another_region_of_that_name_is_named(supervisor):
    detail = hang(supervisor, "flag_ring", StaleRegion("reader[1]", "shutdown", 0), 3, by="writer")
    assert (detail["class"], detail["on"]) == ("segment-gone", ["reader[1]"])
    assert detail["proof"].startswith("proven: reader[1] was given up on, and writer")


def test_of_those_who_give_way_one_gets_on_while_the_others_stand_still(supervisor):
    detail = hang(supervisor, "sim.testing.polite_ring:PoliteRing", None)
    assert detail["class"] == "livelock"
    assert detail["proof"].startswith("proven: all but writer stood still, and writer got on")


def test_who_has_lost_a_wake_up_gets_on_when_it_is_woken(supervisor):
    made = make_plan(load(str(HANGS / "wake_up_lost_by_writer.toml"))[0], 0)
    detail = detail_of(supervisor, made)
    assert (detail["class"], detail["who"][0]) == ("lost-wakeup", "writer")
    assert detail["proof"].startswith("proven: who sleeps on a word of the region was woken, and ")


def test_the_journal_holds_all_that_the_class_was_told_from(supervisor):
    detail = hang(supervisor, "cursor_ring", Stall("reader[0]"))
    told = tell_apart(detail["evidence"])
    assert told is not None
    assert {**told, "proof": detail["proof"]} == {name: detail[name] for name in told}
    assert not {"stall", "fault", "inject"} & set(json.dumps(detail["evidence"]).split('"'))
    one = next(each for each in detail["evidence"]["processes"] if each["name"] == "writer")
    assert one["op"]["f"] == "send" and one["threads"][0]["state"] == "S"
    assert one["threads"][0]["cpu_ns"] < detail["evidence"]["window_ns"]
