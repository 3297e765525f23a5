"""docs/broken-extensions.md is what its generator makes, which catches what isn't so."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from broken_extensions import VERSIONS
from expected_skips import cannot_compile

from sim.live import damage
from sim.live.interpreters import Interpreter, find

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    path = ROOT / "docs/make_broken_extensions.py"
    spec = importlib.util.spec_from_file_location("make_broken_extensions", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # NamedTuple looks its annotations up there
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date_and_says_where_it_was_seen(maker: ModuleType) -> None:
    written = (ROOT / "docs/broken-extensions.md").read_text(encoding="utf-8")
    seen = maker.seen_in(written)
    assert all(f" {version}." in seen for version in VERSIONS)
    assert written == maker.page(seen), "run: python docs/make_broken_extensions.py"


def test_every_kind_has_a_row_as_a_scenario_would_name_it(maker: ModuleType) -> None:
    page = maker.page("")
    for kind in damage.KINDS:
        assert f"| `{kind}` |" in page or f"| `{kind} = " in page


@pytest.mark.skipif(cannot_compile(), reason="needs gcc and Python.h")
def test_a_row_that_is_not_so_is_caught(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = find()
    assert isinstance(ours, Interpreter)
    monkeypatch.setattr(maker, "ROWS", ["text", maker.LIVE])
    assert list(maker.contradictions(ours)) == []
    wrong = dataclasses.replace(damage.OUTCOMES["text"], exception="OSError")
    monkeypatch.setitem(damage.OUTCOMES, "text", wrong)
    [line] = maker.contradictions(ours)
    assert line.startswith(f"CPython {ours.version}: text: ImportError: ")
    assert ": invalid ELF header, and not OSError: " in line
