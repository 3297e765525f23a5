"""imports, on literal histories."""

from __future__ import annotations

from literal_history import history, hook, spawned, started_with

from sim.checkers.imports import Imports

BEGUN = [spawned("app"), started_with("app", "watch")]


def check(*lines):
    return Imports().check(history(*lines))


def watched(event, *, pid=1, id=7, module="m", **more):
    return hook("app", "watch", module=module, event=event, pid=pid, id=id, **more)


def obtained(**more):
    return watched("obtained", thread="MainThread", **{"through": "m", "partial": False, **more})


EXECUTED = [watched("began"), watched("ended", replaced=False)]


def test_every_module_executed_once_in_each_process_is_valid():
    forked = [watched("began", pid=2), watched("ended", pid=2)]
    assert check(BEGUN, EXECUTED, forked).result == "valid"


def test_a_module_that_puts_another_in_its_place_is_valid():
    assert check(BEGUN, watched("began"), watched("ended", id=8, replaced=True)).result == "valid"


def test_whoever_waits_and_gets_the_whole_module_is_valid():
    assert check(BEGUN, EXECUTED, obtained(replaced=False)).result == "valid"


def test_an_import_that_raised_and_is_tried_again_is_valid():
    assert check(BEGUN, watched("began"), watched("raised"), EXECUTED).result == "valid"


def test_half_a_module_is_invalid():
    result = check(BEGUN, obtained(partial=True, through="m.sub"))
    assert (result.result, result.ops) == ("invalid", (3,))
    assert result.why == "app: MainThread got m half-initialised, on its way to m.sub"


def test_a_stale_module_is_invalid():
    result = check(BEGUN, EXECUTED, obtained(replaced=True))
    why = "app: MainThread got an object of m that is not the one in sys.modules"
    assert (result.result, result.why, result.ops) == ("invalid", why, (5,))


def test_a_module_that_is_executed_again_is_invalid():
    result = check(BEGUN, EXECUTED, EXECUTED)
    assert (result.result, result.ops) == ("invalid", (6, 4))
    assert result.why == "app: m was executed twice in one process"
    assert "m was executed 3 times" in check(BEGUN, EXECUTED, EXECUTED, EXECUTED).why


def test_two_objects_of_one_name_are_a_finding_of_their_own():
    result = check(BEGUN, EXECUTED, watched("began", id=8), watched("ended", id=8))
    assert result.why == "app: m was executed twice in one process (and 1 more)"


def test_without_a_watch_it_is_unknown():
    for lines in (spawned("app"), [spawned("app"), started_with("app", "environ")]):
        result = check(lines)
        assert result.result == "unknown"
        assert result.why.startswith("app: nobody watched its imports")
    assert check().why == "nothing was started"


def test_one_program_that_is_not_watched_leaves_it_unknown():
    assert check(BEGUN, EXECUTED, spawned("sh")).why.startswith("sh: nobody watched")
    assert check(BEGUN, EXECUTED, EXECUTED, spawned("sh")).result == "invalid"
