"""Real extension modules, really broken: the ways, what each then does, and how it is done.

A way is named by its kind, "empty", or with an argument, {"truncated_to": 4096}. It is done to one
file in a private copy of its package (`private_copy`), which goes first on a program's PYTHONPATH:
nobody's installation is touched. No compiler is needed; docs/broken-extensions.md shows each kind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from sim.faults.break_extension import SYMBOL
from sim.live import confining, damage_elf, elf
from sim.live.damage_outcomes import OUTCOMES, Outcome
from sim.live.elf import SharedObject
from sim.scenario.names import nearest, show

How = Union[str, Mapping[str, Any]]  # a kind, or a kind with its argument
HALF = "half"
FOREIGN_TAG = "cpython-38"  # older than any interpreter that this product runs on
SCRIPT = b"#!/bin/sh\nexit 0\n"
TEXT = b"This is no extension module, but a text that is longer than an ELF header is.\n"
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")
OPENED_ALREADY = 0  # bytes that are left of a file that a program has loaded


@dataclass(frozen=True)
class Kind:
    """One way to break a file: `change` gives its new bytes, or `act` does what bytes can't."""

    doc: str  # how it is made
    change: Optional[Callable[[bytes, Any], bytes]] = None
    act: Optional[Callable[[Path], None]] = None
    argument: Any = None  # its default; None: the kind has none
    check: Optional[Callable[[Any], str]] = None  # "" or what is wrong with an argument
    machines: Tuple[str, ...] = ()  # which it is for; none named: all
    confined: Optional[str] = None  # of sim.live.confining: what the program is to be started in
    when: str = "before_load"  # or "after_load": it does nothing to who hasn't loaded the file


def break_file(path: Path, how: How, *, folder: Path) -> Dict[str, Any]:
    """Breaks one file of a private copy in `folder`; what `abc.Evidence` is made of, and `launch`.

    `launch` is what must come before the command line of a program that is to meet the fault: empty
    for most. Raises ValueError for an unknown kind, an argument out of its range, a file that the
    kind cannot be done to, one outside of `folder`, and one that other names lead to.
    """
    kind, argument = parsed(how)
    _refuse_what_is_not_private(path, folder)
    intact = path.read_bytes()
    before = _seen(path)
    made = KINDS[kind]
    if made.change is not None:
        _replace(path, _changed(path, kind, intact, argument))
    if made.act is not None:
        made.act(path)
    after = _seen(path)
    launch = launcher(kind, path)
    surroundings = f", in surroundings that are {kind}" if made.confined else ""
    return {
        "proven": after != before or bool(launch),
        "what": f"{path.name}: {kind}{'' if argument is None else f' {argument}'}: "
        f"it was {before}, it is {after}{surroundings}",
        "data": {"kind": kind, "argument": argument, "file": str(path), "when": made.when},
        "launch": launch,
    }


def mend_file(path: Path, sound: Path, *, folder: Path) -> None:
    """Puts a copy of the file `sound` where one was broken, whatever is left of it there.

    It is a new file, so a program that has loaded the broken one keeps that. Raises ValueError for
    a path outside of `folder`.
    """
    _refuse_outside(path, folder)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    _with_foreign_tag(path).unlink(missing_ok=True)
    new = path.with_name(path.name + ".mended")
    shutil.copy2(sound, new)
    os.replace(new, path)


def parsed(how: How) -> Tuple[str, Any]:
    """The kind and its argument, the default where none is given. Raises ValueError."""
    if isinstance(how, str):
        kind, argument = how, None
    elif isinstance(how, Mapping) and len(how) == 1:
        [(kind, argument)] = how.items()
    else:
        raise ValueError(f"{show(how)} is neither a kind nor one kind with its argument")
    if kind not in KINDS:
        close = nearest(kind, KINDS)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(KINDS)}"
        raise ValueError(f"{show(kind)} is no way to break an extension: {hint}")
    made = KINDS[kind]
    if argument is None:
        return kind, made.argument
    if made.check is None:
        raise ValueError(f"{kind} takes no argument; it was given {show(argument)}")
    wrong = made.check(argument)
    if wrong:
        raise ValueError(f"{kind} = {show(argument)}: {wrong}")
    return kind, argument


def expected(path: Path, how: How) -> Outcome:
    """What an import of that file does once it is broken so. `path` is still intact.

    Raises ValueError as `break_file` does.
    """
    kind, argument = parsed(how)
    if kind == "truncated_to":
        intact = _shared(path, kind, path.read_bytes())
        size = damage_elf.half_of(intact) if argument == HALF else argument
        if size < elf.HEADER_BYTES:
            return OUTCOMES["short"]
        if size < intact.segment_place(len(intact.segments())):
            return OUTCOMES["truncated_to 64"]
    return OUTCOMES[kind]


