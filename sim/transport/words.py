"""The words of a ring's region by name: where each one is, and how many bytes it has."""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Optional

from cy_kernels.pure.layout import (
    CURSOR_SLOT_HEADER,
    FLAG_MESSAGE_HEADER,
    HEADER_PAGE,
    LINE_BYTES,
    OWNER_NAMES,
    READER_LINES_BYTES,
)
from sim.abc import TransportSpec

COUNT_BELOW = 100_000  # what is larger is no count: a message's bytes, shown in hex
CURSOR_RING, FLAG_RING = "cursor_ring", "flag_ring"

# As in cy_kernels/layout.pxd.
HEADER: Mapping[str, tuple[int, int]] = {
    "magic": (0, 8),
    "version": (8, 4),
    "kind": (12, 4),
    "slots": (16, 8),
    "slot_bytes": (24, 8),
    "readers": (32, 4),
    "is_ready": (36, 4),
    "shutdown": (64, 4),
    "writer.position": (256, 8),
    "writer.owner": (264, 8),
}
READER_LINE: Mapping[str, tuple[int, int]] = {"position": (0, 8), "owner": (8, 8)}
CURSOR_SLOT: Mapping[str, tuple[int, int]] = {"sequence": (0, 8), "length": (8, 4)}

_INDEXED = re.compile(r"(slot|reader)\[([0-9]{1,7})\]\.([a-z]+)(?:\[([0-9]{1,2})\])?")


class Word(NamedTuple):
    offset: int
    size_bytes: int


def find_word(spec: TransportSpec, name: str) -> Word:
    """Raises KeyError with what there is, where the transport has no such word."""
    if name in HEADER:
        return Word(*HEADER[name])
    found = _INDEXED.fullmatch(name)
    word = None
    if found is not None:
        what, index, field, rank = found.groups()
        limit = spec.slots if what == "slot" else spec.readers
        if int(index) < limit and spec.kind == CURSOR_RING and rank is None:
            word = _of_cursor_ring(spec, what, int(index), field)
        elif int(index) < limit and spec.kind == FLAG_RING and what == "slot":
            word = _of_flag_ring(spec, int(index), field, rank)
    if word is None:
        raise KeyError(f"{spec.kind} has no word {name!r}; it has {', '.join(names(spec))}")
    return word


def names(spec: TransportSpec) -> list[str]:
    """For people: indices stand for themselves."""
    of_slots = {
        CURSOR_RING: [
            "slot[i].sequence",
            "slot[i].length",
            "reader[i].position",
            "reader[i].owner",
        ],
        FLAG_RING: ["slot[i].written", "slot[i].read[rank]"],
    }
    return [*HEADER, *of_slots.get(spec.kind, [])]


def _of_cursor_ring(spec: TransportSpec, what: str, index: int, field: str) -> Optional[Word]:
    if what == "reader":
        start, fields = HEADER_PAGE + index * LINE_BYTES, READER_LINE
    else:
        start = HEADER_PAGE + READER_LINES_BYTES + index * cursor_stride(spec)
        fields = CURSOR_SLOT
    if field not in fields:
        return None
    offset, size_bytes = fields[field]
    return Word(start + offset, size_bytes)


def _of_flag_ring(
    spec: TransportSpec, index: int, field: str, rank: Optional[str]
) -> Optional[Word]:
    start = HEADER_PAGE + spec.slots * spec.slot_bytes + index * (1 + spec.readers)
    if field == "written" and rank is None:
        return Word(start, 1)
    if field == "read" and rank is not None and int(rank) < spec.readers:
        return Word(start + 1 + int(rank), 1)
    return None


# What a memory access is called that no scenario names: futex words, and the messages' bytes.
_OTHERS: Mapping[int, str] = {
    72: "end.position",
    128: "data.event",
    132: "data.parked",
    192: "space.event",
    196: "space.parked",
    272: "writer.heartbeat",
    280: "writer.takeovers",
}
_OF_READER_LINE: Mapping[int, str] = {
    **{offset: field for field, (offset, _) in READER_LINE.items()},
    16: "heartbeat",
    24: "takeovers",
}


def name_at(spec: TransportSpec, offset: int) -> str:
    """What lies at that offset of the region, in bytes. Words of a message are counted from the
    beginning of its slot: "slot[0].data[2]" begins 16 bytes behind it."""
    for name, (start, _) in HEADER.items():
        if start == offset:
            return name
    if offset < HEADER_PAGE:
        return _OTHERS.get(offset, f"header+{offset}")
    behind = offset - HEADER_PAGE
    if spec.kind == CURSOR_RING:
        return _name_in_cursor_ring(spec, behind)
    chunks = spec.slots * spec.slot_bytes
    if behind < chunks:
        slot, rest = divmod(behind, spec.slot_bytes)
        return f"slot[{slot}].data[{rest // 8}]"
    slot, flag = divmod(behind - chunks, 1 + spec.readers)
    return f"slot[{slot}].read[{flag - 1}]" if flag else f"slot[{slot}].written"


def value_at(spec: TransportSpec, offset: int, value: int) -> str:
    """What that word says, for people: a count, who owns it, a frame's length, or its bits."""
    name = name_at(spec, offset)
    if name.endswith(".owner") and value in OWNER_NAMES:
        return OWNER_NAMES[value]
    if spec.kind == FLAG_RING and name.endswith(".data[0]"):
        return _frame(value)
    return str(value) if value < COUNT_BELOW else f"{value:#x}"


def _frame(word: int) -> str:
    """A chunk's first word: its header, and the message's first byte. One is copied before the
    other, so a store has only its own part."""
    header = word.to_bytes(8, "little")
    length, first = int.from_bytes(header[3:FLAG_MESSAGE_HEADER], "big"), header[-1]
    if not any(header[:FLAG_MESSAGE_HEADER]):
        return f"byte {first}" if first else "0"
    return f"len {length}" + (f", byte {first}" if first else "")


def _name_in_cursor_ring(spec: TransportSpec, behind: int) -> str:
    if behind < READER_LINES_BYTES:
        reader, rest = divmod(behind, LINE_BYTES)
        return f"reader[{reader}].{_OF_READER_LINE.get(rest, f'line+{rest}')}"
    slot, rest = divmod(behind - READER_LINES_BYTES, cursor_stride(spec))
    for field, (start, _) in CURSOR_SLOT.items():
        if start == rest:
            return f"slot[{slot}].{field}"
    return f"slot[{slot}].data[{(rest - CURSOR_SLOT_HEADER) // 8}]"


def cursor_stride(spec: TransportSpec) -> int:
    """From one slot of a cursor_ring to the next, in bytes."""
    return -(-(CURSOR_SLOT_HEADER + spec.slot_bytes) // LINE_BYTES) * LINE_BYTES
