"""The module of spinning_build with its instructions emulated, and what a trap saw of it."""

from __future__ import annotations

import mmap
import os
import threading
import time
from types import ModuleType
from typing import Any, Callable, Iterator

import pytest
from spinning_build import spinning

from cy_kernels import cpu, trap

SOON_S = 20.0
SHORT_S = 0.002
TICKS_HELD = 1 << 40  # far longer than any test
MONITORX, WAITPKG = "none,monitorx", "none,waitpkg"
TRIES = 50  # of what a preemption can blur, but not each time


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return spinning(tmp_path_factory)


@pytest.fixture
def waits(module: ModuleType) -> Iterator[Any]:
    """The module without a bug, its instructions emulated."""
    module.become("none")
    trap.install(limit_cycles=0)
    yield module
    trap.calm(None)
    trap.uninstall()
    module.become("none")


@pytest.fixture
def lines() -> memoryview:
    return memoryview(mmap.mmap(-1, 4096))


def seen(instruction: str) -> Any:
    return trap.state()["instructions"][instruction]


def armings() -> int:
    return int(trap.state()["armings"])


def ticks(seconds: float) -> int:
    return int(cpu.features("").tsc_hz * seconds) + 1


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not is_so():
        assert time.monotonic() < deadline, trap.state()
        os.sched_yield()  # which lets go of the interpreter's lock, too


def comes_to(is_so: Callable[[], object], wait: Callable[[], object]) -> bool:
    """Within some waits: one whose thread is held up for as long as it lasts does nothing."""
    for _ in range(TRIES):
        wait()
        if is_so():
            return True
    return False


def store(lines: memoryview, value: int) -> None:
    lines[0] = value


class Beside:
    """A wait in a thread of its own."""

    def __init__(self, wait: Callable[[], object]) -> None:
        self.answer: object = None
        self.thread = threading.Thread(target=self._run, args=(wait,))
        self.thread.start()

    def _run(self, wait: Callable[[], object]) -> None:
        self.answer = wait()

    def is_over(self) -> bool:
        return not self.thread.is_alive()

    def result(self) -> object:
        self.thread.join(SOON_S)
        assert not self.thread.is_alive(), trap.state()
        return self.answer
