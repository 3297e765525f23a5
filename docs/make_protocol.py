"""Writes docs/protocol.md from the sources of cy_kernels: layout, step tables, waits, states.

python docs/make_protocol.py            writes the page
python docs/make_protocol.py --check    says whether it is up to date, by the exit status
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "cy_kernels"
PAGE = ROOT / "docs" / "protocol.md"

BYTES = {"uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "uint64_t": 8, "int64_t": 8}
ROW_BYTES = 8
BYTE_COLUMNS = 11

# What the columns of the step tables say of an op's name in the sources.
OPS = {
    **{f"load{bits}": f"load, {bits} bits" for bits in (8, 32, 64)},
    **{f"store{bits}": f"store, {bits} bits" for bits in (8, 32, 64)},
    **{f"add{bits}": f"add, {bits} bits" for bits in (32, 64)},
    **{f"cas{bits}": f"compare-and-swap, {bits} bits" for bits in (32, 64)},
    "fence": "fence",
    "copy": "copy",
    "pause_core": "pause the core",
    "yield_core": "yield the core",
    "now": "read the clock",
    "futex_wait": "sleep on the word",
    "futex_wake": "wake the word's sleepers",
    "nap": "nap",
    **{op: "arm the line" for op in ("monitorx", "umonitor", "arm_exclusive")},
    **{op: f"sleep in {op.upper()}" for op in ("mwaitx", "umwait", "wfe", "wfet", "tpause")},
    "point": "nothing: the wait has timed out",
}
ORDERS = {"RELAXED": "relaxed", "ACQUIRE": "acquire", "RELEASE": "release", "SEQ_CST": "seq_cst"}
ALWAYS_SEQ_CST = ("add", "cas")
VALUES = {"store": 1, "add": 1, "cas": 2}  # arguments that follow the place
# Mutants repeat sites of their ring or wait in a wrong order: of their files only their own count.
MUTANTS = ("flag_mutants.pxi", "park_mutants.pxi")
WAITS = (
    *("busy_spin", "pause", "yielding", "park", "backoff", "adaptive"),
    *("monitor", "mwaitx", "umwait", "wfe", "wfet", "tpause"),
)


class Field(NamedTuple):
    name: str
    offset: int
    size: int
    comment: str


class Site(NamedTuple):
    op: str
    place: str
    value: str
    order: str
    function: str


def main(arguments: Sequence[str]) -> int:
    text = page()
    if "--check" in arguments:
        is_current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("up to date" if is_current else "run: python docs/make_protocol.py")
        return 0 if is_current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def read(name: str) -> str:
    return (KERNELS / name).read_text(encoding="utf-8")


# Layout


def structs(source: str) -> Dict[str, List[Field]]:
    """The C structs of layout.pxd by name, each field with the offset that a compiler gives it."""
    found = {}
    for body, name in re.findall(r"typedef struct \{(.*?)\} (sb_\w+);", source, re.DOTALL):
        found[name] = fields_of(body)
    return found


def fields_of(body: str) -> List[Field]:
    fields: List[Field] = []
    end = 0
    for line in filter(str.strip, body.splitlines()):
        code, _, comment = line.partition("/*")
        word = re.match(r"\s*(\w+) (\w+)(?:\[(\d+)\])?", code)
        if word is None:
            raise ValueError(f"not a field: {line!r}")
        kind, name, count = word.groups()
        aligned = re.search(r"aligned\((\d+)\)", code)
        alignment = int(aligned.group(1)) if aligned else BYTES[kind]
        offset = -(-end // alignment) * alignment
        for index in range(int(count or 1)):
            shown = f"{name}[{index}]" if count else name
            fields.append(Field(shown, offset + index * BYTES[kind], BYTES[kind], comment))
        end = offset + BYTES[kind] * int(count or 1)
    return [field._replace(comment=field.comment.replace("*/", "").strip()) for field in fields]


def diagram(fields: Sequence[Field]) -> Iterator[str]:
    """Rows of eight bytes; a gap before an aligned line is one row."""
    rule = "       +" + ("-" * (BYTE_COLUMNS - 1) + "+") * ROW_BYTES
    yield "        " + "".join(f"{byte:<{BYTE_COLUMNS}}" for byte in range(ROW_BYTES)).rstrip()
    yield rule
    row, at = "", 0
    for field in gapless(fields):
        if field.size > ROW_BYTES:
            yield f"       :{field.name:^{BYTE_COLUMNS * ROW_BYTES - 1}}:"
        else:
            row += f"{field.name:^{BYTE_COLUMNS * field.size - 1}}|"
        at = field.offset + field.size
        if at % ROW_BYTES == 0:
            if row:
                yield f"{at - ROW_BYTES:>6} |" + row
            yield rule
            row = ""
    if row:
        yield f"{at - at % ROW_BYTES:>6} |" + row
        yield "       +" + ("-" * (BYTE_COLUMNS - 1) + "+") * (at % ROW_BYTES)


def gapless(fields: Sequence[Field]) -> Iterator[Field]:
    """With what lies between fields: up to the end of its row, then all rows as one."""
    at = 0
    for field in fields:
        to_row_end = min(-at % ROW_BYTES, field.offset - at)
        if to_row_end:
            yield Field("", at, to_row_end, "")
        at += to_row_end
        if field.offset > at:
            yield Field(f"unused up to {field.offset}", at, field.offset - at, "")
        yield field
        at = field.offset + field.size


def told(fields: Sequence[Field]) -> Iterator[str]:
    comments = {re.sub(r"\[\d+\]$", "", field.name): field.comment for field in fields}
    for name, comment in comments.items():
        if comment:
            yield f"- `{name}`: {comment}"


def asserted(source: str) -> Iterator[Tuple[str, str, int]]:
    """What the C compiler is made to hold: (struct, field or "" for its size, bytes)."""
    for name, size in re.findall(r"_Static_assert\(sizeof\((\w+)\) == (\d+)", source):
        yield name, "", int(size)
    pattern = r"_Static_assert\(offsetof\((\w+), (\w+)\) == (\d+)"
    for name, field, offset in re.findall(pattern, source):
        yield name, field, int(offset)


# Steps


def numbered(source: str) -> List[Tuple[int, str]]:
    names = re.findall(r"^    ([A-Z_]+__[A-Z_]+)(?: = 1)?$", source, re.MULTILINE)
    return list(enumerate(names, 1))


def sites() -> Dict[str, List[Site]]:
    """Every call of an op in the protocol's sources, by the name of its step."""
    found: Dict[str, List[Site]] = {}
    for path in sorted((KERNELS / "protocol").glob("*.pxi")):
        source = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
        function = ""
        pattern = r"cdef inline [^(]*?(\w+)\(|\b(\w+)\(\s*ops,\s*Step\.(\w+)"
        for match in re.finditer(pattern, source):
            if match.group(1):
                function = match.group(1)
                continue
            name, step = match.group(2), match.group(3)
            rest = arguments_after(source, match.end())
            if name == "flag_window":  # the naps of mutants
                name = "nap"
            elif path.name in MUTANTS:
                continue
            site = site_of(name, rest, f"{function} ({path.name})")
            if site not in found.setdefault(step, []):
                found[step].append(site)
    return found


