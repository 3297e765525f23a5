"""Programs of anybody's as processes of a run: what they say, how they end, what they leave."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Callable, Dict, List, Optional

import pytest
from app_program import PROGRAM

import cy_kernels
from cy_kernels.choice import PURE, kernels
from sim.errors import ExitStatus
from sim.history.history import History
from sim.history.op import EXIT, HANG, HOOK, LEAK, LOG, PROBE, SPAWN
from sim.live.execution import run_plan
from sim.live.procfs import stat
from sim.live.supervisor import Supervisor
from sim.run import lacks
from sim.scenario.loader import load_text
from sim.scenario.planning import make_plan
from sim.verdict import RunResult, judge

HEAD = 'schema = 1\nname = "programs"\n'
Run = Callable[..., "Ran"]


class Ran:
    def __init__(self, history: History, result: RunResult) -> None:
        self.history = history
        self.result = result

    def details(self, f: str) -> List[Dict[str, Any]]:
        return [dict(op.detail or {}) for op in self.history.where(f)]

    def exit(self) -> Optional[str]:
        (op,) = self.history.where(EXIT)
        return op.outcome


@pytest.fixture
def run(supervisor: Supervisor, tmp_path: Path) -> Run:
    (tmp_path / "app.py").write_text(PROGRAM)
    here = os.pathsep.join(filter(None, sys.path))

    def run(what: str, rest: str = "", *, deadline: str = "30s") -> Ran:
        key = f"argv = {what}" if what.startswith("[") else f'program = "{what}"'
        process = f'[[process]]\nname = "app"\n{key}\ncwd = {json.dumps(str(tmp_path))}\n'
        process += f"env = {{ PYTHONPATH = {json.dumps(here)} }}\n"
        text = f'{HEAD}deadline = "{deadline}"\n{process}{rest}'
        (scenario,) = load_text(text, "test.toml")
        plan = make_plan(scenario, 0)
        history, duration_ns = run_plan(plan, supervisor)
        return Ran(history, judge(plan, history, duration_ns=duration_ns, reproduce="again"))

    return run


def test_what_it_says_prints_and_logs_is_in_the_history(run: Run) -> None:
    ran = run("app:fine", '[[expect]]\nprocess = "app"\nlog = { logger = "app", count = 1 }\n')
    (said,) = ran.details(PROBE)
    assert (said["probe"], said["detail"]) == ("ready", {"answer": 42})
    (record,) = ran.details(LOG)
    assert (record["level"], record["message"]) == ("WARNING", "careful: 1")
    (end,) = ran.details(EXIT)
    assert end["stdout"] == "hello\n" and end["stderr"].endswith("oops\n")
    assert ran.exit() == "0" and ran.result.as_expected


EXPECTATIONS = [
    ('output = { stream = "stdout", matches = "^hello$", count = 1 }', True),
    ('output = { stream = "stdout", matches = "^ello" }', False),
    ('output = { matches = "oops" }', True),
    ('output = { matches = "oops", count = 2 }', False),
    ('probe = "ready"', True),
    ('probe = "ready"\ncount = 2', False),
    ('probe = "raedy"', False),
]


@pytest.mark.parametrize(("expected", "is_met"), EXPECTATIONS)
def test_what_it_prints_and_passes_can_be_expected(run: Run, expected: str, is_met: bool) -> None:
    log = '[[expect]]\nprocess = "app"\nlog = { logger = "app" }\n'
    ran = run("app:fine", f'{log}[[expect]]\nprocess = "app"\n{expected}\n')
    assert ran.result.as_expected is is_met
    assert (ran.result.exit_status is ExitStatus.OK) is is_met


def test_a_warning_that_nothing_accounts_for_is_told(run: Run) -> None:
    ran = run("app:fine")
    assert ran.result.exit_status is ExitStatus.SAFETY
    assert "app logged WARNING: careful: 1" in ran.result.failure[0]


def test_an_exception_is_an_exit_with_its_traceback(run: Run) -> None:
    ran = run("app:raises")
    assert (ran.exit(), ran.result.exit_status) == ("1", ExitStatus.CRASH)
    assert ran.result.failure[-3] == "| KeyError: 'no such key'"


@pytest.mark.parametrize("start", ["template", "fork", "spawn", "forkserver"])
def test_every_start_method_calls_it(run: Run, start: str) -> None:
    ran = run("app:raises", f'start = "{start}"\n')
    assert ran.exit() == "1"
    assert "KeyError: 'no such key'" in ran.details(EXIT)[0]["stderr"]


def run_as_far_as(run: Run, what: str, is_there: Callable[[Ran], bool], rest: str = "") -> Ran:
    """With a deadline that leaves it the time to come there: slow starts are nobody's fault."""
    for deadline_s in (1, 4, 16, 64):
        ran: Ran = run(what, rest, deadline=f"{deadline_s}s")
        if is_there(ran):
            break
    return ran


