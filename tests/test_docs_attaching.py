"""The program of docs/attaching.md hangs, and is told of as the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List

import pytest
from named_rings import is_there
from warm_command import Spinbed, variables

import spinbed as ring_api

PAGE = Path(__file__).resolve().parents[1] / "docs/attaching.md"
TRIES = 40  # the program may take its time until it hangs

pytestmark = pytest.mark.skipif(
    not PAGE.exists(), reason="the tests run without the source tree"
)


def fenced(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def lines_of(told: str) -> List[str]:
    """Without what differs from one run, kernel or host to the next, as py-spy's stacks do."""
    told, _, spied = told.rpartition("\n\n")
    assert "by py-spy" in spied or ", thread " in spied
    told = re.sub(r"(?m)^(N|\d+)  .*(orders\.py.*|-)$", "a process", told)
    told = re.sub(r"\((\w+) at send", "(FUNCTION at send", told)
    told = re.sub(r", heartbeat [0-9.]+ m?s ago", "", told)  # who never waited has none
    lines = [line for line in told.splitlines() if "  command" not in line]
    return [re.sub(r"\d+(\.\d+)?", "N", line) for line in lines]


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "orders.py").write_text(fenced("python"))
    command = [sys.executable, "orders.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=variables()
    ) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        yield pid
        program.kill()
    ring_api.unlink(f"orders-{pid}")
    assert not is_there(f"orders-{pid}")


def test_the_page_shows_what_is_told(spinbed: Spinbed, hanging: int, tmp_path: Path) -> None:
    (words,) = re.findall("spinbed (attach) [0-9]+", fenced("sh"))
    done = spinbed(words, hanging, "--stall", "300ms", cwd=tmp_path)
    for _ in range(TRIES):
        if done.returncode == 3:
            break
        done = spinbed(words, hanging, "--stall", "300ms", cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert lines_of(done.stdout) == lines_of(fenced("text")), done.stdout
