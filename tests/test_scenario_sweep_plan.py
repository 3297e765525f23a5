"""From files to plans: sweeps, and transports from other packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from scenario_plans import FIVE, SMALLEST, scenarios

from sim.errors import ScenarioError
from sim.scenario.plan import WriterWorkload
from sim.scenario.planning import make_plan


def test_a_sweep_makes_every_combination_and_names_each(tmp_path: Path) -> None:
    text = FIVE + '[transport]\nkind = "flag_ring"\nslots = 4\n'
    text += '[sweep.product]\n"transport.kind" = ["cursor_ring", "flag_ring"]\n'
    text += '"process[1].count" = [1, 2]\n'
    found = scenarios(tmp_path, text)
    assert [s.name for s in found] == [
        "smallest[transport.kind=cursor_ring,process[1].count=1]",
        "smallest[transport.kind=cursor_ring,process[1].count=2]",
        "smallest[transport.kind=flag_ring,process[1].count=1]",
        "smallest[transport.kind=flag_ring,process[1].count=2]",
    ]
    assert [(s.transport.kind, s.transport.readers) for s in found] == [
        ("cursor_ring", 1),
        ("cursor_ring", 2),
        ("flag_ring", 1),
        ("flag_ring", 2),
    ]


def test_a_zip_takes_values_together(tmp_path: Path) -> None:
    text = FIVE + "[transport]\nslots = 4\nslot_bytes = 100\n"
    text += '[sweep.zip]\n"transport.slots" = [1, 2]\n"transport.slot_bytes" = [64, 65]\n'
    found = scenarios(tmp_path, text)
    assert [(s.transport.slots, s.transport.slot_bytes) for s in found] == [(1, 64), (2, 65)]
    assert found[1].name == "smallest[transport.slots=2,transport.slot_bytes=65]"


def test_a_swept_table_is_named_by_its_value(tmp_path: Path) -> None:
    text = SMALLEST.replace('role = "writer"\n', 'role = "writer"\nworkload = { size_bytes = 1 }\n')
    text += '[sweep.product]\n"process[0].workload.size_bytes" = [{ uniform = [1, 2] }, 7]\n'
    assert [s.name for s in scenarios(tmp_path, text)] == [
        'smallest[process[0].workload.size_bytes={"uniform":[1,2]}]',
        "smallest[process[0].workload.size_bytes=7]",
    ]


def test_the_runs_of_a_sweep_have_dice_of_their_own(tmp_path: Path) -> None:
    text = FIVE + '[transport]\nslots = 4\n[sweep.product]\n"transport.slots" = [1, 2]\n'
    first, second = (make_plan(s, 0).processes[0].workload for s in scenarios(tmp_path, text))
    assert isinstance(first, WriterWorkload) and isinstance(second, WriterWorkload)
    assert first.payload_seed != second.payload_seed


PLUG_IN = SMALLEST + '[transport]\nkind = "spinbed_plug_in_for_a_test:Ring"\nslot_bytes = 70\n'
PLUG_IN_SOURCE = """
from sim.transport.cursor_ring import CursorRing

class Ring(CursorRing):
    message_overhead_bytes = {overhead_bytes}
"""


@pytest.fixture
def plug_in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plug_ins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "spinbed_plug_in_for_a_test", raising=False)
    return folder


def test_checking_a_file_never_imports_the_plug_in_it_names(
    tmp_path: Path, plug_in_folder: Path
) -> None:
    (plug_in_folder / "spinbed_plug_in_for_a_test.py").write_text("raise SystemExit('imported')")
    (scenario,) = scenarios(tmp_path, PLUG_IN)
    assert scenario.transport.kind == "spinbed_plug_in_for_a_test:Ring"
    assert "spinbed_plug_in_for_a_test" not in sys.modules


@pytest.mark.parametrize(
    ("source", "said", "near"),
    [
        (None, "cannot be imported: ModuleNotFoundError: No module named", None),
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError", None),
        ("Rong = 1", "has no 'Ring'", "spinbed_plug_in_for_a_test:Rong"),
        ("Ring = 1", "is no transport: it is no class", None),
        ("class Ring:\n    alias = ''", "is no transport: it has no create, describe, doc, ", None),
    ],
)
def test_a_plug_in_that_is_no_transport_is_bad_input_at_its_line(
    source: Any, said: str, near: Any, tmp_path: Path, plug_in_folder: Path
) -> None:
    if source is not None:
        (plug_in_folder / "spinbed_plug_in_for_a_test.py").write_text(source)
    (scenario,) = scenarios(tmp_path, PLUG_IN)
    with pytest.raises(ScenarioError) as caught:
        make_plan(scenario, 0)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (10, "transport.kind")
    assert problem.message.startswith("'spinbed_plug_in_for_a_test:Ring'")
    assert said in problem.message
    assert problem.nearest == near


@pytest.mark.parametrize(("overhead_bytes", "fits"), [(6, True), (7, False)])
def test_sizes_are_held_against_the_overhead_of_a_plug_in(
    overhead_bytes: int, fits: bool, tmp_path: Path, plug_in_folder: Path
) -> None:
    source = PLUG_IN_SOURCE.format(overhead_bytes=overhead_bytes)
    (plug_in_folder / "spinbed_plug_in_for_a_test.py").write_text(source)
    (scenario,) = scenarios(tmp_path, PLUG_IN)
    if fits:
        assert make_plan(scenario, 0).header.knows_owner is True
        return
    with pytest.raises(ScenarioError, match="needs 71 with the 7 of .* slot_bytes = 70"):
        make_plan(scenario, 0)


def test_documentation_keys_are_kept(tmp_path: Path) -> None:
    text = 'reference = ["a#1"]\nvariant = "before"\n' + SMALLEST
    (scenario,) = scenarios(tmp_path, text)
    assert (scenario.reference, scenario.variant) == (("a#1",), "before")
