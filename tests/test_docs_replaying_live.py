"""The page on replaying live and checking: its commands, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sim import cli

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/replaying-live.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the tests run without the source tree")


def test_every_command_of_the_page_comes_to_what_it_says(tmp_path, monkeypatch, capsys):
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^\$ spinbed (.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert [cli.main(shlex.split(line)) for line in lines] == [1, 1, 1, 0, 0]
    shown = capsys.readouterr().out
    assert "the failure showed in 5 of 5 tries" in shown
    assert "allowed: the simulated machine does the same" in shown
