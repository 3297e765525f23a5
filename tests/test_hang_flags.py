"""What a ring of flags shows of a standstill, and rings of one name, told from evidence alone."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

import pytest

from sim.hang import attached
from sim.hang.classes import Hang
from sim.hang.flags import tell
from sim.history.hang_class import HangClass

WRITER, READERS = 1, [2, 3]
EVERYBODY = [WRITER, *READERS]
READ, UNREAD, EMPTY = [1, 1, 1], [1, 1, 0], [0, 0, 0]


def ring(
    *slots: List[int],
    holders: Sequence[int] = EVERYBODY,
    writer: Sequence[int] = (),
    readers: Sequence[int] = (),
    name: str = "/dev/shm/a",
) -> Dict[str, Any]:
    """`writer`, `readers`: who sleeps on the word of that side."""
    state = {"slots": len(slots), "readers": len(READERS), "slot_flags": [list(s) for s in slots]}
    found = {"name": name, "moved": False, "region": state, "holders": list(holders)}
    found.update(are_holders_complete=True, processes=[])
    return {**found, "asleep": {"writer": list(writer), "reader": list(readers)}}


@pytest.mark.parametrize(
    ("region", "stopped", "kind"),
    [
        (ring(READ, READ, readers=READERS), [WRITER], HangClass.PEER_STOPPED),
        (ring(READ, READ, readers=READERS), [], None),  # the writer may have nothing to say
        (ring(READ, READ, readers=READERS[:1]), [WRITER], None),  # or is it a reader
        (ring(READ, READ, readers=READERS, holders=READERS), [], HangClass.PEER_DEAD),
        (ring(EMPTY, EMPTY, readers=READERS, holders=READERS), [], HangClass.STARTUP_NEVER),
        (ring(UNREAD, READ, readers=READERS), [], HangClass.LOST_WAKEUP),
        (ring(UNREAD, READ, readers=READERS[:1]), [], None),
        (ring(READ, READ, writer=[WRITER]), [], HangClass.LOST_WAKEUP),
        (ring(UNREAD, UNREAD, writer=[WRITER]), [], None),
        (ring(UNREAD, UNREAD, writer=[WRITER]), READERS, HangClass.PEER_STOPPED),
    ],
)
def test_who_sleeps_on_which_word_shows_the_side_that_is_missing(
    region: Dict[str, Any], stopped: Sequence[int], kind: Optional[HangClass]
) -> None:
    told = tell(region, stopped)
    assert (told.kind if isinstance(told, Hang) else None) is kind


def findings(*regions: Dict[str, Any]) -> Sequence[attached.Finding]:
    shared = {"locks": [], "regions": [], "dead": []}
    evidence = {"window_ns": 1, "processes": [], "regions": list(regions), "shared": shared}
    return attached.tell(evidence)


def test_two_rings_of_one_name_explain_what_hangs_in_one_of_them() -> None:
    hung = ring(UNREAD, UNREAD, holders=[1, 2], writer=[1], name="/dev/shm/a (deleted)")
    beside = ring(READ, READ, holders=[3])
    first, *_ = findings(hung, beside)
    assert (first.name, first.where) == ("segment-gone", "/dev/shm/a")
    assert findings(hung)[0].name == "peer-dead"
    both = ring(READ, READ, holders=[1, 3])
    assert findings(hung, both)[0].name == "peer-dead"
    idle = ring(READ, READ, holders=[1, 2], name="/dev/shm/a (deleted)")
    assert all(each.hang is None for each in findings(idle, beside))
