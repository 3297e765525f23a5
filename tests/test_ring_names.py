"""spinbed.Writer and spinbed.Reader: who makes a name, who removes it, what is in the way."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import pickle
import threading
from pathlib import Path
from typing import Any, Callable

import pytest
from named_rings import SOON_S, Pair, is_there
from ring_regions import SharedRegion

import spinbed
from cy_kernels.choice import Kernels
from spinbed import (
    Reader,
    RingBusy,
    RingClosed,
    RingEnded,
    RingMismatch,
    RingTimeout,
    Writer,
)


def test_a_with_block_that_raises_does_not_end_the_ring_as_if_all_were_well(
    ring_name: str, on: Kernels
) -> None:
    with pytest.raises(KeyError), Writer.create(ring_name, kernels=on.kind) as writer:
        reader = Reader.attach(ring_name, kernels=on.kind)
        writer.write(b"half")
        raise KeyError("the program's own")
    with pytest.raises(RingClosed):
        reader.read()
    reader.close()
    assert not is_there(ring_name)


def test_a_living_writers_name_is_refused_and_a_foreign_thing_of_that_name_is_left_alone(
    pair: Pair, on: Kernels
) -> None:
    name = pair.writer.name
    with pytest.raises(RingBusy, match=f"{name} has a writer, pid {os.getpid()}, which is not"):
        Writer.create(name, kernels=on.kind)
    with pytest.raises(RingBusy, match="not proven dead"):
        Writer.attach(name, kernels=on.kind)
    with pytest.raises(RingBusy, match="rank 0 is owned"):
        Reader.attach(name, kernels=on.kind)
    assert pair.writer.write(b"still") == 0
    assert pair.reader.read() == b"still"


@pytest.mark.parametrize("content", [b"not a ring", bytes(5000), b""])
def test_what_is_no_ring_is_neither_replaced_nor_read(
    ring_name: str, on: Kernels, content: bytes
) -> None:
    Path("/dev/shm", ring_name).write_bytes(content)
    for use in (Writer.create, Writer.attach, Reader.attach):
        with pytest.raises((RingMismatch, RingBusy), match=ring_name):
            use(ring_name, kernels=on.kind)
    assert Path("/dev/shm", ring_name).read_bytes() == content


def test_a_ring_of_another_kind_is_refused(ring_name: str, on: Kernels) -> None:
    region = SharedRegion("flag", on=on.kind)
    Path("/dev/shm", ring_name).write_bytes(bytes(region.buffer))
    region.close()
    with pytest.raises(RingMismatch, match="kind is flag_ring, asked for cursor_ring"):
        Reader.attach(ring_name, kernels=on.kind)


@pytest.mark.parametrize("bad", ["", "/", ".", "..", "a/b", "//a", "a\0b", "n" * 251])
@pytest.mark.parametrize("use", [Writer.create, Writer.attach, Reader.attach, spinbed.unlink])
def test_a_name_that_can_be_none_is_refused(use: Callable[[Any], Any], bad: str) -> None:
    with pytest.raises(ValueError, match="names no shared memory"):
        use(bad)


@pytest.mark.parametrize("use", [Writer.create, Writer.attach, Reader.attach, spinbed.unlink])
def test_a_name_is_text(use: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="name must be a str, not bytes"):
        use(b"name")


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ({"slots": 0}, "slots must be 1 to"),
        ({"slot_bytes": 0}, "slot_bytes must be 1 to"),
        ({"readers": 65}, "readers must be 1 to 64, not 65"),
        ({"wait": "wriggle"}, "wait strategy 'wriggle' is not one of"),
        ({"kernels": "fast"}, "kernels 'fast' are not one of"),
    ],
)
def test_an_impossible_ring_is_refused_and_leaves_no_name(
    ring_name: str, on: Kernels, shape: Any, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        Writer.create(ring_name, **{"kernels": on.kind, **shape})
    assert not is_there(ring_name)
    if "wait" in shape or "kernels" in shape:
        with Writer.create(ring_name, kernels=on.kind):
            with pytest.raises(ValueError, match=named):
                Reader.attach(ring_name, **{"kernels": on.kind, **shape})


def test_a_rank_that_the_ring_has_not_is_refused(pair: Pair, on: Kernels) -> None:
    with pytest.raises(ValueError, match="rank must be 0 to 0, not 1"):
        Reader.attach(pair.writer.name, 1, kernels=on.kind)


def test_a_ring_larger_than_the_memory_is_an_os_error_that_says_so(
    ring_name: str, on: Kernels
) -> None:
    with pytest.raises(OSError, match="a ring of .* bytes; /dev/shm has .* free") as caught:
        Writer.create(ring_name, slots=1 << 20, slot_bytes=1 << 30, kernels=on.kind)
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG, errno.ENOMEM)
    assert not is_there(ring_name)


def test_who_stops_while_it_replaces_a_ring_holds_nobody_up_for_ever(
    ring_name: str, on: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.live.named_region.CREATIONS_MAX", 3)
    Writer.create(ring_name, kernels=on.kind).detach()
    with open(f"/dev/shm/{ring_name}") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        with pytest.raises(RingBusy, match=f"others are making /{ring_name}"):
            Writer.create(ring_name, kernels=on.kind)
    Writer.create(ring_name, kernels=on.kind).close()
    assert not is_there(ring_name)


def test_a_name_that_nobody_makes_is_a_timeout(ring_name: str, on: Kernels) -> None:
    for use in (Writer.attach, Reader.attach):
        with pytest.raises(RingTimeout, match=f"no ring is called /{ring_name}"):
            use(ring_name, timeout_s=0, kernels=on.kind)
        with pytest.raises(ValueError, match="timeout_s must be 0 or more"):
            use(ring_name, timeout_s=-1, kernels=on.kind)


def test_a_place_that_a_writer_leaves_goes_to_who_attaches(ring_name: str, on: Kernels) -> None:
    first = Writer.create(ring_name, kernels=on.kind)
    reader = Reader.attach(ring_name, kernels=on.kind)
    first.write(b"0")
    first.detach()
    with Writer.attach("/" + ring_name, kernels=on.kind) as second:
        assert second.write(b"1") == 1
        assert reader.read_many(9) == [b"0", b"1"]
        second.unlink()
    with pytest.raises(RingEnded):
        reader.read()
    reader.close()
    assert not is_there(ring_name)


@pytest.mark.parametrize("how", ["end", "shutdown"])
def test_a_ring_that_is_over_takes_no_successor(
    ring_name: str, on: Kernels, how: str
) -> None:
    with Writer.create(ring_name, kernels=on.kind) as writer:
        getattr(writer, how)()
        with pytest.raises({"end": RingEnded, "shutdown": RingClosed}[how], match=ring_name):
            Writer.attach(ring_name, kernels=on.kind)


def test_a_name_that_was_given_away_is_not_removed_from_its_new_owner(
    ring_name: str, on: Kernels
) -> None:
    first = Writer.create(ring_name, kernels=on.kind)
    first.unlink()
    first.unlink()
    with Writer.create(ring_name, kernels=on.kind) as second:
        first.close()
        assert is_there(ring_name)
        second.write(b"")
    assert not is_there(ring_name)
    assert spinbed.unlink(ring_name) is False


def test_draining_waits_for_those_who_have_not_read_and_not_for_those_who_left(
    ring_name: str, on: Kernels
) -> None:
    with Writer.create(ring_name, readers=2, kernels=on.kind) as writer:
        writer.drain(0)
        slow, leaver = (Reader.attach(ring_name, rank, kernels=on.kind) for rank in (0, 1))
        writer.write(b"")
        with pytest.raises(RingTimeout, match="not read to 1: rank 0 at 0, rank 1 at 0"):
            writer.drain(0)
        leaver.close()
        reading = threading.Thread(target=slow.read)
        reading.start()
        writer.drain(SOON_S)
        reading.join()
        slow.close()


def test_an_end_that_is_dropped_open_warns(ring_name: str, on: Kernels) -> None:
    writer = Writer.create(ring_name, kernels=on.kind)
    with pytest.warns(ResourceWarning, match=f"unclosed <spinbed.Writer of /{ring_name}, at 0>"):
        del writer
        gc.collect()
    spinbed.unlink(ring_name)


def test_an_end_is_not_pickled(pair: Pair) -> None:
    for end in (pair.writer, pair.reader):
        with pytest.raises(TypeError, match="cannot be pickled: attach in the other process"):
            pickle.dumps(end)
