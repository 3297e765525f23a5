"""Environments for other interpreters: built once, by one builder, and never used by halves.

What is tried without a real build has a script in the place of the interpreter, which stops or
fails at the first step. The real builds take a minute each and are made where CI=true.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Union

import pytest

import cy_kernels
from sim.live import environments, interpreters
from sim.live.environments import Environment, environment_for, stable_kernels
from sim.live.interpreters import Interpreter, Lack, find

ROOT = Path(__file__).resolve().parent.parent
WATCHDOG_S = 120
EXTENSIONS = [path.stem for path in Path(cy_kernels.__file__).parent.glob("*.pyx")]
REFUSED_S = 0.3  # how long a test waits for a lock that it is not to get

in_ci = pytest.mark.skipif(os.environ.get("CI") != "true", reason="builds kernels where CI=true")


@pytest.fixture
def quick_gcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That there are kernels is asked here, not how fast they are."""
    stand_in(tmp_path / "quick-gcc", 'exec gcc "$@" -O0')
    monkeypatch.setenv("CC", str(tmp_path / "quick-gcc"))


def stand_in(path: Path, body: str) -> Interpreter:
    """An interpreter whose every start runs this instead."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return Interpreter(str(path), "3.99.1", "cpython", "cpython-399-none", "", "/nowhere")


def reason(answer: Union[Environment, Lack]) -> str:
    assert isinstance(answer, Lack), answer
    return str(answer)


def made(answer: Union[Environment, Lack]) -> Environment:
    assert isinstance(answer, Environment), answer
    return answer


def kept_in(cache: Path) -> list[str]:
    """What lies under the key, without the name's variable end."""
    return sorted(re.sub(r"-[0-9a-f]{8}", "", path.name) for path in cache.glob("*/*"))


LOCK = "cpython-399-none-3.99.1.lock"
BUILDER = """
import sys
from pathlib import Path
from sim.live.environments import environment_for
from sim.live.interpreters import Interpreter
interpreter = Interpreter(sys.argv[1], "3.99.1", "cpython", "cpython-399-none", "", "/nowhere")
print(environment_for(interpreter, cache=Path(sys.argv[2])))
"""


