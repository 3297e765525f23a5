"""Breaking a file: what it refuses, what it leaves alone, what it says of it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from broken_extensions import (
    AT_A_CALL,
    HOWS,
    OWN,
    compiled,
    skip_what_this_host_cannot,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.live import damage, elf
from sim.live.damage import KINDS, OUTCOMES, break_file, expected, file_of, private_copy
from sim.live.elf import SharedObject
from sim.live.import_trial import Trial, try_import


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return tmp_path / "entry"


@pytest.fixture
def constants(entry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private copy of what was compiled for the interpreter that runs the tests."""
    private_copy(compiled(OWN, tmp_path_factory), entry)
    return entry / "constants.so"


def is_root() -> bool:
    return os.geteuid() == 0


def test_every_kind_has_its_outcome_and_is_tried() -> None:
    tried = {damage.parsed(how)[0] for how in HOWS}
    assert tried | {AT_A_CALL} == set(KINDS)
    assert {name.split()[0] for name in OUTCOMES} == set(KINDS)
    for outcome in OUTCOMES.values():
        assert (outcome.exception is None) != (outcome.signal is None)


def test_where_it_is_cut_decides_what_is_said(constants: Path, entry: Path) -> None:
    intact = constants.read_bytes()
    shared = SharedObject(bytearray(intact))
    headers = shared.segment_place(len(shared.segments()))
    dynamic = min(place for place, _, _ in shared.dynamic_entries()) // 4096 * 4096
    for size in (1, 63, 64, headers - 1, headers, dynamic - 1, dynamic):
        outcome = expected(constants, {"truncated_to": size})
        break_file(constants, {"truncated_to": size}, folder=entry)
        trial = try_import("constants", python=[sys.executable], path=[entry])
        assert str(trial) == outcome.told({"path": str(constants)}), size
        constants.write_bytes(intact)
    with pytest.raises(ValueError, match=f"cannot be {dynamic + 1}: it is from 0 to {dynamic} b"):
        break_file(constants, {"truncated_to": dynamic + 1}, folder=entry)
    assert constants.read_bytes() == intact


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("emty", "'emty' is no way to break an extension: did you mean 'empty'?"),
        ("Init-Raises", "did you mean 'init_raises'?"),
        ("q", "'q' is no way to break an extension: there are missing, dangling_link, "),
        ({"empty": 3}, "empty takes no argument; it was given 3"),
        ({"truncated_to": -1}, "truncated_to = -1: it is a number of bytes from 0, or "),
        ({"truncated_to": True}, "truncated_to = true: it is a number of bytes"),
        ({"truncated_to": 1 << 40}, "cannot be made truncated_to: cannot be 1099511627776: it is "),
        ({"truncated_to": "third"}, 'number of bytes from 0, or "half"'),
        ({"missing_library": "a/b.so"}, "it is a name of letters, digits"),
        ({"undefined_symbol": ""}, "undefined_symbol = '': it is a name"),
        ({"undefined_symbol": 3}, "undefined_symbol = 3: it is a name"),
        ({"empty": None, "text": None}, "is neither a kind nor one kind with its argument"),
        (3, "3 is neither a kind nor one kind with its argument"),
    ],
)
def test_what_cannot_be_done_is_refused_plainly(
    how: Any, message: str, constants: Path, entry: Path
) -> None:
    intact = constants.read_bytes()
    with pytest.raises(ValueError) as raised:
        break_file(constants, how, folder=entry)
    assert message in str(raised.value)
    assert constants.read_bytes() == intact and os.listdir(entry) == ["constants.so"]


NEEDS_ELF = ("truncated_to", "wrong_machine", "elf32", "no_init", "missing_library", "sigill")


