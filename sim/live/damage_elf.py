"""Ways to break a shared object that change its bytes: headers, names, needs, its initialiser.

Each takes the bytes of an intact extension module and gives those of a broken one, and raises
ValueError where the file does not allow it. What an initialiser is to do is machine code that we
write: a real call of the interpreter's own functions, so that what goes wrong goes wrong there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Tuple, Union

from sim.live import elf
from sim.live.elf import SharedObject, Symbol
from sim.live.elf_graft import Graft

RAISED = "raised by a broken initialiser"  # the text of the errors that it sets
NUMBER = 42  # what it returns where it returns no module
LEFT_ALONE = "PyInit_"  # the start of the name that no_init changes
CHANGED = "NoInit_"
# Called while the module is loaded, so that a lazy binding fails there too.
CALLED_AT_ONCE = ("PyModuleDef_Init", "PyModule_Create2", "PyModule_FromDefAndSpec2")
WEAK = 2

Change = Callable[[SharedObject], bytes]


def with_byte(place: int, value: int) -> Change:
    """One byte of the header is another: its class, or the order of its bytes."""

    def change(shared: SharedObject) -> bytes:
        return bytes(shared.data[:place]) + bytes([value]) + bytes(shared.data[place + 1 :])

    return change


def as_executable(shared: SharedObject) -> bytes:
    return _with_half(shared, elf.TYPE_AT, elf.ET_EXEC)


def of_another_machine(shared: SharedObject) -> bytes:
    is_arm = shared.machine == elf.AARCH64
    return _with_half(shared, elf.MACHINE_AT, elf.X86_64 if is_arm else elf.AARCH64)


def _with_half(shared: SharedObject, place: int, value: int) -> bytes:
    return bytes(shared.data[:place]) + elf.HALF.pack(value) + bytes(shared.data[place + 2 :])


def truncated(shared: SharedObject, size: int) -> bytes:
    """Raises ValueError for a size at which no page that the loader must read would be missing."""
    last = _surely_read(shared)
    if not 0 <= size <= last:
        raise ValueError(
            f"cannot be {size}: it is from 0 to {last} bytes, behind which begins what every "
            "loader reads of this file"
        )
    return bytes(shared.data[:size])


def half_of(shared: SharedObject) -> int:
    """Half of what is loaded; a file may have as much again for debuggers alone."""
    end = max(segment.offset + segment.file_bytes for segment in shared.loaded())
    return min(end // 2, _surely_read(shared))


def _surely_read(shared: SharedObject) -> int:
    """The page of the dynamic section: cut before it, the page is not there to be read."""
    first = min(place for place, _, _ in shared.dynamic_entries())
    page = 4096  # mapped by larger pages, what is cut here is missing all the same
    return first // page * page


def with_undefined_symbol(shared: SharedObject, name: str) -> bytes:
    undefined = [
        symbol
        for symbol in shared.symbols()
        if symbol.name
        and symbol.section == elf.UNDEFINED
        and symbol.info >> 4 != WEAK
        and shared.version_of(symbol.number) <= elf.VERSION_NONE_MAX
    ]
    if not undefined:
        raise ValueError("it uses no symbol of another object")
    chosen = next((each for each in undefined if each.name in CALLED_AT_ONCE), undefined[0])
    return Graft(shared, renamed={chosen.number: name}).file()


def with_missing_library(shared: SharedObject, name: str) -> bytes:
    return Graft(shared, needed=[name]).file()


def without_initialiser(shared: SharedObject) -> bytes:
    symbol = _initialiser(shared)
    return Graft(shared, renamed={symbol.number: symbol.name.replace(LEFT_ALONE, CHANGED)}).file()


def _initialiser(shared: SharedObject) -> Symbol:
    found = shared.initialiser()
    if found is None:
        raise ValueError("it has no PyInit function: it is no extension module")
    return found


# What an initialiser does instead, in x86-64 machine code


@dataclass
class Code:
    """Instructions in a row; words of other objects are reached by slots of the graft."""

    graft: Graft
    made: bytearray = field(default_factory=bytearray)
    texts: List[Tuple[int, bytes]] = field(default_factory=list)  # a displacement and its text

    def put(self, instructions: bytes) -> None:
        self.made += instructions

    def put_with_slot(self, opcode: bytes, name: str) -> None:
        """An instruction whose operand is the slot, relative to the next instruction."""
        slot = self.graft.slots_address() + 8 * self.graft.slot(name)
        following = self.graft.code_address() + len(self.made) + len(opcode) + 4
        self.made += opcode + struct.pack("<i", slot - following)

    def put_with_text(self, opcode: bytes, text: str) -> None:
        self.made += opcode
        self.texts.append((len(self.made), text.encode() + b"\0"))
        self.made += bytes(4)

    def assembled(self) -> bytes:
        """With its texts behind the last instruction."""
        made = bytearray(self.made)
        for place, text in self.texts:
            struct.pack_into("<i", made, place, len(made) - place - 4)
            made += text
        return bytes(made)


class _Instruction:
    PROLOGUE = b"\x48\x83\xec\x08"  # sub rsp, 8: calls want the stack aligned
    RETURN = b"\x48\x83\xc4\x08\xc3"  # add rsp, 8; ret
    CALL = b"\xff\x15"  # call [rip + slot]
    FIRST_FROM = b"\x48\x8b\x3d"  # mov rdi, [rip + slot]
    FIRST_DEREFERENCED = b"\x48\x8b\x3f"  # mov rdi, [rdi]
    FIRST_TEXT = b"\x48\x8d\x3d"  # lea rdi, [rip + text]
    SECOND_TEXT = b"\x48\x8d\x35"  # lea rsi, [rip + text]
    FIRST_NUMBER = b"\xbf"  # mov edi, number
    NULL = b"\x31\xc0"  # xor eax, eax
    ILLEGAL = b"\x0f\x0b"  # ud2
    STORE = b"\x89\x00"  # mov [rax], eax


def _set_error(code: Code) -> None:
    code.put_with_slot(_Instruction.FIRST_FROM, "PyExc_RuntimeError")
    code.put(_Instruction.FIRST_DEREFERENCED)
    code.put_with_text(_Instruction.SECOND_TEXT, RAISED)
    code.put_with_slot(_Instruction.CALL, "PyErr_SetString")


def _new_module(code: Code) -> None:
    code.put_with_text(_Instruction.FIRST_TEXT, "made_by_a_broken_initialiser")
    code.put_with_slot(_Instruction.CALL, "PyModule_New")


def _new_number(code: Code) -> None:
    code.put(_Instruction.FIRST_NUMBER + struct.pack("<i", NUMBER))
    code.put_with_slot(_Instruction.CALL, "PyLong_FromLong")


def _abort(code: Code) -> None:
    code.put_with_slot(_Instruction.CALL, "abort")


def initialiser_that(*steps: Union[bytes, Callable[[Code], None]]) -> Change:
    """Its steps are machine code, or what puts some."""

    def change(shared: SharedObject) -> bytes:
        symbol = _initialiser(shared)
        if shared.machine != elf.X86_64:
            machine = elf.MACHINES.get(shared.machine, f"machine {shared.machine}")
            raise ValueError(f"it is for {machine}, and we write machine code for x86_64 alone")
        graft = Graft(shared, code=bytes(1), entry=symbol.number)
        code = Code(graft)
        for step in (_Instruction.PROLOGUE, *steps):
            if isinstance(step, bytes):
                code.put(step)
            else:
                step(code)
        graft.code = code.assembled()
        return graft.file()

    return change


_set_and_return_null = (_set_error, _Instruction.NULL, _Instruction.RETURN)
INITIALISERS: Dict[str, Change] = {
    "init_raises": initialiser_that(*_set_and_return_null),
    "init_null": initialiser_that(_Instruction.NULL, _Instruction.RETURN),
    "init_error_set": initialiser_that(_set_error, _new_module, _Instruction.RETURN),
    "init_non_module": initialiser_that(_new_number, _Instruction.RETURN),
    "sigill": initialiser_that(_Instruction.ILLEGAL),
    "sigsegv": initialiser_that(_Instruction.NULL, _Instruction.STORE),
    "abort": initialiser_that(_abort),
}
