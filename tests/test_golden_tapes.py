"""Old tapes are the same executions for ever, and their diagrams look as they did."""

from __future__ import annotations

import json

import pytest
from golden_tapes import GOLDEN, RECIPES, WIDTHS, diagram, diagram_file, tape_file

from cy_kernels import explore
from sim.virtual import tape as tapes
from sim.virtual.players import open_player

AGAIN = "python tests/golden_tapes.py"


@pytest.mark.parametrize("name", RECIPES)
def test_a_golden_tape_is_the_execution_that_was_recorded(name: str) -> None:
    recorded = json.loads(tape_file(name).read_text(encoding="utf-8"))["protocol"]
    assert recorded == tapes.protocol("tso"), (
        "the steps, models, layout or MACHINE_VERSION have changed, so old tapes are refused. "
        f"Where that is meant: {AGAIN}"
    )
    tape = tapes.load(tape_file(name))
    played = open_player(tape.plan(), tape.model, lambda: 0.0).replay(tape.choices)
    assert (played.outcome, played.has_diverged) == (tape.outcome, False), (
        "the same choices lead to another execution though the fingerprint is the same, so old "
        "tapes would be taken for something else: count MACHINE_VERSION up in "
        f"cy_kernels/engine/names.pxi, then {AGAIN}"
    )


def test_another_machine_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tapes.protocol("tso")
    monkeypatch.setattr(explore, "MACHINE_VERSION", explore.MACHINE_VERSION + 1)
    assert tapes.protocol("tso") != before


def test_every_golden_file_has_its_recipe() -> None:
    expected = {tape_file(name) for name in RECIPES}
    expected |= {diagram_file(name, columns) for name in RECIPES for columns in WIDTHS}
    assert set(GOLDEN.iterdir()) == expected


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_diagram_looks_as_it_did(name: str, columns: int) -> None:
    drawn = diagram(name, columns)
    assert drawn == diagram_file(name, columns).read_text(encoding="utf-8"), (
        f"where the new one is better: {AGAIN} --diagrams"
    )
    assert max(map(len, drawn.splitlines())) <= columns


def test_the_diagrams_show_what_they_are_there_for() -> None:
    assert "TORN at position 0" in diagram("torn", 110)
    assert "data[0] = len 9 visible" in diagram("torn", 110)
    assert "HELD for a fault" in diagram("raised", 110)
    assert "written -> 0 (old)" in diagram("stale", 110)
    assert "WAITS FOR EVER" in diagram("lost_wakeup", 110)
