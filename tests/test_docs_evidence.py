"""What docs/evidence.md says of a process is what is seen of one, where that is cheap to make."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from expected_skips import has_no_py_spy, is_pure

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/evidence.md"
# Frozen takes a control group, and what else there is takes longer: the script makes all of them.
OF_ROOT = ("non-dumpable, root", "interpreter lock held in C", "dead")
OF_OTHERS = ("non-root", "non-dumpable, non-root")

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_evidence", ROOT / "docs/make_evidence.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(is_pure(), reason="needs compiled kernels")
@pytest.mark.parametrize("title", OF_OTHERS if os.geteuid() else OF_ROOT)
def test_what_can_be_seen_is_as_written(maker: ModuleType, title: str) -> None:
    (condition,) = (each for each in maker.CONDITIONS if each.title == title)
    seen = maker.cells(condition)
    written = maker.column_of(title, PAGE.read_text(encoding="utf-8"))
    if has_no_py_spy():
        seen = {row: cell for row, cell in seen.items() if maker.SPIED not in row}
    assert seen == {row: written[row] for row in seen}


def test_each_scenario_has_a_row_and_no_class_is_wrong(maker: ModuleType) -> None:
    """What is hidden may leave a class unknown, and never makes it another one."""
    page = PAGE.read_text(encoding="utf-8")
    for name in (*maker.TOLD, *maker.ALONE):
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")[1:]]
        assert len(cells) == 4 and set(cells[1:]) <= {cells[0], "unknown"}, row
        is_control = name.startswith("control")
        assert (set(cells) == {"none"}) is is_control, row
        assert cells[0] == maker.ALONE.get(name, cells[0])
