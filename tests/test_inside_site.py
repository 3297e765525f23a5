"""Our folder is in front of any program, which notices nothing of it but what it was told to do."""

from __future__ import annotations

import json
import os
import py_compile
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Set

import pytest
from heard_programs import (
    WATCHDOG_S,
    Ended,
    end_group,
    plain_environment,
    run_heard,
    run_inside,
)

from sim import inside
from sim.inside import starting
from sim.live import inside_folder

ALL = {"imports": [{"kind": "watch", "prefix": "xml"}], "logs": True, "stacks": True}
NAMES = "import sys; print(sorted(m for m in sys.modules if '.' not in m))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "inside"


def logs(done: Ended) -> List[Any]:
    said = [each["log"] for each in done.said if "log" in each]
    return [(each["level"], each["logger"], each["message"]) for each in said]


def test_it_starts_with_scripts_modules_and_commands(folder: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("script.py").write_text("print(__name__)\n", encoding="utf-8")
    for arguments in (["script.py"], ["-m", "script"], ["-c", "print(__name__)"]):
        done = run_inside(folder, ALL, arguments, cwd=tmp_path)
        assert (done.status, done.out, done.err) == (0, "__main__\n", "")
        assert done.events("start") == ["ended"]


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_it_is_not_there_where_the_interpreter_is_told_so(folder: Path, option: str) -> None:
    done = run_inside(folder, ALL, [option, "-c", "print(1)"])
    assert (done.status, done.out, done.err, done.said) == (0, "1\n", "", [])


def test_without_a_word_of_what_to_do_nothing_is_done(folder: Path) -> None:
    inside_folder.lay_out(folder)
    arguments = ["-c", "import sys; print(type(sys.meta_path) is list)"]
    done = run_heard(arguments, plain_environment(PYTHONPATH=str(folder)))
    assert (done.status, done.out, done.err, done.said) == (0, "True\n", "", [])


def test_it_loads_neither_logging_nor_much_else(folder: Path) -> None:
    loaded = set(eval(run_inside(folder, ALL, ["-c", NAMES]).out))
    plain = set(eval(run_heard(["-c", NAMES], plain_environment()).out))
    ours = loaded - plain  # an environment of virtualenv's loads importlib for itself
    assert "spinbed_inside" in ours
    assert not ours & {"logging", "threading", "typing", "ast", "importlib", "sim", "spinbed"}


def test_children_have_it_whatever_starts_them(folder: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("script.py").write_text(
        """
import multiprocessing, os, subprocess, sys

def work():
    import xml.dom

if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        process = multiprocessing.get_context(method).Process(target=work)
        process.start()
        process.join()
        print(method, process.exitcode)
    subprocess.run([sys.executable, "-c", "import xml.dom"], check=True)
""",
        encoding="utf-8",
    )
    done = run_inside(folder, ALL, ["script.py"], cwd=tmp_path)
    assert (done.status, done.out) == (0, "spawn 0\nforkserver 0\nfork 0\n"), done.err
    assert len({each["pid"] for each in done.of("watch", "xml.dom")}) == 4
    assert done.events("watch", "xml.dom") == ["began", "ended"] * 4


def test_warnings_and_errors_that_are_logged_are_said(folder: Path) -> None:
    code = """
import logging
logging.warning("%d of %d", 1, 2)
log = logging.getLogger("engine.worker")
log.info("not this"); log.error("nor %s", "that")
log.propagate = False
log.disabled = True
log.error("nobody is told")
import os
if os.fork() == 0:
    logging.getLogger("child").critical("x")
    os._exit(0)
os.wait()
"""
    done = run_inside(folder, {"logs": True}, ["-c", code])
    assert logs(done) == [
        ("WARNING", "root", "1 of 2"),
        ("ERROR", "engine.worker", "nor that"),
        ("CRITICAL", "child", "x"),
    ]
    assert done.err == "WARNING:root:1 of 2\nERROR:engine.worker:nor that\nCRITICAL:child:x\n"


@pytest.mark.parametrize(
    "code",
    [
        "import logging; logging.basicConfig(format='%(message)s'); logging.warning('once')",
        "import logging; logging.getLogger('x').warning('once'); print(logging.root.handlers)",
        "import logging.config as c; c.dictConfig({'version': 1}); c.logging.error('once')",
        "import logging; logging.error('%d', 'no number')",
    ],
)
def test_what_a_program_prints_of_its_logs_stays_as_it_is(folder: Path, code: str) -> None:
    plain = run_heard(["-c", code], plain_environment())
    done = run_inside(folder, {"logs": True}, ["-c", code])
    assert len(logs(done)) == 1
    ours = [line for line in done.err.splitlines() if "inside" in line or "callHandlers" in line]
    assert (done.status, done.out) == (plain.status, plain.out)
    if not ours:  # a stack is shown where the arguments do not fit, with us in it
        assert done.err == plain.err


def test_the_stacks_of_a_program_that_hangs_are_to_be_had(folder: Path) -> None:
    inside_folder.lay_out(folder)
    code = """
import threading, sys
def stuck_here():
    print("ready", flush=True)
    threading.Lock().acquire() and threading.Event().wait()
stuck_here()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=inside_folder.environment(folder, {"stacks": True}, plain_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        assert select.select([process.stdout], [], [], WATCHDOG_S)[0]
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        shown = ""
        while "in <module>" not in shown:
            assert select.select([process.stderr], [], [], WATCHDOG_S)[0]
            shown += os.read(process.stderr.fileno(), 65536).decode()
        assert "in stuck_here" in shown and process.poll() is None
    finally:
        end_group(process)


def customized(folder: Path, body: str) -> Dict[str, str]:
    """The environment of a user who has a sitecustomize of his own."""
    own = folder.parent / "own"
    own.mkdir(exist_ok=True)
    own.joinpath("sitecustomize.py").write_text(body, encoding="utf-8")
    return plain_environment(PYTHONPATH=str(own))


def test_a_sitecustomize_of_the_users_own_still_runs(folder: Path) -> None:
    base = customized(folder, "import sys\nsys.mine = __file__\nHERE = 1\n")
    code = "import sys, sitecustomize; print(sys.mine == sitecustomize.__file__, "
    code += "sitecustomize.HERE, sitecustomize.__spec__.name)"
    done = run_inside(folder, ALL, ["-c", code], base=base)
    assert (done.out, done.err) == ("True 1 sitecustomize\n", "")


@pytest.mark.parametrize(
    "body",
    [
        "raise OSError('mine')\n",
        "import nowhere\n",
        "import sys\nsys.exit(3)\n",
        "1 +\n",
        "raise ImportError(name='sitecustomize')\n",
    ],
)
def test_one_that_raises_is_treated_as_it_is_without_us(folder: Path, body: str) -> None:
    base = customized(folder, body)
    code = "import sys; print('on', 'sitecustomize' in sys.modules)"
    plain = run_heard(["-c", code], base)
    done = run_inside(folder, ALL, ["-c", code], base=base)
    assert (done.status, done.out) == (plain.status, plain.out)
    if plain.status == 0:
        assert done.err == plain.err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "JSONDecodeError: "),
        ('{"import": []}', "ValueError: SPINBED_INSIDE has import, which is not known"),
        ('{"imports": [{"kind": "lost"}]}', "ValueError: imports[0]: kind is 'lost', not one of"),
    ],
)
def test_what_it_does_not_understand_it_complains_of(
    folder: Path, text: str, complaint: str
) -> None:
    base = customized(folder, "import sys\nsys.mine = 1\n")
    inside_folder.lay_out(folder)
    variables = {**inside_folder.environment(folder, {}, base), starting.VARIABLE: text}
    done = run_heard(["-c", "import sys; print(sys.mine)"], variables)
    assert "Error in sitecustomize" in done.err and complaint in done.err
    assert (done.events("start"), done.out) == (["raised"], "1\n")


def test_what_the_program_starts_with_is_kept_behind_us(folder: Path, tmp_path: Path) -> None:
    made = inside_folder.environment(folder, {"logs": True}, {"PYTHONPATH": "a:b", "X": "1"})
    assert made["PYTHONPATH"] == f"{folder}:a:b" and made["X"] == "1"
    assert json.loads(made[starting.VARIABLE]) == {"logs": True}
    assert inside_folder.environment(folder, {}, {})["PYTHONPATH"] == str(folder)


def test_the_folder_holds_all_that_it_needs_and_nothing_else(folder: Path) -> None:
    inside_folder.lay_out(folder)
    assert names_in(folder) == {"sitecustomize.py", "spinbed_inside"}
    here = names_in(Path(starting.__file__).parent)
    assert names_in(folder / "spinbed_inside") == here - {"sitecustomize.py"}
    with pytest.raises(FileExistsError):
        inside_folder.lay_out(folder)


def names_in(folder: Path) -> Set[str]:
    return {each.name for each in folder.iterdir() if each.name != "__pycache__"}


def test_what_an_installation_has_compiled_is_not_compiled_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    shutil.copytree(Path(starting.__file__).parent, installed, ignore=lambda *_: ["__pycache__"])
    for name in ("sitecustomize.py", "starting.py"):
        py_compile.compile(str(installed / name), doraise=True)
    monkeypatch.setattr(inside, "__file__", str(installed / "__init__.py"))
    inside_folder.lay_out(folder)
    environ = plain_environment(PYTHONPATH=str(folder))
    done = run_heard(["-B", "-v", "-c", "import spinbed_inside.channel"], environ)
    read = [line for line in done.err.splitlines() if line.startswith("# code object from ")]
    of_ours = [line.split("'")[1] for line in read if f"'{folder}" in line]
    compiled = {Path(path).name.split(".")[0] for path in of_ours if path.endswith(".pyc")}
    assert compiled == {"sitecustomize", "starting"}
    assert str(folder / "spinbed_inside" / "channel.py") in done.err
