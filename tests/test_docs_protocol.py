"""docs/protocol.md is what its generator makes, and the generator reads the sources rightly."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cy_kernels.pure import layout

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="the tests run without the source tree"
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_protocol", ROOT / "docs/make_protocol.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # NamedTuple looks its annotations up there
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(maker):
    written = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    assert written == maker.page(), "run: python docs/make_protocol.py"


def test_the_offsets_are_those_that_the_compiler_asserts(maker):
    source = maker.read("layout.pxd")
    structs = maker.structs(source)
    asserted = list(maker.asserted(source))
    assert {name for name, _, _ in asserted} == set(structs)
    for name, field, count in asserted:
        last = structs[name][-1]
        [at] = [each.offset for each in structs[name] if each.name == field] or [None]
        if field:
            assert at == count, (name, field)
        else:  # up to the end of its last line
            assert last.offset + last.size <= count < last.offset + last.size + 64, name


@pytest.mark.parametrize(
    ("struct", "prefix", "at_least"),
    [("sb_region_header", "WRITER_", 10), ("sb_reader_line", "", 4)],
)
def test_the_offsets_are_those_of_the_pure_kernels(maker, struct, prefix, at_least):
    compared = 0
    for field in maker.structs(maker.read("layout.pxd"))[struct]:
        name = field.name.upper()
        index = getattr(layout, prefix + name, getattr(layout, name, None))
        if isinstance(index, int):
            assert index * field.size == field.offset, name
            compared += 1
    assert compared >= at_least


def test_every_step_of_the_list_has_one_row_with_its_op(maker):
    steps = maker.numbered(maker.read("ops_list.pxi"))
    rows = re.findall(r"^\| (\d+) \| `([\w.]+)` \| ([^|]+) \|", maker.page(), re.MULTILINE)
    assert [(int(number), name) for number, name, _ in rows] == [
        (number, step.lower().replace("__", ".")) for number, step in steps
    ]
    assert set(maker.sites()) == {step for _, step in steps}


def test_every_wait_strategy_is_told_of(maker):
    files = (ROOT / "cy_kernels/protocol").glob("wait_*.pxi")
    assert {file.stem[len("wait_") :] for file in files} == set(maker.WAITS)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("store8(ops, Step.A__B__C, flags + 1, 0, RELAXED)", ("flags + 1", "0", "relaxed")),
        ("add32(ops, Step.A__B__C, &h.event, 1)", ("h.event", "1", "seq_cst")),
        (
            "cas64(ops, Step.A__B__C, &f(a, b).owner,\n  0, me)",
            ("f(a, b).owner", "0 -> me", "seq_cst"),
        ),
    ],
)
def test_a_call_is_read_as_op_place_value_and_order(maker, call, told):
    match = re.search(r"(\w+)\(ops, Step\.\w+", call)
    site = maker.site_of(match.group(1), maker.arguments_after(call, match.end()), "here")
    assert (site.place, site.value, site.order) == told


def test_a_gap_before_an_aligned_line_is_shown(maker):
    fields = maker.fields_of("uint32_t a;\nuint64_t b;\nuint32_t c __attribute__((aligned(64)));")
    assert [(each.name, each.offset) for each in fields] == [("a", 0), ("b", 8), ("c", 64)]
    shown = list(maker.gapless(fields))
    assert [(each.name, each.offset, each.size) for each in shown] == [
        *(("a", 0, 4), ("", 4, 4), ("b", 8, 8)),
        *(("unused up to 64", 16, 48), ("c", 64, 4)),
    ]
