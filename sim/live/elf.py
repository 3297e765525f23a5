"""A shared object as bytes that can be read and changed: its header, segments, symbols, needs.

Little-endian ELF of 64 bits alone, which is what every machine that this product runs on loads.
See elf(5); GNU's hash table is described at https://flapenguin.me/elf-dt-gnu-hash. Only what a
loader reads is looked at: a stripped file has no sections.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

HEADER_BYTES = 64
SEGMENT = struct.Struct("<IIQQQQQQ")  # type, flags, offset, vaddr, paddr, filesz, memsz, align
SYMBOL = struct.Struct("<IBBHQQ")  # name, info, other, section, value, size
DYNAMIC = struct.Struct("<QQ")  # tag, value
RELA = struct.Struct("<QQq")  # place, type and symbol, addend
GNU_HASH = struct.Struct("<IIII")  # buckets, the first symbol, words of the filter, its shift
WORD, HALF, QUAD = struct.Struct("<I"), struct.Struct("<H"), struct.Struct("<Q")

ELF_MAGIC = b"\x7fELF"
CLASS_AT, DATA_AT, TYPE_AT, MACHINE_AT = 4, 5, 16, 18
CLASS_32, CLASS_64 = 1, 2
LITTLE_ENDIAN, BIG_ENDIAN = 1, 2
ET_EXEC, ET_DYN = 2, 3
X86_64, AARCH64 = 62, 183
MACHINES = {X86_64: "x86_64", AARCH64: "aarch64"}  # as platform.machine() names them

PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_EH_FRAME = 1, 2, 4, 0x6474E550
PF_X, PF_W, PF_R = 1, 2, 4
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ = (
    *(0, 1, 4, 5, 6, 7, 8, 10),
)
DT_GNU_HASH, DT_VERSYM = 0x6FFFFEF5, 0x6FFFFFF0
UNDEFINED = 0  # the section of a symbol that another object defines
STT_FUNC = 2
VERSION_NONE_MAX = 1  # what a symbol without a version has in DT_VERSYM: 0 is local, 1 global


class Segment(NamedTuple):
    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    file_bytes: int
    memory_bytes: int
    align: int


class Symbol(NamedTuple):
    number: int  # its index in the table
    name: str
    info: int
    section: int
    value: int


@dataclass
class SharedObject:
    """Raises ValueError where the bytes are none that a loader of this kind of machine takes."""

    data: bytearray

    def __post_init__(self) -> None:
        if self.data[:4] != ELF_MAGIC or len(self.data) < HEADER_BYTES:
            raise ValueError("it is no ELF file")
        kind = (self.data[CLASS_AT], self.data[DATA_AT], HALF.unpack_from(self.data, TYPE_AT)[0])
        if kind != (CLASS_64, LITTLE_ENDIAN, ET_DYN):
            raise ValueError("it is no little-endian ELF shared object of 64 bits")
        if not self.loaded() or not self.dynamic():
            raise ValueError("it loads nothing that a loader could bind")

    def read(self, form: struct.Struct, place: int) -> Tuple[int, ...]:
        """Raises ValueError outside of the file: what leads there may be anything."""
        return form.unpack(self.part(place, form.size))

    def part(self, place: int, size: int) -> bytes:
        """Raises ValueError outside of the file."""
        if not 0 <= place <= place + size <= len(self.data):
            raise ValueError(f"its headers lead out of it, to byte {place} and {size} more")
        return bytes(self.data[place : place + size])

    @property
    def machine(self) -> int:
        return self.read(HALF, MACHINE_AT)[0]

    def segment_place(self, index: int) -> int:
        """Where in the file the header of a segment is."""
        return self.read(QUAD, 32)[0] + index * self.read(HALF, 54)[0]

    def segments(self) -> List[Segment]:
        places = map(self.segment_place, range(self.read(HALF, 56)[0]))
        return [Segment(*self.read(SEGMENT, place)) for place in places]

    def loaded(self) -> List[Segment]:
        return [segment for segment in self.segments() if segment.kind == PT_LOAD]

    def offset_of(self, address: int) -> int:
        for segment in self.loaded():
            if segment.address <= address < segment.address + segment.file_bytes:
                return address - segment.address + segment.offset
        raise ValueError(f"it loads nothing at {address:#x}")

    def dynamic_entries(self) -> Iterator[Tuple[int, int, int]]:
        """Of each: its place in the file, tag and value; the empty ones at the end too."""
        for segment in self.segments():
            if segment.kind == PT_DYNAMIC:
                for place in range(segment.offset, segment.offset + segment.file_bytes, 16):
                    tag, value = self.read(DYNAMIC, place)
                    yield place, tag, value

    def dynamic(self) -> Dict[int, int]:
        """By tag; of a tag that occurs more than once, the last."""
        return {tag: value for _, tag, value in self.dynamic_entries() if tag != DT_NULL}

    def table(self, tag: int) -> int:
        """Where in the file the table begins that an entry leads to."""
        return self.offset_of(self.entry(tag))

    def entry(self, tag: int) -> int:
        """What the entry says: an address, or a number of bytes. Raises ValueError without one."""
        if tag not in self.dynamic():
            raise ValueError(f"its dynamic section has no entry {tag:#x}")
        return self.dynamic()[tag]

    def strings(self) -> bytes:
        return self.part(self.table(DT_STRTAB), self.entry(DT_STRSZ))

    def symbol_count(self) -> int:
        """Nobody writes it down but the old hash table: the new one leads to the last symbol."""
        if DT_HASH in self.dynamic():
            return self.read(WORD, self.table(DT_HASH) + 4)[0]
        table = self.table(DT_GNU_HASH)
        buckets, first, bloom_words, _ = self.read(GNU_HASH, table)
        bucket_at = table + GNU_HASH.size + 8 * bloom_words
        chain_at = bucket_at + WORD.size * buckets
        heads = self.part(bucket_at, WORD.size * buckets)
        last = max((head for (head,) in WORD.iter_unpack(heads)), default=0)
        if last < first:
            return first  # nothing is defined
        while not self.read(WORD, chain_at + WORD.size * (last - first))[0] & 1:
            last += 1
        return last + 1

    def symbols(self) -> Iterator[Symbol]:
        strings, table = self.strings(), self.table(DT_SYMTAB)
        for index in range(self.symbol_count()):
            name_at, info, _, section, value, _ = self.read(SYMBOL, table + index * SYMBOL.size)
            name = strings[name_at:].partition(b"\0")[0].decode("ascii", "replace")
            yield Symbol(index, name, info, section, value)

    def version_of(self, index: int) -> int:
        """Which version a symbol has; VERSION_NONE_MAX and less: none."""
        if DT_VERSYM not in self.dynamic():
            return 0
        return self.read(HALF, self.table(DT_VERSYM) + 2 * index)[0]

    def initialiser(self) -> Optional[Symbol]:
        """What the import calls, PyInit_<name>; None where the file is no extension module."""
        for symbol in self.symbols():
            if symbol.name.startswith("PyInit") and symbol.section != UNDEFINED:
                return symbol
        return None
