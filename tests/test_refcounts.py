"""References that an extension takes away are counted before the interpreter dies of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Dict, List

import pytest
from broken_extensions import OWN, VERSIONS, compiled, may_be_mended, started

from sim.inside import channel, refcounts
from sim.live import inside_folder
from sim.subjects import native

WATCHDOG_S = 60
NEWER = ("3.12", "3.13")  # their headers take True for immortal under the limited API of 3.11
COUNTED = ("3.9", "3.10", "3.11")  # interpreters on which it isn't
MEASURE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from spinbed_inside import refcounts
import constants
"""


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """As it comes in front of any interpreter's program."""
    inside_folder.lay_out(tmp_path)
    return tmp_path


def run(
    version: str, path: List[Path], code: str, **environment: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [started(version).executable, "-c", MEASURE + code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
    )


def skip_mended_headers(version: str) -> None:
    if may_be_mended(started(version)):
        pytest.skip(f"the headers of python{version} may no longer borrow")


def drifts(
    version: str, built_with: str, inside: Path, factory: pytest.TempPathFactory
) -> List[Dict[str, Any]]:
    extension = compiled(built_with, factory, limited_api=True)
    code = "import json\nfor call in (constants.say_true, constants.say_false, constants.say_none):"
    code += "\n    print(json.dumps(refcounts.drift(call)))"
    done = run(version, [inside, extension.parent], code)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("built_with", NEWER)
@pytest.mark.parametrize("version", COUNTED)
def test_each_call_takes_one_reference_where_headers_are_newer_than_the_limited_api(
    version: str, built_with: str, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    skip_mended_headers(built_with)
    for said, constant in zip(
        drifts(version, built_with, inside, tmp_path_factory), refcounts.CONSTANTS
    ):
        assert said["calls"] == refcounts.CALLS and not said["immortal"]
        assert said["drift"] == {**dict.fromkeys(refcounts.CONSTANTS, 0), constant: -20}


@pytest.mark.parametrize("version", COUNTED)
def test_built_with_the_headers_of_its_limited_api_it_takes_none(
    version: str, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for said in drifts(version, "3.11", inside, tmp_path_factory):
        assert said["drift"] == dict.fromkeys(refcounts.CONSTANTS, 0)
        assert said["calls"] == refcounts.CALLS and not said["immortal"]


@pytest.mark.parametrize("built_with", ["3.11", *NEWER])
@pytest.mark.parametrize("version", NEWER)
def test_where_the_constants_are_immortal_nothing_is_lost_and_that_is_said(
    version: str, built_with: str, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for said in drifts(version, built_with, inside, tmp_path_factory):
        assert said["immortal"] and set(said["drift"].values()) == {0}


DIES = """
try:
    refcounts.drift(constants.say_true)
finally:
    print("measured", flush=True)
for _ in range(100_000):
    constants.say_true()
print("survived")
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_it_says_the_loss_before_the_interpreter_dies_of_it(
    version: str, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    extension = compiled(NEWER[0], tmp_path_factory, limited_api=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(WATCHDOG_S)
        address = f"spinbed-test-{uuid.uuid4().hex}"
        listener.bind("\0" + address)
        done = run(version, [inside, extension.parent], DIES, **{channel.ADDRESS: address})
        said = json.loads(listener.recv(channel.MESSAGE_BYTES_MAX))
    assert said["hook"] == "refcounts" and said["call"] == "say_true"
    if version in COUNTED:
        assert done.stdout == "measured\n"
        assert done.returncode == -signal.SIGABRT
        assert said["drift"]["True"] == -20
    else:
        assert done.stdout == "measured\nsurvived\n" and done.returncode == 0
        assert said["immortal"]
    if version == "3.11":
        assert "Fatal Python error: bool_dealloc" in done.stderr


@pytest.mark.parametrize("version", ["3.10", "3.11"])
def test_one_reference_is_enough_to_die_of_at_the_end(
    version: str, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    extension = compiled(NEWER[0], tmp_path_factory, limited_api=True)
    for calls, status in ((0, 0), (1, -signal.SIGABRT)):
        code = f"for _ in range({calls}): constants.say_true()\nprint('at its end', flush=True)"
        done = run(version, [inside, extension.parent], code)
        assert (done.stdout, done.returncode) == ("at its end\n", status), done.stderr


@pytest.mark.parametrize("version", COUNTED)
def test_being_measured_again_and_again_costs_the_program_nothing(
    version: str, inside: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    extension = compiled(NEWER[0], tmp_path_factory, limited_api=True)
    code = "before = sys.getrefcount(True)\n"
    code += "for _ in range(100): said = refcounts.drift(constants.say_true, calls=100)\n"
    code += "print(said['drift']['True'], abs(sys.getrefcount(True) - before) < 50)"
    done = run(version, [inside, extension.parent], code)
    assert (done.returncode, done.stdout) == (0, "-100 True\n"), done.stderr


# Of the measuring itself, in our own interpreter


def test_what_keeps_a_reference_is_seen_as_a_gain_and_not_given_back() -> None:
    kept: List[Any] = []
    said = refcounts.drift(lambda: kept.append(True), calls=7, name="keeps")
    assert said["call"] == "keeps" and said["calls"] == 7
    assert said["drift"]["True"] == (0 if said["immortal"] else 7)
    assert said["drift"]["False"] == 0


def test_a_call_that_raises_is_counted_and_its_exception_comes_out() -> None:
    calls: List[int] = []

    def third_time_unlucky() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise LookupError("unlucky")

    with pytest.raises(LookupError, match="unlucky"):
        refcounts.drift(third_time_unlucky)
    assert len(calls) == 3


@pytest.mark.parametrize("calls", [0, -1])
def test_nothing_is_counted_without_a_call(calls: int) -> None:
    with pytest.raises(ValueError, match=f"calls is {calls}: nothing is counted without a call"):
        refcounts.drift(lambda: None, calls=calls)


# Building


def test_what_does_not_compile_is_told_in_the_compilers_words(tmp_path: Path) -> None:
    headers = Path(started(OWN).include)
    if native.lack(headers) is not None:
        pytest.skip(f"no extension for python{OWN} can be compiled: {native.lack(headers)}")
    with pytest.raises(RuntimeError, match=r"(?s)constants.c does not compile: .* error: "):
        native.built(headers, tmp_path, limited_api="3.11.0")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_headers_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=f"cannot be compiled: .*({tmp_path}|not on PATH)"):
        native.built(tmp_path, tmp_path / "into")


def test_what_counts_imports_little(inside: Path) -> None:
    code = "import sys; before = set(sys.modules); import spinbed_inside.refcounts; "
    code += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(inside)},
        capture_output=True,
        text=True,
        timeout=WATCHDOG_S,
    )
    assert done.returncode == 0, done.stderr
    assert not {"typing", "logging"} & set(done.stdout.split())
