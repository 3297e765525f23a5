"""The page on the missing fence: its commands, one after the other, come to what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sim import cli
from sim.virtual import tape as tapes

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/finding-a-missing-fence.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the tests run without the source tree")


def test_every_command_of_the_page_comes_to_what_it_says(tmp_path, monkeypatch, capsys):
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    lines = re.findall(r"^\$ spinbed (.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [cli.main(shlex.split(line)) for line in lines] == [0, 1, 1, 1, 1]
    small = tapes.load(Path("small.tape.json"))
    assert len(small.deviations) == 5
    assert [process.name for process in small.plan().processes] == ["writer", "reader[0]"]
    shown = capsys.readouterr().out
    assert "slot[0].written = 1 visible" in shown and "(old)" in shown