def arguments_after(source: str, at: int) -> List[str]:
    """The arguments that follow, up to the bracket that closes the call."""
    depth, words = 0, [""]
    for letter in source[at:]:
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    return [" ".join(word.split()) for word in words[1:]]


def site_of(name: str, arguments: List[str], function: str) -> Site:
    order = ""
    if arguments and arguments[-1] in ORDERS:
        order = ORDERS[arguments.pop()]
    kind = name.rstrip("0123456789")
    if kind in ALWAYS_SEQ_CST:
        order = "seq_cst"
    place = arguments[0].lstrip("&") if arguments else ""
    if kind == "copy":
        place = f"{arguments[0]} <- {arguments[1]}"
    elif kind in ("now", "nap", "point", "mwaitx", "umwait", "wfe", "wfet", "tpause"):
        place = ""
    value = ""
    if kind in VALUES:
        value = " -> ".join(arguments[1 : 1 + VALUES[kind]])
    return Site(OPS[name], place, value, order, function)


def step_table(part: str, steps: Sequence[Tuple[int, str]]) -> Iterator[str]:
    calls = sites()
    yield "| step | name | op | on | value | order | in |"
    yield "|---|---|---|---|---|---|---|"
    for number, step in steps:
        name = step.lower().replace("__", ".")
        if name.startswith(part + "."):
            each = calls[step]
            columns = [
                " or ".join(dict.fromkeys(filter(None, (getattr(site, column) for site in each))))
                for column in Site._fields
            ]
            op, place, value, order, function = columns
            code = [f"`{text}`" if text else "" for text in (place, value)]
            yield f"| {number} | `{name}` | {op} | {code[0]} | {code[1]} | {order} | {function} |"


# Words from the heads of the sources


def head(name: str) -> Iterator[str]:
    """The comment that a file opens with: paragraphs as prose, what is indented as a block."""
    lines = []
    for line in read(name).splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[1:])
    is_block = False
    for line, following in zip(lines, [*lines[1:], ""]):
        starts_block = line.startswith("   ") or (is_block and not line and following[:3] == "   ")
        if starts_block != is_block:
            yield "```"
            is_block = starts_block
        yield line[1:].rstrip()
    if is_block:
        yield "```"


