"""What an import of a broken extension module does, by the kind of the damage.

The same on CPython 3.9 to 3.13 with glibc; docs/broken-extensions.md says on which it was seen.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

from sim.live.damage_elf import RAISED

SYMBOL_LOOKUP_FAILED = 127  # the loader's own exit status


@dataclass(frozen=True)
class Outcome:
    """Either an exception with its whole text, or a signal that ends the process.

    In the text stand {path} (the file), {module} (its full name), {last} (the name's last part),
    {argument} (the kind's).
    """

    exception: Optional[str] = None
    text: str = ""
    signal: Optional[signal.Signals] = None
    # The exception's __cause__, where one is documented: on these versions and later.
    cause: Optional[str] = None
    cause_since: Tuple[int, int] = (3, 9)

    def told(self, values: Mapping[str, str]) -> str:
        """The exception as its last line of a traceback is, or the signal."""
        if self.signal is not None:
            return self.signal.name
        return f"{self.exception}: {self.text.format_map(values)}"


def _import_error(text: str) -> Outcome:
    return Outcome("ImportError", text)


def _not_opened(why: str, what: str = "{path}") -> Outcome:
    return _import_error(f"{what}: cannot open shared object file: {why}")


_NOT_FOUND = Outcome("ModuleNotFoundError", "No module named {module!r}")
_TOO_SHORT = _import_error("{path}: file too short")
_SIGBUS = Outcome(signal=signal.SIGBUS)
_NO_SUCH_FILE = "No such file or directory"
_INITIALISATION = "initialization of {last} "

OUTCOMES: Dict[str, Outcome] = {
    "missing": _NOT_FOUND,
    "dangling_link": _NOT_FOUND,
    "directory": _NOT_FOUND,
    "foreign_tag": _NOT_FOUND,
    "empty": _TOO_SHORT,
    "short": _TOO_SHORT,
    "script": _TOO_SHORT,
    "text": _import_error("{path}: invalid ELF header"),
    "truncated_to 64": _import_error("{path}: cannot read file data"),
    "truncated_to": _SIGBUS,
    "wrong_machine": _not_opened(_NO_SUCH_FILE),  # which misleads: the file is there
    "elf32": _import_error("{path}: wrong ELF class: ELFCLASS32"),
    "big_endian": _import_error("{path}: ELF file data encoding not little-endian"),
    "et_exec": _import_error("{path}: cannot dynamically load executable"),
    "undefined_symbol": _import_error("{path}: undefined symbol: {argument}"),
    "no_init": _import_error(
        "dynamic module does not define module export function (PyInit_{last})"
    ),
    "missing_library": _not_opened(_NO_SUCH_FILE, "{argument}"),
    "init_raises": Outcome("RuntimeError", RAISED),
    "init_null": Outcome("SystemError", _INITIALISATION + "failed without raising an exception"),
    "init_error_set": Outcome(
        "SystemError",
        _INITIALISATION + "raised unreported exception",
        cause=f"RuntimeError: {RAISED}",
        cause_since=(3, 12),
    ),
    "init_non_module": Outcome(
        "SystemError", _INITIALISATION + "did not return an extension module"
    ),
    "sigill": Outcome(signal=signal.SIGILL),
    "sigsegv": Outcome(signal=signal.SIGSEGV),
    "abort": Outcome(signal=signal.SIGABRT),
    "unreadable": _not_opened("Permission denied"),
    "noexec": _import_error("{path}: failed to map segment from shared object"),
    "truncated_live": _SIGBUS,  # at the next call into it, not at an import
}
