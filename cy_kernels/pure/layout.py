"""The layout of regions and flight recorders as cy_kernels/layout.pxd has it, by offset in bytes.

Words are named by their index instead, which is offset // size: `memory.u64[WRITER_OWNER]`.
"""

from __future__ import annotations

REGION_MAGIC = int.from_bytes(b"SPINBED\0", "little")
LAYOUT_VERSION = 1
KIND_FLAG = 1
KIND_CURSOR = 2
KIND_NAMES = {KIND_FLAG: "flag_ring", KIND_CURSOR: "cursor_ring"}
READERS_MAX = 64
SLOTS_MAX = 1 << 20
SLOT_BYTES_MAX = 1 << 30
LINE_BYTES = 64
HEADER_PAGE = 4096
READER_LINES_BYTES = READERS_MAX * LINE_BYTES
FLAG_MESSAGE_HEADER = 7  # overflow byte, buffer count (2, big-endian), length (4, big-endian)
CURSOR_SLOT_HEADER = 16  # sequence (8), length (4), reserved (4)

# Region header, words of 8 bytes.
MAGIC = 0
SLOTS = 16 // 8
SLOT_BYTES = 24 // 8
CREATOR = 40 // 8
PID_NAMESPACE = 48 // 8
REGION_BYTES = 56 // 8
END_POSITION = 72 // 8
WRITER_POSITION = 256 // 8
WRITER_OWNER = 264 // 8
WRITER_HEARTBEAT_NS = 272 // 8
WRITER_TAKEOVERS = 280 // 8

# Region header, words of 4 bytes.
VERSION = 8 // 4
KIND = 12 // 4
READERS = 32 // 4
IS_READY = 36 // 4
SHUTDOWN = 64 // 4
DATA_PARKED = 132 // 4
SPACE_PARKED = 196 // 4

# Futex words, by offset.
DATA_EVENT_AT = 128
SPACE_EVENT_AT = 192

# A reader's line, words of 8 bytes from its start.
LINES = HEADER_PAGE // 8
LINE_WORDS = LINE_BYTES // 8
POSITION, OWNER, HEARTBEAT_NS, TAKEOVERS = range(4)

# What shutdown says.
OPEN = 0
ENDED_STATE = 1
CLOSED_STATE = 2
SHUTDOWN_NAMES = ("open", "ended", "closed")

# Owner words that name no process.
NOBODY = 0
OWNER_DETACHED = (1 << 64) - 1  # left on purpose: nobody waits for it
OWNER_EVICTED = (1 << 64) - 2  # given up by the writer
OWNER_NAMES = {NOBODY: "nobody", OWNER_DETACHED: "left", OWNER_EVICTED: "evicted"}

# Flight recorder: header of 8 words, then records.
RECORDER_MAGIC = 0x5245444E42505301
RECORDER_HEADER_BYTES = 64
RECORD_BYTES = 32
RECORD = "<QQQIBBH"  # stamp, position, checksum, size_bytes, type, function, outcome
(
    RECORDER_MAGIC_WORD,
    CAPACITY,
    COUNT,
    OVERFLOWED,
    FIRST_STAMP,
    FIRST_NS,
    STAMPS_ARE_TSC,
) = range(7)