@pytest.mark.parametrize("what", ["app:hangs", "app:ignores_sigterm"])
def test_a_hang_ends_at_the_deadline_with_its_stack(run: Run, what: str) -> None:
    ran = run_as_far_as(run, what, lambda ran: bool(ran.details(PROBE)))
    assert ran.result.exit_status is ExitStatus.LIVENESS
    (hang,) = ran.details(HANG)
    assert (hang["why"], hang["waiting"]) == ("deadline", ["app"])
    assert "in hangs" in ran.details(EXIT)[0]["stderr"]
    assert any("in hangs" in line for line in ran.result.failure)
    assert ran.exit() == "SIGKILL"


def test_what_multiprocessing_would_have_unlinked_goes_with_the_run(run: Run) -> None:
    ran = run_as_far_as(run, "app:hangs_with_a_semaphore", lambda ran: bool(ran.details(PROBE)))
    assert ran.exit() == "SIGKILL"
    (ready,) = ran.details(PROBE)
    path = ready["detail"]["path"]
    assert path.startswith("/dev/shm/sem.mp-") and not os.path.exists(path)


def test_a_program_that_floods_its_output_is_bounded(run: Run) -> None:
    def has_flooded(ran: Ran) -> bool:
        return bool(ran.details(EXIT)[0]["stdout_bytes"] > 1 << 20)

    ran = run_as_far_as(run, "app:floods", has_flooded)
    (end,) = ran.details(EXIT)
    assert has_flooded(ran)
    assert len(end["stdout"]) == 16384
    assert ran.result.exit_status is ExitStatus.LIVENESS


@pytest.mark.parametrize("what", ["app:leaves_a_process", "app:daemonises"])
def test_a_process_that_it_leaves_is_a_leak_and_is_ended(run: Run, what: str) -> None:
    ran = run(what)
    assert ran.result.exit_status is ExitStatus.LEAK
    (leak,) = ran.details(LEAK)
    (name,) = leak["names"]
    assert name.startswith("process ")
    pid = int(name.split()[1].rstrip(":"))
    seen = stat(pid)
    assert seen is None or seen.state in "ZX"


def test_a_folder_of_its_own_goes_with_the_run(run: Run) -> None:
    ran = run("app:fills_its_folder", "count = 2\n")
    folders = {each["stdout"].strip() for each in ran.details(EXIT)}
    assert len(folders) == 2 and ran.result.as_expected
    assert not any(os.path.exists(folder) for folder in folders)


def test_a_process_that_ends_once_its_program_has_is_no_leak(run: Run) -> None:
    ran = run("app:leaves_one_that_ends")
    assert ran.result.as_expected and ran.details(LEAK) == []


def test_a_hang_that_is_expected_is_not_a_leak_of_what_it_waited_for(run: Run) -> None:
    expected = '[[expect]]\nverdict = "invalid"\nchecker = "liveness"\n'

    def are_both_there(ran: Ran) -> bool:
        (hang,) = ran.details(HANG)
        return len(hang["evidence"]["processes"]) == 2

    ran = run_as_far_as(run, "app:waits_for_a_process", are_both_there, expected)
    assert ran.result.as_expected, ran.result.failure
    assert are_both_there(ran)


