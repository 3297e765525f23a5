"""A probe says where a program is, holds it where it is asked to, and is nothing elsewhere."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from sim.inside import channel, probing

WATCHDOG_S = 60


class Listener:
    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(WATCHDOG_S)
        self.address = f"spinbed-test-{uuid.uuid4().hex}"
        self.socket.bind("\0" + self.address)
        self.sender: Any = None

    def hear(self) -> Dict[str, Any]:
        received, self.sender = self.socket.recvfrom(channel.MESSAGE_BYTES_MAX)
        message: Dict[str, Any] = json.loads(received)
        return message


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    with found.socket:
        yield found


def program(code: str, **environment: str) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_outside_of_the_bed_it_is_nothing() -> None:
    with program("import spinbed; print(spinbed.probe('ready', a=1))") as process:
        assert process.communicate(timeout=WATCHDOG_S)[0] == "None\n"


def test_it_says_its_name_its_detail_and_who_it_is(listener: Listener) -> None:
    code = "import os, spinbed; print(os.getpid(), flush=True); spinbed.probe('ready', n=[1, {2}])"
    with program(code, **{channel.ADDRESS: listener.address}) as process:
        message = listener.hear()
        assert message.pop("time_ns") > 0
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert message == {"probe": "ready", "detail": {"n": [1, "{2}"]}, "pid": pid}
        assert process.wait(WATCHDOG_S) == 0


def test_a_child_of_fork_speaks_for_itself(listener: Listener) -> None:
    code = """
import os, spinbed
spinbed.probe("above")
child = os.fork()
spinbed.probe("below" if child == 0 else "beside")
if child:
    os.waitpid(child, 0)
"""
    with program(code, **{channel.ADDRESS: listener.address}) as process:
        heard = [listener.hear() for _ in range(3)]
        assert process.wait(WATCHDOG_S) == 0
    pids = {each["probe"]: each["pid"] for each in heard}
    assert pids["above"] == pids["beside"] == process.pid != pids["below"]


def test_it_waits_where_it_is_to_be_held(listener: Listener) -> None:
    code = "import spinbed; spinbed.probe('a'); spinbed.probe('b'); spinbed.probe('c')"
    variables = {channel.ADDRESS: listener.address, probing.HOLDS: "x,b"}
    with program(code, **variables) as process:
        assert listener.hear()["probe"] == "a"
        held = listener.hear()
        assert (held["probe"], held["ask"]) == ("b", True)
        listener.socket.settimeout(0.2)
        with pytest.raises(socket.timeout):
            listener.hear()
        listener.socket.settimeout(WATCHDOG_S)
        listener.socket.sendto(b"go", listener.sender)
        assert listener.hear()["probe"] == "c"
        assert process.wait(WATCHDOG_S) == 0


def test_a_program_goes_on_when_its_listener_is_gone(listener: Listener) -> None:
    code = "import spinbed; spinbed.probe('a'); input(); spinbed.probe('b'); print('done')"
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            channel.ADDRESS: listener.address,
            probing.HOLDS: "b",
        },
        stdin=read,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(read)
    assert listener.hear()["probe"] == "a"
    listener.socket.close()
    os.write(write, b"\n")
    os.close(write)
    assert process.communicate(timeout=WATCHDOG_S)[0] == "done\n"


@pytest.mark.parametrize("name", ["", "a b", "a,b", " a"])
def test_a_name_that_no_scenario_could_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a probe"):
        probing.probe(name)


def test_what_is_inside_imports_little() -> None:
    code = "import sys; before = set(sys.modules); import sim.inside.probing; "
    code += "print(*sorted(m for m in set(sys.modules) - before if '.' not in m))"
    folder = str(Path(probing.__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {folder!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=WATCHDOG_S,
    )
    assert "typing" not in done.stdout.split() and "logging" not in done.stdout.split()
