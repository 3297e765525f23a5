"""Extensions that raise, die, hang or lie while they are imported, and who survives them."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest
from subject_runs import WATCHDOG_S, Run, build, is_of_the_interpreter, needs_gcc, program, subject

NAME = "brittle"

pytestmark = needs_gcc

# What a PyInit of C does, and what it ends an unguarded program by.
RAISING = {
    'PyErr_SetString(PyExc_RuntimeError, "no device"); return NULL;': "RuntimeError: no device",
    'PyErr_SetString(PyExc_OSError, "no bus"); return NULL;': "OSError: no bus",
    "return NULL;": f"SystemError: initialization of {NAME} failed without raising an exception",
}
KILLING = {
    "raise(SIGSEGV);": signal.SIGSEGV,
    "__builtin_trap();": signal.SIGILL,
    "abort();": signal.SIGABRT,
}


def run(variant: str, folder: Path, **environment: str) -> Run:
    names = {"SUBJECT_EXTENSION": NAME, "SUBJECT_FALLBACK": f"{NAME}_pure"}
    return subject("kernel_loader", variant, folder, **names, **environment)


def cause(folder: Path, **environment: str) -> str:
    """Why the variant that tries first runs the twin; its results are those of a sound one."""
    done = run("after_plus", folder, **environment)
    assert done.err.count("could not be loaded") == 1
    assert done.result["kind"] == "fallback"
    sound = subject("kernel_loader", "before", folder, SUBJECT_EXTENSION=f"{NAME}_pure")
    assert done.result["work"] == sound.result["work"]
    found: str = done.result["cause"]
    assert done.err.strip().endswith(found)
    return found


def test_a_sound_extension_is_loaded(tmp_path: Path) -> None:
    build(tmp_path, NAME)
    results = [run(variant, tmp_path).result for variant in ("before", "after", "after_plus")]
    assert {each["kind"] for each in results} == {"extension"}
    twin = subject("kernel_loader", "before", tmp_path, SUBJECT_EXTENSION=f"{NAME}_pure").result
    assert [each["work"] for each in results] == [twin["work"]] * 3


@pytest.mark.parametrize("at_init", RAISING)
def test_what_is_no_import_error_ends_who_catches_only_that(at_init: str, tmp_path: Path) -> None:
    build(tmp_path, NAME, at_init)
    for variant in ("before", "after"):
        done = run(variant, tmp_path)
        assert done.error == RAISING[at_init] and is_of_the_interpreter(done.innermost)
        assert "could not be loaded" not in done.err
    assert cause(tmp_path) == RAISING[at_init]


@pytest.mark.parametrize("at_init", KILLING)
def test_a_death_within_an_import_is_survived_by_who_tries_first(
    at_init: str, tmp_path: Path
) -> None:
    build(tmp_path, NAME, at_init)
    for variant in ("before", "after"):
        assert run(variant, tmp_path).status == -KILLING[at_init]
    assert cause(tmp_path) == f"its import ended a process by {KILLING[at_init].name}"


def test_an_undefined_symbol_is_named_as_the_cause(tmp_path: Path) -> None:
    build(tmp_path, NAME, "extern void is_nowhere(void); is_nowhere();")
    # Lazily bound, the symbol is missed at the call: by the dynamic linker, which exits.
    bound = {"LD_BIND_NOW": "1"}
    assert run("before", tmp_path, **bound).error.startswith("ImportError: ")
    for variant in ("after", "after_plus"):
        found = run(variant, tmp_path, **bound).result["cause"]
        assert found.startswith("ImportError: ") and "undefined symbol: is_nowhere" in found


def test_a_symbol_that_is_missed_at_its_call_is_named_as_the_cause(tmp_path: Path) -> None:
    build(tmp_path, NAME, "extern void is_nowhere(void); is_nowhere();")
    lazily = "import os, sys; sys.setdlopenflags(os.RTLD_LAZY)\n"
    (tmp_path / "sitecustomize.py").write_text(lazily)
    for variant in ("before", "after"):
        assert run(variant, tmp_path).status == 127
    found = cause(tmp_path)
    assert found.startswith("its import ended a process by status 127: ")
    assert found.endswith("undefined symbol: is_nowhere")


def test_an_import_that_hangs_is_given_up(tmp_path: Path) -> None:
    """One that even ignores the alarm that the trial sets itself."""
    build(tmp_path, NAME, "signal(SIGALRM, SIG_IGN); for (;;) pause();")
    assert cause(tmp_path, SUBJECT_TRIAL_DEADLINE_S="1") == "its import did not end within 1 s"


def test_a_trial_ends_itself_when_its_program_is_killed(tmp_path: Path) -> None:
    """Its open pipe ends with it; without its alarm it would be there for ever."""
    build(tmp_path, NAME, 'write(atoi(getenv("HELD")), "x", 1); for (;;) pause();')
    read, write = os.pipe()
    code = f"""
