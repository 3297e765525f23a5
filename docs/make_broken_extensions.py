"""Writes docs/broken-extensions.md from the tables of kinds and outcomes, by breaking real files.

python docs/make_broken_extensions.py            breaks, imports, writes the page
python docs/make_broken_extensions.py --check    says by the exit status whether the page is up to
                                                 date, and whether all that it states happens here

It needs gcc and the headers of each interpreter that starts as python3.9 ... python3.13.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, Sequence

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "broken-extensions.md"
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from sim.live import damage, interpreters  # noqa: E402 - the tree's own, not what is installed
from sim.live.damage import KINDS, OUTCOMES, How  # noqa: E402
from sim.live.import_trial import try_import  # noqa: E402
from sim.live.interpreters import Interpreter  # noqa: E402
from sim.subjects import native  # noqa: E402

WATCHDOG_S = 60
LIVE = "truncated_live"
SEEN = "Seen so, each row, on "

# The rows: how each is asked for in the left column, in the order of the table of kinds.
ROWS: List[How] = []
for _kind in KINDS:
    ROWS += [{_kind: 64}, {_kind: 4096}] if _kind == "truncated_to" else []
    ROWS.append(_kind)


def main(arguments: Sequence[str]) -> int:
    found = [each for _, each in interpreters.found() if isinstance(each, Interpreter)]
    wrong = [line for each in found for line in contradictions(each)]
    for line in wrong:
        print(line)
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if "--check" in arguments:
        is_current = page(seen_in(written)) == written
        print("up to date" if is_current else "run: python docs/make_broken_extensions.py")
        return 0 if is_current and not wrong else 1
    if not wrong:
        PAGE.write_text(page(seen_here(found)), encoding="utf-8")
    return 1 if wrong else 0


# What happens


def contradictions(interpreter: Interpreter) -> Iterator[str]:
    """What does not happen as the table states it; nothing, if all does."""
    with tempfile.TemporaryDirectory(prefix="broken-extensions-") as folder:
        built = native.built(Path(interpreter.include), Path(folder, "built"), limited_api=None)
        for number, how in enumerate(ROWS):
            entry = damage.private_copy(built, Path(folder, str(number)))
            path = damage.file_of(native.MODULE, entry)
            kind, argument = damage.parsed(how)
            values = {"path": str(path), "module": native.MODULE, "last": native.MODULE}
            told = damage.expected(path, how).told({**values, "argument": str(argument)})
            happened = happens(path, how, entry, interpreter.executable)
            if happened != told:
                yield f"CPython {interpreter.version}: {asked(how)}: {happened}, and not {told}"


def happens(path: Path, how: How, entry: Path, python: str) -> str:
    if how == LIVE:
        return at_the_next_call(path, entry, python)
    evidence = damage.break_file(path, how, folder=entry)
    module = native.MODULE
    return str(try_import(module, python=[python], path=[entry], launch=evidence["launch"]))


def at_the_next_call(path: Path, entry: Path, python: str) -> str:
    code = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    code += "import constants; print(constants.say_true(), flush=True); input()\n"
    code += "constants.say_true(); print('survived')"
    environment = {**os.environ, "PYTHONPATH": str(entry)}
    with subprocess.Popen(
        [python, "-c", code],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        damage.break_file(path, LIVE, folder=entry)
        process.communicate("\n", timeout=WATCHDOG_S)
    outcome = OUTCOMES[LIVE].signal
    assert outcome is not None
    return outcome.name if process.returncode == -outcome else f"status {process.returncode}"


# The page


def asked(how: How) -> str:
    """As a scenario's file would say it."""
    if isinstance(how, str):
        default = KINDS[how].argument
        return how if default is None else asked({how: default})
    [(kind, argument)] = how.items()
    return f"{kind} = {json.dumps(argument)}"


def row(how: How) -> str:
    kind, argument = damage.parsed(how)
    outcome = OUTCOMES.get(f"{kind} {argument}", OUTCOMES[kind])
    values = {"path": "FILE", "module": "MODULE", "last": "MODULE", "argument": str(argument)}
    told = outcome.told(values).replace("'MODULE'", "MODULE")
    if outcome.signal is not None:
        when = "the next call into it" if how == LIVE else "the import"
        told = f"{when} ends the process by **{told}**"
    else:
        told = f"`{told}`"
    if outcome.cause is not None:
        first = "{}.{}".format(*outcome.cause_since)
        told += f"; from {first} on its `__cause__` is `{outcome.cause}`"
    return f"| `{asked(how)}` | {KINDS[kind].doc} | {told} |"


def seen_here(found: Sequence[Interpreter]) -> str:
    releases = ", ".join(each.version for each in found)
    return f"CPython {releases} ({platform.machine()}, {' '.join(platform.libc_ver())})."


def seen_in(written: str) -> str:
    """What the page says of it: another host cannot know better."""
    line = re.search(rf"^{SEEN}(.*)$", written, re.MULTILINE)
    return line.group(1) if line else ""


def page(seen: str) -> str:
    rows = "\n".join(map(row, ROWS))
    machines = " or ".join(sorted({each for kind in KINDS.values() for each in kind.machines}))
    return f"""\
# Broken extensions: how they are made, and what an import of them does
This page is made by `python docs/make_broken_extensions.py`, which breaks real files and imports
them under every interpreter it finds; with `--check` it says whether the page is up to date.

{SEEN}{seen}

A file is broken by `sim.live.damage.break_file` in a private copy of its package
(`sim.live.damage.private_copy`), which comes first on the program's PYTHONPATH. No compiler is
needed: what has to be added to a file, a name or a few instructions, comes into two new segments
behind its end (`sim/live/elf_graft.py`). Machine code is written for {machines} alone.

FILE is the file's path, MODULE the module's name. `import MODULE` is what is imported by: the same
error comes out of `from PACKAGE import MODULE` but for the first four rows, where that says
`ImportError: cannot import name`. A module at the top level may be found later on the path, if its
file in the private copy cannot be: take the file of a package.

| how | how it is made | what happens |
|---|---|---|
{rows}

## What it means for a program that can do without its extension
- `except ImportError` is not enough: a RuntimeError of an initialiser comes out as it is, and of
  what it does against the rules the interpreter makes a SystemError.
- No `except` helps where the process dies. Whether that is so, only an import in another process
  tells (`sim.live.import_trial.try_import`).
- The words mislead: a file for another machine is there, and the loader says that it is not.
- Bound lazily (`sys.setdlopenflags(os.RTLD_LAZY)`), an undefined symbol is no exception either: the
  loader ends the process with status 127 when the function is first called.
- `truncated_to` takes up to as many bytes as there are before the page of the file's dynamic
  section, which every loader reads. Less than 64 bytes give what `short` does; a file that ends
  within its program headers, what 64 bytes do. Half is that of what is loaded: a file with symbols
  for debuggers, cut at half of its size, loads as if it were whole.
- A reference too few is no damage that an import shows: see `sim/inside/refcounts.py`.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
