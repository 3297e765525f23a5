"""Regions: whose they are is in their names, and only what dead runs left is ever removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from cy_kernels.owner import pid_namespace
from sim.errors import WorldError
from sim.live.leftovers import leftovers, reap_dead
from sim.live.procfs import stat
from sim.live.region import (
    LiveRegions,
    names_with,
    owner_prefix,
    parse_name,
    remove,
)

SHM = Path("/dev/shm")


@pytest.fixture
def prefix() -> Iterator[str]:
    made = owner_prefix() + ".r1."
    yield made
    remove(made)


@pytest.fixture
def regions(prefix: str) -> Iterator[LiveRegions]:
    made = LiveRegions(prefix)
    yield made
    made.close()


def test_a_name_says_whose_it_is(regions, prefix):
    regions.create("ring", 4096, reserve=True)
    (name,) = names_with(prefix)
    parsed = parse_name(name)
    me = stat(os.getpid())
    assert me is not None and parsed is not None
    assert (parsed.owner_pid, parsed.owner_start_ticks) == (os.getpid(), me.start_ticks)
    assert parsed.namespace == pid_namespace()
    assert parsed.rest == "r1.ring"


def test_two_owners_of_one_process_never_share_a_prefix():
    assert len({owner_prefix() for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "name", ["/spinbed", "/spinbed.1.2.3.r1.ring", "/other.1.2.3.0123456789abcdef", "/psm_1234"]
)
def test_a_foreign_name_is_not_taken_for_ours(name):
    assert parse_name(name) is None


def test_a_semaphore_of_ours_is_recognised():
    assert parse_name("/sem.spinbed.1.2.3.0123456789abcdef.r1.lock") is not None


def test_a_region_is_private_and_of_the_asked_size(regions, prefix):
    view = regions.create("ring", 12288, reserve=True)
    (name,) = names_with(prefix)
    status = os.stat(SHM / name[1:])
    assert status.st_mode & 0o777 == 0o600
    assert (status.st_size, len(view)) == (12288, 12288)
    assert status.st_blocks * 512 >= 12288


def test_a_lazy_region_has_no_pages(regions, prefix):
    regions.create("ring", 1 << 20, reserve=False)
    (name,) = names_with(prefix)
    assert os.stat(SHM / name[1:]).st_blocks == 0


def test_an_existing_name_is_refused(regions, prefix):
    regions.create("ring", 4096, reserve=True)
    with pytest.raises(WorldError, match="shm_open failed"):
        LiveRegions(prefix).create("ring", 4096, reserve=True)


def test_a_full_device_is_said_with_both_sizes_and_leaves_no_name(regions, prefix):
    found = os.statvfs(SHM)
    size_bytes = found.f_blocks * found.f_frsize + (1 << 30)
    with pytest.raises(WorldError, match=rf"posix_fallocate.*ENOSPC.*{size_bytes} bytes.*free"):
        regions.create("ring", size_bytes, reserve=True)
    assert names_with(prefix) == []


def test_an_attached_region_is_the_created_one(regions, prefix):
    regions.create("ring", 4096, reserve=True)[7] = 99
    other = LiveRegions(prefix)
    assert other.attach("ring")[7] == 99
    other.close()


@pytest.mark.parametrize("what", ["no such name", "no bytes"])
def test_attaching_to_nothing_is_an_error_of_the_world(regions, prefix, what):
    if what == "no bytes":
        regions.create("ring", 4096, reserve=True)
        regions.truncate_main(0)
    other = LiveRegions(prefix)
    with pytest.raises(WorldError):
        other.attach("ring")


def test_an_unlinked_region_is_gone_for_newcomers_and_whole_for_us(regions):
    view = regions.create("ring", 4096, reserve=True)
    assert regions.main_size_by_name() == 4096
    name = regions.unlink_main()
    assert regions.main_size_by_name() is None
    assert regions.unlink_main() == name
    view[0] = 1
    assert regions.is_whole()


def test_a_cut_region_is_not_whole(regions):
    regions.create("ring", 8192, reserve=True)
    assert regions.truncate_main(4096) == 8192
    assert regions.main_size_by_name() == 4096
    assert not regions.is_whole()


def test_only_the_left_overs_of_the_dead_are_reaped(regions, prefix):
    regions.create("ring", 4096, reserve=True)
    code = (
        "from sim.live.region import *\n"
        "p = owner_prefix() + '.r1.'\n"
        "LiveRegions(p).create('ring', 4096, reserve=True)\n"
        "print(p)"
    )
    dead = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    try:
        is_dead = {leftover.name: leftover.is_owner_dead for leftover in leftovers()}
        assert is_dead[dead + "ring"] is True
        assert is_dead[prefix + "ring"] is False
        reaped = reap_dead().names
        assert dead + "ring" in reaped
        assert prefix + "ring" not in reaped
        assert names_with(dead) == []
        assert names_with(prefix) == [prefix + "ring"]
    finally:
        remove(dead)


def test_the_owner_in_another_pid_namespace_is_not_judged(prefix):
    parsed = parse_name(prefix)
    assert parsed is not None
    elsewhere = prefix.replace(f".{parsed.namespace}.", ".1.") + "ring"
    (SHM / elsewhere[1:]).touch()
    try:
        (found,) = [leftover for leftover in leftovers() if leftover.name == elsewhere]
        assert found.is_owner_dead is None
        assert elsewhere not in reap_dead().names
    finally:
        remove(elsewhere)
