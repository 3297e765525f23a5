"""Rings with names for tests: fresh names, processes that use them, and what is left of a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Iterator

import pytest

from cy_kernels.choice import VARIABLE, Kernels
from spinbed import Reader, Writer

SOON_S = 30.0  # only a hang takes so long
PREAMBLE = """
import os, signal, sys
import spinbed
from spinbed import Reader, Writer
name = sys.argv[1]
def say(*words):
    print(*words, flush=True)
def hold():
    say("there")
    signal.pause()
"""


def fresh_name() -> str:
    """One that the check for left-overs of the test run sees."""
    return f"spinbed.ring-{uuid.uuid4().hex}"


def is_there(name: str) -> bool:
    return Path("/dev/shm", name.lstrip("/")).exists()


@pytest.fixture
def ring_name() -> Iterator[str]:
    made = fresh_name()
    yield made
    Path("/dev/shm", made).unlink(missing_ok=True)


class Pair:
    def __init__(self, ring_name: str, on: Kernels, **shape: int) -> None:
        shape = {"slots": 4, "slot_bytes": 64, **shape}
        self.writer = Writer.create(ring_name, kernels=on.kind, **shape)
        self.reader = Reader.attach(ring_name, kernels=on.kind)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def pair(ring_name: str, on: Kernels) -> Iterator[Pair]:
    made = Pair(ring_name, on)
    yield made
    made.close()
    assert not is_there(ring_name)


def process(name: str, code: str, on: Kernels) -> subprocess.Popen[str]:
    """A fresh interpreter that runs `code` with Writer and Reader at hand."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PREAMBLE + code, name],
        env={**os.environ, VARIABLE: on.kind},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")


def holding(name: str, code: str, on: Kernels) -> subprocess.Popen[str]:
    """A process that ran `code` and then sleeps until it is killed."""
    child = process(name, code + "\nhold()", on)
    assert line_of(child) == "there"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