@contextmanager
def building(
    interpreter: Interpreter, cache: Path, fifo: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of building: its stand-in has written into the fifo."""
    os.mkfifo(fifo)
    command = [sys.executable, "-c", BUILDER, interpreter.executable, str(cache)]
    path = os.pathsep.join([str(Path(environments.__file__).parents[2]), *filter(None, sys.path)])
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as builder:
        try:
            with open(fifo) as started:
                assert started.readline() == "started\n"
            yield builder
        finally:
            builder.kill()


def test_our_own_interpreter_needs_no_environment(tmp_path: Path) -> None:
    own = find()
    assert isinstance(own, Interpreter)
    answer = made(environment_for(own, cache=tmp_path))
    assert answer.python == sys.executable
    assert answer.kernels == str(cy_kernels.status())
    assert answer.is_compiled == (cy_kernels.status().kind == "compiled")
    assert not list(tmp_path.iterdir())


def test_one_that_is_there_is_used_and_nothing_is_run(tmp_path: Path) -> None:
    interpreter = stand_in(tmp_path / "python", "exit 9")
    cache = tmp_path / "cache"
    final = cache / environments.key() / environments.tag(interpreter)
    (final / "bin").mkdir(parents=True)
    (final / "bin/python").symlink_to(sys.executable)
    (final / environments.FACTS).write_text('{"kernels": "pure: no compiler"}')
    told: list[str] = []
    answer = made(environment_for(interpreter, cache=cache, tell=told.append))
    assert (answer.python, answer.kernels) == (str(final / "bin/python"), "pure: no compiler")
    assert not answer.is_compiled and not told
    assert kept_in(cache) == ["cpython-399-none-3.99.1"]  # and no lock was taken


def test_kernels_of_the_stable_abi_that_are_there_are_used_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = stand_in(tmp_path / "python", "exit 9")
    monkeypatch.setattr(environments, "find", lambda version: interpreter)
    cache, told = tmp_path / "cache", []
    final = cache / environments.key() / f"abi3-{environments.tag(interpreter)}"
    final.mkdir(parents=True)
    lack = stable_kernels(cache=cache, tell=told.append)
    assert isinstance(lack, Lack) and "makes no virtual environment" in str(lack)
    assert len(told) == 1 and f"kernels of the stable ABI, once, into {final}" in told[0]
    assert not final.exists()  # without its facts it was none
    final.mkdir()
    (final / environments.FACTS).write_text("{}")
    assert stable_kernels(cache=cache, tell=told.append) == final
    assert len(told) == 1


def test_without_the_one_builder_there_are_no_kernels_of_the_stable_abi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "ABI3_BUILDER", "3.77")
    lack = stable_kernels(cache=tmp_path)
    assert isinstance(lack, Lack) and "built by 3.77 alone: no Python 3.77" in str(lack)
    assert not list(tmp_path.iterdir())


@in_ci
def test_kernels_of_the_stable_abi_are_built_once(tmp_path: Path, quick_gcc: None) -> None:
    if isinstance(find(environments.ABI3_BUILDER), Lack):
        pytest.skip("this host has no Python 3.11")
    told: list[str] = []
    built = stable_kernels(cache=tmp_path, tell=told.append)
    assert isinstance(built, Path), built
    names = {path.name for path in (built / "cy_kernels").glob("*.so")}
    assert names == {f"{name}.abi3.so" for name in EXTENSIONS}
    assert stable_kernels(cache=tmp_path, tell=told.append) == built and len(told) == 1


@pytest.mark.parametrize("damage", ["no facts", "no python", "half of the facts"])
def test_a_damaged_one_is_never_used(tmp_path: Path, damage: str) -> None:
    interpreter = stand_in(tmp_path / "python", "echo no venv here; exit 9")
    cache = tmp_path / "cache"
    final = cache / environments.key() / environments.tag(interpreter)
    (final / "bin").mkdir(parents=True)
    if damage != "no python":
        (final / "bin/python").symlink_to(sys.executable)
    if damage != "no facts":
        facts = '{"kernels": "compiled"}'
        text = facts[:9] if damage == "half of the facts" else facts
        (final / environments.FACTS).write_text(text)
    told: list[str] = []
    assert "no venv here" in reason(environment_for(interpreter, cache=cache, tell=told.append))
    assert len(told) == 1 and str(final) in told[0]
    assert kept_in(cache) == [LOCK]


def test_an_interpreter_that_makes_no_virtual_environment_is_said_with_its_words(
    tmp_path: Path,
) -> None:
    body = "echo first; echo 'Error: ensurepip is not available'; echo last; exit 1"
    told = reason(environment_for(stand_in(tmp_path / "python", body), cache=tmp_path / "cache"))
    assert "Error: ensurepip is not available (status 1)" in told
    assert "python3-venv" in told and "cpython 3.99.1" in told
    assert kept_in(tmp_path / "cache") == [LOCK]


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file\n")
    interpreter = stand_in(tmp_path / "python", "exit 9")
    assert "Not a directory" in reason(environment_for(interpreter, cache=tmp_path / "cache"))


def test_while_one_builds_another_waits_and_at_last_gives_up(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    interpreter = stand_in(tmp_path / "python", f"echo started > {fifo}; exec sleep 1000")
    cache = tmp_path / "cache"
    with building(interpreter, cache, fifo):
        answer = environment_for(interpreter, cache=cache, lock_deadline_s=REFUSED_S)
        assert "somebody else has been building" in reason(answer)
        assert len(list(cache.glob("*/*.building-*"))) == 1


def test_who_waited_takes_what_the_other_has_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = stand_in(tmp_path / "python", "exit 9")
    final = tmp_path / environments.key() / environments.tag(interpreter)
    (final / "bin").mkdir(parents=True)
    (final / "bin/python").symlink_to(sys.executable)
    is_waiting = threading.Event()
    taken = environments._taken

    def watched(lock: int, deadline_s: float) -> bool:
        is_waiting.set()
        return taken(lock, deadline_s)

    monkeypatch.setattr(environments, "_taken", watched)
    told: list[str] = []
    answers: list[Union[Environment, Lack]] = []
    waiting = threading.Thread(
        target=lambda: answers.append(
            environment_for(interpreter, cache=tmp_path, tell=told.append)
        )
    )
    with open(final.with_name(f"{final.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting.start()
        assert is_waiting.wait(WATCHDOG_S)
        (final / environments.FACTS).write_text('{"kernels": "compiled"}')
    waiting.join(WATCHDOG_S)
    assert made(answers[0]).is_compiled and not told


def test_what_a_killed_builder_left_is_removed_by_the_next(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    half = "mkdir -p environment/bin; echo half > environment/bin/python"
    interpreter = stand_in(tmp_path / "python", f"{half}; echo started > {fifo}; exec sleep 1000")
    cache = tmp_path / "cache"
    with building(interpreter, cache, fifo) as builder:
        builder.kill()
        builder.wait(WATCHDOG_S)
    [stale] = cache.glob("*/*.building-*")
    assert (stale / "environment/bin/python").read_text() == "half\n"
    interpreter = stand_in(tmp_path / "python", "exit 9")
    assert "makes no virtual environment" in reason(
        environment_for(interpreter, cache=cache, lock_deadline_s=WATCHDOG_S)
    )
    assert kept_in(cache) == [LOCK]


def test_who_comes_next_waits_for_the_last_process_of_a_killed_builder(tmp_path: Path) -> None:
    fifo, pid_file = tmp_path / "fifo", tmp_path / "pid"
    orphan = f"setsid sh -c 'echo $$ > {pid_file}; echo started > {fifo}; exec sleep 1000' & wait"
    interpreter = stand_in(tmp_path / "python", orphan)
    cache = tmp_path / "cache"
    try:
        with building(interpreter, cache, fifo) as builder:
            builder.kill()
            builder.wait(WATCHDOG_S)
        interpreter = stand_in(tmp_path / "python", "exit 9")
        held = environment_for(interpreter, cache=cache, lock_deadline_s=REFUSED_S)
        assert "somebody else has been building" in reason(held)
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    free = environment_for(interpreter, cache=cache, lock_deadline_s=WATCHDOG_S)
    assert "makes no virtual environment" in reason(free)


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/elsewhere")
    assert environments.cache_folder() == Path("/var/elsewhere/spinbed")
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert environments.cache_folder() == Path.home() / ".cache/spinbed"


def test_the_key_is_of_every_source_of_the_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = environments.sources()
    assert "setup.py" in found
    for name in cy_kernels.KERNELS:
        assert f"cy_kernels/{name}.pyx" in found
    assert "cy_kernels/protocol/cursor_ring.pxi" in found and "cy_kernels/pure/ring.py" in found
    before = environments.key()
    assert environments.key() == before
    for name in ("setup.py", "cy_kernels/protocol/cursor_ring.pxi"):
        changed = tmp_path / "changed"
        changed.write_bytes(found[name].read_bytes() + b"\n")
        monkeypatch.setattr(environments, "sources", {**found, name: changed}.copy)
        assert environments.key() != before
    monkeypatch.setattr(environments, "sources", found.copy)
    monkeypatch.setattr(environments, "NEEDS", ("posix_ipc>=99",))
    assert environments.key() != before


def test_two_interpreters_of_one_version_have_two_environments(tmp_path: Path) -> None:
    one, other = stand_in(tmp_path / "one", ""), stand_in(tmp_path / "other", "")
    assert environments.tag(one) != environments.tag(other)
    (tmp_path / "link").symlink_to("one")
    link = Interpreter(**{**vars(one), "executable": str(tmp_path / "link")})
    assert environments.tag(one) == environments.tag(link)


@pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)
def test_what_is_asked_of_the_index_is_what_the_product_declares() -> None:
    declared = (ROOT / "pyproject.toml").read_text()
    build = ", ".join(f'"{each}"' for each in environments.BUILD_NEEDS)
    assert f"requires = [{build}]" in declared
    for each in environments.NEEDS:
        assert f'    "{each}",\n' in declared


def test_the_product_itself_needs_no_building_to_be_imported(tmp_path: Path) -> None:
    environments.lay_out_product(tmp_path)
    script = "import spinbed, sim.inside; print(spinbed.__file__, sim.inside.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", script],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
    )
    assert done.stdout.split() == [
        *(str(tmp_path / "spinbed.py"), str(tmp_path / "sim/inside/__init__.py"))
    ], done.stderr


def another() -> Interpreter:
    """One that is not ours: of another version, or of our version and another environment."""
    own = "{}.{}".format(*sys.version_info[:2])
    for version, each in interpreters.found():
        if version != own and isinstance(each, Interpreter):
            return each
    base = find(os.path.realpath(sys.executable))
    assert isinstance(base, Interpreter)
    return base


@in_ci
def test_without_posix_ipc_there_is_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    told = reason(environment_for(another(), cache=tmp_path))
    assert told.startswith("posix_ipc>=1.3 cannot be had for ") and "No matching dist" in told
    assert [path for path in tmp_path.glob("*/*") if path.suffix != ".lock"] == []


ASK = """
import json, logging, sys
logging.disable()
import cy_kernels, posix_ipc
from cy_kernels.choice import kernels
status = cy_kernels.status()
print(json.dumps([status.kind, str(status), kernels().ring.__name__, sys.version.split()[0]]))
"""


def asked(answer: Environment) -> list[str]:
    command = [answer.python, "-I", "-c", ASK]
    told = subprocess.run(command, stdout=subprocess.PIPE, timeout=WATCHDOG_S, check=True)
    said: list[str] = json.loads(told.stdout)
    return said


@in_ci
def test_kernels_are_built_for_another_interpreter_and_then_found(
    tmp_path: Path, quick_gcc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = another()
    if shutil.which("gcc") is None or not interpreter.has_headers:
        pytest.skip("needs gcc and Python.h")
    answer = made(environment_for(interpreter, cache=tmp_path))
    assert answer.is_compiled, answer.kernels
    assert asked(answer) == ["compiled", "compiled", "cy_kernels.ring", interpreter.version]
    assert [path for path in tmp_path.glob("*/*.building-*")] == []
    # From now on nobody is asked: no index, no compiler, not even the interpreter.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    told: list[str] = []
    again = made(environment_for(interpreter, cache=tmp_path, tell=told.append))
    assert again == answer and not told


@in_ci
def test_without_a_compiler_the_environment_is_pure_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "/bin/false")
    answer = made(environment_for(another(), cache=tmp_path))
    assert answer.kernels.startswith("pure: ") and "the build said: " in answer.kernels
    assert "/bin/false" in answer.kernels
    kind, said, ring, _ = asked(answer)
    assert (kind, said, ring) == ("pure", answer.kernels, "cy_kernels.pure.ring")
