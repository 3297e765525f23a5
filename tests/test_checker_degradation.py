"""degradation, on literal histories."""

from __future__ import annotations

import pytest
from literal_history import exited, history, hook, injected, logged, probed

from sim.checkers.degradation import Degradation

ERROR = "ImportError: k.so: file too short"
BROKEN = injected("break_extension", "app", import_gives=ERROR)
SAYS = probed("app", "degraded", what="pkg.k", cause=ERROR)
WARNS = logged("app", "WARNING", f"no pkg.k: {ERROR}", pid=1)
SAME = [probed("app", "result", work=[1, 2]), exited("app")]
SOUND = [probed("other", "result", work=[1, 2], pid=2), exited("other")]


def check(*lines):
    return Degradation().check(history(*lines))


def logs(message, level="WARNING", pid=1):
    return logged("app", level, message, pid=pid)


def test_the_weaker_path_taken_said_once_with_its_cause_and_the_same_results_is_valid():
    assert check(BROKEN, SAYS, WARNS, SAME, SOUND).result == "valid"


def test_without_a_fault_the_programs_own_cause_is_the_one_to_name():
    assert check(SAYS, WARNS, SAME, SOUND).result == "valid"
    result = check(SAYS, logs("no pkg.k"), SAME, SOUND)
    assert (result.result, result.ops) == ("invalid", (1,))
    assert result.why == f"app: warned of pkg.k without its cause, {ERROR}"


def test_each_process_of_a_program_says_it_once():
    forked = [probed("app", "degraded", what="pkg.k", pid=3), logs(f"pkg.k: {ERROR}", pid=3)]
    assert check(BROKEN, SAYS, WARNS, forked, SAME, SOUND).result == "valid"


def test_all_that_take_the_weaker_path_are_compared_with_each_other():
    other = [
        probed("other", "degraded", what="pkg.k", cause=ERROR, pid=2),
        logged("other", "WARNING", f"no pkg.k: {ERROR}", pid=2),
    ]
    assert check(BROKEN, SAYS, WARNS, SAME, other, SOUND).result == "valid"
    odd = probed("other", "result", work=[3], pid=2)
    result = check(BROKEN, SAYS, WARNS, SAME, other, odd)
    assert (result.result, result.ops) == ("invalid", ())
    assert result.why == "other: the weaker path gave [3], which is not the result of app"


# Each promise, broken


@pytest.mark.parametrize("how", ["1", "SIGBUS"])
def test_to_end_instead_of_taking_it_is_invalid(how):
    result = check(BROKEN, exited("app", how), SOUND)
    assert (result.result, result.ops) == ("invalid", (1, 0))
    assert result.why == f"app: took no weaker path: it ended by {how}"


def test_to_hang_instead_of_taking_it_is_invalid():
    result = check(BROKEN, exited("app", "SIGKILL", ended_by="run"), SOUND)
    assert (result.result, result.why) == ("invalid", "app: took no weaker path: it did not end")


def test_to_keep_silent_of_it_is_invalid():
    result = check(BROKEN, SAME, SOUND)
    assert (result.result, result.ops) == ("invalid", (0, 2))
    assert result.why == "app: gave its result and never said that it took a weaker path"


def test_no_warning_of_it_is_invalid():
    for line in ([], logs("of something else"), logs(f"no pkg.k: {ERROR}", pid=3)):
        result = check(BROKEN, SAYS, line, SAME, SOUND)
        assert (result.result, result.ops) == ("invalid", (1,))
        assert result.why == "app: took the weaker path for pkg.k and logged no warning of it"


def test_a_second_warning_is_invalid():
    result = check(BROKEN, SAYS, WARNS, WARNS, SAME, SOUND)
    assert (result.result, result.ops) == ("invalid", (3,))
    assert result.why == "app: logged 2 times, not once, that it goes without pkg.k"


def test_another_level_is_invalid():
    result = check(BROKEN, SAYS, logs(f"no pkg.k: {ERROR}", level="ERROR"), SAME, SOUND)
    assert result.result == "invalid"
    assert result.why == "app: logged at ERROR, not at WARNING, of pkg.k"


@pytest.mark.parametrize("cause", ["OSError: gone", "SIGBUS", "an import failed", "MyImportErrors"])
def test_a_cause_that_is_not_the_faults_is_invalid(cause):
    result = check(BROKEN, SAYS, logs(f"no pkg.k: {cause}"), SAME, SOUND)
    assert result.why == f"app: warned of pkg.k without its cause, {ERROR}"


