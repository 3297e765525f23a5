"""The command in a process of its own, without the start of its interpreter.

An interpreter that has imported all that the command does forks for each; what that prints, where
it runs, what its environment is and how it ends are its own. Not for tests of what an interpreter
does while it starts, nor of variables that are read when a module is imported.
"""

from __future__ import annotations

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
from typing import Mapping, Optional, Protocol, Type

WATCHDOG_S = 120  # only against a hang
PACKET_BYTES_MAX = 2**17


class Spinbed(Protocol):
    def __call__(
        self, *words: object, cwd: Path, path: Optional[Path] = None
    ) -> subprocess.CompletedProcess[str]: ...


def variables(path: Optional[Path] = None) -> Mapping[str, str]:
    """Where imports find what they do here, and in `path`; colours are for who asks for them."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    folders = [*([] if path is None else [str(path)]), *filter(None, sys.path)]
    return {**inherited, "PYTHONPATH": os.pathsep.join(folders)}


class WarmCommand:
    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main({theirs.fileno()})"],
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
        self, *words: object, cwd: Path, path: Optional[Path] = None
    ) -> subprocess.CompletedProcess[str]:
        """As of `spinbed *words`; imports also find what is in `path`."""
        argv = list(map(str, words))
        asked = {"argv": argv, "cwd": str(cwd), "environ": variables(path)}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            streams = [out.fileno(), err.fileno()]
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
        return subprocess.CompletedProcess(argv, status, *said)


def main(number: int) -> None:
    """The interpreter that forks; its forks alone come to the command."""
    commands = socket.socket(fileno=number)
    importlib.import_module("sim.commands")
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
    path = asked["environ"]["PYTHONPATH"].split(os.pathsep)
    sys.path[:] = [asked["cwd"], *path]  # as `python -m` has it
    sys.argv[:] = ["spinbed", *asked["argv"]]
    cli = importlib.import_module("sim.cli")
    sys.exit(cli.main())