MISSING = [
    ("no_such_module:f", "1", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("app:no_such_function", "1", "has no attribute 'no_such_function'"),
    ("app:not_callable", "1", "TypeError: 'int' object is not callable"),
    ("app:waits", "1", "made a coroutine, and nothing of it has run"),
    ('["/no/such/command"]', "127", "spinbed: /no/such/command: No such file or directory"),
    ('["/etc/passwd"]', "126", "spinbed: /etc/passwd: Permission denied"),
]


@pytest.mark.parametrize(("what", "status", "said"), MISSING)
def test_a_program_that_is_not_there_says_so(run: Run, what: str, status: str, said: str) -> None:
    ran = run(what)
    assert ran.exit() == status
    assert said in "\n".join(ran.result.failure)


def test_a_folder_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    text = f'[[process]]\nname = "tool"\nargv = ["true"]\ncwd = "{gone}"\n'
    ran = run("app:three_times", text)
    ends = {op.process: op for op in ran.history.where(EXIT)}
    assert ends["tool"].outcome == "127"
    assert f"spinbed: {gone}: No such file" in (ends["tool"].detail or {})["stderr"]


def test_its_surroundings_are_a_plain_processs(run: Run) -> None:
    ran = run("app:is_sane")
    assert ran.exit() == "0", ran.details(EXIT)


def test_a_fault_strikes_at_its_probe_and_not_before(run: Run) -> None:
    at = 'at = { probe = "turn", occurrence = 2 }'
    ran = run("app:three_times", f'[[fault]]\nkind = "kill"\ntarget = "app"\n{at}\n')
    assert len(ran.details(PROBE)) == 2
    assert ran.exit() == "SIGKILL" and ran.result.as_expected
    assert [fault.fired for fault in ran.result.faults] == [True]


def test_a_probe_that_is_never_passed_leaves_the_verdict_unknown(run: Run) -> None:
    at = 'at = { probe = "turn", occurrence = 4 }'
    ran = run("app:three_times", f'[[fault]]\nkind = "kill"\ntarget = "app"\n{at}\n')
    assert (ran.exit(), ran.result.verdict) == ("0", "unknown")
    assert ran.result.exit_status is ExitStatus.UNKNOWN


def test_a_stalled_program_goes_on_after_the_heal(run: Run) -> None:
    fault = '[[fault]]\nkind = "stall"\ntarget = "app"\nat = { probe = "turn" }\n'
    ran = run("app:three_times", fault + 'heal_after = "100ms"\n')
    assert ran.result.as_expected, ran.result.failure
    assert [(fault.fired, fault.healed) for fault in ran.result.faults] == [(True, True)]


def test_another_language_writes_its_probes_to_a_descriptor(run: Run) -> None:
    words = ["sh", "-c", "echo ready >&$SPINBED_PROBE_FD; printf 'a\\nb\\n' >&$SPINBED_PROBE_FD"]
    ran = run(json.dumps(words), '[[expect]]\nprocess = "app"\nprobe = "ready"\n')
    assert [said["probe"] for said in ran.details(PROBE)] == ["ready", "a", "b"]
    assert ran.result.as_expected


def test_it_is_started_with_and_without_variables(run: Run, monkeypatch: Any) -> None:
    monkeypatch.setenv("GONE", "1")
    words = '["sh", "-c", "echo ${THERE-unset} ${GONE-unset}"]'
    faults = "".join(
        f'[[fault]]\nkind = "env_var"\ntarget = "app"\nvariable = "{name}"\n{rest}'
        for name, rest in (("THERE", 'value = "yes"\n'), ("GONE", ""))
    )
    ran = run(words, faults)
    assert ran.details(EXIT)[0]["stdout"] == "yes unset\n"
    assert [fault.fired for fault in ran.result.faults] == [True, True]


def test_it_is_started_under_a_limit(run: Run) -> None:
    fault = '[[fault]]\nkind = "limit"\ntarget = "app"\nresource = "NOFILE"\nlimit = 20\n'
    ran = run('["sh", "-c", "ulimit -n; ulimit -Hn"]', fault)
    assert ran.details(EXIT)[0]["stdout"] == "20\n20\n"
    assert [fault.fired for fault in ran.result.faults] == [True]


HOOKS = [
    ('missing_module"\nmodule = "logging', "ModuleNotFoundError: No module named 'logging'"),
    ('failing_import"\nmodule = "logging"\nexception = "zipfile:BadZipFile', "BadZipFile: planted"),
    ('failing_import"\nmodule = "logging"\nexception = "OSError', "OSError: planted by failing"),
]


@pytest.mark.parametrize(("fault", "said"), HOOKS)
def test_an_import_of_it_goes_wrong(run: Run, fault: str, said: str) -> None:
    ran = run("app:fine", f'[[fault]]\nkind = "{fault}"\ntarget = "app"\n')
    assert ran.exit() == "1" and said in ran.details(EXIT)[0]["stderr"]
    assert [fault.fired for fault in ran.result.faults] == [True]
    assert any(each.get("module") == "logging" for each in ran.details(HOOK))


@pytest.mark.skipif(kernels().kind == PURE, reason="needs compiled kernels")
def test_a_broken_copy_is_found_before_what_lies_in_the_working_directory(
    run: Run, tmp_path: Path
) -> None:
    package = Path(cy_kernels.__file__).parent
    shutil.copytree(package, tmp_path / "cy_kernels", ignore=shutil.ignore_patterns("*.c"))
    words = json.dumps([sys.executable, "-c", "import cy_kernels.clock"])
    how = 'kind = "break_extension"\nmodule = "cy_kernels.clock"\nhow = "empty"\n'
    ran = run(words, f'[[fault]]\n{how}target = "app"\n')
    assert ran.exit() == "1" and "file too short" in ran.details(EXIT)[0]["stderr"]


def test_a_module_that_it_never_imports_strikes_nobody(run: Run) -> None:
    fault = '[[fault]]\nkind = "missing_module"\ntarget = "app"\nmodule = "sqlite3"\n'
    ran = run("app:three_times", fault)
    assert ran.result.verdict == "unknown"
    assert "app never imported sqlite3" in ran.result.faults[0].evidence[0]["evidence"]["what"]


STALL = '[[fault]]\ntarget = "app"\nkind = "stall"\nheal_after = "10ms"\nat = { probe = "turn" }\n'
KILL = '[[fault]]\ntarget = "app"\nkind = "kill"\nat = "300ms"\n'


@pytest.mark.parametrize(
    ("what", "other", "fired"),
    [("imports_late", STALL, [True, True]), ("imports_once_it_is_let_go", KILL, [False, True])],
)
def test_an_import_that_is_to_go_wrong_holds_no_other_fault_up(
    run: Run, what: str, other: str, fired: List[bool]
) -> None:
    """Were it waited for, the other one's turn would come at the deadline, or never."""
    slow = 'kind = "slow_import"\nmodule = "sqlite3"\nduration = "10ms"\n'
    ran = run(f"app:{what}", f'[[fault]]\ntarget = "app"\n{slow}{other}')
    assert [each.fired for each in ran.result.faults] == fired
    assert not ran.details(HANG)
    assert ran.exit() == ("0" if other is STALL else "SIGKILL")


def test_the_interpreter_that_it_names_is_used_and_told(run: Run) -> None:
    words = f'python = "{sys.executable}"\n'
    ran = run("app:three_times", words)
    (spawned,) = ran.details(SPAWN)
    assert spawned["python"] == platform.python_version()
    assert ran.exit() == "0"


def test_an_interpreter_that_is_not_there_skips_the_run_and_says_why() -> None:
    process = '[[process]]\nname = "app"\nprogram = "a:b"\npython = "3.77"\n'
    (scenario,) = load_text(HEAD + process, "test.toml")
    assert "app: no Python 3.77" in str(lacks(make_plan(scenario, 0)))


def test_what_lies_in_the_working_directory_hides_nothing_that_is_installed(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "spinbed.py").write_text("raise RuntimeError('a checkout')\n")
    assert run("app:three_times").exit() == "0"


def test_nothing_of_a_run_is_left(run: Run, tmp_path: Path) -> None:
    before = set(os.listdir(gettempdir()))
    assert run("app:three_times").exit() == "0"
    new = set(os.listdir(gettempdir())) - before
    assert [name for name in new if name.startswith(f"spinbed.{os.getpid()}.")] == []