def lack(kind: str) -> Optional[str]:
    """Why this host cannot make that kind, or let a program meet it; None where it can."""
    made = KINDS[kind]
    if made.machines and platform.machine() not in made.machines:
        return f"{kind} is made for {', '.join(made.machines)} alone: this is {platform.machine()}"
    return confining.lack(made.confined) if made.confined else None


def launcher(kind: str, path: Path) -> List[str]:
    what = KINDS[kind].confined
    if what is None or (what == confining.UNREAD and os.geteuid() != 0):
        return []
    return confining.prefix(what, str(path.resolve().parent))


def private_copy(source: Path, into: Path) -> Path:
    """Copies a package (its folder), or a module that is one file, into the new folder `into`.

    Gives `into`, to be put first on the program's PYTHONPATH: a package must be copied from its
    top. Raises ValueError where there is nothing to copy, FileExistsError where it was copied.
    """
    if not source.exists():
        raise ValueError(f"there is no {source}")
    into.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        if not (source / "__init__.py").exists():
            raise ValueError(f"{source} is no package: it has no __init__.py")
        target = into / source.name
        shutil.copytree(source, target, ignore=NOT_COPIED, ignore_dangling_symlinks=True)
    elif (into / source.name).exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(into / source.name))
    else:
        shutil.copy2(source, into)
    for copied in (into, *into.rglob("*")):
        if not copied.is_symlink():
            copied.chmod(copied.stat().st_mode | stat.S_IWUSR | stat.S_IRUSR)
    return into


def file_of(module: str, entry: Path, *, suffix: str = "") -> Path:
    """The extension file of "pkg.module" below an entry of PYTHONPATH.

    `suffix` is the interpreter's own, ".cpython-311-x86_64-linux-gnu.so", where a folder holds
    files for several. Raises ValueError where there is none, or more than one.
    """
    stem = entry.joinpath(*module.split("."))
    found = sorted(
        path
        for path in stem.parent.glob(f"{stem.name}.*so")
        if path.name.startswith(stem.name + ".") and path.name.endswith(suffix or ".so")
    )
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise ValueError(f"{module} has not one extension file in {stem.parent}, but {names}")


def _refuse_outside(path: Path, folder: Path) -> None:
    parent, inside = path.parent.resolve(), folder.resolve()
    if inside not in (parent, *parent.parents):
        raise ValueError(f"{path} is not in the private folder {folder}")


def _refuse_what_is_not_private(path: Path, folder: Path) -> None:
    _refuse_outside(path, folder)
    try:
        status = path.lstat()
    except FileNotFoundError as error:
        raise ValueError(f"there is no {path}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is no regular file, but {_seen(path)}")
    if status.st_nlink != 1:
        raise ValueError(
            f"{path} has {status.st_nlink} hard links: it would be broken under its other names too"
        )


def _shared(path: Path, kind: str, content: bytes) -> SharedObject:
    try:
        return SharedObject(bytearray(content))
    except ValueError as error:
        raise ValueError(f"{path} cannot be made {kind}: {error}") from error


def _changed(path: Path, kind: str, content: bytes, argument: Any) -> bytes:
    change = KINDS[kind].change
    assert change is not None
    try:
        return change(content, argument)
    except ValueError as error:
        raise ValueError(f"{path} cannot be made {kind}: {error}") from error


def _replace(path: Path, content: bytes) -> None:
    """By a new file: whoever has the old one loaded keeps it whole."""
    new = path.with_name(path.name + ".broken")
    new.write_bytes(content)
    new.chmod(stat.S_IMODE(path.stat().st_mode))
    os.replace(new, path)


def _seen(path: Path) -> str:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return "not there"
    if stat.S_ISLNK(status.st_mode):
        return f"a link to {os.readlink(path)}, which is {'there' if path.exists() else 'gone'}"
    if stat.S_ISDIR(status.st_mode):
        return "a folder"
    if not os.access(path, os.R_OK) or not status.st_mode & 0o444:
        return "a file that nobody may read"
    content = path.read_bytes()
    return f"a file of {len(content)} bytes ({hashlib.sha256(content).hexdigest()[:12]})"


# What bytes cannot do


def _dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name + ".gone")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _foreign_tag(path: Path) -> None:
    path.rename(_with_foreign_tag(path))