def constants(name: str) -> Iterator[str]:
    for constant, value in re.findall(r"^    ([A-Z_]+) = (\d+)$", read(name), re.MULTILINE):
        yield f"`{constant}` = {int(value):,}"


def waits() -> Iterator[str]:
    for alias in WAITS:
        file = f"protocol/wait_{alias}.pxi"
        yield "### waiting in hardware" if alias == "monitor" else f"### {alias}"
        yield from head(file)
        numbers = ", ".join(constants(file))
        if numbers:
            yield ""
            yield f"{numbers}."
        yield ""


# The page

CHUNK = [
    Field("overflow", 0, 1, "0: the message is in the chunk; the queue's other channel is unused"),
    Field("buffer count", 1, 2, "big-endian, 1"),
    Field("length", 3, 4, "big-endian, bytes of data"),
    Field("data ...", 7, 1, ""),
]
READ_FLAG = "read flag of each reader, by rank"
METADATA = [
    Field("W", 0, 1, "written flag"),
    Field("R[0]", 1, 1, READ_FLAG),
    Field("R[1]", 2, 1, READ_FLAG),
    Field("...", 3, 1, ""),
]

STRUCTS = {
    "sb_region_header": ("Region header", "The first page of a region, of either ring."),
    "sb_reader_line": (
        "Reader line",
        "cursor_ring: 64 of them in the page behind the header page, by rank.",
    ),
    "sb_slot_header": (
        "Slot of cursor_ring",
        "Before the payload. A slot is padded to whole lines of 64 bytes.",
    ),
    "sb_recorder_header": ("Recorder header", "The flight recorder is a mapping of its own."),
    "sb_object_header": (
        "Object",
        "What `send` of the ring API writes, and `recv` reads: this header, the sizes of the "
        "buffers (8 bytes each), the body, then each buffer at the next address that is a multiple "
        "of 64, which is where its offset in the message is 48 more than one.",
    ),
    "sb_record": ("Record", "One line of the flight recorder, behind its header."),
    "sb_gate": ("Step gate", "One for each process; others map it too."),
}


def block(lines: Iterator[str]) -> Iterator[str]:
    yield "```"
    yield from lines
    yield "```"


def layout() -> Iterator[str]:
    found = structs(read("layout.pxd"))
    for name, (title, words) in STRUCTS.items():
        yield from (f"### {title}", f"`{name}`. {words}", "")
        yield from block(diagram(found[name]))
        yield from told(found[name])
        yield ""
    for title, fields, words in (
        ("Chunk of flag_ring", CHUNK, "Bytes, not words; nothing is aligned."),
        ("Metadata of flag_ring", METADATA, "Behind the last chunk, one group for each slot."),
    ):
        yield from (f"### {title}", words, "")
        yield from block(diagram(fields))
        yield from told(fields)
        yield ""


def lines_of_page() -> Iterator[str]:
    yield """\
# The protocol: layout, steps and waits
This page is made by `python docs/make_protocol.py` from `cy_kernels/layout.pxd`, `ops_list.pxi` and
`protocol/*.pxi`; a test holds that it is up to date.

Offsets are bytes in decimal; words are in the machine's byte order unless said otherwise. Each
group of words that one side writes has a line of 64 bytes to itself.

## Layout
"""
    yield from layout()
    yield "## flag_ring"
    yield from head("protocol/flag_ring.pxi")
    yield ""
    yield "## cursor_ring"
    yield from head("protocol/cursor_ring.pxi")
    yield """
## Steps
A step is a site below and its occurrence within one message; the step gate stops a process *before*
the op of the site. Numbers are what the gate block and its `visited` bits hold. Of an op that two
orders of flag_ring share, both memory orders are told. The column *on* names what the source names:
`h`, `ring.header` and `w` lead to the region header, `line` and `ring.lines[...]` to a reader's
line.
"""
    steps = numbered(read("ops_list.pxi"))
    for part, title in (
        ("flag.send", "flag_ring, sending"),
        ("flag.receive", "flag_ring, receiving"),
        ("cursor.send", "cursor_ring, sending"),
        ("cursor.receive", "cursor_ring, receiving"),
        ("cursor.takeover", "cursor_ring, taking a place over, and attaching"),
        ("cursor.evict", "cursor_ring, evicting the dead"),
        ("cursor.detach", "cursor_ring, leaving"),
        ("ring", "Either ring, ending and shutting down"),
        ("wake", "Either ring, waking who is parked"),
        ("wait", "Waiting"),
    ):
        yield f"### {title}"
        yield from step_table(part, steps)
        yield ""
    yield """\
## Wait strategies
What each costs and needs. The ring polls its own condition between two rounds of waiting.
"""
    yield from waits()


def page() -> str:
    return "\n".join(lines_of_page()).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