@pytest.mark.parametrize("kind", NEEDS_ELF)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#!/bin/sh\n", "cannot be made {kind}: it is no ELF file"),
        (b"\x7fELF\x01\x01" + bytes(90), "no little-endian ELF shared object of 64 bits"),
        (b"\x7fELF\x02\x01" + bytes(10) + b"\x03" + bytes(15) + b"\xff" * 40, "lead out of it"),
    ],
    ids=["text", "32 bits", "wild headers"],
)
def test_a_file_that_is_no_shared_object_is_refused(
    kind: str, content: bytes, message: str, entry: Path
) -> None:
    entry.mkdir()
    path = entry / "not.so"
    path.write_bytes(content)
    with pytest.raises(ValueError) as raised:
        break_file(path, kind, folder=entry)
    assert message.format(kind=kind) in str(raised.value)
    assert path.read_bytes() == content


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_file_of_wild_headers_is_changed_or_refused(data: st.DataObject, constants: Path) -> None:
    content = bytearray(constants.read_bytes())
    tables = SharedObject(content)
    interesting = [
        *range(4, tables.segment_place(len(tables.segments()))),
        *(place + byte for place, _, _ in tables.dynamic_entries() for byte in range(16)),
        *range(tables.table(elf.DT_GNU_HASH), tables.table(elf.DT_GNU_HASH) + 40),
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        value = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
        content[data.draw(st.sampled_from(interesting))] = value
    for kind in NEEDS_ELF:
        change = KINDS[kind].change
        assert change is not None
        try:
            made = change(bytes(content), KINDS[kind].argument)
        except ValueError:
            continue
        assert made != content


def test_machine_code_is_for_one_machine(constants: Path, entry: Path) -> None:
    break_file(constants, "wrong_machine", folder=entry)
    with pytest.raises(ValueError, match="we write machine code for x86_64 alone"):
        break_file(constants, "abort", folder=entry)
    break_file(constants, "wrong_machine", folder=entry)  # back again
    assert SharedObject(bytearray(constants.read_bytes())).machine in elf.MACHINES


def test_what_is_not_private_is_refused(constants: Path, entry: Path, tmp_path: Path) -> None:
    intact = constants.read_bytes()
    outside = tmp_path / "outside.so"
    shutil.copy(constants, outside)
    with pytest.raises(ValueError, match="is not in the private folder"):
        break_file(outside, "empty", folder=entry)
    with pytest.raises(ValueError, match="is not in the private folder"):
        break_file(entry / ".." / "outside.so", "empty", folder=entry)
    (entry / "link.so").symlink_to(outside)
    with pytest.raises(ValueError, match="is no regular file, but a link to"):
        break_file(entry / "link.so", "empty", folder=entry)
    with pytest.raises(ValueError, match="there is no "):
        break_file(entry / "gone.so", "empty", folder=entry)
    os.link(constants, tmp_path / "second.so")
    with pytest.raises(ValueError, match="has 2 hard links: it would be broken under its other"):
        break_file(constants, "empty", folder=entry)
    assert outside.read_bytes() == constants.read_bytes() == intact


@pytest.mark.parametrize("kind", ["empty", "init_raises", "elf32", {"truncated_to": 64}])
def test_who_has_loaded_the_file_keeps_it_whole(
    kind: damage.How, constants: Path, entry: Path
) -> None:
    skip_what_this_host_cannot(damage.parsed(kind)[0])
    with open(constants, "rb") as loaded:
        before = loaded.read()
        break_file(constants, kind, folder=entry)
        loaded.seek(0)
        assert loaded.read() == before != constants.read_bytes()
    assert os.listdir(entry) == ["constants.so"]


def test_evidence_tells_the_file_before_and_after(constants: Path, entry: Path) -> None:
    size = constants.stat().st_size
    evidence = break_file(constants, {"truncated_to": 64}, folder=entry)
    assert evidence["what"].startswith(
        f"constants.so: truncated_to 64: it was a file of {size} bytes ("
    )
    assert "it is a file of 64 bytes (" in evidence["what"]
    data = {"kind": "truncated_to", "argument": 64, "file": str(constants), "when": "before_load"}
    assert evidence["data"] == data


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_broken_is_whole_again_when_it_is_mended(
    kind: str, constants: Path, entry: Path, tmp_path: Path
) -> None:
    skip_what_this_host_cannot(kind)
    sound = tmp_path / "sound.so"
    shutil.copy2(constants, sound)
    break_file(constants, kind, folder=entry)
    damage.mend_file(constants, sound, folder=entry)
    assert constants.read_bytes() == sound.read_bytes()
    assert constants.stat().st_mode == sound.stat().st_mode
    assert os.listdir(entry) == ["constants.so"]
    with pytest.raises(ValueError, match="is not in the private folder"):
        damage.mend_file(tmp_path / "elsewhere.so", sound, folder=entry)
    assert try_import("constants", python=[sys.executable], path=[entry]).is_imported


def test_damage_that_changes_nothing_is_not_proven(constants: Path, entry: Path) -> None:
    assert break_file(constants, "empty", folder=entry)["proven"]
    assert not break_file(constants, "empty", folder=entry)["proven"]


def test_only_what_needs_surroundings_is_launched_in_some(constants: Path) -> None:
    launched = {kind for kind in KINDS if damage.launcher(kind, constants)}
    assert launched == ({"unreadable", "noexec"} if is_root() else {"noexec"})


def test_a_package_is_found_by_its_dotted_name_and_by_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    for name in ("c.cpython-311-x86_64-linux-gnu.so", "cc.so", "c.cpython-310-x.so", "c.py"):
        (folder / name).touch()
    with pytest.raises(ValueError, match="a.b.c has not one extension file in "):
        file_of("a.b.c", tmp_path)
    assert file_of("a.b.cc", tmp_path) == folder / "cc.so"
    one = file_of("a.b.c", tmp_path, suffix=".cpython-311-x86_64-linux-gnu.so")
    assert one.name == "c.cpython-311-x86_64-linux-gnu.so"
    with pytest.raises(ValueError, match="has not one extension file in .*, but none"):
        file_of("a.b.d", tmp_path)
    with pytest.raises(ValueError, match="is no package: it has no __init__.py"):
        private_copy(folder, tmp_path / "into")
    with pytest.raises(ValueError, match="there is no "):
        private_copy(tmp_path / "nowhere", tmp_path / "into")


def test_from_its_package_a_file_that_is_not_found_is_a_name_that_is_not_there(
    entry: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    package = entry / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    path = package / "constants.so"
    shutil.copy(compiled(OWN, tmp_path_factory), path)
    (entry / "asks.py").write_text("from package import constants")
    ask = {"module": "asks", "python": [sys.executable], "path": [entry]}
    assert try_import(**ask).is_imported
    break_file(path, "elf32", folder=entry)
    assert str(try_import(**ask)) == f"ImportError: {path}: wrong ELF class: ELFCLASS32"
    break_file(path, "missing", folder=entry)
    told = "ImportError: cannot import name 'constants' from 'package' ("
    assert str(try_import(**ask)).startswith(told)


def test_cut_where_debuggers_alone_read_it_would_load(constants: Path, entry: Path) -> None:
    """Why half is half of what is loaded, and why there is a limit."""
    shared = SharedObject(bytearray(constants.read_bytes()))
    end = max(segment.offset + segment.file_bytes for segment in shared.loaded())
    padded = constants.read_bytes() + bytes(3 * end)
    constants.write_bytes(padded[: len(padded) // 2])
    assert len(padded) // 2 >= end
    assert try_import("constants", python=[sys.executable], path=[entry]).is_imported
    constants.write_bytes(padded)
    assert break_file(constants, "truncated_to", folder=entry)["data"]["argument"] == "half"
    assert constants.stat().st_size <= end // 2


def test_a_module_that_ends_its_process_is_seen_as_that(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import os; print('spinbed-import'); os._exit(3)")
    (tmp_path / "silent.py").write_text("import os; os._exit(0)")
    (tmp_path / "fine.py").write_text("print('noise')")
    python = [sys.executable]
    assert try_import("ends", python=python, path=[tmp_path]).status == 3
    assert try_import("silent", python=python, path=[tmp_path]).status == 0
    assert try_import("fine", python=python, path=[tmp_path]) == Trial()
