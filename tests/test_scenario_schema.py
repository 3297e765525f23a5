"""Durations, and the JSON Schema as the description of every key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import faults
from sim.checkers import CHECKERS
from sim.faults import FAULTS
from sim.faults.stall import Stall
from sim.scenario.durations import BadDuration, format_duration, parse_duration
from sim.scenario.loader import load
from sim.scenario.planning import make_plan
from sim.scenario.schema import json_schema
from sim.transport import STRATEGIES, TRANSPORTS

DOCUMENT = Path(__file__).parent.parent / "docs" / "scenario-format.md"


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("50us", 50_000),
        ("300ms", 300_000_000),
        ("2s", 2_000_000_000),
        ("1.5s", 1_500_000_000),
        ("0.000000001s", 1),
        ("1min", 60_000_000_000),
        ("1440min", 86_400_000_000_000),
    ],
)
def test_a_duration_is_exact_nanoseconds(text: str, time_ns: int) -> None:
    assert parse_duration(text) == time_ns


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("", None),
        ("5", None),
        ("s", None),
        ("5 s", "5s"),
        ("5S", "5s"),
        ("5sec", "5s"),
        ("5m", "5min"),
        ("5\u00b5s", "5us"),
        ("5\u03bcs", "5us"),
        ("5h", None),
        ("1e3s", None),
        ("-5s", None),
        ("+5s", None),
        (".5s", None),
        ("5.s", None),
        ("\u0665s", None),
        ("5s\n", "5s"),
        ("1s2ms", None),
        ("0.1ns", None),
        ("1440.1min", None),
        ("9" * 100_000 + "s", None),
    ],
)
def test_what_is_no_duration_names_the_nearest(text: str, nearest: str | None) -> None:
    with pytest.raises(BadDuration) as caught:
        parse_duration(text)
    assert caught.value.nearest == nearest


@given(st.integers(0, 86_400_000_000_000))
def test_a_formatted_duration_reads_back(time_ns: int) -> None:
    assert parse_duration(format_duration(time_ns)) == time_ns


def keys_of(schema: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    tables = {"Scenario": schema, **schema["$defs"]}
    return {
        f"{table}.{name}": info
        for table, body in tables.items()
        for name, info in body["properties"].items()
    }


def test_every_key_has_a_description_of_one_line() -> None:
    keys = keys_of(json_schema())
    assert len(keys) > 60
    for name, info in keys.items():
        assert info.get("description", "").strip(), name
        assert "\n" not in info["description"], name


def test_durations_and_bytes_and_rates_have_units() -> None:
    keys = keys_of(json_schema())
    assert {name for name, info in keys.items() if info.get("unit") == "bytes"} >= {
        "Transport.slot_bytes",
        "WriterWorkload.size_bytes",
        "Uniform.uniform",
        "fault_truncate_region.size_bytes",
    }
    assert keys["WriterWorkload.rate_hz"]["unit"] == "per second"
    for name in ("Scenario.deadline", "ReaderWorkload.think", "fault_stall.heal_after"):
        assert (keys[name]["unit"], keys[name]["type"]) == ("duration", "string")


def test_no_unknown_key_is_allowed_anywhere() -> None:
    schema = json_schema()
    for name, table in {"Scenario": schema, **schema["$defs"]}.items():
        assert table["additionalProperties"] is False, name


def test_names_are_the_ones_that_are_registered() -> None:
    schema = json_schema()
    keys = keys_of(schema)
    listed, plug_in = schema["properties"]["fault"]["items"]["anyOf"]
    assert set(listed["discriminator"]["mapping"]) == set(FAULTS)
    assert "pattern" in plug_in["properties"]["kind"]
    listed, plug_in = keys["Transport.kind"]["anyOf"]
    assert listed["enum"] == list(TRANSPORTS)
    assert "pattern" in plug_in
    for key in ("Check.alias", "ExpectVerdict.checker"):
        listed, plug_in = keys[key]["anyOf"][:2]
        assert listed["enum"] == list(CHECKERS)
        assert "pattern" in plug_in
    assert keys["WriterProcess.wait"]["enum"] == list(STRATEGIES)
    for alias, fault in FAULTS.items():
        assert schema["$defs"][f"fault_{alias}"]["description"] == fault.doc


def test_defaults_are_as_a_file_would_write_them() -> None:
    keys = keys_of(json_schema())
    assert keys["Scenario.deadline"]["default"] == "30s"
    assert keys["Scenario.stall_threshold"]["default"] == "5s"
    assert keys["Transport.kind"]["default"] == "cursor_ring"
    assert keys["fault_slow.per_op"]["default"] == "1ms"
    assert keys["fault_restart.restart_after"]["default"] == "0s"
    assert "default" not in keys["WriterWorkload.deadline"]


def test_the_schema_is_plain_json_without_null() -> None:
    text = json.dumps(json_schema())
    assert "null" not in text


@dataclass(frozen=True)
class Wobble(Stall):
    alias: ClassVar[str] = "wobble"
    doc: ClassVar[str] = "wobbles"
    swing_ns: int = field(default=5_000, metadata={"doc": "how long"})
    width_bytes: int = field(default=3, metadata={"doc": "how wide"})
    loud: bool = field(default=False, metadata={"doc": "whether"})


def test_a_registered_fault_brings_its_own_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "FAULTS", {**FAULTS, "wobble": Wobble})
    keys = keys_of(json_schema())
    assert keys["fault_wobble.swing"]["default"] == "5us"
    assert keys["fault_wobble.width_bytes"]["description"] == "how wide"
    path = tmp_path / "wobble.toml"
    path.write_text(
        'schema = 1\nname = "wobble"\n'
        '[[process]]\nname = "writer"\nrole = "writer"\n'
        '[[process]]\nname = "reader"\nrole = "reader"\n'
        '[[fault]]\nkind = "wobble"\ntarget = "writer"\nat = "1s"\nswing = "7ms"\nloud = true\n'
    )
    (injection,) = make_plan(load(path)[0], 0).injections
    assert injection.fault == Wobble(target="writer", swing_ns=7_000_000, width_bytes=3, loud=True)


# Where docs/scenario-format.md lists the keys of each table of the schema.
HEADINGS = {
    "Scenario": "Top level",
    "Transport": "[transport]",
    "WriterProcess": "[[process]]",
    "ReaderProcess": "[[process]]",
    "ProgramProcess": "A program",
    "WriterWorkload": "workload of a writer",
    "ReaderWorkload": "workload of a reader",
    "Uniform": "size_bytes",
    "AfterOps": "at",
    "AtStep": "at a step",
    "AtProbe": "at a probe",
    "Check": "[[check]]",
    "ExpectVerdict": "verdict",
    "ExpectOutcome": "outcome",
    "ExpectExit": "exit",
    "Exit": "in exit",
    "ExpectLog": "log",
    "Log": "in log",
    "ExpectOutput": "output",
    "Output": "in output",
    "ExpectProbe": "probe",
    "ExpectHang": "hang",
    "ExpectBlame": "blame",
    "Cluster": "[cluster]",
    "SpreadTable": "in cluster, times that differ",
    "ClusterRing": "in cluster.ring",
    "Link": "in cluster.link",
    "Policy": "in cluster.policy",
    "Bounds": "in count",
    "Sweep": "[sweep]",
    "Explore": "[explore]",
    "SometimesRung": "rung",
    "SometimesStep": "step",
    "SometimesOutcome": "in sometimes, an outcome",
}


def documented() -> dict[str, dict[str, list[str]]]:
    """Heading -> key -> the cells of its row."""
    found: Dict[str, Dict[str, Any]] = {}
    heading = ""
    for row in DOCUMENT.read_text(encoding="utf-8").split("\n"):
        if row.startswith("#"):
            heading = row.lstrip("# ")
        elif row.startswith("| `"):
            cells = [cell.strip() for cell in row.strip("|").split(" | ")]
            found.setdefault(heading, {})[cells[0].strip("` |")] = cells
    return found


def test_the_format_document_lists_every_key_with_its_default() -> None:
    document = documented()
    listed = set()
    for name, info in keys_of(json_schema()).items():
        table, _, key = name.partition(".")
        heading = HEADINGS.get(table, "[[fault]]")
        if heading == "[[fault]]" and key not in document[heading]:
            heading = table[len("fault_") :]
        assert key in document.get(heading, {}), f"{name} is not listed below {heading!r}"
        listed.add((heading, key))
        default = info.get("default")
        if isinstance(default, (str, int)):
            spelled = json.dumps(default).strip('"') or '""'
            assert f"`{spelled}`" in document[heading][key][2], f"{name}: {spelled}"
    assert listed == {(heading, key) for heading, keys in document.items() for key in keys}


def test_the_format_document_describes_every_fault_and_the_example_in_it_is_valid(
    tmp_path: Path,
) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for alias, fault in FAULTS.items():
        (row,) = [row for row in text.split("\n") if row.startswith(f"| {alias} |")]
        assert row.split(" | ")[2].startswith("no") is not (fault.heals), (
            f"{alias}: heals = {fault.heals}"
        )
    path = tmp_path / "example.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert [scenario.name for scenario in load(path)] == ["stalled-reader"]
