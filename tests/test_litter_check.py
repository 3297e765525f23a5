"""The checker of litter finds every kind that is planted for it, and nothing that is not."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Iterator, List

import litter_check
import pytest

from sim.live.cgroup import FREEZER, find_tree, lack

CHECKER = Path(litter_check.__file__)
WATCHDOG_S = 60
MARK = "LITTER_CHECK_TEST"


class Host:
    """What the checker sees before and after something was planted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "folder"
        self.folder.mkdir()
        self.file = folder / "before.json"
        self.value = uuid.uuid4().hex

    def check(self, *words: str) -> subprocess.CompletedProcess[str]:
        marker = ("--marker", f"{MARK}={self.value}", "--folder", str(self.folder))
        return subprocess.run(
            [sys.executable, str(CHECKER), str(self.file), *marker, *words],
            capture_output=True,
            text=True,
            timeout=WATCHDOG_S,
        )

    def left(self) -> List[str]:
        """Other tests make regions at the same time: only what is ours is looked at."""
        done = self.check("--compare", str(os.getpid()))
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        assert done.returncode == (0 if lines == ["nothing is left"] else 1)
        return [line for line in lines if not line.startswith(("/dev/shm: ", "mount: "))]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    assert made.check().returncode == 0
    yield made


def test_nothing_planted_nothing_found(host: Host) -> None:
    assert host.left() in ([], ["nothing is left"])


def test_a_process_with_the_marker_is_found_also_in_a_session_of_its_own(host: Host) -> None:
    environment = {**os.environ, MARK: host.value}
    asleep = subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True)
    try:
        (line,) = host.left()
        assert line == f"process: {asleep.pid} sleep 600 "
    finally:
        asleep.kill()
        asleep.wait()
    assert host.left() in ([], ["nothing is left"])


def test_a_name_in_shared_memory_is_found(host: Host) -> None:
    path = Path("/dev/shm", f"litter-check-{host.value}")
    path.touch()
    try:
        done = host.check("--compare", str(os.getpid()))
        assert f"/dev/shm: {path.name}" in done.stdout.splitlines()
        assert done.returncode == 1
    finally:
        path.unlink()


def test_a_file_is_found_and_a_whole_journal_is_none(host: Host) -> None:
    (host.folder / "x.jsonl").touch()
    (host.folder / "x.jsonl.tmp-abc").touch()
    assert host.left() == [f"file: {host.folder}/x.jsonl.tmp-abc"]


@pytest.mark.skipif(lack(FREEZER) is not None, reason=f"cannot freeze: {lack(FREEZER)}")
def test_a_cgroup_is_found_by_the_pid_in_its_name_or_a_process_in_it(host: Host) -> None:
    tree = find_tree(FREEZER)
    assert tree is not None
    by_name = Path(tree.folder, f"check.{os.getpid()}.{host.value}")
    by_process = Path(tree.folder, f"check.{host.value}")
    foreign = Path(tree.folder, f"check.{host.value}.foreign")
    asleep = subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: host.value})
    made = (by_name, by_process, foreign)
    try:
        for group in made:
            group.mkdir()
        (by_process / "cgroup.procs").write_text(str(asleep.pid))
        assert set(host.left()) - {f"process: {asleep.pid} sleep 600 "} == {
            f"cgroup: {by_name}",
            f"cgroup: {by_process}",
        }
    finally:
        asleep.kill()
        asleep.wait()
        for group in made:
            group.rmdir()
