"""A command in a process of its own, without the start of its interpreter.

An interpreter that has imported what the command will forks for each; what that prints, where it
runs, what its environment is and how it ends are its own. Not for tests of what an interpreter does
while it starts, nor of variables that are read when a module is imported.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Mapping, Optional, Protocol, Sequence, Type

from pytest_runs import environment

WATCHDOG_S = 600  # only against a hang: a folder of scenarios takes its time on a loaded machine
PACKET_BYTES_MAX = 2**17
# What most commands import when they are asked for.
COMMANDS = ("sim.commands", "sim.running", "sim.reading", "sim.trying", "sim.matrix")
# The models of its tables are built when a file has them: most files do.
TYPICAL = Path(__file__).resolve().parents[1] / "scenarios" / "fast" / "stalled_reader.toml"


class Spinbed(Protocol):
    def __call__(
        self, *words: object, cwd: Path, path: Optional[Path] = None
    ) -> subprocess.CompletedProcess[str]: ...


class RunPytest(Protocol):
    def __call__(
        self, *words: str, cwd: Path, plugin: str = "spinbed"
    ) -> subprocess.CompletedProcess[str]: ...


def variables(path: Optional[Path] = None) -> Mapping[str, str]:
    """Where imports find what they do here, and in `path`; colours are for who asks for them."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    folders = [*([] if path is None else [str(path)]), *filter(None, sys.path)]
    return {**inherited, "PYTHONPATH": os.pathsep.join(folders)}


class WarmCommand:
    """The `main` of a module, which finds its words in sys.argv; `imports` are made beforehand."""

    def __init__(self, module: str, *imports: str) -> None:
        ready = f"from {__name__} import main; main(%d, {module!r}, {imports!r})"
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", ready % theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=variables(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # with all its forks
            )
        self._socket.settimeout(WATCHDOG_S)

    def __enter__(self) -> WarmCommand:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        self._socket.close()
        if kind is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(WATCHDOG_S)

    def run(
        self, words: Sequence[str], cwd: Path, environ: Mapping[str, str], *, in_one: bool
    ) -> subprocess.CompletedProcess[str]:
        """Imports find what PYTHONPATH names, and nothing else. `in_one`: errors are in stdout."""
        asked = {"argv": words, "cwd": str(cwd), "environ": environ}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = [out.fileno(), (out if in_one else err).fileno()]
            socket.send_fds(self._socket, [json.dumps(asked).encode()], streams)
            try:
                status = json.loads(self._socket.recv(PACKET_BYTES_MAX))
            except BaseException:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read().decode())
        return subprocess.CompletedProcess(words, status, *said)


@contextlib.contextmanager
def warm_spinbed() -> Iterator[Spinbed]:
    def spinbed(
        *words: object, cwd: Path, path: Optional[Path] = None
    ) -> subprocess.CompletedProcess[str]:
        return warm.run(list(map(str, words)), cwd, variables(path), in_one=False)

    with WarmCommand("sim.cli", *COMMANDS) as warm:
        yield spinbed


@contextlib.contextmanager
def warm_pytest() -> Iterator[RunPytest]:
    def run_pytest(
        *words: str, cwd: Path, plugin: str = "spinbed"
    ) -> subprocess.CompletedProcess[str]:
        return warm.run(["-p", plugin, *words], cwd, environment(), in_one=True)

    # Not the plugin itself, whose assertions pytest rewrites.
    with WarmCommand("pytest", *COMMANDS) as warm:
        yield run_pytest


def main(number: int, module: str, imports: Sequence[str]) -> None:
    """The interpreter that forks; its forks alone come to the command."""
    commands = socket.socket(fileno=number)
    for name in (module, *imports):
        importlib.import_module(name)
    importlib.import_module("sim.scenario.loader").load(TYPICAL)
    gc.collect()
    gc.freeze()
    while True:
        packet, streams, _, _ = socket.recv_fds(commands, PACKET_BYTES_MAX, 2)
        if not packet:
            return
        pid = os.fork()
        if pid == 0:
            break
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(pid, 0)
        commands.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
    commands.close()
    for stream, own in zip(streams, (1, 2)):
        os.dup2(stream, own)
        os.close(stream)
    asked = json.loads(packet)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.path[:] = asked["environ"]["PYTHONPATH"].split(os.pathsep)
    sys.argv[:] = [module, *asked["argv"]]
    sys.exit(sys.modules[module].main())
