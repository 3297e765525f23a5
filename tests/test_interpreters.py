"""Interpreters of this host are found by running them, whatever bears their name."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Optional, Union

import pytest

from sim.live import interpreters
from sim.live.interpreters import Interpreter, Lack, find, found

OWN = "{}.{}".format(*sys.version_info[:2])
ABSENT = "3.99"  # of a version that nobody has, so that only what a test makes is found
WATCHDOG_S = 60
SAID = {
    **{"executable": "/nowhere/python", "version": "3.99.1", "implementation": "cpython"},
    **{"soabi": "cpython-399", "abi_flags": "", "include": "/nowhere"},
}


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def on_path(*folders: Path) -> dict[str, str]:
    return {**os.environ, "PATH": os.pathsep.join(map(str, folders))}


def reason(answer: Union[Interpreter, Lack]) -> str:
    assert isinstance(answer, Lack), answer
    return str(answer)


def other_version() -> Optional[str]:
    others = (version for version, each in found() if isinstance(each, Interpreter))
    return next((version for version in others if version != OWN), None)


def test_our_own_is_found_by_nothing_by_its_version_and_by_its_path(tmp_path: Path) -> None:
    full = "{}.{}.{}".format(*sys.version_info[:3])
    by_nothing = find()
    assert isinstance(by_nothing, Interpreter) and interpreters.is_our_own(by_nothing)
    assert by_nothing.minor == sys.version_info[:2] and by_nothing.version.startswith(full)
    assert find(OWN) == find(full) == find(sys.executable) == by_nothing
    assert find(OWN, on_path(tmp_path)) == by_nothing


def test_a_link_of_any_name_is_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "snake"
    link.symlink_to(os.path.realpath(sys.executable))
    answer = find(str(link))
    assert isinstance(answer, Interpreter)
    assert answer.minor == sys.version_info[:2]
    assert Path(answer.executable).resolve() == Path(sys.executable).resolve()


def test_another_version_behind_a_shim_of_its_name_is_found(tmp_path: Path) -> None:
    version = other_version()
    if version is None:
        pytest.skip("this host has no other Python")
    real = find(version)
    assert isinstance(real, Interpreter)
    script(tmp_path / f"shims/python{version}", "exit 127")
    (tmp_path / "real").mkdir()
    (tmp_path / f"real/python{version}").symlink_to(real.executable)
    behind = find(version, on_path(tmp_path / "shims", tmp_path / "real"))
    assert isinstance(behind, Interpreter)
    assert (behind.version, behind.soabi) == (real.version, real.soabi)
    assert not interpreters.is_our_own(behind)


@pytest.mark.parametrize("is_root_told", [True, False])
def test_a_version_of_pyenv_that_is_not_chosen_is_found_beside_its_shim(
    tmp_path: Path, is_root_told: bool
) -> None:
    shims = script(tmp_path / f"root/shims/python{ABSENT}", "exit 127").parent
    for version in ("3.99.1", "3.99.10", "3.99.2"):
        said = json.dumps({**SAID, "version": version})
        script(tmp_path / f"root/versions/{version}/bin/python{ABSENT}", f"echo '{said}'")
    env = on_path(shims)
    if is_root_told:
        env = {**on_path(tmp_path), "PYENV_ROOT": str(tmp_path / "root")}
    newest, other = find(ABSENT, env), find("3.99.1", env)
    assert isinstance(newest, Interpreter) and newest.version == "3.99.10"
    assert isinstance(other, Interpreter) and other.version == "3.99.1"


def test_a_shim_that_can_run_one_release_is_not_asked(tmp_path: Path) -> None:
    shims = script(tmp_path / f"root/shims/python{ABSENT}", ": >$0.asked; exit 127").parent
    release = tmp_path / f"root/versions/{ABSENT}.1/bin/python{ABSENT}"
    script(release, f"echo '{json.dumps(SAID)}'")
    asked = shims / f"python{ABSENT}.asked"
    assert find(ABSENT, on_path(shims)) == Interpreter(**SAID)
    assert not asked.exists()
    another = script(tmp_path / f"root/versions/my-project/bin/python{ABSENT}", "exit 1")
    assert find(ABSENT, on_path(shims)) == Interpreter(**SAID)
    assert asked.exists()
    another.unlink()
    asked.unlink()
    script(tmp_path / f"usr/bin/python{ABSENT}", f"echo '{json.dumps(SAID)}'")
    assert find(ABSENT, on_path(shims, tmp_path / "usr/bin")) == Interpreter(**SAID)
    assert asked.exists()


def test_a_shim_with_no_such_release_beside_it_is_said_as_it_is(tmp_path: Path) -> None:
    """An environment that somebody has made there is no release, whatever it is of."""
    shims = script(tmp_path / f"root/shims/python{ABSENT}", "exit 127").parent
    of_a_project = tmp_path / f"root/versions/my-project/bin/python{ABSENT}"
    script(of_a_project, f"echo '{json.dumps(SAID)}'")
    why = f"{shims}/python{ABSENT} exits with 127, as a shim does whose version is not chosen"
    assert reason(find(ABSENT, on_path(shims))) == f"no Python {ABSENT} that runs: {why}"


def test_an_interpreter_of_a_general_name_counts_if_it_is_of_the_version(tmp_path: Path) -> None:
    said = json.dumps(SAID)
    script(tmp_path / "wrong/python3", "echo '" + said.replace("3.99.1", "3.98.1") + "'")
    script(tmp_path / "right/python3", f"echo '{said}'")
    answer = find(ABSENT, on_path(tmp_path / "wrong", tmp_path / "right"))
    assert answer == Interpreter(**SAID)
    assert reason(find(ABSENT, on_path(tmp_path / "wrong"))) == "no Python 3.99 on PATH"
    assert find("3.99.1", on_path(tmp_path / "right")) == answer
    assert "no Python 3.99.2" in reason(find("3.99.2", on_path(tmp_path / "right")))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 127", "exits with 127, as a shim does whose version is not chosen"),
        ("exit 3", "exits with 3"),
        ("kill -KILL $$", "dies of signal 9"),
        ("echo hello", "answers what no Python would: 'hello"),
        ("echo '{}'", "answers what no Python would: '{}"),
        ("echo []", "answers what no Python would"),
        ("printf '\\377'", "answers what no Python would"),
        ("true", "answers what no Python would: ''"),
        ("yes | head -c 1000000", "answers what no Python would: 'y"),
        (f"echo '{json.dumps({**SAID, 'version': 3.99})}'", "answers what no Python would"),
        (f"echo '{json.dumps({**SAID, 'version': 'new'})}'", "answers what no Python would"),
        (f"echo '{json.dumps({**SAID, 'version': '3.8.20'})}'", "is older than 3.9"),
        (f"echo '{json.dumps({**SAID, 'implementation': 'pypy'})}'", "is no CPython"),
    ],
)
def test_what_bears_the_name_and_is_no_such_interpreter_is_said(
    tmp_path: Path, body: str, why: str
) -> None:
    path = script(tmp_path / f"python{ABSENT}", body)
    assert why in reason(find(str(path)))
    by_version = reason(find(ABSENT, on_path(tmp_path, Path("/usr/bin"), Path("/bin"))))
    assert by_version.startswith("no Python 3.99 that runs: ") and why in by_version


def test_a_file_that_cannot_be_executed_is_said(tmp_path: Path) -> None:
    text = script(tmp_path / "text", "")
    text.write_text("no program\n")
    assert "Exec format error" in reason(find(str(text)))
    text.chmod(0o644)
    assert "Permission denied" in reason(find(str(text)))
    assert "Permission denied" in reason(find(str(tmp_path) + "/"))
    assert "No such file" in reason(find(str(tmp_path / "nothing")))
    assert reason(find(ABSENT, on_path(tmp_path / "nowhere"))) == "no Python 3.99 on PATH"


def test_one_that_hangs_is_given_up_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    status_within = interpreters.status_within

    def once_it_runs(process: subprocess.Popen[bytes], deadline_s: float) -> Optional[int]:
        assert select.select([reader], [], [], WATCHDOG_S)[0], "it never started"
        return status_within(process, deadline_s)

    monkeypatch.setattr(interpreters, "ASK_DEADLINE_S", 0.5)
    monkeypatch.setattr(interpreters, "status_within", once_it_runs)
    try:
        # The child of the script holds the only writing end, and everything the script inherited.
        path = script(tmp_path / "python", f"echo x > {fifo}; sleep 1000 > {fifo} & wait")
        assert "did not answer in 0.5 s" in reason(find(str(path)))
        poller = select.poll()
        poller.register(reader, select.POLLHUP)
        hung_up = poller.poll(WATCHDOG_S * 1000)
        assert hung_up and hung_up[0][1] & select.POLLHUP, "something of it still runs"
        assert os.read(reader, 10) == b"x\n"
    finally:
        os.close(reader)


@pytest.mark.parametrize("spec", ["", "3", "310", "python3.10", "3.10.1.2", "3.x", "3.10 "])
def test_what_is_neither_version_nor_path_is_refused(spec: str) -> None:
    assert "neither a version" in reason(find(spec))


def test_each_version_that_the_product_is_tested_with_is_told() -> None:
    told = found()
    assert [version for version, _ in told] == ["3.9", "3.10", "3.11", "3.12", "3.13"]
    assert dict(told)[OWN] == find()