def _with_foreign_tag(path: Path) -> Path:
    stem = path.name.split(".")[0]
    return path.with_name(f"{stem}.{FOREIGN_TAG}-{platform.machine()}-linux-gnu.so")


def _unreadable(path: Path) -> None:
    path.chmod(0)


def _truncate_loaded(path: Path) -> None:
    os.truncate(path, OPENED_ALREADY)


# Arguments


def _wrong_size(value: Any) -> str:
    if value == HALF or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return ""
    return f'it is a number of bytes from 0, or "{HALF}"'


def _wrong_name(value: Any) -> str:
    if isinstance(value, str) and SYMBOL.fullmatch(value):
        return ""
    return "it is a name of letters, digits, and _ . + -"


# The table


def _bytes(content: bytes) -> Callable[[bytes, Any], bytes]:
    return lambda _, __: content


def _surgery(change: damage_elf.Change) -> Callable[[bytes, Any], bytes]:
    return lambda content, _: change(SharedObject(bytearray(content)))


def _named(change: Callable[[SharedObject, str], bytes]) -> Callable[[bytes, Any], bytes]:
    return lambda content, name: change(SharedObject(bytearray(content)), name)


def _truncated(content: bytes, size: Any) -> bytes:
    shared = SharedObject(bytearray(content))
    return damage_elf.truncated(shared, damage_elf.half_of(shared) if size == HALF else size)


def _initialiser(kind: str, doc: str) -> Kind:
    change = _surgery(damage_elf.INITIALISERS[kind])
    return Kind(f"PyInit leads to machine code of ours: {doc}", change, machines=("x86_64",))


KINDS: Dict[str, Kind] = {
    "missing": Kind("the file is removed", act=Path.unlink),
    "dangling_link": Kind("a symbolic link to nothing is in its place", act=_dangling_link),
    "directory": Kind("an empty folder is in its place", act=_directory),
    "foreign_tag": Kind(f"it is renamed to `<module>.{FOREIGN_TAG}-<machine>-linux-gnu.so`",
                        act=_foreign_tag),
    "empty": Kind("it has 0 bytes", _bytes(b"")),
    "short": Kind("its first 63 bytes are left: an ELF header has 64", lambda old, _: old[:63]),
    "script": Kind("a shell script of two lines is in its place", _bytes(SCRIPT)),
    "text": Kind("a text longer than an ELF header is in its place", _bytes(TEXT)),
    "truncated_to": Kind("the first so many bytes are left; half: of what is loaded of it",
                         _truncated, argument=HALF, check=_wrong_size),
    "wrong_machine": Kind("`e_machine` says aarch64 (on aarch64: x86-64)",
                          _surgery(damage_elf.of_another_machine)),
    "elf32": Kind("`EI_CLASS` says 32 bits",
                  _surgery(damage_elf.with_byte(elf.CLASS_AT, elf.CLASS_32))),
    "big_endian": Kind("`EI_DATA` says big-endian",
                       _surgery(damage_elf.with_byte(elf.DATA_AT, elf.BIG_ENDIAN))),
    "et_exec": Kind("`e_type` says ET_EXEC", _surgery(damage_elf.as_executable)),
    "undefined_symbol": Kind("a function that it imports gets a name that nobody defines",
                             _named(damage_elf.with_undefined_symbol),
                             argument="spinbed_gone", check=_wrong_name),
    "no_init": Kind("`PyInit_<module>` is renamed to `NoInit_<module>`",
                    _surgery(damage_elf.without_initialiser)),
    "missing_library": Kind("one more DT_NEEDED names a library that is not there",
                            _named(damage_elf.with_missing_library),
                            argument="libgone.so", check=_wrong_name),
    "init_raises": _initialiser("init_raises", "it sets a RuntimeError and returns NULL"),
    "init_null": _initialiser("init_null", "it returns NULL and sets nothing"),
    "init_error_set": _initialiser("init_error_set", "it sets an error and returns a module"),
    "init_non_module": _initialiser("init_non_module", "it returns an int"),
    "sigill": _initialiser("sigill", "`ud2`"),
    "sigsegv": _initialiser("sigsegv", "it writes to address 0"),
    "abort": _initialiser("abort", "it calls abort(3)"),
    "unreadable": Kind("its mode is 0; root's program is started without the right to read all",
                       act=_unreadable, confined=confining.UNREAD),
    "noexec": Kind("its folder is mounted over itself with noexec, where the program runs",
                   confined=confining.NOEXEC),
    "truncated_live": Kind("0 bytes are left of it, after a program has loaded it",
                           act=_truncate_loaded, when="after_load"),
}  # fmt: skip