@pytest.mark.parametrize("cause", ["ImportError", "k.so: file too short", "an ImportError: why"])
def test_its_type_or_its_text_names_a_cause(cause):
    assert check(BROKEN, SAYS, logs(f"no pkg.k: {cause}"), SAME, SOUND).result == "valid"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ([injected("break_extension", "app", import_gives="SIGILL")], "died of SIGILL"),
        ([injected("missing_module", "app", module="pkg.k")], "No module named 'pkg.k'"),
        ([injected("missing_module", "app", module="pkg.k")], "ImportError"),
        (
            [
                injected("failing_import", "app", module="pkg.k"),
                hook("app", "failing", module="pkg.k", exception="OSError('no disk')"),
            ],
            "no disk",
        ),
    ],
)
def test_each_fault_that_takes_a_module_has_a_cause_of_its_own(fault, cause):
    assert check(fault, SAYS, logs(f"no pkg.k: {cause}"), SAME, SOUND).result == "valid"
    assert check(fault, SAYS, logs("no pkg.k: a riddle"), SAME, SOUND).result == "invalid"


def test_other_results_are_invalid():
    other = [probed("app", "result", work=[1, 3]), exited("app")]
    result = check(BROKEN, SAYS, WARNS, other, SOUND)
    assert (result.result, result.ops) == ("invalid", (4,))
    assert result.why == "app: the weaker path gave [1, 3], which is not the result of other"


def test_no_result_of_a_process_that_failed_is_invalid():
    result = check(BROKEN, SAYS, WARNS, exited("app", "1"), SOUND)
    assert (result.result, result.ops) == ("invalid", (3,))
    assert result.why == "app: took the weaker path and gave no result: ended by 1"


def test_each_broken_promise_is_a_finding_of_its_own():
    result = check(BROKEN, SAYS, logs("no pkg.k"), logs("no pkg.k"), exited("app", "1"), SOUND)
    assert result.why.endswith("that it goes without pkg.k (and 2 more)")


# Without the evidence


def test_a_run_in_which_nobody_degraded_is_unknown():
    for lines in ([], [SAME, SOUND], [injected("stall", "app"), SAME]):
        assert check(*lines).result == "unknown"
    assert check().why == 'nobody said that it took a weaker path (probe "degraded")'


def test_a_fault_that_did_not_fire_asks_for_nothing():
    missed = injected("break_extension", "app", fired=False, import_gives=ERROR)
    assert check(missed, exited("app", "1")).result == "unknown"


def test_who_says_neither_its_path_nor_its_result_is_unknown():
    result = check(BROKEN, exited("app"), SOUND)
    assert (result.result, result.ops) == ("unknown", (0,))
    assert "said neither which path it took nor what came of it" in result.why


@pytest.mark.parametrize("lines", [[], [exited("app", "SIGKILL")]])
def test_who_was_killed_from_outside_before_is_unknown(lines):
    result = check(BROKEN, lines, SOUND)
    assert result.result == "unknown"
    assert result.why == "app: ended from outside before it took a path"


def test_a_result_that_nobody_else_has_is_unknown():
    result = check(BROKEN, SAYS, WARNS, SAME)
    assert (result.result, result.ops) == ("unknown", ())
    assert result.why.startswith("app: nobody else did its work")


def test_references_that_do_not_agree_are_unknown():
    third = probed("third", "result", work=[9], pid=4)
    result = check(BROKEN, SAYS, WARNS, SAME, SOUND, third)
    assert result.result == "unknown"
    assert result.why == "the processes that have the better path do not agree"


def test_no_word_of_the_work_is_unknown():
    result = check(BROKEN, SAYS, WARNS, probed("app", "result"), exited("app"), SOUND)
    assert result.result == "unknown"
    assert result.why.startswith("app: did not say what its work came to")


def test_a_cause_that_nobody_knows_is_unknown():
    says = probed("app", "degraded", what="pkg.k")
    result = check(says, logs("no pkg.k"), SAME, SOUND)
    assert (result.result, result.why) == ("unknown", "app: the cause of pkg.k is not known")


def test_who_does_not_say_what_is_missing_is_unknown():
    result = check(probed("app", "degraded", cause=ERROR), WARNS, SAME, SOUND)
    assert result.why == "app: did not say what it does without"
