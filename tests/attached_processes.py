"""`spinbed attach` as a test uses it, and processes that hold shared memory for it."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import Iterator, List

import pytest
from named_rings import holding
from warm_command import Spinbed

from cy_kernels.choice import Kernels

TRIES = 40  # a process may take its time to come to where it waits

HOLDER = """
import mmap
mapped = mmap.mmap(os.open("/dev/shm/" + name, os.O_RDWR), 0)
"""


class Attach:
    def __init__(self, spinbed: Spinbed, cwd: Path) -> None:
        self._spinbed, self._cwd = spinbed, cwd

    def __call__(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self._spinbed("attach", *words, "--stall", "300ms", cwd=self._cwd)

    def until(self, status: int, *words: object) -> str:
        for _ in range(TRIES):
            done = self(*words)
            if done.returncode == status:
                return done.stdout
        raise AssertionError(f"never {status}: {done.returncode}\n{done.stdout}{done.stderr}")

    def refused(self, *words: object) -> str:
        done = self(*words)
        assert (done.returncode, done.stdout) == (64, ""), done.stdout + done.stderr
        return done.stderr


@pytest.fixture
def attach(spinbed: Spinbed, tmp_path: Path) -> Attach:
    return Attach(spinbed, tmp_path)


@pytest.fixture
def psm() -> Iterator[str]:
    """As multiprocessing.shared_memory names a region."""
    name = f"psm_{uuid.uuid4().hex[:8]}"
    yield name
    Path("/dev/shm", name).unlink(missing_ok=True)


def holders(psm: str, on: Kernels, count: int) -> List[subprocess.Popen[str]]:
    return [holding(psm, HOLDER, on) for _ in range(count)]


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()
