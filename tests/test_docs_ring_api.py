"""The programs of docs/ring-api.md: each runs as it stands there and prints what is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import List, NamedTuple

import pytest
from named_rings import SOON_S, is_there

import spinbed
from cy_kernels.choice import VARIABLE, Kernels

PAGE = Path(__file__).resolve().parents[1] / "docs/ring-api.md"
NAME = "market"

pytestmark = pytest.mark.skipif(
    not PAGE.exists(), reason="the tests run without the source tree"
)


class Program(NamedTuple):
    text: str
    output: str


def programs() -> List[Program]:
    if not PAGE.exists():
        return []
    blocks = r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```)?"
    found = re.findall(blocks, PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Program(*each) for each in found]


def started(program: Program, ring_name: str, on: Kernels) -> subprocess.Popen[str]:
    assert f'"{NAME}"' in program.text
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program.text.replace(f'"{NAME}"', repr(ring_name))],
        env={**os.environ, VARIABLE: on.kind},
        stdout=subprocess.PIPE,
        text=True,
    )


ALONE = [each for each in programs() if not each.text.startswith("# ")]
TOGETHER = [each for each in programs() if each.text.startswith("# ")]


@pytest.mark.parametrize("program", ALONE, ids=range(len(ALONE)))
def test_a_program_of_the_page_prints_what_is_shown(
    program: Program, ring_name: str, on: Kernels
) -> None:
    child = started(program, ring_name, on)
    assert child.communicate(timeout=SOON_S)[0] == program.output
    assert child.returncode == 0
    assert not is_there(ring_name)


@pytest.mark.parametrize("first", [0, 1])
def test_the_two_programs_of_the_page_work_whichever_is_first(
    ring_name: str, on: Kernels, first: int
) -> None:
    assert len(TOGETHER) == 2
    order = [TOGETHER[first], TOGETHER[1 - first]]
    children = [started(each, ring_name, on) for each in order]
    outputs = {child.communicate(timeout=SOON_S)[0] for child in children}
    assert [child.returncode for child in children] == [0, 0]
    assert outputs == {"", TOGETHER[1].output}
    assert not is_there(ring_name)


def test_the_page_names_every_error_and_operation() -> None:
    text = PAGE.read_text(encoding="utf-8")
    errors = {name for name in spinbed.__all__ if name.startswith("Ring")}
    assert errors and [name for name in sorted(errors) if f"`{name}`" not in text] == []
    for kind in (spinbed.Writer, spinbed.Reader):
        for name in vars(kind):
            if not name.startswith("_"):
                assert re.search(rf"\b{name}\b", text), name
