"""The tape file: what is written is read again, and what is no tape of ours is refused by name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tapes_made import explored

from sim import cli
from sim.errors import ScenarioError
from sim.virtual import tape as tapes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored(tmp_path_factory.mktemp("tapes"))


def changed(made: Path, tmp_path: Path, *, is_signed: bool = True, **keys: object) -> Path:
    """A copy with other values under dotted keys, `__` for the dot."""
    document = json.loads(made.read_text())
    for key, value in keys.items():
        *tables, name = key.split("__")
        table = document
        for each in tables:
            table = table[each]
        table[name] = value
    if is_signed:
        document["checksum"] = tapes._checksum(document)
    copy = tmp_path / "changed.tape.json"
    copy.write_text(json.dumps(document, indent=2))
    return copy


def said_of(tape: Path, capfd: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["replay", str(tape)]) == 64
    out, err = capfd.readouterr()
    assert out == ""
    return err


def test_what_is_written_is_read_again(made: Path, tmp_path: Path):
    tape = tapes.load(made)
    tapes.save(tape, tmp_path / "again.tape.json")
    assert tapes.load(tmp_path / "again.tape.json") == tape
    assert (tmp_path / "again.tape.json").read_bytes() == made.read_bytes()
    assert os.listdir(tmp_path) == ["again.tape.json"]


def test_others_may_read_a_tape_as_the_umask_says(made: Path, tmp_path: Path):
    before = os.umask(0o027)
    try:
        tapes.save(tapes.load(made), tmp_path / "again.tape.json")
    finally:
        os.umask(before)
    assert (tmp_path / "again.tape.json").stat().st_mode & 0o777 == 0o640


def test_a_tape_is_cut_anywhere_and_the_message_says_so(made: Path, tmp_path: Path):
    text = made.read_text()
    cut = tmp_path / "cut.tape.json"
    for length in range(len(text) - 2, 0, -97):
        cut.write_text(text[:length])
        with pytest.raises(ScenarioError) as caught:
            tapes.load(cut)
        assert "cut" in str(caught.value), (length, caught.value)


@pytest.mark.parametrize(
    ("keys", "line_of", "said"),
    [
        ({"model": "psso"}, '"model"', "unknown model 'psso'; one of sc, tso, pso, ra, programs"),
        ({"scheduler": "randon"}, '"scheduler"', "did you mean 'random'?"),
        ({"scenario__seed": "7"}, '"seed"', "expected a whole number, got '7' (a string)"),
        ({"scenario__seed": -1}, '"seed"', "-1 is too small: at least 0"),
        ({"choices__deviations": [[3, 0]]}, '"deviations"', "option 0 is not from 1 to 255"),
        ({"choices__deviations": [[3, 256]]}, '"deviations"', "option 256 is not from 1 to 255"),
        ({"choices__deviations": [[5, 1], [5, 1]]}, '"deviations"', "position 5 is not between 5"),
        ({"choices__deviations": [[10**6, 1]]}, '"deviations"', "position 1000000 is not between"),
        ({"choices__deviations": [[3]]}, '"deviations"', "at least 2 needed"),
        ({"outcome__stop": "stopped"}, '"stop"', "unknown stop 'stopped'"),
        ({"outcome__hash": "0x12"}, '"hash"', "'0x12' is not valid: it must match ^[0-9a-f]{16}$"),
        ({"outcome__finding__process": 3}, None, "outcome.finding.process: process 3; the"),
        ({"choices__length": 2**32 - 1}, '"length"', "4294967295 is too large: at most 100000000"),
        ({"reduction__readers": [9]}, None, "reduction: the scenario has no such processes"),
        ({"colour": "red"}, '"colour"', "unknown key 'colour'"),
        ({"format": 2}, '"format"', "is of format 2; this version reads format 1"),
        ({"kind": "journal"}, '"kind"', "is no tape"),
        ({"protocol": "0" * 16}, '"protocol"', "was made on protocol 0000000000000000"),
        ({"scenario__name": "missing-fense"}, None, "did you mean 'missing-fence'?"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], keys, line_of, said
):
    tape = changed(made, tmp_path, **keys)
    message = said_of(tape, capfd)
    assert said in message
    if line_of is not None:
        lines = tape.read_text().splitlines()
        number = next(n for n, line in enumerate(lines, 1) if line_of in line)
        assert f"{tape}:{number}:" in message


def test_an_edited_tape_is_told_by_its_checksum(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    message = said_of(changed(made, tmp_path, is_signed=False, seed=8), capfd)
    assert "checksum: does not fit the rest: the tape was edited" in message


@pytest.mark.parametrize("text", ["", "[]", "schema = 1\n", "{", "7", "[" * 100_000])
def test_what_is_no_tape_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str):
    other = tmp_path / "other.json"
    other.write_text(text)
    assert str(other) in said_of(other, capfd)


def test_a_tape_that_is_not_there_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert "no such file" in said_of(tmp_path / "none.tape.json", capfd)
    assert "is a folder, not a tape" in said_of(tmp_path, capfd)