import os, subprocess, sys, threading
from sim.subjects import kernel_loader as loader
run = subprocess.run
def keeping(*arguments, pass_fds, timeout, **named):  # nor is a slow start given up
    return run(*arguments, pass_fds=[*pass_fds, {write}], **named)
loader.subprocess.run = keeping
threading.Thread(target=loader.after_plus, daemon=True).start()
os.read({read}, 1)
os.kill(os.getpid(), 9)
"""
    names = {"SUBJECT_EXTENSION": NAME, "SUBJECT_FALLBACK": f"{NAME}_pure", "HELD": str(write)}
    deadline = {"SUBJECT_TRIAL_DEADLINE_S": "1"}
    done = program(code, tmp_path, inherited=(read, write), **names, **deadline)
    os.close(write)
    assert done.status == -signal.SIGKILL, done.err
    ended, _, _ = select.select([read], [], [], WATCHDOG_S)
    assert ended and os.read(read, 1) == b""
    os.close(read)


@pytest.mark.parametrize(
    ("at_init", "said"),
    [
        ("_exit(0);", "its import ended a process without a word"),
        ("_exit(3);", "its import ended a process by status 3"),
        ("PyErr_SetNone(PyExc_SystemExit); return NULL;", "SystemExit"),
        ("methods[0].ml_name = NULL;", f"AttributeError: module '{NAME}' has no attribute"),
    ],
)
def test_an_import_that_leaves_or_gives_nothing_is_no_success(
    at_init: str, said: str, tmp_path: Path
) -> None:
    build(tmp_path, NAME, at_init)
    for variant in ("before", "after"):
        assert run(variant, tmp_path).out == ""
    assert cause(tmp_path).startswith(said)


def test_a_package_that_tries_its_own_kernels_starts_one_process_and_not_without_end(
    tmp_path: Path,
) -> None:
    package = tmp_path / "owner"
    package.mkdir()
    build(package, NAME, "abort();")
    (package / "__init__.py").write_text(
        "import os\n"
        f"open({str(tmp_path / 'imports')!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "from sim.subjects import kernel_loader\n"
        "loaded = kernel_loader.load(kernel_loader.by_trying_first)\n"
    )
    done = program(
        "import owner; print(owner.loaded.cause)",
        tmp_path,
        SUBJECT_EXTENSION=f"owner.{NAME}",
        SUBJECT_FALLBACK=f"owner.{NAME}_pure",
    )
    assert done.out.strip() == "its import ended a process by SIGABRT", done.err
    assert len(set((tmp_path / "imports").read_text().split())) == 2


def test_an_extension_that_only_its_call_breaks_is_found_by_the_trial(tmp_path: Path) -> None:
    build(tmp_path, NAME, "methods[0].ml_meth = (PyCFunction)abort;")
    for variant in ("before", "after"):
        assert run(variant, tmp_path).status == -signal.SIGABRT
    assert cause(tmp_path) == "its import ended a process by SIGABRT"
