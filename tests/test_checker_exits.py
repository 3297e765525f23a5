"""exits, on literal histories."""

from __future__ import annotations

from literal_history import HEADER, allows, exited, history, spawned

from sim.checkers.exits import Exits

BOTH = spawned("writer", "reader")


def check(*lines, **header):
    return Exits().check(history(*lines, **header))


def test_all_with_0_is_valid():
    assert check(BOTH, exited("writer"), exited("reader")).result == "valid"


def test_an_exit_that_nothing_accounts_for_is_invalid():
    for outcome in ("3", "SIGSEGV", "SIGBUS"):
        result = check(BOTH, exited("writer"), exited("reader", outcome))
        assert (result.result, result.ops) == ("invalid", (5,))
        assert result.why == (
            f"reader: incarnation 0 exited with {outcome}, which nothing accounts for; expected 0"
        )


def test_an_exit_that_something_accounts_for_is_valid():
    allowed = allows("exit", "reader", value="SIGKILL", because="fault[0] kill")
    lines = [BOTH, exited("writer"), exited("reader", "SIGKILL")]
    assert check(*lines, **allowed).result == "valid"


def test_an_allowance_of_another_kind_accounts_for_no_exit():
    allowed = allows("outcome", "reader", value="3")
    assert check(BOTH, exited("writer"), exited("reader", "3"), **allowed).result == "invalid"


def test_a_kill_from_outside_is_unknown():
    result = check(BOTH, exited("writer"), exited("reader", "SIGKILL"))
    assert result.result == "unknown"
    assert "killed from outside, e.g. by the OOM killer" in result.why


def test_a_crash_outweighs_a_kill_from_outside():
    result = check(BOTH, exited("writer", "SIGKILL"), exited("reader", "3"))
    assert (result.result, result.ops) == ("invalid", (5,))


def test_a_process_that_the_run_ended_is_left_to_liveness():
    lines = [BOTH, exited("writer"), exited("reader", "SIGKILL", ended_by="run")]
    assert check(*lines).result == "valid"


def test_a_life_without_an_exit_is_invalid():
    lines = [BOTH, spawned("reader", life=1), exited("writer"), exited("reader", life=0)]
    result = check(*lines)
    assert result.result == "invalid"
    assert result.why == "reader: incarnation 1 was started and never exited"


def test_a_run_without_processes_is_unknown():
    result = check()
    assert result.result == "unknown"
    assert result.why == "writer: was never started (and 1 more)"
    assert len(HEADER.processes) == 2
