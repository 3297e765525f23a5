"""docs/abi.md is what happens: one row of it, built and loaded again on this host."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sim.live.interpreters import Interpreter, Lack, find

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_abi", ROOT / "docs/make_abi.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # NamedTuple looks its annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs/abi.md").read_text(encoding="utf-8")


def rows(page: str, title: str) -> dict[str, list[str]]:
    """The cells of a table by who built it."""
    section = page.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line.strip("| \n").split(" | ") for line in section.splitlines() if "|" in line]
    return {cells[0]: cells[1:] for cells in lines[2:]}


def interpreter(version: str) -> Interpreter:
    there = find(version)
    if isinstance(there, Lack):
        pytest.skip(f"this host has no Python {version}")
    if shutil.which("gcc") is None or not there.has_headers:
        pytest.skip("needs gcc and Python.h")
    return there


def test_the_page_tells_of_every_version_built_and_loaded(maker: ModuleType, page: str) -> None:
    for kind in maker.KINDS:
        table = rows(page, kind.title)
        assert tuple(table) == VERSIONS
        assert all(len(cells) == len(VERSIONS) for cells in table.values())


@pytest.mark.parametrize("number", range(4))
def test_a_row_of_the_page_is_what_happens(
    maker: ModuleType, page: str, number: int, tmp_path: Path
) -> None:
    own = interpreter("{}.{}".format(*sys.version_info[:2]))
    versions = re.findall(r"3\.\d+\.\d+", page.split("; gcc")[0])
    if own.version not in versions:
        pytest.skip(f"docs/abi.md is of other versions than {own.version}")
    kind = maker.KINDS[number]
    built = maker.build(kind, own, tmp_path / "built")
    told = rows(page, kind.title)[maker.short(own)]
    assert maker.cells(built, [own] * len(VERSIONS))[versions.index(own.version)] == (
        told[versions.index(own.version)]
    )


def test_a_reference_that_is_lost_is_told_with_the_death_that_follows(
    maker: ModuleType, tmp_path: Path
) -> None:
    newer, older = interpreter("3.12"), interpreter("3.11")
    [kind] = [each for each in maker.KINDS if each.flags and not each.is_cython]
    built = maker.build(kind, newer, tmp_path / "newer")
    assert maker.cell(built.folder, newer) == "works"
    told = maker.cell(built.folder, older)
    assert told == "loses a reference a call, **SIGABRT later** `bool_dealloc`"
    assert maker.cell(maker.build(kind, older, tmp_path / "older").folder, older) == "works"


def test_a_module_that_cannot_be_built_is_told_in_the_words_of_the_compiler(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = interpreter("{}.{}".format(*sys.version_info[:2]))
    monkeypatch.setattr(maker, "C", "#error no such luck\n")
    built = maker.build(maker.KINDS[2], own, tmp_path / "built")
    assert maker.cells(built, [own, own]) == ["not built: `no such luck`", "-"]


def test_a_death_at_the_import_is_told_as_one(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = interpreter("{}.{}".format(*sys.version_info[:2]))
    dies = "#include <stdlib.h>\nvoid *PyInit_sample(void) { abort(); }\n"
    monkeypatch.setattr(maker, "C", dies)
    built = maker.build(maker.KINDS[2], own, tmp_path / "built")
    assert maker.cell(built.folder, own) == "**SIGABRT at once**"


@pytest.mark.parametrize("entry", ["answer", "refuse"])
def test_a_death_after_the_import_is_told_by_when_it_comes(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    own = interpreter("{}.{}".format(*sys.version_info[:2]))
    function = f"static PyObject *{entry}("
    begins = maker.C.index("{", maker.C.index(function)) + 1
    dies = "#include <stdlib.h>\n" + maker.C[:begins] + " abort();" + maker.C[begins:]
    monkeypatch.setattr(maker, "C", dies)
    built = maker.build(maker.KINDS[2], own, tmp_path / "built")
    when = {"answer": "later", "refuse": "when it raises"}[entry]
    assert maker.cell(built.folder, own) == f"**SIGABRT {when}**"
