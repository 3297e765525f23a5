"""Other Python interpreters of this host: found by version or path, and asked what they are.

An interpreter counts only if it runs: pyenv's shims of versions that are not chosen exit with 127,
which does not make those versions absent, and a file of that name may be anything.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Tuple, Union

MINORS = (9, 10, 11, 12, 13)  # of CPython 3, those that the product is tested with
VERSION_MIN = (3, 9)
ASK_DEADLINE_S = 10.0  # an interpreter answers in some 30 ms; a shim in some 100
ANSWER_BYTES_MAX = 65536

# -S: a site customisation of the host can neither fail this nor print into the answer.
ASK_FLAGS = ("-I", "-S", "-c")
ASK = """
import json, platform, sys, sysconfig
print(json.dumps({
    "executable": sys.executable,
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "soabi": sysconfig.get_config_var("SOABI") or "",
    "abi_flags": getattr(sys, "abiflags", ""),
    "include": sysconfig.get_path("include"),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What an interpreter says of itself."""

    executable: str  # the interpreter proper, where a shim was found
    version: str  # "3.10.13"
    implementation: str  # "cpython"
    soabi: str  # "cpython-310-x86_64-linux-gnu"; what its extension modules are named by
    abi_flags: str
    include: str

    @property
    def minor(self) -> Tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def has_headers(self) -> bool:
        return Path(self.include, "Python.h").is_file()

    def __str__(self) -> str:
        return f"{self.implementation} {self.version} ({self.executable})"


@dataclass(frozen=True)
class Lack:
    """Why there is no such interpreter, or none that can be used."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def find(
    spec: Optional[str] = None, environment: Optional[Mapping[str, str]] = None
) -> Union[Interpreter, Lack]:
    """An interpreter by `3.10`, `3.10.13` or the path of its executable; None is our own.

    A version is looked for in our own and then along PATH of `environment` (that of this process
    unless given), as python3.10, python3 and python, and then among the versions of pyenv, whose
    shims run only what was chosen. Takes ASK_DEADLINE_S for each that hangs.
    """
    environment = os.environ if environment is None else environment
    if spec is None:
        return _usable(_ask(sys.executable, environment))
    if "/" in spec:
        return _usable(_ask(os.path.expanduser(spec), environment))
    if re.fullmatch(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", spec) is None:
        return Lack(f"{spec!r} is neither a version (3.10, 3.10.13) nor a path with a slash")
    refused: List[str] = []
    for candidate in _candidates(spec, environment):
        answer = _usable(_ask(candidate, environment))
        if isinstance(answer, Interpreter) and f"{answer.version}.".startswith(f"{spec}."):
            return answer
        if isinstance(answer, Lack):
            refused.append(answer.reason)
    if refused:
        return Lack(f"no Python {spec} that runs: {'; '.join(refused)}")
    return Lack(f"no Python {spec} on PATH")


def is_our_own(interpreter: Interpreter) -> bool:
    """Whether it is this very executable: another link to it may be of another environment."""
    return interpreter.executable == sys.executable


def found() -> Sequence[Tuple[str, Union[Interpreter, Lack]]]:
    """Each version that the product is tested with, and what this host has of it."""
    return [(f"3.{minor}", find(f"3.{minor}")) for minor in MINORS]


def _candidates(spec: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Files that can be executed and may be that version, each once."""
    own = ".".join(map(str, sys.version_info[:3]))
    if f"{own}.".startswith(f"{spec}."):
        yield sys.executable
    by_name = "python" + ".".join(spec.split(".")[:2])
    seen = set()
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    for name in (by_name, "python3", "python"):
        for folder in folders:
            path = shutil.which(name, path=folder) if folder else None
            if path is not None and name == by_name:
                path = _behind_shim(path, folders) or path
            if path is None or os.path.realpath(path) in seen:
                continue
            seen.add(os.path.realpath(path))
            if name == by_name or _says(path, by_name[len("python") :], environment):
                yield path
    for versions in _pyenv_versions(environment):
        for release in _newest_first(versions, by_name):
            if os.path.realpath(release) not in seen and os.access(release, os.X_OK):
                seen.add(os.path.realpath(release))
                yield str(release)


def _behind_shim(path: str, folders: Sequence[str]) -> Optional[str]:
    """What pyenv's shim can run, if that is one release: asked for itself it answers in a tenth of
    the shim's half a second. A release that is not chosen is found without its shim anyway."""
    shims, name = os.path.split(path)
    if os.path.basename(shims) != "shims":
        return None
    versions = Path(shims).parent / "versions"
    there = [*versions.glob(f"*/bin/{name}")]
    there += [Path(folder, name) for folder in folders if folder and folder != shims]
    can_run = [each for each in there if os.access(each, os.X_OK)]
    is_one = len(can_run) == 1 and can_run[0] in _newest_first(versions, name)
    return str(can_run[0]) if is_one else None


def _pyenv_versions(environment: Mapping[str, str]) -> Sequence[Path]:
    """Folders of versions: that of PYENV_ROOT, and those beside the shims on PATH."""
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    roots = [folder.parent for folder in map(Path, path) if folder.name == "shims"]
    if environment.get("PYENV_ROOT"):
        roots.insert(0, Path(environment["PYENV_ROOT"]))
    return [root / "versions" for root in dict.fromkeys(roots)]


def _newest_first(versions: Path, by_name: str) -> Sequence[Path]:
    """No folder but that of a release: beside them are virtual environments, and other builds."""
    releases = [path for path in versions.glob("*") if re.fullmatch(r"[0-9.]*[0-9]", path.name)]
    releases.sort(key=lambda path: [int(part or 0) for part in path.name.split(".")], reverse=True)
    return [path / "bin" / by_name for path in releases]


def _says(path: str, version: str, environment: Mapping[str, str]) -> bool:
    """Whether an executable of a general name is of that version: others are not worth a word."""
    answer = _ask(path, environment)
    return isinstance(answer, Interpreter) and f"{answer.version}.".startswith(f"{version}.")


def _usable(answer: Union[Interpreter, Lack]) -> Union[Interpreter, Lack]:
    if isinstance(answer, Lack):
        return answer
    if answer.implementation != "cpython":
        return Lack(f"{answer} is no CPython")
    if answer.minor < VERSION_MIN:
        return Lack(f"{answer} is older than {'.'.join(map(str, VERSION_MIN))}")
    return answer


def _ask(path: str, environment: Mapping[str, str]) -> Union[Interpreter, Lack]:
    with tempfile.TemporaryFile() as answer:  # not a pipe: who inherits one can hold it for ever
        try:
            process = subprocess.Popen(
                [path, *ASK_FLAGS, ASK],
                env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a shell script that hangs does so in a child
            )
        except OSError as error:
            return Lack(f"{path}: {error.strerror}")
        status = status_within(process, ASK_DEADLINE_S)
        if status is None:
            return Lack(f"{path} did not answer in {ASK_DEADLINE_S:g} s")
        answer.seek(0)
        text = answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
    if status == 127:
        return Lack(f"{path} exits with 127, as a shim does whose version is not chosen")
    if status != 0:
        how = f"dies of signal {-status}" if status < 0 else f"exits with {status}"
        return Lack(f"{path} {how}")
    return _parsed(path, text)


def _parsed(path: str, text: str) -> Union[Interpreter, Lack]:
    try:
        said = Interpreter(**json.loads(text))
        if not all(isinstance(value, str) for value in vars(said).values()):
            raise TypeError
        assert said.minor
    except (TypeError, ValueError):
        return Lack(f"{path} answers what no Python would: {text[:60]!r}")
    return said


def status_within(process: subprocess.Popen[bytes], deadline_s: float) -> Optional[int]:
    """The exit status of a process that was started with start_new_session, or None where the
    deadline passed first. All that it left in its session is ended, on any way out."""
    pidfd = os.pidfd_open(process.pid)
    try:
        is_done, _, _ = select.select([pidfd], [], [], deadline_s)
    finally:
        os.close(pidfd)
        # Not reaped yet, so that the number is still the session's and nobody else's.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode if is_done else None
