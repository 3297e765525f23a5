"""A disk that is full, or a folder that vanishes, is an error of the world, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from live_ends import WITHIN_S, with_our_path
from live_plans import plan
from scenario_texts import GOOD

from sim.errors import WorldError
from sim.run import run
from sim.worlds import Worlds

AS_ROOT = () if os.geteuid() == 0 else ("--user", "--map-root-user")
# On a disk of 64 KiB in the folder `disk`, which ends with the namespace; what is on it is told.
ON_A_TINY_DISK = (
    *("unshare", "--mount", "--kill-child", *AS_ROOT, "sh", "-c"),
    'mount -t tmpfs -o size=64k,nr_inodes="$INODES" tmpfs disk && { sh -c "$1"; shift; "$@"; '
    "status=$?; ls -A disk disk/journals >&2; exit $status; }",
    "sh",
)
FILL = "mkdir disk/journals; cat /dev/zero > disk/filler 2>/dev/null; true"
ALMOST_FILL = "mkdir disk/journals; head -c 49152 /dev/zero > disk/filler"
LISTED = "disk:\nfiller\njournals\n\ndisk/journals:\n"


def can_mount() -> bool:
    tried = [*ON_A_TINY_DISK[:-2], "mount -t tmpfs tmpfs /mnt"]
    try:
        return subprocess.run(tried, capture_output=True, timeout=WITHIN_S).returncode == 0
    except FileNotFoundError:
        return False


needs_mounts = pytest.mark.skipif(not can_mount(), reason="this host permits no mount namespace")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "disk").mkdir()
    yield tmp_path


def spinbed(
    folder: Path, prepare: str, messages: int, *words: str, inodes: int = 1000
) -> subprocess.CompletedProcess[str]:
    text = GOOD.replace("messages = 20", f"messages = {messages}")
    (folder / "one.toml").write_text(text, encoding="utf-8")
    return subprocess.run(
        [*ON_A_TINY_DISK, prepare, sys.executable, "-m", "sim.cli", "run", "one.toml", *words],
        cwd=folder,
        env=with_our_path(INODES=str(inodes)),
        capture_output=True,
        text=True,
        timeout=WITHIN_S * 2,
    )


@needs_mounts
@pytest.mark.parametrize(
    ("prepare", "messages"), [(FILL, 20), (ALMOST_FILL, 2000)], ids=["full", "full half-way"]
)
def test_a_full_disk_for_journals_is_told_and_keeps_no_part_of_one(
    folder: Path, prepare: str, messages: int
) -> None:
    done = spinbed(folder, prepare, messages, "--journal-dir", "disk/journals")
    assert done.returncode == 2, done.stderr
    assert "the journal failed: ENOSPC (No space left on device): disk/journals/" in done.stdout
    assert done.stderr == LISTED


@needs_mounts
def test_a_full_disk_for_the_folder_of_journals_is_refused(folder: Path) -> None:
    """Not even an inode is left."""
    prepare = "mkdir disk/journals; cd disk; seq -f x%.0f 100 | xargs touch 2>/dev/null; true"
    done = spinbed(folder, prepare, 20, "--journal-dir", "disk/journals/more", inodes=20)
    assert done.returncode == 64, done.stderr
    assert "--journal-dir disk/journals/more: No space left on device" in done.stderr


def test_a_full_disk_for_the_report_is_told_and_no_bug(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(GOOD, encoding="utf-8")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sim.cli", "run", "one.toml"],
            cwd=tmp_path,
            env=with_our_path(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=WITHIN_S,
        )
    assert done.returncode == 2
    assert done.stderr.endswith("cannot write the report: No space left on device\n"), done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_folder_that_vanished_during_the_run_is_an_error_of_the_world(tmp_path: Path) -> None:
    with Worlds() as worlds:
        gone = tmp_path / "gone" / "journal.jsonl"
        with pytest.raises(WorldError, match="creating the journal failed: ENOENT .*gone"):
            run(plan(messages=5), worlds, reproduce="again", journal=gone)
    assert os.listdir(tmp_path) == []
