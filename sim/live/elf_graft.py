"""A shared object with more in it than was linked: strings, symbols, needs, and machine code.

What is new comes behind the old, in two segments that the file did not have: one with the enlarged
tables and the addresses that the loader fills in, one with code. Their headers take the place of
two that no loader needs, a note and the index for unwinding. Nothing that was there moves, so no
compiler and no linker is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Tuple

from sim.live import elf
from sim.live.elf import SharedObject

PAGE_BYTES = 0x10000  # the largest that a machine of ours maps by
GLOB_DAT = {elf.X86_64: 6, elf.AARCH64: 1025}  # the relocation: here goes the symbol's address
ADDRESS_MAX = 1 << 46
GLOBAL = 0x10  # a symbol's binding; its type is left open
REPLACEABLE = (elf.PT_NOTE, elf.PT_GNU_EH_FRAME)


@dataclass
class Graft:
    """Collects what is to be added to `object`; `file()` is the file with it.

    Raises ValueError where the file leaves no room for it.
    """

    object: SharedObject
    renamed: Dict[int, str] = field(default_factory=dict)  # symbol -> its name from now on
    imported: List[str] = field(default_factory=list)
    needed: List[str] = field(default_factory=list)
    code: bytes = b""
    entry: int = -1  # the symbol that is to be at the start of the code

    def slot(self, name: str) -> int:
        """The number of the word that will hold the address of another object's symbol."""
        if name not in self.imported:
            self.imported.append(name)
        return self.imported.index(name)

    def file(self) -> bytes:
        tables_at, code_at = self._free_places()
        tables, where, names_at = self._tables(tables_at[1], code_at[1])
        data = bytearray(self.object.data)
        made = SharedObject(data)
        headers = self._replaceable()
        parts = [(headers[0], tables_at, elf.PF_R | elf.PF_W, tables)]
        if self.code:
            parts.append((headers[1], code_at, elf.PF_R | elf.PF_X, self.code))
        for header, (offset, address), flags, content in parts:
            assert len(data) <= offset
            data.extend(bytes(offset - len(data)) + content)
            size = len(content)
            values = (elf.PT_LOAD, flags, offset, address, address, size, size, PAGE_BYTES)
            elf.SEGMENT.pack_into(data, made.segment_place(header), *values)
        for place, tag, _ in list(self.object.dynamic_entries()):
            if tag in where:
                elf.DYNAMIC.pack_into(data, place, tag, where[tag])
        for place, name_at in zip(self._places_for_needs(), names_at):
            elf.DYNAMIC.pack_into(data, place, elf.DT_NEEDED, name_at)
        return bytes(data)

    def slots_address(self) -> int:
        """Where the first slot will be: the tables' segment begins with them."""
        return self._free_places()[0][1]

    def code_address(self) -> int:
        return self._free_places()[1][1]

    def _free_places(self) -> Tuple[Tuple[int, int], Tuple[int, int]]:
        """Offset and address of the tables and of the code, each on a page of its own."""
        end = max(each.address + each.memory_bytes for each in self.object.loaded())
        if end > ADDRESS_MAX:
            raise ValueError(f"it loads up to {end:#x}, which no address space holds")
        tables = (_up(len(self.object.data)), _up(end))
        room = _up(self._tables_bytes_max())
        return tables, (tables[0] + room, tables[1] + room)

    def _tables_bytes_max(self) -> int:
        old = self.object
        tables = old.symbol_count() * (elf.SYMBOL.size + elf.HALF.size)
        tables += old.entry(elf.DT_STRSZ) + old.entry(elf.DT_RELASZ)
        return tables + PAGE_BYTES  # names, symbols and relocations of a few imports

    def _replaceable(self) -> List[int]:
        """Segments are mapped in the order of their headers: ours are the last of them."""
        kinds = [segment.kind for segment in self.object.segments()]
        last = max(index for index, kind in enumerate(kinds) if kind == elf.PT_LOAD)
        found = [index for index, kind in enumerate(kinds) if kind in REPLACEABLE and index > last]
        wanted = 2 if self.code else 1
        if len(found) < wanted:
            raise ValueError(f"its {len(kinds)} program headers leave no room for {wanted} more")
        return sorted(found[-wanted:])

    def _places_for_needs(self) -> List[int]:
        """Linkers leave some entries empty; one must stay so, as it ends the section."""
        entries = list(self.object.dynamic_entries())
        end = next((at for at, (_, tag, _) in enumerate(entries) if tag == elf.DT_NULL), -1)
        spare = [place for place, _, _ in entries[end:-1]] if end >= 0 else []
        if len(spare) < len(self.needed):
            raise ValueError("its dynamic section has no empty entry")
        return spare[: len(self.needed)]

    def _tables(self, address: int, code_address: int) -> Tuple[bytes, Dict[int, int], List[int]]:
        """The new segment, what the dynamic section then says, where the names of needs are."""
        old = self.object
        count = old.symbol_count()
        strings = bytearray(old.strings())

        def string(text: str) -> int:
            strings.extend(text.encode() + b"\0")
            return len(strings) - len(text.encode()) - 1

        symbols = bytearray(old.part(old.table(elf.DT_SYMTAB), count * elf.SYMBOL.size))
        for index, name in self.renamed.items():
            elf.WORD.pack_into(symbols, index * elf.SYMBOL.size, string(name))
        if self.entry >= 0:
            elf.QUAD.pack_into(symbols, self.entry * elf.SYMBOL.size + 8, code_address)
        relocations = bytearray(old.part(old.table(elf.DT_RELA), old.entry(elf.DT_RELASZ)))
        for number, name in enumerate(self.imported):
            symbols += elf.SYMBOL.pack(string(name), GLOBAL, 0, elf.UNDEFINED, 0, 0)
            kind = count + number << 32 | GLOB_DAT[old.machine]
            relocations += elf.RELA.pack(address + 8 * number, kind, 0)
        names_at = [string(name) for name in self.needed]
        parts = {elf.DT_SYMTAB: symbols, elf.DT_RELA: relocations}
        if elf.DT_VERSYM in old.dynamic():
            none = elf.HALF.pack(elf.VERSION_NONE_MAX) * len(self.imported)
            versions = old.part(old.table(elf.DT_VERSYM), elf.HALF.size * count)
            parts[elf.DT_VERSYM] = bytearray(versions + none)
        parts[elf.DT_STRTAB] = strings
        where = {elf.DT_STRSZ: len(strings), elf.DT_RELASZ: len(relocations)}
        content = bytearray(8 * len(self.imported))
        for tag, table in parts.items():
            where[tag] = address + len(content)
            content += table + bytes(-len(table) % 8)
        return bytes(content), where, names_at


def _up(value: int) -> int:
    return -(-value // PAGE_BYTES) * PAGE_BYTES
