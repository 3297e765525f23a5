"""What subjects say while they run, and that what they print at the end is what they said."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from collections import Counter
from typing import Any, Dict, List, NamedTuple

import pytest
from subject_runs import WATCHDOG_S, surroundings

from sim.inside.channel import ADDRESS, MESSAGE_BYTES_MAX


class Said(NamedTuple):
    """The probes of a run, its processes, and its line."""

    names: List[str]
    pids: List[int]
    result: Dict[str, Any]
    line: Dict[str, Any]


def hear(subject: str, variant: str, **environment: str) -> Said:
    """Everything up to the result, which comes last."""
    address = f"spinbed-test-{uuid.uuid4().hex}"
    messages: List[Dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address)
        listener.settimeout(WATCHDOG_S)
        code = f"from sim.subjects.{subject} import {variant}; {variant}()"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            env=surroundings(**{ADDRESS: address}, **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            while not messages or messages[-1]["probe"] != "result":
                messages.append(json.loads(listener.recv(MESSAGE_BYTES_MAX)))
            out, _ = process.communicate(timeout=WATCHDOG_S)
    names = [each["probe"] for each in messages]
    return Said(names, [each["pid"] for each in messages], messages[-1]["detail"], json.loads(out))


@pytest.mark.parametrize("extension", ["cy_kernels.pure.spinloop", "cy_kernels.is_nowhere"])
def test_a_loader_says_when_it_loads_and_has_loaded(extension: str) -> None:
    said = hear("kernel_loader", "after_plus", SUBJECT_EXTENSION=extension)
    is_weak = extension.endswith("nowhere")
    assert said.names == ["loading", *(["degraded"] if is_weak else []), "loaded", "result"]
    assert len(set(said.pids)) == 1, "its trial says nothing"
    assert said.result == said.line
    assert (said.result["kind"] == "fallback") == is_weak


@pytest.mark.parametrize(("kind", "processes"), [("process", 3), ("thread", 1)])
def test_each_worker_says_that_it_has_imported(kind: str, processes: int) -> None:
    said = hear("lazy_backend", "after", SUBJECT_WORKERS="2", SUBJECT_WORKER_KIND=kind)
    assert Counter(said.names) == {"imported": 2, "result": 1}
    assert len(set(said.pids)) == processes
    assert said.result == said.line


def test_a_compiler_says_that_it_is_patched_and_has_saved() -> None:
    said = hear("aot_builtins", "after")
    assert said.names == ["patched", "saved", "result"]
    assert said.result == said.line and said.result["loaded"] == said.result["live"]
